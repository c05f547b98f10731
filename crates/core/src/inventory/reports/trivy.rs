//! Reports of Trivy Operator. They list what was found, and are about the owner of the report.

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    ReportKind, ReportResults, ReportedResource, check_names,
    filter::{Collector, Outcome, ReadResult, ResultFilter, resource},
    metadata,
};
use crate::{
    api::Severity,
    inventory::{
        facts::{ObjectMetadata, ProjectionError, read as read_object},
        kinds,
        program::WholeObject,
        time::parse_time,
    },
};

#[derive(Deserialize)]
struct Object {
    report: Report,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(default)]
    update_timestamp: Option<String>,
    #[serde(default)]
    scanner: Option<Scanner>,
    #[serde(default)]
    summary: Option<Summary>,
    #[serde(default)]
    vulnerabilities: Option<Vec<Vulnerability>>,
    #[serde(default)]
    checks: Option<Vec<Check>>,
    #[serde(default)]
    secrets: Option<Vec<Secret>>,
}

#[derive(Deserialize)]
struct Scanner {
    #[serde(default)]
    name: String,
}

/// How many of each severity were found. None where the report does not count that one.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Summary {
    #[serde(rename = "criticalCount")]
    critical: Option<i64>,
    #[serde(rename = "highCount")]
    high: Option<i64>,
    #[serde(rename = "mediumCount")]
    medium: Option<i64>,
    #[serde(rename = "lowCount")]
    low: Option<i64>,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(rename = "vulnerabilityID", default)]
    id: String,
    #[serde(default)]
    resource: String,
    #[serde(rename = "installedVersion", default)]
    installed: String,
    #[serde(rename = "fixedVersion", default)]
    fixed: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    class: String,
}

#[derive(Deserialize)]
struct Check {
    #[serde(rename = "checkID", default)]
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    messages: Option<Vec<String>>,
    #[serde(default)]
    success: bool,
}

/// Where a secret was found. What it is, which the report masks, is not read.
#[derive(Deserialize)]
struct Secret {
    #[serde(rename = "ruleID", default)]
    id: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    severity: String,
}

/// One thing that was found.
struct Found<'a> {
    id: &'a str,
    category: &'a str,
    severity: Option<Severity>,
    message: String,
}

/// What a report says of its owner.
pub fn read(
    filter: &ResultFilter,
    kind: ReportKind,
    whole: &WholeObject<'_>,
) -> Result<ReportResults, ProjectionError> {
    let report = read_object::<Object>(whole.object)?.report;
    let metadata = metadata(whole)?;
    let scanner = report.scanner.as_ref().map_or("", |scanner| &scanner.name);
    let engine = if scanner.is_empty() { "Trivy" } else { scanner };
    let mut collector = Collector::new(filter, whole.interner);
    if !filter.takes_engine(engine) {
        return Ok(collector.finish());
    }
    let at = match parse_time("report.updateTimestamp", report.update_timestamp.as_deref())? {
        Some(at) => Some(at),
        None => metadata.created()?,
    };
    let own = ReportedResource::of(whole.resource, whole.namespace, whole.name);
    let (owner, uid) = owner(&metadata, whole)?.unwrap_or_else(|| (own.clone(), None));
    let about = (&owner, uid.as_deref());
    // It lists only what it found, so that the report itself is what says that somebody looked.
    collector.looked_at(about, engine, at);
    let container = metadata.labels.as_ref().and_then(|labels| labels.get(CONTAINER));
    let found = report.found(kind);
    for one in &found {
        let message = match container {
            Some(container) => format!("container {container}: {}", one.message),
            None => one.message.clone(),
        };
        let result = read_result(engine, one, &message, at);
        if filter.takes(&result) {
            collector.add(about, &result);
        }
    }
    if let Some(why) = report.summary.and_then(|summary| summary.differs(&found)) {
        collector.distrust(&own, &why);
    }
    Ok(collector.finish())
}

fn read_result<'a>(
    engine: &'a str,
    found: &Found<'a>,
    message: &'a str,
    at: Option<Timestamp>,
) -> ReadResult<'a> {
    ReadResult {
        engine,
        policy: found.id,
        rule: "",
        category: found.category,
        outcome: Outcome::Fail,
        severity: found.severity,
        message,
        at,
    }
}

