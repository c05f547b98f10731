//! The API server's own evaluation, by the Go program in `tests/cel_judge`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What the API server says of an expression.
#[derive(Debug)]
pub enum Answer {
    Value(Value),
    /// It has no value, and why.
    Error(#[allow(dead_code, reason = "printed where it differs")] String),
    /// It does not compile, and why.
    Refused(#[allow(dead_code, reason = "printed where it differs")] String),
}

/// Builds the program; Go itself caches what has not changed.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = root.join("target/cel_judge/celjudge");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(root.join("tests/cel_judge"))
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .output()
        .expect("Go 1.26 or newer is needed to ask the API server's library: https://go.dev/dl");
    assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
    binary
}

/// Evaluates expressions on an object.
pub fn ask<'a>(object: &Value, expressions: impl Iterator<Item = &'a str>) -> Vec<Answer> {
    let mut input = format!("{object}\n");
    for expression in expressions {
        input.push_str(&Value::from(expression).to_string());
        input.push('\n');
    }
    let mut child =
        Command::new(build()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It answers while it reads, so both pipes must be served.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(parse).collect()
}

fn parse(line: &str) -> Answer {
    let mut line: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match (line.get("refused"), line.get("error")) {
        (Some(why), _) => Answer::Refused(text(why)),
        (_, Some(why)) => Answer::Error(text(why)),
        _ => Answer::Value(sorted(line["value"].take())),
    }
}

/// The same value with the entries of maps in the order that we give them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let field = |(tag, content): (String, Value)| {
                let mut content = sorted(content);
                if let ("map", Some(entries)) = (tag.as_str(), content.as_array_mut()) {
                    entries.sort_by_key(|entry| entry[0].to_string());
                }
                (tag, content)
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        other => other,
    }
}
