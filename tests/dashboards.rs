//! The dashboards are as Grafana's dashboard-linter wants them, without an exclusion, and as a reader
//! does: every panel says what it shows and in which unit, and no query names a job or a cluster.
//!
//! The linter itself has no release that every mirror of Go modules serves, so its rules (as of
//! 2025-01) are checked here under their names; where `dashboard-linter` is in PATH, it runs too.
//! `tests/prometheus` puts every query to a real Prometheus.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails there fails the test"
)]

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/monitoring/dashboards");
const NAMES: [&str; 3] = ["cluster", "control", "fleet"];

/// Of Grafana's units, those that mean something here.
const UNITS: [&str; 7] = ["none", "s", "bytes", "percentunit", "ops", "reqps", "dateTimeFromNow"];

struct Board {
    name: &'static str,
    json: Value,
}

impl Board {
    fn all() -> Vec<Self> {
        let board = |name| {
            let text = fs::read_to_string(format!("{FOLDER}/{name}.json")).unwrap();
            Self { name, json: serde_json::from_str(&text).unwrap() }
        };
        NAMES.into_iter().map(board).collect()
    }

    /// Every panel but the rows, with a name for messages.
    fn panels(&self) -> Vec<(String, &Value)> {
        let panels = self.json["panels"].as_array().unwrap();
        let panels = panels.iter().filter(|panel| panel["type"] != "row");
        panels.map(|panel| (format!("{}, {}", self.name, panel["title"]), panel)).collect()
    }

    /// Every query, with the panel's name.
    fn queries(&self) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        for (place, panel) in self.panels() {
            for target in panel["targets"].as_array().unwrap() {
                found.push((place.clone(), target["expr"].as_str().unwrap()));
            }
        }
        found
    }

    fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().unwrap()
    }

    fn variable(&self, name: &str) -> &Value {
        let found = self.variables().iter().find(|variable| variable["name"] == name);
        found.unwrap_or_else(|| panic!("{}: no variable {name}", self.name))
    }
}

#[test]
fn every_file_is_a_dashboard_of_its_own() {
    let files: BTreeSet<String> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, NAMES.map(|name| format!("{name}.json")).into());
    for board in Board::all() {
        // Links between them name these.
        assert_eq!(board.json["uid"], format!("comptroller-{}", board.name));
        assert!(board.json["title"].as_str().unwrap().starts_with("Comptroller / "));
        assert!(board.json["description"].as_str().unwrap().ends_with('.'), "{}", board.name);
        assert!(board.json["id"].is_null(), "{}: an id is of one Grafana", board.name);
    }
}

/// uneditable-dashboard, template-datasource-rule, template-job-rule, template-instance-rule,
/// template-on-time-change-reload-rule.
#[test]
fn variables_are_as_the_linter_wants_them() {
    for board in Board::all() {
        let name = board.name;
        assert_eq!(board.json["editable"], false, "{name}");
        let sources: Vec<&Value> =
            board.variables().iter().filter(|variable| variable["type"] == "datasource").collect();
        let [source] = sources[..] else { panic!("{name}: one data source") };
        assert_eq!(
            (&source["name"], &source["label"], &source["query"]),
            (&"datasource".into(), &"Data source".into(), &"prometheus".into()),
            "{name}"
        );
        for (variable, label) in [("job", "Job"), ("instance", "Instance")] {
            let variable = board.variable(variable);
            assert_eq!(variable["label"], label, "{name}");
            assert_eq!(variable["type"], "query", "{name}, {label}");
            assert_eq!(variable["multi"], true, "{name}, {label}");
            assert_eq!(variable["includeAll"], true, "{name}, {label}");
            assert_eq!(variable["allValue"], ".+", "{name}, {label}");
        }
        for variable in board.variables().iter().filter(|variable| variable["type"] == "query") {
            let label = &variable["label"];
            assert_eq!(variable["datasource"]["uid"], "$datasource", "{name}, {label}");
            assert_eq!(variable["refresh"], 2, "{name}, {label}: on a change of the time range");
            let query = variable["query"]["query"].as_str().unwrap();
            assert!(query.starts_with("label_values(comptroller_"), "{name}, {label}: {query}");
        }
    }
}

