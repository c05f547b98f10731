//! The results of an evaluation, and its two formats.

use std::{collections::BTreeMap, io};

use serde::Serialize;

use super::object::{Outcome, PolicyReport, PolicyResult, split};
use crate::{
    TextFormat,
    json::write_pretty,
    model::{ControlResult, EvaluationReport, ReportedError, ReportedFinding},
    policy_report::{MANAGED_BY, PRODUCER, ReportApi, category, shown},
    table::describe,
    text::sentence,
};
use comptroller_vocabulary::{Severity, State};

/// The name of every report of a scan. It is the same each time, so that a new scan replaces the last.
const NAME: &str = "comptroller-scan";

/// The longest text of a result, in characters.
const MAX_CHARS: usize = 1_024;

/// The policy that results about unreadable input are under.
const INPUT: &str = "comptroller-input";

/// `PolicyReport` objects, for `kubectl apply` and Policy Reporter.
pub const POLICY_REPORT: TextFormat<EvaluationReport> =
    TextFormat::new("policyreport", "PolicyReport objects", |evaluation, _, output| {
        write(ReportApi::PolicyReport, evaluation, output)
    });

/// The same as objects of OpenReports.
pub const OPEN_REPORTS: TextFormat<EvaluationReport> =
    TextFormat::new("openreports", "The same for OpenReports", |evaluation, _, output| {
        write(ReportApi::OpenReports, evaluation, output)
    });

fn write(
    api: ReportApi,
    evaluation: &EvaluationReport,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    /// A `List`, which kubectl applies object by object and which is one JSON document.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        api_version: &'static str,
        kind: &'static str,
        items: Vec<PolicyReport>,
    }
    let labels = BTreeMap::from([(MANAGED_BY, NAME.to_owned())]);
    let items = split(api, NAME, &labels, results(evaluation));
    write_pretty(&List { api_version: "v1", kind: "List", items }, output)
}

/// One result for each finding, and one for each control of which no finding says how it stands.
pub fn results(evaluation: &EvaluationReport) -> Vec<PolicyResult> {
    let mut results: Vec<PolicyResult> =
        evaluation.controls.iter().flat_map(control_results).collect();
    results.extend(evaluation.errors.iter().map(input_result));
    for result in &mut results {
        result.timestamp = evaluation.evaluated_at;
    }
    results
}

fn control_results(control: &ControlResult) -> Vec<PolicyResult> {
    let failing = control.findings.iter().map(|finding| {
        // A baseline says that it is known and shall not count.
        let outcome = if finding.is_new() { Outcome::Fail } else { Outcome::Warn };
        finding_result(control, finding, outcome)
    });
    let excepted = control
        .excepted_findings
        .iter()
        .map(|finding| finding_result(control, finding, Outcome::Skip));
    let unknown =
        control.unknown_items.iter().map(|item| finding_result(control, item, Outcome::Error));
    let mut results: Vec<PolicyResult> = failing.chain(excepted).chain(unknown).collect();
    // No finding shows a pass, nor why a control as a whole could not be judged.
    let whole = match control.state {
        State::Passing => Some(Outcome::Pass),
        State::NotApplicable => Some(Outcome::Skip),
        State::Unknown if control.unknown_items.is_empty() => Some(Outcome::Error),
        State::Failing if control.findings.is_empty() => Some(Outcome::Fail),
        State::Excepted if control.excepted_findings.is_empty() => Some(Outcome::Skip),
        State::Unknown | State::Failing | State::Excepted => None,
    };
    results.extend(whole.map(|outcome| whole_result(control, outcome)));
    results
}

fn base(control: &ControlResult, outcome: Outcome, message: &str) -> PolicyResult {
    let mut properties = BTreeMap::new();
    if !control.criteria.is_empty() {
        properties.insert("criteria", clipped(&control.criteria.join(", ")));
    }
    PolicyResult {
        source: PRODUCER,
        policy: clipped(&control.name),
        rule: None,
        category: category(&control.criteria),
        severity: control.severity,
        result: outcome,
        scored: matches!(outcome, Outcome::Pass | Outcome::Fail),
        message: clipped(message),
        resources: None,
        timestamp: None,
        properties,
    }
}

fn finding_result(
    control: &ControlResult,
    finding: &ReportedFinding,
    outcome: Outcome,
) -> PolicyResult {
    let message = sentence(finding.subject.as_deref(), &finding.message);
    let mut result = base(control, outcome, &message);
    result.rule = Some(clipped(&finding.rule));
    result.severity = finding.severity;
    result.resources = Some(finding.resource.clone());
    let location = finding.location.as_ref().map(|at| format!("{}:{}", at.file, at.line));
    for (key, value) in
        [("subject", &finding.subject), ("exception", &finding.exception), ("location", &location)]
    {
        if let Some(value) = value {
            result.properties.insert(key, clipped(value));
        }
    }
    result
}

fn whole_result(control: &ControlResult, outcome: Outcome) -> PolicyResult {
    let mut result = base(control, outcome, &control.message);
    result.rule = Some(control.reason.clone());
    result.properties.insert("population", control.population.to_string());
    result
}

/// What could not be read is an error of its own: the reports must not look complete without it.
fn input_result(error: &ReportedError) -> PolicyResult {
    PolicyResult {
        source: PRODUCER,
        policy: INPUT.to_owned(),
        rule: Some("Unreadable".to_owned()),
        category: category(&[]),
        severity: Severity::High,
        result: Outcome::Error,
        scored: false,
        message: clipped(&describe(error)),
        resources: error.object.clone(),
        timestamp: None,
        properties: BTreeMap::new(),
    }
}

fn clipped(text: &str) -> String {
    shown(text, MAX_CHARS).into_owned()
}
