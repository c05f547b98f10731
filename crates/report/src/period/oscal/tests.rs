use std::collections::BTreeSet;

use serde_json::Value;

use super::write;
use crate::period::{
    model::PeriodReport,
    testing::{rich, type_one, with_deviations, with_registers},
};

fn written(report: &PeriodReport) -> String {
    let mut output = Vec::new();
    write(report, &mut output).unwrap();
    String::from_utf8(output).unwrap()
}

fn json(report: &PeriodReport) -> Value {
    serde_json::from_str(&written(report)).unwrap()
}

/// Every value of a key, wherever it is.
fn values<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    value => values(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, key, found)),
        _ => {}
    }
}

fn no_empty_list(value: &Value, at: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                no_empty_list(value, &format!("{at}/{name}"));
            }
        }
        Value::Array(items) => {
            assert!(!items.is_empty(), "{at}");
            for item in items {
                no_empty_list(item, at);
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_is_as_agreed() {
    insta::assert_snapshot!(written(&type_one()));
}

#[test]
fn the_same_report_is_the_same_bytes_and_every_id_is_its_own() {
    for report in [rich(), type_one(), with_deviations(300)] {
        let text = written(&report);
        assert_eq!(text, written(&report.clone()));
        let json: Value = serde_json::from_str(&text).unwrap();
        let mut ids = Vec::new();
        values(&json, "uuid", &mut ids);
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}

#[test]
fn every_reference_is_to_something_in_the_document() {
    let json = json(&rich());
    let mut ids = Vec::new();
    values(&json, "uuid", &mut ids);
    for key in ["observation-uuid", "risk-uuid", "subject-uuid", "actor-uuid"] {
        let mut references = Vec::new();
        values(&json, key, &mut references);
        assert!(!references.is_empty(), "{key}");
        for reference in references {
            assert!(ids.contains(&reference), "{key} {reference}");
        }
    }
    let plan = json["assessment-results"]["import-ap"]["href"].as_str().unwrap();
    assert!(ids.contains(&plan.trim_start_matches('#')));
}

#[test]
fn no_list_is_empty_and_no_property_either() {
    let mut bare = type_one();
    bare.controls.clear();
    bare.criteria.clear();
    for report in [rich(), type_one(), bare] {
        let json = json(&report);
        no_empty_list(&json, "");
        let mut found = Vec::new();
        values(&json, "value", &mut found);
        assert!(found.iter().all(|value| !value.is_empty() && value.trim() == *value));
    }
}

#[test]
fn only_what_has_no_deviation_observed_is_satisfied() {
    let json = json(&rich());
    let findings = json["assessment-results"]["results"][0]["findings"].as_array().unwrap();
    let status = |id: &str| {
        let finding = findings.iter().find(|one| one["target"]["target-id"] == id).unwrap();
        let status = &finding["target"]["status"];
        (status["state"].as_str().unwrap(), status["reason"].as_str().unwrap())
    };
    assert_eq!(findings.len(), 36);
    assert_eq!(status("cc6.7"), ("satisfied", "pass"));
    assert_eq!(status("cc6.8"), ("not-satisfied", "fail"));
    assert_eq!(status("cc6.1"), ("not-satisfied", "fail"));
    assert_eq!(status("cc1.1"), ("not-satisfied", "other"), "no control serves it");
}

#[test]
fn open_deviations_are_risks_and_gaps_are_observations() {
    let report = rich();
    let json = json(&report);
    let result = &json["assessment-results"]["results"][0];
    let risks = result["risks"].as_array().unwrap();
    assert_eq!(risks.len(), report.summary.open_deviations);
    assert!(risks.iter().all(|risk| risk["status"] == "open"));
    let observations = result["observations"].as_array().unwrap();
    let by = |method: &str| observations.iter().filter(|one| one["methods"][0] == method).count();
    let unseen = report.controls.iter().map(|one| one.out_of_scope.len() + one.suspensions.len());
    assert_eq!(by("UNKNOWN"), report.gaps.len() + unseen.sum::<usize>());
    let of_log = 1 + report.identity.len() + report.log.time_anomalies.len();
    assert_eq!(by("EXAMINE"), 5 + of_log, "a human control, its deviation, its three occurrences");
    let evidence = observations
        .iter()
        .find(|one| one["types"][0] == "finding")
        .and_then(|one| one["relevant-evidence"][0]["href"].as_str())
        .unwrap();
    assert_eq!(evidence, "s3://acme-evidence/production/tile/entries/035#9120");
}

/// `tests/oscal.rs` has an independent program validate this very file.
#[test]
fn the_document_that_is_validated_is_what_is_written() {
    insta::assert_snapshot!("validated", written(&rich()));
}

#[test]
fn a_register_is_an_observation_with_the_entries_that_vouch_for_it() {
    let document = written(&with_registers());
    for text in
        ["Register grants", "items-at-start", "sha256:0e", "It was not known, or not all of it"]
    {
        assert!(document.contains(text), "{text}: {document}");
    }
    no_empty_list(&json(&with_registers()), "");
}