/// panel-datasource-rule, panel-title-description-rule, panel-units-rule, panel-no-targets-rule.
#[test]
fn panels_are_as_the_linter_wants_them() {
    for board in Board::all() {
        for (place, panel) in board.panels() {
            assert!(!panel["title"].as_str().unwrap().is_empty(), "{place}");
            let description = panel["description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.'), "{place}: {description:?}");
            assert_eq!(panel["datasource"]["uid"], "$datasource", "{place}");
            let defaults = &panel["fieldConfig"]["defaults"];
            let mut units = vec![&defaults["unit"]];
            for field in panel["fieldConfig"]["overrides"].as_array().unwrap() {
                let properties = field["properties"].as_array().unwrap().iter();
                units.extend(properties.filter(|one| one["id"] == "unit").map(|one| &one["value"]));
            }
            for unit in units {
                assert!(UNITS.contains(&unit.as_str().unwrap_or_default()), "{place}: {unit}");
            }
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{place}: no query");
            let references: BTreeSet<_> =
                targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
            assert_eq!(references.len(), targets.len(), "{place}: one name for two queries");
            for target in targets {
                assert_eq!(target["datasource"]["uid"], "$datasource", "{place}");
            }
        }
    }
}

/// target-job-rule, target-instance-rule, and the same for the cluster: whatever is chosen above a
/// dashboard holds for all of it.
#[test]
fn every_selector_follows_the_variables() {
    for board in Board::all() {
        for (place, query) in board.queries() {
            let selectors = selectors(query);
            assert!(!selectors.is_empty(), "{place}: {query}");
            for (metric, matchers) in selectors {
                let matchers =
                    matchers.unwrap_or_else(|| panic!("{place}: {metric} without matchers"));
                for variable in ["cluster", "job", "instance"] {
                    let wanted = format!("{variable}=~\"${variable}\"");
                    assert!(matchers.contains(&wanted), "{place}: {metric} without {wanted}");
                }
                for quoted in ["job=\"", "cluster=\"", "namespace=\"", "instance=\""] {
                    assert!(
                        !matchers.contains(quoted),
                        "{place}: {matchers} is of one installation"
                    );
                }
            }
            let variables = query.split('$').skip(1);
            for variable in variables {
                let end = variable.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let name = &variable[..end.unwrap_or(variable.len())];
                assert!(name == "__rate_interval" || !board.variable(name).is_null());
            }
        }
    }
}

/// target-rate-interval-rule and target-counter-agg-rule.
#[test]
fn counters_are_rates_over_the_right_interval() {
    for board in Board::all() {
        for (place, query) in board.queries() {
            for (at, _) in query.match_indices("rate(") {
                let rest = &query[at..];
                let range = rest.split_once('[').unwrap().1.split_once(']').unwrap().0;
                assert_eq!(range, "$__rate_interval", "{place}: {query}");
            }
            for (metric, _) in selectors(query) {
                let counts = ["_total", "_bucket", "_sum", "_count"];
                if counts.iter().any(|end| metric.ends_with(end)) {
                    let at = query.find(metric).unwrap();
                    assert!(query[..at].ends_with("rate("), "{place}: {metric} is no rate");
                }
            }
        }
    }
}

#[test]
fn panels_don_t_overlap() {
    for board in Board::all() {
        let mut taken = BTreeSet::new();
        for panel in board.json["panels"].as_array().unwrap() {
            let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{}: {}", board.name, panel["title"]);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{}: {}", board.name, panel["title"]);
                }
            }
        }
    }
}

#[test]
fn links_lead_to_dashboards_and_their_variables() {
    let boards = Board::all();
    for board in &boards {
        for (place, panel) in board.panels() {
            for field in panel["fieldConfig"]["overrides"].as_array().unwrap() {
                for property in field["properties"].as_array().unwrap() {
                    for link in property["value"].as_array().into_iter().flatten() {
                        let Some(url) = link["url"].as_str() else { continue };
                        let (path, query) = url.split_once('?').unwrap();
                        let uid = path.strip_prefix("/d/").unwrap();
                        let leads = boards.iter().find(|other| other.json["uid"] == uid);
                        let leads = leads.unwrap_or_else(|| panic!("{place}: {url}"));
                        for pair in query.split('&') {
                            let name = pair.split('=').next().unwrap();
                            leads.variable(name.strip_prefix("var-").unwrap());
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_linter_agrees() {
    for name in NAMES {
        let linter = Command::new("dashboard-linter")
            .args(["lint", "--strict", &format!("{FOLDER}/{name}.json")])
            .output();
        let Ok(output) = linter else {
            eprintln!("skipped: dashboard-linter is not in PATH; its rules are checked above");
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

/// The metrics of a query, each with what stands in the braces after it.
fn selectors(query: &str) -> Vec<(&str, Option<&str>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let mut found = Vec::new();
    for prefix in ["comptroller_", "process_"] {
        for (at, _) in query.match_indices(prefix) {
            if query[..at].ends_with(is_name) {
                continue;
            }
            let rest = &query[at..];
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let (metric, rest) = rest.split_at(end);
            let matchers = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            found.push((metric, matchers.map(|(matchers, _)| matchers)));
        }
    }
    found
}
