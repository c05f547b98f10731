use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    evaluation::results,
    object::{Outcome, split},
    *,
};
use crate::{
    EvaluationReport, ReportedFinding, TableStyle, TextFormat, policy_report::ReportApi,
    tests::evaluation,
};
use comptroller_core::api::State;

fn written(evaluation: &EvaluationReport, format: &TextFormat<EvaluationReport>) -> Value {
    let mut output = Vec::new();
    format.write(evaluation, TableStyle::default(), &mut output).unwrap();
    serde_json::from_slice(&output).unwrap()
}

fn dated() -> EvaluationReport {
    let evaluated_at = Some("2026-11-30T12:00:00.5Z".parse().unwrap());
    EvaluationReport { evaluated_at, ..evaluation() }
}

#[test]
fn both_apis_are_as_agreed() {
    insta::assert_json_snapshot!("policyreport", written(&dated(), &POLICY_REPORT));
    let open = written(&dated(), &OPEN_REPORTS);
    let report = &open["items"][0];
    assert_eq!(report["apiVersion"], "openreports.io/v1alpha1");
    assert_eq!(
        (&report["kind"], &report["source"]),
        (&"ClusterReport".into(), &"comptroller".into())
    );
}

#[test]
fn what_is_unknown_or_excepted_or_unreadable_never_passes() {
    let evaluation = dated();
    let results = results(&evaluation);
    let outcomes = |name: &str| -> Vec<Outcome> {
        results.iter().filter(|one| one.policy == name).map(|one| one.result).collect()
    };
    assert_eq!(outcomes("backups-are-fresh"), [Outcome::Error]);
    assert_eq!(outcomes("excepted-admin"), [Outcome::Skip]);
    assert_eq!(outcomes("no-standing-cluster-admin"), [Outcome::Fail; 2]);
    assert_eq!(outcomes("not-here"), [Outcome::Skip]);
    assert_eq!(outcomes("passes"), [Outcome::Pass]);
    assert_eq!(outcomes("comptroller-input"), [Outcome::Error; 2]);
}

#[test]
fn a_control_without_a_finding_still_says_how_it_stands() {
    for (state, expected) in [
        (State::Unknown, Outcome::Error),
        (State::Failing, Outcome::Fail),
        (State::Excepted, Outcome::Skip),
        (State::NotApplicable, Outcome::Skip),
        (State::Passing, Outcome::Pass),
    ] {
        let mut control = evaluation().controls.remove(4);
        control.state = state;
        let one = EvaluationReport { controls: vec![control], ..EvaluationReport::default() };
        let outcomes: Vec<Outcome> = results(&one).iter().map(|one| one.result).collect();
        assert_eq!(outcomes, [expected], "{state}");
    }
}

#[test]
fn a_finding_of_the_baseline_warns() {
    let mut evaluation = dated();
    evaluation.controls[2].findings[0].known = Some(true);
    let results = results(&evaluation);
    let known = results.iter().find(|one| one.result == Outcome::Warn).unwrap();
    assert!(!known.scored);
}

fn namespaced(namespace: &str, message: &str) -> ReportedFinding {
    let mut finding = evaluation().controls[2].findings[0].clone();
    finding.resource.namespace = Some(namespace.to_owned());
    finding.message = message.to_owned();
    finding
}

#[test]
fn findings_go_to_their_namespace_and_a_name_that_is_none_to_the_cluster() {
    let mut evaluation = EvaluationReport::default();
    let mut control = dated().controls.remove(2);
    control.findings =
        ["prod", "dev", "prod", "Not/One", ""].map(|one| namespaced(one, "is wrong")).into();
    evaluation.controls = vec![control];
    let reports = split(ReportApi::PolicyReport, "scan", &BTreeMap::new(), results(&evaluation));
    let places: Vec<_> =
        reports.iter().map(|one| (one.namespace.as_deref(), one.results.len())).collect();
    assert_eq!(places, [(None, 2), (Some("dev"), 1), (Some("prod"), 2)]);
}

#[test]
fn no_object_is_more_than_etcd_takes() {
    let mut evaluation = EvaluationReport::default();
    let mut control = dated().controls.remove(2);
    control.findings = (0..10_000).map(|_| namespaced("prod", &"é\u{202e}".repeat(900))).collect();
    evaluation.controls = vec![control];
    let reports = split(ReportApi::PolicyReport, "scan", &BTreeMap::new(), results(&evaluation));
    assert!(reports.len() > 10);
    assert_eq!(reports[1].name, "scan-2");
    assert_eq!(reports.iter().map(|one| one.results.len()).sum::<usize>(), 10_000);
    for report in reports {
        assert!(serde_json::to_string(&report).unwrap().len() < 1_200_000);
    }
}
