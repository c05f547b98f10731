//! Asks published Go modules: `tests/published_go`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails must say where")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

/// Builds the Go program; Go itself caches what has not changed.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary =
        root.join(format!("target/published_go/{}", env!("CARGO_CRATE_NAME"))).join("published");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(root.join("tests/published_go"))
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .output()
        .expect("Go 1.26 or newer is needed to ask published modules: https://go.dev/dl");
    assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
    binary
}

/// What the program answers to each question.
pub fn ask(what: &str, questions: &[Value]) -> Vec<Value> {
    let mut program = Command::new(build())
        .arg(what)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    let lines: String =
        questions.iter().flat_map(|question| [question.to_string(), "\n".to_owned()]).collect();
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = program.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{what}");
    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let answers: Vec<Value> = answers.map(Result::unwrap).collect();
    assert_eq!(answers.len(), questions.len(), "{what}");
    answers
}