impl Report {
    fn found(&self, kind: ReportKind) -> Vec<Found<'_>> {
        match kind {
            ReportKind::VulnerabilityReport => {
                self.vulnerabilities.iter().flatten().map(Vulnerability::found).collect()
            }
            ReportKind::ExposedSecretReport => {
                self.secrets.iter().flatten().map(Secret::found).collect()
            }
            _ => {
                let failed = self.checks.iter().flatten().filter(|check| !check.success);
                failed.map(Check::found).collect()
            }
        }
    }
}

impl Vulnerability {
    fn found(&self) -> Found<'_> {
        let Self { resource, installed, fixed, title, .. } = self;
        let remedy = if fixed.is_empty() {
            "no version fixes it yet".to_owned()
        } else {
            format!("fixed in {fixed}")
        };
        Found {
            id: &self.id,
            category: &self.class,
            severity: severity(&self.severity),
            message: format!("{resource} {installed}: {title}; {remedy}"),
        }
    }
}

impl Check {
    fn found(&self) -> Found<'_> {
        let said = self.messages.iter().flatten().find(|text| !text.is_empty());
        Found {
            id: &self.id,
            category: &self.category,
            severity: severity(&self.severity),
            message: said.unwrap_or(&self.title).clone(),
        }
    }
}

impl Secret {
    fn found(&self) -> Found<'_> {
        Found {
            id: &self.id,
            category: &self.category,
            severity: severity(&self.severity),
            message: format!("{} in {}", self.title, self.target),
        }
    }
}

fn severity(text: &str) -> Option<Severity> {
    match text {
        "CRITICAL" => Some(Severity::Critical),
        "HIGH" => Some(Severity::High),
        "MEDIUM" => Some(Severity::Medium),
        "LOW" => Some(Severity::Low),
        _ => None,
    }
}

const CONTAINER: &str = "trivy-operator.container.name";

/// What a report is about, with its uid where the report knows it.
type Owner = (ReportedResource, Option<Box<str>>);

/// What a report is about: its owner, or what its labels name. None if neither is there.
fn owner(
    metadata: &ObjectMetadata,
    whole: &WholeObject<'_>,
) -> Result<Option<Owner>, ProjectionError> {
    let intern = |api_version: &str, kind: &str, name: &str| {
        check_names([api_version, kind, "", name])?;
        let cluster_scoped = kinds::stored().any(|known| known.kind == kind && !known.namespaced);
        let namespace = if cluster_scoped { "" } else { whole.namespace };
        Ok::<_, ProjectionError>(resource(whole.interner, [api_version, kind, namespace, name]))
    };
    if let Some(owner) = metadata.controller() {
        let uid = Some(owner.uid.as_str()).filter(|uid| !uid.is_empty()).map(Into::into);
        return Ok(Some((intern(&owner.api_version, &owner.kind, &owner.name)?, uid)));
    }
    let label = |key: &str| {
        let labels = metadata.labels.as_ref()?;
        labels.get(key).map(String::as_str).filter(|text| !text.is_empty())
    };
    let named = label("trivy-operator.resource.kind").zip(label("trivy-operator.resource.name"));
    let Some((kind, name)) = named else { return Ok(None) };
    let known = kinds::builtin().find(|known| known.kind == kind);
    let api_version = known.map_or_else(String::new, |known| {
        let version = known.versions().first().copied().unwrap_or_default();
        if known.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", known.group)
        }
    });
    Ok(Some((intern(&api_version, kind, name)?, None)))
}

impl Summary {
    /// How the counts differ from what is listed, in one sentence.
    fn differs(self, found: &[Found<'_>]) -> Option<String> {
        let counts = [
            (Severity::Critical, self.critical),
            (Severity::High, self.high),
            (Severity::Medium, self.medium),
            (Severity::Low, self.low),
        ];
        counts.into_iter().find_map(|(of, said)| {
            let said = said?;
            let listed = found.iter().filter(|one| one.severity == Some(of)).count();
            (i64::try_from(listed) != Ok(said)).then(|| {
                format!(
                    "its summary counts {said} of severity {of}, and it lists {listed}: what it says is not complete"
                )
            })
        })
    }
}
