//! What the API server says about itself, in its metrics.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The `apiserver_storage_transformation_operations_total` family of the API server's metrics
/// (Kubernetes metrics reference, ALPHA), or why it could not be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum ApiServer {
    /// It was not asked: no control needs it, or there is no API server, as in a scan of files.
    #[default]
    NotObserved,
    /// It is being asked for the first time.
    Pending,
    /// Reading `/metrics` failed; the text says why, and what to do.
    Unreadable(String),
    /// The metrics were read, and nothing can be concluded: they count no transformation, but no Secret is
    /// stored either whose reading would have been counted.
    Idle,
    /// The transformations that were counted. Empty if the server counts none though it stores Secrets,
    /// which means that no encryption provider is configured.
    Observed(Transformations),
}

impl ApiServer {
    /// Reads the families in [`FAMILIES`] from lines of the Prometheus text format. Lines of other families
    /// are skipped.
    pub fn from_metrics<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Self {
        let transformations = parse_transformations(lines.clone());
        // A server without encryption counts nothing, and so does one that has nothing to read.
        if transformations.is_empty() && !stores_secrets(lines) {
            return Self::Idle;
        }
        Self::Observed(transformations)
    }
}

/// The transformations that happened since the API server started. Counts are left out: they
/// change all the time, and no verdict depends on them.
pub type Transformations = BTreeSet<Transformation>;

/// The labels of one metric of the family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Transformation {
    /// `secrets`, or `widgets.example.com`. Empty if an older server does not say, or the line can't be
    /// read, so that nothing can be concluded for any resource.
    pub resource: String,
    /// The label `transformation_type`.
    pub direction: Direction,
    /// The provider, from the label `transformer_prefix`: `k8s:enc:kms:v2:...` for one that encrypts,
    /// `identity` for plain text, `unknown`.
    pub prefix: String,
}

/// Which way a transformation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    /// The server wrote to etcd (`to_storage`).
    ToStorage,
    /// The server read from etcd (`from_storage`).
    FromStorage,
}

const FAMILY: &str = "apiserver_storage_transformation_operations_total";

/// How many objects of a resource are stored: the first since 1.34, the second before.
const STORED: [&str; 2] = ["apiserver_resource_objects", "apiserver_storage_objects"];

/// The families that [`ApiServer::from_metrics`] reads; lines of others need not be kept, which are
/// some megabytes.
pub const FAMILIES: [&str; 3] = [FAMILY, STORED[0], STORED[1]];

const ENCRYPTED: &str = "k8s:enc:";

impl Transformation {
    /// Whether a provider encrypted, or decrypted.
    pub fn is_encrypted(&self) -> bool {
        self.prefix.starts_with(ENCRYPTED)
    }

    /// Whether the bytes went to storage, or came from it, as they are.
    pub fn is_plaintext(&self) -> bool {
        self.prefix == "identity"
    }

    /// Stands for a metric that can't be read, so that nobody concludes from the others alone.
    fn unreadable() -> Self {
        Self {
            resource: String::new(),
            direction: Direction::FromStorage,
            prefix: "unknown".to_owned(),
        }
    }
}

/// The transformations among lines of the Prometheus text format. Metrics of 0 are left out, and so are
/// encryptions that failed, which show nothing about what is stored.
pub fn parse_transformations<'a>(lines: impl Iterator<Item = &'a str>) -> Transformations {
    lines
        .filter_map(|line| line.trim_start().strip_prefix(FAMILY))
        // Another family whose name begins with this one.
        .filter(|rest| rest.starts_with(['{', ' ', '\t']))
        .filter_map(|rest| match parse_row(rest) {
            Some(row) if row.counts() => Some(row.transformation()),
            Some(_) => None,
            None => Some(Transformation::unreadable()),
        })
        .collect()
}

/// Whether the server stores any Secret. It reads all of them when it starts.
fn stores_secrets<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    lines
        .filter_map(|line| STORED.iter().find_map(|family| line.trim_start().strip_prefix(family)))
        .filter(|rest| rest.starts_with('{'))
        .filter_map(parse_row)
        .any(|row| row.resource == "secrets" && row.count > 0.0)
}

/// One line: the labels that matter, and the count.
#[derive(Debug, Default)]
struct MetricRow {
    resource: String,
    direction: String,
    prefix: String,
    status: String,
    count: f64,
}

impl MetricRow {
    fn counts(&self) -> bool {
        // Without the label nothing says that it failed.
        let failed = !self.status.is_empty() && self.status != "OK";
        let encrypted = self.prefix.starts_with(ENCRYPTED);
        self.count > 0.0 && !(failed && encrypted) && !self.is_of_a_key()
    }

    /// Providers with local keys count each operation twice, the second time under `NAME:` of
    /// the key, which can hold no colon itself.
    fn is_of_a_key(&self) -> bool {
        self.prefix.strip_suffix(':').is_some_and(|name| !name.contains(':'))
    }

