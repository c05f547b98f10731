//! The objects themselves, and how results are split among them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::policy_report::{ReportApi, is_namespace};
use comptroller_vocabulary::{ResourceRef, Severity};

/// The most bytes of results in one object: etcd refuses a request of 1.5 MiB.
const MAX_BYTES: usize = 1 << 20;

/// The most results in one object: consoles show an object as a whole.
const MAX_RESULTS: usize = 1_000;

/// What a result says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Pass,
    Fail,
    /// It fails, and that is known and does not count.
    Warn,
    /// It could not be judged.
    Error,
    /// It does not apply, or an exception allows it.
    Skip,
}

/// One result. Texts are shown as they are, so they must be made visible before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResult {
    /// Who says so, such as `comptroller`.
    pub source: &'static str,
    /// The name of the control.
    pub policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// By which tools group results, such as `SOC 2 / CC6`.
    pub category: String,
    #[serde(serialize_with = "lowercase")]
    pub severity: Severity,
    pub result: Outcome,
    /// Whether it counts.
    pub scored: bool,
    pub message: String,
    /// What it is about; None if it is about the control as a whole.
    #[serde(serialize_with = "as_list", skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRef>,
    #[serde(serialize_with = "parts", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<&'static str, String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn lowercase<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&severity.as_str().to_ascii_lowercase())
}

#[allow(clippy::ref_option, reason = "serde passes a reference to the field")]
fn as_list<S: Serializer>(
    resource: &Option<ResourceRef>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(resource)
}

/// The schema wants the parts of a protobuf timestamp instead of a time of RFC 3339.
#[allow(clippy::ref_option, reason = "serde passes a reference to the field")]
fn parts<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    let at = at.unwrap_or_default();
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("seconds", &at.as_second())?;
    map.serialize_entry("nanos", &at.subsec_nanosecond())?;
    map.end()
}

/// How many results say what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutcomeCounts {
    pub pass: usize,
    pub fail: usize,
    pub warn: usize,
    pub error: usize,
    pub skip: usize,
}

impl OutcomeCounts {
    fn of(results: &[PolicyResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            *match result.result {
                Outcome::Pass => &mut counts.pass,
                Outcome::Fail => &mut counts.fail,
                Outcome::Warn => &mut counts.warn,
                Outcome::Error => &mut counts.error,
                Outcome::Skip => &mut counts.skip,
            } += 1;
        }
        counts
    }
}

/// A report object: some results of one namespace, or of what is in none.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyReport {
    pub api: ReportApi,
    pub name: String,
    /// None for a cluster-scoped report.
    pub namespace: Option<String>,
    pub labels: BTreeMap<&'static str, String>,
    pub results: Vec<PolicyResult>,
}

impl Serialize for PolicyReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Metadata<'r> {
            name: &'r str,
            #[serde(skip_serializing_if = "Option::is_none")]
            namespace: Option<&'r str>,
            labels: &'r BTreeMap<&'static str, String>,
        }
        let namespace = self.namespace.as_deref();
        let mut map = serializer.serialize_map(None)?;
        let kind = self.api.kind(namespace.is_some());
        map.serialize_entry("apiVersion", &kind.api_version())?;
        map.serialize_entry("kind", kind.kind)?;
        map.serialize_entry(
            "metadata",
            &Metadata { name: &self.name, namespace, labels: &self.labels },
        )?;
        // Only OpenReports knows a source of the whole report.
        if let (ReportApi::OpenReports, Some(first)) = (self.api, self.results.first()) {
            map.serialize_entry("source", first.source)?;
        }
        map.serialize_entry("summary", &OutcomeCounts::of(&self.results))?;
        map.serialize_entry("results", &self.results)?;
        map.end()
    }
}

/// The results as objects: those about something in a namespace go there, all others into a
/// cluster-scoped report. Results keep their order. What is too much for one object goes on in `NAME-2`
/// and so on, so that the same results have the same names.
pub fn split(
    api: ReportApi,
    name: &str,
    labels: &BTreeMap<&'static str, String>,
    results: Vec<PolicyResult>,
) -> Vec<PolicyReport> {
    let mut places: BTreeMap<Option<String>, Vec<PolicyResult>> = BTreeMap::new();
    for result in results {
        let namespace = result.resources.as_ref().and_then(|resource| resource.namespace.clone());
        places.entry(namespace.filter(|name| is_namespace(name))).or_default().push(result);
    }
    let mut reports = Vec::new();
    for (namespace, results) in places {
        for (position, results) in bounded(results).into_iter().enumerate() {
            reports.push(PolicyReport {
                api,
                name: match position {
                    0 => name.to_owned(),
                    more => format!("{name}-{}", more + 1),
                },
                namespace: namespace.clone(),
                labels: labels.clone(),
                results,
            });
        }
    }
    reports
}

fn bounded(results: Vec<PolicyResult>) -> Vec<Vec<PolicyResult>> {
    let mut parts: Vec<Vec<PolicyResult>> = Vec::new();
    let mut bytes = 0;
    for result in results {
        let size = serde_json::to_string(&result).map_or(0, |text| text.len());
        match parts.last_mut() {
            Some(part) if part.len() < MAX_RESULTS && bytes + size <= MAX_BYTES => {
                bytes += size;
                part.push(result);
            }
            _ => {
                bytes = size;
                parts.push(vec![result]);
            }
        }
    }
    parts
}
