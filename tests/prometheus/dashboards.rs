//! The queries of the dashboards, as Grafana sends them when everything is chosen.

use serde_json::Value;

const DASHBOARDS: [(&str, &str); 3] = [
    ("fleet", include_str!("../../config/monitoring/dashboards/fleet.json")),
    ("cluster", include_str!("../../config/monitoring/dashboards/cluster.json")),
    ("control", include_str!("../../config/monitoring/dashboards/control.json")),
];

/// What stands for the variables: all of them, and a range of a few scrapes.
const VARIABLES: [(&str, &str); 5] = [
    ("$__rate_interval", "10s"),
    ("$cluster", ".*"),
    ("$job", ".+"),
    ("$instance", ".+"),
    ("$control", ".+"),
];

/// A query of a panel.
pub struct Query {
    pub dashboard: &'static str,
    pub panel: String,
    pub expression: String,
}

/// Every query of every panel.
pub fn queries() -> Vec<Query> {
    let mut found = Vec::new();
    for (dashboard, text) in DASHBOARDS {
        let board: Value = serde_json::from_str(text).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let mut expression = target["expr"].as_str().unwrap().to_owned();
                for (variable, value) in VARIABLES {
                    expression = expression.replace(variable, value);
                }
                assert!(!expression.contains('$'), "{dashboard}: {expression}");
                let panel = panel["title"].as_str().unwrap().to_owned();
                found.push(Query { dashboard, panel, expression });
            }
        }
    }
    found
}
