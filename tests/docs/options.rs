//! The options of our own commands in blocks that can't run.

use std::process::Command;

/// Every command or option of `comptroller` in a script that the program does not have.
pub fn unknown(script: &str) -> Vec<String> {
    let script = script.replace("\\\n", " ");
    let commands = script.split(['\n', '|', ';']).map(str::trim);
    commands
        .filter_map(|command| command.strip_prefix("comptroller "))
        .flat_map(of_command)
        .collect()
}

fn of_command(arguments: &str) -> Vec<String> {
    let arguments = arguments.split(" #").next().unwrap_or_default();
    let words: Vec<&str> = arguments.split_whitespace().collect();
    // A second word is a subcommand of some commands, and an argument of others.
    let help = words.get(..2).and_then(help).or_else(|| help(words.get(..1)?));
    let Some(help) = help else { return vec![format!("comptroller {arguments}")] };
    let options = words.iter().filter(|word| word.starts_with("--"));
    let names =
        options.map(|word| word.split('=').next().unwrap_or_default().trim_end_matches(['`', ',']));
    let is_known = |name: &str| {
        help.split([' ', ',', '\n', '[', ']', '<', '='])
            .any(|word| word.trim_end_matches(['.', ';', ':']) == name)
    };
    names.filter(|name| !is_known(name)).map(|name| format!("{arguments}: {name}")).collect()
}

/// What --help says of a command; None if there is no such command.
fn help(words: &[&str]) -> Option<String> {
    let is_name = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if words.is_empty() || !words.iter().all(|word| is_name(word) && !word.starts_with('-')) {
        return None;
    }
    let output =
        Command::new(env!("CARGO_BIN_EXE_comptroller")).args(words).arg("--help").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && text.contains(&format!("comptroller {}", words.join(" "))))
        .then_some(text)
}

#[test]
fn options_that_are_gone_are_found() {
    for (script, expected) in [
        ("comptroller scan manifests/ --only-manifests -o json", None),
        ("helm template . \\\n | comptroller scan - --namespace a  # --no", None),
        ("comptroller evidence verify LOG --key K --since FILE", None),
        ("comptroller scan x --all-of-it", Some("scan x --all-of-it: --all-of-it")),
        ("comptroller evidence verify LOG --ky K", Some("evidence verify LOG --ky K: --ky")),
        ("comptroller scna x", Some("comptroller scna x")),
        ("kubectl get --whatever", None),
    ] {
        assert_eq!(unknown(script).first().map(String::as_str), expected, "{script}");
    }
}
