//! SARIF 2.1.0 (OASIS standard): controls are rules, findings are results with their place.

use std::{fmt::Write as _, io};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    TextFormat,
    model::{ControlResult, EvaluationReport, ReportedError, ReportedFinding, SourceLocation},
    text::{object_name, sentence, visible},
};
use comptroller_vocabulary::{ResourceRef, Severity, State, hex};

/// The log. Its results are made one by one while they are written: as a tree, those of a large
/// cluster would take more memory than everything else.
#[derive(Serialize)]
struct SarifLog<'e> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    runs: [SarifRun<'e>; 1],
    version: &'static str,
}

#[derive(Serialize)]
struct SarifRun<'e> {
    invocations: Value,
    results: SarifResults<'e>,
    tool: Value,
}

struct SarifResults<'e>(&'e [ControlResult]);

impl Serialize for SarifResults<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let controls = self.0.iter().enumerate();
        serializer.collect_seq(controls.flat_map(|(index, control)| results(index, control)))
    }
}

/// SARIF 2.1.0, for code review.
pub(super) const FORMAT: TextFormat<EvaluationReport> =
    TextFormat::new("sarif", "SARIF 2.1.0, for code review", |evaluation, _, output| {
        write(evaluation, output)
    });

pub(super) fn write(evaluation: &EvaluationReport, output: &mut dyn io::Write) -> io::Result<()> {
    let run = SarifRun {
        invocations: json!([{
            "executionSuccessful": evaluation.errors.is_empty(),
            "toolExecutionNotifications": notifications(evaluation),
        }]),
        results: SarifResults(&evaluation.controls),
        tool: json!({"driver": {
            "name": "comptroller",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": evaluation.controls.iter().map(rule).collect::<Vec<_>>(),
        }}),
    };
    let log = SarifLog {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        runs: [run],
        version: "2.1.0",
    };
    serde_json::to_writer_pretty(&mut *output, &log)?;
    writeln!(output)
}

fn rule(control: &ControlResult) -> Value {
    let help = control.remedy.as_deref().unwrap_or(&control.title);
    json!({
        "id": visible(&control.name),
        "shortDescription": {"text": plain(&control.title)},
        "help": {"text": plain(help)},
        "defaultConfiguration": {"level": level(control.severity)},
        "properties": {
            "tags": control.criteria.iter().map(|id| visible(id)).collect::<Vec<_>>(),
            "security-severity": security_severity(control.severity),
        },
    })
}

fn results(index: usize, control: &ControlResult) -> impl Iterator<Item = Value> {
    let failing = control.findings.iter().map(move |finding| {
        let mut result = result(index, control, finding, "fail");
        if let Some(known) = finding.known {
            result["baselineState"] = json!(if known { "unchanged" } else { "new" });
        }
        result
    });
    let excepted = control.excepted_findings.iter().map(move |finding| {
        let mut result = result(index, control, finding, "fail");
        let exception = finding.exception.as_deref().unwrap_or_default();
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": format!("ControlException {}", visible(exception)),
        }]);
        result
    });
    let open = control.unknown_items.iter().map(move |item| result(index, control, item, "open"));
    failing.chain(excepted).chain(open)
}

fn result(index: usize, control: &ControlResult, finding: &ReportedFinding, kind: &str) -> Value {
    let sentence = sentence(finding.subject.as_deref(), &finding.message);
    let object = object_name(&finding.resource);
    json!({
        "ruleId": visible(&control.name),
        "ruleIndex": index,
        "kind": kind,
        // The standard wants no level where nothing failed (3.27.10).
        "level": if kind == "fail" { level(finding.severity) } else { "none" },
        "message": {"text": plain(&format!("{object}: {sentence}"))},
        "locations": [location(finding.location.as_ref(), Some(&finding.resource))],
        "partialFingerprints": {"comptrollerFinding/v1": fingerprint(control, finding)},
        "properties": {"rule": finding.rule},
    })
}

/// What kept the tool from knowing: files that can't be read, and controls of which nothing can
/// be said.
fn notifications(evaluation: &EvaluationReport) -> Vec<Value> {
    let errors = evaluation.errors.iter().map(|error| {
        let mut notification =
            json!({"level": "error", "message": {"text": plain(&error_text(error))}});
        let at =
            error.file.clone().map(|file| SourceLocation { file, line: error.line.unwrap_or(1) });
        if at.is_some() || error.object.is_some() {
            notification["locations"] = json!([location(at.as_ref(), error.object.as_ref())]);
        }
        notification
    });
    let unknown = evaluation
        .controls
        .iter()
        .enumerate()
        .filter(|(_, control)| control.state == State::Unknown)
        .map(|(index, control)| {
            json!({
                "level": "warning",
                "message": {"text": plain(&format!("{}: {}", control.name, control.message))},
                "associatedRule": {"id": visible(&control.name), "index": index},
            })
        });
    errors.chain(unknown).collect()
}

fn error_text(error: &ReportedError) -> String {
    match &error.object {
        Some(object) => format!("{}: {}", object_name(object), error.message),
        None => error.message.clone(),
    }
}

fn location(at: Option<&SourceLocation>, object: Option<&ResourceRef>) -> Value {
    let mut location = Map::new();
    if let Some(at) = at {
        // Code review refuses a result without an artifact, and `-` names none.
        let file = if &*at.file == "-" { "stdin" } else { &at.file };
        location.insert(
            "physicalLocation".into(),
            json!({
                "artifactLocation": {"uri": uri(file)},
                "region": {"startLine": at.line.max(1)},
            }),
        );
    }
    if let Some(object) = object {
        let name = format!(
            "{}/{}/{}/{}",
            object.api_version,
            object.kind,
            object.namespace.as_deref().unwrap_or_default(),
            object.name
        );
        location.insert(
            "logicalLocations".into(),
            json!([{
                "name": visible(&object.name),
                "fullyQualifiedName": visible(&name),
                "kind": "resource",
            }]),
        );
    }
    Value::Object(location)
}

/// A path as a URI reference (RFC 3986): relative stays relative, so that results match files
/// wherever the checkout is.
fn uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut relative = path.as_str();
    while let Some(rest) = relative.strip_prefix("./") {
        relative = rest.trim_start_matches('/');
    }
    let mut uri = String::from(if relative.starts_with('/') { "file://" } else { "" });
    for byte in relative.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => {
                // Writing to a string can't fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

/// Text of a message. `[text](target)` would be a link there (3.11.6), so brackets are escaped
/// where they could be one.
fn plain(text: &str) -> String {
    let shown = visible(text);
    if shown.contains("](") {
        shown.replace('[', "\\[").replace(']', "\\]")
    } else {
        shown.into_owned()
    }
}

/// The same finding has the same fingerprint wherever it is in the file.
fn fingerprint(control: &ControlResult, finding: &ReportedFinding) -> String {
    let resource = &finding.resource;
    // Without the version: an object that moves from v1beta1 to v1 keeps its findings.
    let group = resource.api_version.split_once('/').map_or("", |(group, _)| group);
    let mut digest = Sha256::new();
    for part in [
        control.name.as_str(),
        &finding.rule,
        group,
        &resource.kind,
        resource.namespace.as_deref().unwrap_or_default(),
        &resource.name,
        finding.subject.as_deref().unwrap_or_default(),
    ] {
        // With its length, so that no two lists of parts run together to the same bytes.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    // Half of it is enough to tell findings apart, and keeps the document small.
    hex(&digest[..16])
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// A number of the CVSS scale, by which GitHub orders results.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
    }
}
