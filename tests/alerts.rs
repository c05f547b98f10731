//! Alert rules do what their names say: each has a case in `tests/alerts` in which it rings and one
//! in which it does not, run by promtool, and a section in docs/operations.md for who is called.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails there fails the test"
)]

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const CASES: [&str; 2] = ["controls.yaml", "operator.yaml"];

fn read(path: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

/// The groups of rules, out of the resource around them.
fn groups() -> Value {
    let rule: Value = yaml_serde::from_str(&read("config/monitoring/prometheusrule.yaml")).unwrap();
    rule["spec"]["groups"].clone()
}

fn alerts() -> Vec<Value> {
    let groups = groups();
    let rules =
        groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules.filter(|rule| !rule["alert"].is_null()).cloned().collect()
}

/// Names of alerts that some case expects to ring, and not to ring.
fn expected() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut rings, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for file in CASES {
        let cases: Value = yaml_serde::from_str(&read(&format!("tests/alerts/{file}"))).unwrap();
        for case in cases["tests"].as_array().unwrap() {
            for check in case["alert_rule_test"].as_array().unwrap() {
                let name = check["alertname"].as_str().unwrap().to_owned();
                let rung = !check["exp_alerts"].as_array().unwrap().is_empty();
                if rung {
                    rings.insert(name)
                } else {
                    silent.insert(name)
                };
            }
        }
    }
    (rings, silent)
}

#[test]
fn every_alert_has_cases_words_and_a_section() {
    let (rings, silent) = expected();
    let operations = read("docs/operations.md");
    let sections: BTreeSet<&str> =
        operations.lines().filter_map(|line| line.strip_prefix("#### ")).collect();
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap().to_owned();
        assert!(name.starts_with("Comptroller"), "{name}");
        assert!(alert["labels"]["severity"].is_string(), "{name} has no severity");
        for annotation in ["summary", "description"] {
            let text = alert["annotations"][annotation].as_str().unwrap_or_default();
            assert!(text.ends_with('.'), "{name}: the {annotation} is no sentence: {text:?}");
        }
        assert!(rings.contains(&name), "{name} rings in no case");
        assert!(silent.contains(&name), "{name} is silent in no case");
        assert!(sections.contains(&*name), "{name} has no section in docs/operations.md");
        names.insert(name);
    }
    let about_alerts = sections.iter().filter(|section| section.starts_with("Comptroller"));
    let gone: Vec<_> = about_alerts.filter(|section| !names.contains(**section)).collect();
    assert!(gone.is_empty(), "sections about no alert: {gone:?}");
}

/// An expression over a metric that does not exist never rings.
#[test]
fn expressions_use_metrics_that_are_documented() {
    let operations = read("docs/operations.md");
    for alert in alerts() {
        let expression = alert["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
        for metric in words.filter(|word| word.starts_with("comptroller_")) {
            assert!(operations.contains(&format!("`{metric}`")), "{metric} of {expression}");
        }
        let kept = "by (cluster, namespace, job";
        assert!(expression.contains(kept), "{expression} mixes clusters");
    }
}

#[test]
fn promtool_agrees() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("alerts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("rules.yaml"), json!({"groups": groups()}).to_string()).unwrap();
    for file in CASES {
        fs::write(folder.join(file), read(&format!("tests/alerts/{file}"))).unwrap();
    }
    for arguments in
        [&["check", "rules", "rules.yaml"][..], &[&["test", "rules"], &CASES[..]].concat()]
    {
        let Ok(output) = Command::new("promtool").args(arguments).current_dir(&folder).output()
        else {
            eprintln!("skipped: promtool is not in PATH (`make promtool` says how to get it)");
            return;
        };
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
