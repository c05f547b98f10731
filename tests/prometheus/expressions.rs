//! Names in an expression that no stored series has.

use std::collections::BTreeSet;

use crate::server::Prometheus;

/// The metrics and labels that are stored.
pub struct Vocabulary {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Vocabulary {
    pub async fn of(prometheus: &Prometheus) -> Self {
        let metrics = prometheus.names("/api/v1/label/__name__/values").await;
        let labels = prometheus.names("/api/v1/labels").await;
        Self { metrics: metrics.into_iter().collect(), labels: labels.into_iter().collect() }
    }

    /// Metrics and labels of an expression that are not stored.
    pub fn unknown(&self, expression: &str) -> impl Iterator<Item = String> {
        let metrics = metrics(expression).into_iter();
        let metrics = metrics.filter(|name| !self.metrics.contains(name));
        let labels = labels(expression).into_iter().filter(|name| !self.labels.contains(name));
        let metrics = metrics.map(|name| format!("unknown metric {name}"));
        metrics
            .chain(labels.map(|name| format!("unknown label {name}")))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

/// Ours are known by how they begin.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = unquoted(expression);
    let words = words.split(|c| !is_name(c));
    let ours = words.filter(|word| {
        ["comptroller_", "comptroller:", "process_"].iter().any(|prefix| word.starts_with(prefix))
    });
    ours.map(str::to_owned).collect()
}

/// Labels stand in braces before an operator, and in the parentheses of these words.
fn labels(expression: &str) -> BTreeSet<String> {
    let text = unquoted(expression);
    let mut found = BTreeSet::new();
    for part in text.split('{').skip(1) {
        let matchers = part.split('}').next().unwrap_or_default();
        let names = matchers.split(',').filter_map(|one| one.split(['=', '!']).next());
        found.extend(names.map(|name| name.trim().to_owned()));
    }
    for word in ["by", "on", "without", "ignoring", "group_left", "group_right"] {
        for (at, _) in text.match_indices(word) {
            let before = text[..at].chars().next_back();
            let rest = text[at + word.len()..].trim_start();
            if before.is_some_and(is_name) || !rest.starts_with('(') {
                continue;
            }
            let list = rest[1..].split(')').next().unwrap_or_default();
            found.extend(list.split(',').map(|name| name.trim().to_owned()));
        }
    }
    found.remove("");
    found
}

/// The expression without what its strings contain.
fn unquoted(expression: &str) -> String {
    expression.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

#[test]
fn names_are_found() {
    let expression = r#"sum by (owner, job) (rate(comptroller_x_total{a="by (b)",c!~"d"}[5m]))
        * on (control) group_left () comptroller:y:info or process_z"#;
    assert_eq!(
        metrics(expression).into_iter().collect::<Vec<_>>(),
        ["comptroller:y:info", "comptroller_x_total", "process_z"]
    );
    assert_eq!(
        labels(expression).into_iter().collect::<Vec<_>>(),
        ["a", "c", "control", "job", "owner"]
    );
}
