//! Alert rules do what their names say: each has a case in `tests/alerts` in which it rings and one
//! in which it does not, run by promtool, and a page in docs/runbooks for who is called.
//! `tests/prometheus` makes them ring in a real Prometheus.

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
fn every_alert_has_cases_and_words() {
    let (rings, silent) = expected();
    let overview = read("docs/operations.md");
    let index = read("docs/runbooks/README.md");
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(name.starts_with("Comptroller"), "{name}");
        assert!(alert["labels"]["severity"].is_string(), "{name} has no severity");
        for annotation in ["summary", "description"] {
            let text = alert["annotations"][annotation].as_str().unwrap_or_default();
            assert!(text.ends_with('.'), "{name}: the {annotation} is no sentence: {text:?}");
        }
        assert_eq!(alert["annotations"]["runbook_url"], runbook_url(name), "{name}");
        assert!(rings.contains(name), "{name} rings in no case");
        assert!(silent.contains(name), "{name} is silent in no case");
        assert!(overview.contains(&format!("| [`{name}`](runbooks/{name}.md) |")), "{name}");
        assert!(index.contains(&format!("[{name}]({name}.md)")), "{name} is not in the index");
    }
}

fn runbook_url(alert: &str) -> String {
    format!("https://github.com/ORG/comptroller/blob/main/docs/runbooks/{alert}.md")
}

/// What somebody who is woken at night needs, in the order in which it is needed.
const SECTIONS: [&str; 5] = ["Meaning", "Impact", "Find out", "Mend", "Silence"];

#[test]
fn every_alert_has_a_runbook() {
    let folder = format!("{ROOT}/docs/runbooks");
    let pages: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    let names: BTreeSet<String> =
        alerts().iter().map(|alert| format!("{}.md", alert["alert"].as_str().unwrap())).collect();
    assert_eq!(pages, names, "a page for each alert, and no other");
    for page in &pages {
        let text = read(&format!("docs/runbooks/{page}"));
        let title = format!("# {}\n", page.trim_end_matches(".md"));
        assert!(text.starts_with(&title), "{page} begins with {title:?}");
        let sections: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{page}");
        for (section, rest) in SECTIONS.iter().zip(text.split("\n## ").skip(1)) {
            let words = rest.split_whitespace().count();
            assert!(words > 8, "{page}: nothing is said under {section}");
        }
        let how = text.split("\n## ").find(|part| part.starts_with("Find out")).unwrap();
        assert!(how.contains("```sh\n"), "{page}: no command under Find out");
    }
}

/// An expression over a metric that does not exist never rings.
#[test]
fn expressions_use_metrics_that_are_documented() {
    let operations = read("docs/operations.md");
    for alert in alerts() {
        let expression = alert["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
        for metric in words.filter(|word| word.starts_with("comptroller_")) {
            let metric = metric.trim_end_matches("_bucket");
            assert!(operations.contains(&format!("`{metric}`")), "{metric} of {expression}");
        }
        let kept = "by (cluster, namespace, job";
        assert!(expression.contains(kept), "{expression} mixes clusters");
    }
}

/// Adds to each alert that a case expects the one annotation that follows from its name.
fn name_runbooks(cases: &mut Value) {
    for case in cases["tests"].as_array_mut().unwrap() {
        for check in case["alert_rule_test"].as_array_mut().unwrap() {
            let url = runbook_url(check["alertname"].as_str().unwrap());
            for alert in check["exp_alerts"].as_array_mut().unwrap() {
                alert["exp_annotations"]["runbook_url"] = json!(url);
            }
        }
    }
}

#[test]
fn promtool_agrees() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("alerts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("rules.yaml"), json!({"groups": groups()}).to_string()).unwrap();
    for file in CASES {
        let mut cases: Value =
            yaml_serde::from_str(&read(&format!("tests/alerts/{file}"))).unwrap();
        name_runbooks(&mut cases);
        fs::write(folder.join(file), cases.to_string()).unwrap();
    }
    for arguments in
        [&["check", "rules", "rules.yaml"][..], &[&["test", "rules"], &CASES[..]].concat()]
    {
        let Ok(output) = Command::new("promtool").args(arguments).current_dir(&folder).output()
        else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs promtool");
            eprintln!("skipped: promtool is not in PATH (`make test-tools` says how to get it)");
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
