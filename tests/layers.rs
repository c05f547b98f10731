//! The folder list is the architecture: what is pure stays pure, and data flows one way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

use std::path::{Path, PathBuf};

/// What no pure folder may name: a client, a runtime, a clock, the environment, randomness.
const IMPURE: [&str; 11] = [
    "kube::Client",
    "kube::Api",
    "kube::client",
    "kube::runtime",
    "tokio::",
    "std::time::SystemTime",
    "Instant::now",
    "Timestamp::now",
    "std::env",
    "std::fs",
    "rand::",
];

/// Each pure folder or file with the modules that it may use.
const PURE: [(&str, &[&str]); 10] = [
    ("nearest.rs", &[]),
    ("api", &["api", "nearest"]),
    ("inventory", &["api", "checks", "inventory"]),
    ("checks", &["api", "checks", "engine", "inventory"]),
    ("engine", &["api", "checks", "engine", "inventory", "nearest"]),
    ("evidence/data.rs", &["api"]),
    ("evidence/entry.rs", &["api", "evidence"]),
    ("evidence/fold", &["api", "evidence"]),
    ("evidence/sample.rs", &["evidence"]),
    ("report", &["api", "checks", "engine", "evidence", "inventory", "report"]),
];

/// What pure code may use of `evidence`: the rest of it reads and writes.
const PURE_EVIDENCE: [&str; 5] = ["canonical", "data", "entry", "fold", "sample"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without its comments and without its tests, which may do as they like.
fn code(path: &Path) -> Vec<String> {
    let is_test = path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name == "tests" || name == "tests.rs" || name == "testing.rs" || name.ends_with("_tests.rs")
    });
    if is_test {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn pure_folders_do_no_input_or_output() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut offences = Vec::new();
    for (folder, allowed) in PURE {
        let files = sources(&root.join(folder));
        assert!(!files.is_empty(), "src/{folder} is empty");
        for file in files {
            for (number, line) in code(&file).iter().enumerate() {
                let place = || {
                    format!(
                        "{}:{}: {}",
                        file.strip_prefix(&root).unwrap().display(),
                        number + 1,
                        line.trim()
                    )
                };
                if IMPURE.iter().any(|word| line.contains(word)) {
                    offences.push(place());
                }
                // Elsewhere it is the module of a check that has the same name.
                let may_use = allowed.contains(&"evidence");
                for used in line.split("evidence::").skip(1).filter(|_| may_use) {
                    let module: String =
                        used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if !module.is_empty() && !PURE_EVIDENCE.contains(&module.as_str()) {
                        offences.push(place());
                    }
                }
                for used in line.split("crate::").skip(1) {
                    let module: String =
                        used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if !module.is_empty() && !allowed.contains(&module.as_str()) {
                        offences.push(place());
                    }
                }
            }
        }
    }
    assert!(offences.is_empty(), "pure code reaches out:\n{}", offences.join("\n"));
}
