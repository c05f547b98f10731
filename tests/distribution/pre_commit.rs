//! The hooks for pre-commit, as pre-commit runs them.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    python,
    support::{FINE, PRIVILEGED, bin, folder, path_with, read, repository, text},
};

const PRE_COMMIT: &str = "pre-commit==4.3.0";
const MAIN: &str = "import sys; from pre_commit.main import main; sys.exit(main(sys.argv[1:]))";

#[test]
fn the_hooks_are_valid_and_run_what_exists() {
    let hooks: Vec<Value> = yaml_serde::from_str(&read(".pre-commit-hooks.yaml")).unwrap();
    let bin = bin();
    for hook in &hooks {
        let arguments = hook["args"].as_array().unwrap().iter().map(|one| one.as_str().unwrap());
        let command = format!(
            "{} {}",
            hook["entry"].as_str().unwrap(),
            arguments.collect::<Vec<_>>().join(" ")
        );
        for (manifest, expected) in [(FINE, 0), (PRIVILEGED, 1)] {
            let folder = folder(manifest);
            let output = Command::new("sh")
                .args(["-c", &command])
                .current_dir(folder.path())
                .env("PATH", path_with(bin.path()))
                .output()
                .unwrap();
            let said = text(&output.stdout) + &text(&output.stderr);
            assert_eq!(output.status.code(), Some(expected), "{command}: {said}");
        }
    }
    let package = python::package(PRE_COMMIT);
    let file = repository().join(".pre-commit-hooks.yaml");
    let output = python::run(&package, MAIN, &["validate-manifest".as_ref(), &file]);
    assert!(output.status.success(), "{}", text(&output.stdout) + &text(&output.stderr));
}

/// Runs pre-commit in a repository that uses the hook of the installed program.
#[test]
fn pre_commit_refuses_what_breaks_a_control() {
    let package = python::package(PRE_COMMIT);
    let bin = bin();
    let home = tempfile::tempdir().unwrap();
    for (manifest, accepted) in [(FINE, true), (PRIVILEGED, false)] {
        let folder = folder(manifest);
        let hooks: Vec<Value> = yaml_serde::from_str(&read(".pre-commit-hooks.yaml")).unwrap();
        // A local hook is one of the file, so that nothing is cloned.
        let hook = hooks.iter().find(|hook| hook["language"] == "system").unwrap();
        let config = serde_json::json!({"repos": [{"repo": "local", "hooks": [hook]}]});
        fs::write(folder.path().join(".pre-commit-config.yaml"), config.to_string()).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program)
                .args(arguments)
                .current_dir(folder.path())
                .env("PATH", path_with(bin.path()))
                .env("PYTHONPATH", &package)
                .env("PRE_COMMIT_HOME", home.path())
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .output()
                .unwrap()
        };
        assert!(run("git", &["init", "--quiet"]).status.success());
        assert!(run("git", &["add", "."]).status.success());
        let output = run("python3", &["-c", MAIN, "run", "--all-files"]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.success(), accepted, "{said}");
        if !accepted {
            assert!(said.contains("Pod prod/bad"), "{said}");
        }
    }
}
