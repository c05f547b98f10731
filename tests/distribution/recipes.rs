//! The recipes for CI: valid YAML whose commands run, and which upload what those write.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{FINE, PRIVILEGED, bin, folder, path_with, read, text};

fn recipe(name: &str) -> Value {
    yaml_serde::from_str(&read(&format!("examples/ci/{name}"))).unwrap()
}

/// All strings of a document, with the key that they are under.
fn strings(value: &Value, key: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((key.to_owned(), text.clone())),
        Value::Array(all) => all.iter().for_each(|one| strings(one, key, found)),
        Value::Object(fields) => fields.iter().for_each(|(key, one)| strings(one, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The commands of a recipe that run the program, and the files that it uploads.
fn parts(recipe: &Value) -> (Vec<String>, BTreeSet<String>) {
    let mut all = Vec::new();
    strings(recipe, "", &mut all);
    let commands = all
        .iter()
        .filter(|(key, text)| {
            ["run", "script"].contains(&key.as_str()) && text.contains("comptroller scan")
        })
        .map(|(_, text)| text.clone())
        .collect();
    let uploaded = all
        .iter()
        .filter(|(key, _)| ["sarif_file", "path", "paths", "junit"].contains(&key.as_str()))
        .flat_map(|(_, text)| text.lines())
        .filter(|name| name.starts_with("comptroller."))
        .map(str::to_owned)
        .collect();
    (commands, uploaded)
}

fn run(command: &str, folder: &Path) -> (Option<i32>, String) {
    let bin = bin();
    // As both services run their scripts.
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", command])
        .current_dir(folder)
        .env("PATH", path_with(bin.path()))
        .output()
        .unwrap();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn the_commands_run_and_write_what_is_uploaded() {
    for name in ["github.yaml", "gitlab.yaml"] {
        let (commands, uploaded) = parts(&recipe(name));
        assert_eq!((commands.len(), uploaded.len()), (1, 3), "{name}: {commands:?} {uploaded:?}");
        for (manifest, expected) in [(FINE, 0), (PRIVILEGED, 1)] {
            let folder = folder(manifest);
            let (code, said) = run(&commands[0], folder.path());
            assert_eq!(code, Some(expected), "{name}: {said}");
            for file in &uploaded {
                let written = fs::read_to_string(folder.path().join(file)).unwrap();
                assert!(written.len() > 100, "{name}: {file}");
            }
            let sarif = fs::read(folder.path().join("comptroller.sarif")).unwrap();
            let sarif: Value = serde_json::from_slice(&sarif).unwrap();
            assert_eq!(sarif["version"], "2.1.0");
        }
    }
}

#[test]
fn the_program_is_installed_as_it_can_be() {
    for name in ["github.yaml", "gitlab.yaml"] {
        let text = read(&format!("examples/ci/{name}"));
        let version = concat!("v", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&format!("COMPTROLLER_VERSION: {version}")), "{name}");
        assert!(text.contains("cargo install --locked"), "{name}");
    }
}
