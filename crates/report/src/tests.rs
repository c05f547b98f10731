use serde_json::Value;

use super::*;
use comptroller_core::api::{ResourceRef, Severity, State, TestKind};

/// Everything that an attacker may write into a name: a terminal escape, a line break, a
/// right-to-left override, markup, a link, a formula.
pub(super) const HOSTILE: &str =
    "=x\u{1b}[2J\u{9b}1m\n\u{202e}<script>]]>&\"[a](http://evil)\u{0}\u{200b}";

fn finding(name: &str, line: usize) -> ReportedFinding {
    ReportedFinding {
        rule: "ClusterAdmin".into(),
        severity: Severity::High,
        resource: ResourceRef {
            api_version: "rbac.authorization.k8s.io/v1".into(),
            kind: "ClusterRoleBinding".into(),
            namespace: None,
            name: name.into(),
        },
        subject: Some("User jane@corp".into()),
        message: "holds cluster-admin by ClusterRoleBinding legacy-ci, and nothing says until when"
            .into(),
        exception: None,
        known: None,
        location: Some(SourceLocation { file: "./deploy/my rbac.yaml".into(), line }),
    }
}

fn control(name: &str, state: State) -> ControlResult {
    ControlResult {
        name: name.into(),
        title: "Nobody holds cluster-admin permanently".into(),
        criteria: vec!["CC6.1".into(), "CC6.3".into()],
        severity: Severity::High,
        test: Some(TestKind::Rbac),
        state,
        reason: "FindingsOpen".into(),
        message: "1 of 3 fail, with 1 finding".into(),
        remedy: Some("Bind a narrower role.".into()),
        population: 3,
        failing: 0,
        excepted: 0,
        unknown: 0,
        findings: Vec::new(),
        excepted_findings: Vec::new(),
        unknown_items: Vec::new(),
        attested: false,
    }
}

/// One control in each state, and errors with and without a place.
pub(super) fn evaluation() -> EvaluationReport {
    let mut failing = control("no-standing-cluster-admin", State::Failing);
    failing.failing = 2;
    failing.findings = vec![finding("legacy-ci", 12), finding(HOSTILE, 40)];
    let mut excepted = control("excepted-admin", State::Excepted);
    excepted.excepted = 1;
    excepted.excepted_findings = vec![ReportedFinding {
        exception: Some("legacy-until-june".into()),
        severity: Severity::Low,
        ..finding("old", 3)
    }];
    let mut unknown = control("backups-are-fresh", State::Unknown);
    unknown.reason = "ItemsUnknown".into();
    unknown.message = format!("1 of 3 could not be judged, first {HOSTILE}");
    unknown.unknown = 1;
    unknown.unknown_items = vec![ReportedFinding {
        rule: "Undecided".into(),
        subject: None,
        message: HOSTILE.into(),
        location: Some(SourceLocation { file: "-".into(), line: 7 }),
        ..finding("claim", 1)
    }];
    let mut evaluation = EvaluationReport {
        controls: vec![
            unknown,
            excepted,
            failing,
            control("not-here", State::NotApplicable),
            control("passes", State::Passing),
        ],
        ..EvaluationReport::default()
    };
    for control in &evaluation.controls {
        evaluation.summary.count(control.state);
    }
    evaluation.summary.objects = 42;
    evaluation.summary.skipped = 1;
    evaluation.errors = vec![
        ReportedError {
            file: Some("deploy/broken.yaml".into()),
            document: Some(2),
            line: Some(17),
            message: "did not find expected key".into(),
            ..ReportedError::default()
        },
        ReportedError {
            object: Some(finding(HOSTILE, 1).resource),
            message: HOSTILE.into(),
            ..ReportedError::default()
        },
    ];
    evaluation
}

fn written(evaluation: &EvaluationReport, format: &TextFormat<EvaluationReport>) -> String {
    written_in(evaluation, format, TableStyle::default())
}

fn written_in(
    evaluation: &EvaluationReport,
    format: &TextFormat<EvaluationReport>,
    style: TableStyle,
) -> String {
    let mut output = Vec::new();
    format.write(evaluation, style, &mut output).expect("a vector takes everything");
    String::from_utf8(output).expect("UTF-8")
}

fn sarif(evaluation: &EvaluationReport) -> Value {
    serde_json::from_str(&written(evaluation, &sarif::FORMAT)).expect("JSON")
}

