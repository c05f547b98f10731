//! The completion scripts, loaded by their shells.

use std::process::{Command, Stdio};

use crate::support::{bin, comptroller, path_with, text, tool};

fn script(shell: &str) -> String {
    let output = comptroller(&["completion", shell]);
    assert!(output.status.success(), "{shell}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn there_is_one_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = script(shell);
        assert!(script.contains("who-can") && script.contains("only-manifests"), "{shell}");
    }
}

/// Runs a script in a shell that has loaded the completion, and returns what it prints.
fn ask(shell: &str, arguments: &[&str], question: &str) -> Option<String> {
    let shell = tool(shell)?;
    let bin = bin();
    let output = Command::new(shell)
        .args(arguments)
        .arg(question)
        .env("PATH", path_with(bin.path()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    Some(text(&output.stdout))
}

#[test]
fn bash_completes_commands_and_options() {
    let question = "source <(comptroller completion bash)
        complete() { COMP_WORDS=(comptroller \"$@\"); COMP_CWORD=$#; _comptroller comptroller \"${!#}\" \"\"; echo \"${COMPREPLY[@]}\"; }
        complete sc; complete scan --only; complete completion z";
    if let Some(answer) = ask("bash", &["--norc", "-c"], question) {
        assert_eq!(answer, "scan\n--only-manifests\nzsh\n");
    }
}

#[test]
fn fish_completes_commands_and_options() {
    let question = "comptroller completion fish | source
        complete --do-complete 'comptroller sca'; complete --do-complete 'comptroller scan --only'";
    if let Some(answer) = ask("fish", &["--no-config", "-c"], question) {
        assert!(answer.starts_with("scan\t"), "{answer}");
        assert!(answer.contains("--only-manifests\t"), "{answer}");
    }
}

#[test]
fn zsh_loads_the_script() {
    let question = "autoload -Uz compinit && compinit -u -D
        source <(comptroller completion zsh)
        print ${_comps[comptroller]}";
    if let Some(answer) = ask("zsh", &["-f", "-c"], question) {
        assert_eq!(answer, "_comptroller\n");
    }
}
