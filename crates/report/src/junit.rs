//! JUnit XML: a test case for each control, and one for each file that could not be read.

use std::{collections::BTreeMap, io};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    TextFormat,
    model::{ControlResult, EvaluationReport, ReportedError, ReportedFinding},
    table::describe,
    text::{object_name, sentence, visible},
};
use comptroller_core::api::State;

/// CI systems show the whole text of a failure.
const MAX_LISTED: usize = 200;

/// JUnit XML, for CI.
pub(super) const FORMAT: TextFormat<EvaluationReport> =
    TextFormat::new("junit", "JUnit XML, for CI", |evaluation, _, output| {
        write(evaluation, output)
    });

pub(super) fn write(evaluation: &EvaluationReport, output: &mut dyn io::Write) -> io::Result<()> {
    let mut report = Report::new("comptroller");
    let mut controls = TestSuite::new("controls");
    controls.add_test_cases(evaluation.controls.iter().map(control_case));
    report.add_test_suite(controls);
    if !evaluation.errors.is_empty() {
        let mut manifests = TestSuite::new("manifests");
        manifests.add_test_cases(error_cases(&evaluation.errors));
        report.add_test_suite(manifests);
    }
    let text = report.to_string().map_err(io::Error::other)?;
    output.write_all(without_skipped(&text).as_bytes())
}

/// Jenkins' schema (xunit-plugin, junit-10.xsd) knows `skipped` on a suite, but not on all suites
/// together, where `quick_junit` writes it too.
fn without_skipped(text: &str) -> String {
    let (head, rest) = text.split_at(text.find("<testsuite ").unwrap_or(text.len()));
    let kept: Vec<&str> =
        head.split_inclusive(' ').filter(|part| !part.starts_with("skipped=\"")).collect();
    kept.concat() + rest
}

fn control_case(control: &ControlResult) -> TestCase {
    let mut status = match control.state {
        State::Passing | State::Excepted => TestCaseStatus::success(),
        State::NotApplicable => TestCaseStatus::skipped(),
        // Whatever is not a success breaks the build, and a baseline says that it must not.
        State::Failing if !control.has_new_failures() => TestCaseStatus::skipped(),
        State::Failing => TestCaseStatus::non_success(NonSuccessKind::Failure),
        State::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    if !matches!(control.state, State::Passing | State::Excepted) {
        status.set_message(visible(&control.message));
    }
    // Only a failure and an error may have a type in the schema of JUnit.
    if matches!(control.state, State::Failing | State::Unknown) {
        status.set_type(control.reason.as_str());
        status.set_description(details(control));
    }
    let mut case = TestCase::new(visible(&control.name), status);
    case.set_classname(format!("{}.{}", control.severity, visible(&control.criteria.join(","))));
    if control.state == State::Excepted {
        case.set_system_out(list(&control.excepted_findings));
    }
    case
}

fn details(control: &ControlResult) -> String {
    let mut text = format!("{}\n", visible(&control.title));
    if let Some(remedy) = &control.remedy {
        text.extend(["Remedy: ", &visible(remedy), "\n"]);
    }
    text += &list(&control.findings);
    if !control.unknown_items.is_empty() {
        text += "Could not be judged:\n";
        text += &list(&control.unknown_items);
    }
    text
}

fn list(findings: &[ReportedFinding]) -> String {
    let more = findings.len().saturating_sub(MAX_LISTED);
    let rest = (more > 0).then(|| format!("and {more} more: -o json lists all\n"));
    findings.iter().take(MAX_LISTED).map(line).chain(rest).collect()
}

fn line(finding: &ReportedFinding) -> String {
    let object = object_name(&finding.resource);
    let place = finding
        .location
        .as_ref()
        .map(|at| format!(" ({}:{})", visible(&at.file), at.line))
        .unwrap_or_default();
    let sentence = sentence(finding.subject.as_deref(), &finding.message);
    format!("{}{place}: {}: {}\n", visible(&object), finding.rule, visible(&sentence))
}

fn error_cases(errors: &[ReportedError]) -> Vec<TestCase> {
    // A test case for each file: CI systems tell cases apart by their names.
    let mut by_file: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for error in errors {
        let file = error.file.as_deref().unwrap_or("scan");
        by_file.entry(file).or_default().push(visible(&describe(error)).into_owned());
    }
    by_file
        .into_iter()
        .map(|(file, messages)| {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("Unreadable");
            status.set_message(messages.first().map(String::as_str).unwrap_or_default());
            status.set_description(messages.join("\n"));
            TestCase::new(visible(file), status)
        })
        .collect()
}