#[test]
fn the_table_is_as_agreed() {
    insta::assert_snapshot!(written(&evaluation(), &table::FORMAT));
}

#[test]
fn a_narrow_coloured_table_is_as_agreed() {
    let style = TableStyle { colour: true, width: Some(60) };
    let table = written_in(&evaluation(), &table::FORMAT, style);
    insta::assert_snapshot!(table.replace('\u{1b}', "<ESC>"));
}

#[test]
fn json_is_as_agreed() {
    insta::assert_snapshot!(written(&evaluation(), &json::FORMAT));
}

#[test]
fn sarif_is_as_agreed() {
    let text = written(&evaluation(), &sarif::FORMAT);
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn junit_is_as_agreed() {
    insta::assert_snapshot!(written(&evaluation(), &junit::FORMAT));
}

#[test]
fn nothing_from_outside_acts_on_a_terminal() {
    for format in FORMATS {
        let text = written(&evaluation(), format);
        let acting = text.chars().find(|c| {
            (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200b}' | '\u{9b}')
        });
        assert_eq!(acting, None, "{format:?}");
    }
    assert_eq!(visible("plain é 名"), "plain é 名");
    assert_eq!(visible("a\u{1b}b\tc\n"), "a\\u{1b}b\\tc\\n");
}

#[test]
fn the_table_caps_what_it_lists() {
    let mut many = evaluation();
    many.controls[2].findings = (0..50).map(|n| finding(&format!("b{n}"), n)).collect();
    let table = written(&many, &table::FORMAT);
    assert!(table.contains("  and 30 more: -o json lists all"), "{table}");
    assert!(table.contains(" b19 ") && !table.contains(" b20 "));
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let json: Value = serde_json::from_str(&written(&evaluation(), &json::FORMAT)).expect("JSON");
    let control = &json["controls"][2];
    for field in [
        "name",
        "criteria",
        "severity",
        "state",
        "reason",
        "population",
        "failing",
        "excepted",
        "findings",
    ] {
        assert!(control.get(field).is_some(), "{field}");
    }
    let finding = &control["findings"][1];
    assert_eq!(finding["resource"]["apiVersion"], "rbac.authorization.k8s.io/v1");
    assert_eq!(finding["resource"]["name"], HOSTILE);
    assert_eq!(finding["subject"], "User jane@corp");
    assert_eq!(json["summary"]["notApplicable"], 1);
    assert_eq!(json["errors"][0]["line"], 17);
}

/// The constraints of the SARIF 2.1.0 schema that this output can break.
#[test]
fn sarif_keeps_the_rules_of_the_standard() {
    let log = sarif(&evaluation());
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let ids: std::collections::BTreeSet<&str> =
        rules.iter().filter_map(|rule| rule["id"].as_str()).collect();
    assert_eq!(ids.len(), rules.len(), "ids are unique");
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 4);
    for result in results {
        let index =
            usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let (kind, level) = (result["kind"].as_str(), result["level"].as_str());
        assert!(matches!(
            (kind, level),
            (Some("fail"), Some("error" | "warning" | "note")) | (Some("open"), Some("none"))
        ));
        assert!(!result["message"]["text"].as_str().expect("text").is_empty());
        let location = &result["locations"][0];
        if let Some(physical) = location.get("physicalLocation") {
            let uri = physical["artifactLocation"]["uri"].as_str().expect("a URI");
            assert!(["deploy/my%20rbac.yaml", "stdin"].contains(&uri), "{uri}");
            assert!(physical["region"]["startLine"].as_u64().expect("a line") >= 1);
        }
        assert!(location["logicalLocations"][0]["fullyQualifiedName"].is_string());
    }
    let first = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(first["artifactLocation"]["uri"], "stdin", "code review wants an artifact");
    assert_eq!(results[1]["suppressions"][0]["kind"], "external");
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["toolExecutionNotifications"].as_array().expect("a list").len(), 3);
}