    fn transformation(self) -> Transformation {
        let direction = match self.direction.as_str() {
            "to_storage" => Direction::ToStorage,
            "from_storage" => Direction::FromStorage,
            _ => return Transformation::unreadable(),
        };
        Transformation { resource: self.resource, direction, prefix: self.prefix }
    }
}

/// Reads what follows the name of a metric: `{name="value",...} count`. None if it has another form.
fn parse_row(text: &str) -> Option<MetricRow> {
    let mut row = MetricRow::default();
    let mut rest = text.trim_start().strip_prefix('{')?;
    loop {
        // A comma may follow the last label.
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(count) = rest.strip_prefix('}') {
            row.count = count.split_whitespace().next()?.parse().ok()?;
            return Some(row);
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, tail) = unquote(quoted)?;
        match name.trim() {
            "resource" => row.resource = value,
            "transformation_type" => row.direction = value,
            "transformer_prefix" => row.prefix = value,
            "status" => row.status = value,
            _ => {}
        }
        rest = tail;
    }
}

/// The value of a label up to its closing quote, and the rest. None if it does not end.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(resource: &str, direction: Direction, prefix: &str) -> Transformation {
        Transformation { resource: resource.into(), direction, prefix: prefix.into() }
    }

    #[test]
    fn reads_the_family_and_nothing_else() {
        let text = r#"
# HELP apiserver_storage_transformation_operations_total [ALPHA] Total number of transformations.
# TYPE apiserver_storage_transformation_operations_total counter
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="to_storage",transformer_prefix="k8s:enc:kms:v2:vault:"} 12
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="from_storage",transformer_prefix="identity"} 3 1700000000000
apiserver_storage_transformation_operations_total{resource="configmaps",status="OK",transformation_type="from_storage",transformer_prefix="identity"} 0
apiserver_storage_transformation_operations_total{resource="secrets",status="Internal",transformation_type="to_storage",transformer_prefix="k8s:enc:aescbc:v1:"} 1
apiserver_storage_transformation_operations_total{resource="secrets",status="Unknown",transformation_type="from_storage",transformer_prefix="unknown"} 1e+00
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="to_storage",transformer_prefix="key1:"} 12
apiserver_storage_transformation_operations_total_other{resource="secrets"} 1
apiserver_storage_transformation_duration_seconds_count{transformation_type="to_storage"} 9
"#;
        let expected: Transformations = [
            row("secrets", Direction::ToStorage, "k8s:enc:kms:v2:vault:"),
            row("secrets", Direction::FromStorage, "identity"),
            row("secrets", Direction::FromStorage, "unknown"),
        ]
        .into();
        assert_eq!(parse_transformations(text.lines()), expected);
    }

    #[test]
    fn what_cant_be_read_is_kept_as_unknown() {
        for line in [
            "apiserver_storage_transformation_operations_total 3",
            r#"apiserver_storage_transformation_operations_total{resource="secrets 3"#,
            r#"apiserver_storage_transformation_operations_total{resource="secrets"} many"#,
            r#"apiserver_storage_transformation_operations_total{resource="secrets",transformation_type="sideways"} 1"#,
        ] {
            let rows = parse_transformations(line.lines());
            assert_eq!(rows, [Transformation::unreadable()].into(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn labels_survive_quoting(resource in ".*", prefix in ".*[^:]") {
            let quote = |text: &str| {
                text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
            };
            let line = format!(
                "{FAMILY}{{resource=\"{}\",transformation_type=\"to_storage\",transformer_prefix=\"{}\"}} 1",
                quote(&resource),
                quote(&prefix),
            );
            let rows = parse_transformations(std::iter::once(line.as_str()));
            prop_assert_eq!(rows, [row(&resource, Direction::ToStorage, &prefix)].into());
        }

        #[test]
        fn no_line_panics(line in ".*") {
            let _ = parse_transformations(std::iter::once(format!("{FAMILY}{{{line}").as_str()));
        }
    }

    #[test]
    fn no_rows_mean_no_provider_only_where_secrets_are_stored() {
        let observed = |text: &str| ApiServer::from_metrics(text.lines());
        assert_eq!(observed(""), ApiServer::Idle);
        assert_eq!(
            observed("apiserver_resource_objects{group=\"\",resource=\"secrets\"} 0"),
            ApiServer::Idle
        );
        assert_eq!(
            observed("apiserver_resource_objects{group=\"\",resource=\"pods\"} 7"),
            ApiServer::Idle
        );
        for family in STORED {
            let text = format!("{family}{{resource=\"secrets\"}} 3");
            assert_eq!(observed(&text), ApiServer::Observed(Transformations::new()));
        }
        let row = format!(
            "{FAMILY}{{resource=\"secrets\",transformation_type=\"to_storage\",transformer_prefix=\"identity\"}} 1"
        );
        assert!(matches!(observed(&row), ApiServer::Observed(rows) if rows.len() == 1));
    }
}