#[test]
fn sarif_fingerprints_survive_a_move_and_tell_findings_apart() {
    let fingerprints = |evaluation: &EvaluationReport| -> Vec<String> {
        sarif(evaluation)["runs"][0]["results"]
            .as_array()
            .expect("results")
            .iter()
            .map(|result| result["partialFingerprints"].to_string())
            .collect()
    };
    let before = evaluation();
    let mut moved = before.clone();
    moved.controls[2].findings[0].location = None;
    moved.controls[2].findings[0].message = "in other words".into();
    assert_eq!(fingerprints(&before), fingerprints(&moved));
    let mut distinct = fingerprints(&before);
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn junit_counts_states_as_ci_does() {
    let text = written(&evaluation(), &junit::FORMAT);
    let report = quick_junit::Report::deserialize_from_str(&text).expect("valid XML");
    let skipped: usize = report.test_suites.iter().map(|suite| suite.skipped).sum();
    assert_eq!((report.tests, report.failures, report.errors, skipped), (7, 1, 3, 1));
}

/// The elements and attributes of Jenkins' schema (xunit-plugin, junit-10.xsd); it refuses others.
#[test]
fn junit_has_nothing_that_jenkins_refuses() {
    let known = [
        ("testsuites", &["name", "time", "tests", "failures", "errors"][..]),
        (
            "testsuite",
            &["name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname"],
        ),
        ("testcase", &["name", "time", "classname", "group"]),
        ("failure", &["type", "message"]),
        ("error", &["type", "message"]),
        ("skipped", &["type", "message"]),
        ("system-out", &[]),
    ];
    let mut evaluation = evaluation();
    evaluation.controls[2].findings.iter_mut().for_each(|finding| finding.known = Some(true));
    let text = written(&evaluation, &junit::FORMAT);
    let tags = regex::Regex::new(r#"<([a-z-]+)((?: [a-z-]+="[^"<]*")*) ?/?>"#).unwrap();
    let attributes = regex::Regex::new(r#" ([a-z-]+)="[^"<]*""#).unwrap();
    let opened =
        text.matches('<').count() - text.matches("</").count() - text.matches("<?").count();
    assert_eq!(tags.find_iter(&text).count(), opened, "{text}");
    for tag in tags.captures_iter(&text) {
        let (_, allowed) = known.iter().find(|(name, _)| *name == &tag[1]).expect("an element");
        for attribute in attributes.captures_iter(&tag[2]) {
            assert!(allowed.contains(&&attribute[1]), "{} of {}", &attribute[1], &tag[1]);
        }
    }
}

#[test]
fn a_narrow_table_leaves_out_the_last_columns() {
    let header = |width| {
        let style = TableStyle { colour: false, width: Some(width) };
        let table = written_in(&evaluation(), &table::FORMAT, style);
        table.lines().next().unwrap_or_default().split_whitespace().count()
    };
    assert_eq!([header(200), header(80), header(70), header(20)], [6, 5, 4, 3]);
}

#[test]
fn exit_codes_never_call_the_unknown_a_pass() {
    use State::{Excepted, Failing, NotApplicable, Passing, Unknown};

    let with = |states: &[State], errors: usize| EvaluationReport {
        controls: states.iter().map(|state| control("a", *state)).collect(),
        errors: vec![ReportedError::default(); errors],
        ..EvaluationReport::default()
    };
    for (states, errors, allow_unknown, expected) in [
        (&[Passing][..], 0, false, 0),
        (&[Passing, Excepted, NotApplicable], 0, false, 0),
        (&[Passing, Failing], 0, false, 1),
        (&[Unknown, Failing], 1, false, 1),
        (&[Passing, Unknown], 0, false, 2),
        (&[Passing, Unknown], 0, true, 0),
        (&[Unknown, Failing], 0, true, 1),
        (&[Passing], 1, false, 2),
        (&[Passing], 1, true, 2),
        (&[], 0, false, 2),
    ] {
        assert_eq!(with(states, errors).exit_code(allow_unknown), expected, "{states:?} {errors}");
    }
}

#[test]
fn what_people_attest_fills_no_table_before_it_is_due() {
    let attested = |name: &str, state| ControlResult { attested: true, ..control(name, state) };
    let evaluation = EvaluationReport {
        controls: vec![
            attested("not-due", State::NotApplicable),
            control("nothing-there", State::NotApplicable),
            attested("missed", State::Failing),
        ],
        ..EvaluationReport::default()
    };
    let mut table = Vec::new();
    table::FORMAT.write(&evaluation, TableStyle::default(), &mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("\nnothing-there ") && table.contains("\nmissed "), "{table}");
    assert!(!table.contains("not-due"), "{table}");
    assert!(table.contains("Not listed: 1 control attested by people"), "{table}");
}
