use clap::Parser;
use serde_json::{Value, json};

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: AttestArgs,
}

fn at(text: &str) -> Timestamp {
    moment(text).unwrap()
}

fn occurrence(period: &str, phase: &str, opens: &str, due: &str) -> Value {
    json!({
        "period": period, "phase": phase, "ruleDigest": "sha256:0",
        "opens": at(opens), "due": at(due), "graceUntil": at(due),
    })
}

fn control(test: &Value, occurrences: &[Value]) -> Control {
    serde_json::from_value(json!({
        "apiVersion": "comptroller.dev/v1alpha1", "kind": "Control",
        "metadata": {"name": "risks"},
        "spec": {
            "title": "t", "criteria": ["CC3.2"], "owner": "o", "severity": "High", "test": test,
        },
        "status": {"occurrences": occurrences},
    }))
    .unwrap()
}

fn attempt(control: &Control, line: &str) -> Result<AttestationSpec, String> {
    let line = ["attest", "risks", "--summary=done"].into_iter().chain(line.split_whitespace());
    let args = Line::try_parse_from(line).map_err(|error| error.to_string())?.args;
    let artifacts = args.artifacts.iter().map(|text| Artifact {
        uri: text.clone(),
        sha256: "0".repeat(64),
        media_type: None,
    });
    let artifacts = artifacts.collect();
    let record = record(&args, control, "sam", artifacts, at("2026-11-22"));
    record.map(|record| record.spec).map_err(|error| error.to_string())
}

fn quarters(test: &Value) -> Control {
    let test = json!({"attestation": test});
    control(
        &test,
        &[
            occurrence("2026-Q3", "Missed", "2026-07-01", "2026-10-01"),
            occurrence("2026-Q4", "Open", "2026-10-01", "2027-01-01"),
            occurrence("2027-Q1", "Scheduled", "2027-01-01", "2027-04-01"),
        ],
    )
}

#[test]
fn the_open_occurrence_is_answered_by_who_asks() {
    let spec = attempt(&quarters(&json!({"every": "3mo"})), "").unwrap();
    assert_eq!((spec.period.as_str(), spec.attested_by.as_str()), ("2026-Q4", "sam"));
    assert_eq!((spec.recorded_by, spec.performed_at.0), (None, at("2026-11-22")));
    let behalf = attempt(&quarters(&json!({"every": "3mo"})), "--on-behalf-of ann").unwrap();
    assert_eq!((behalf.attested_by.as_str(), behalf.recorded_by.as_deref()), ("ann", Some("sam")));
}

#[test]
fn what_would_not_count_is_told_with_what_to_do() {
    let strict = json!({
        "every": "3mo", "requires": ["artifact", "version", "participants"],
        "attesters": {"users": ["ann", "eve"]},
    });
    let required = json!({"every": "3mo", "requires": ["artifact", "version", "participants"]});
    let plain = json!({"every": "3mo"});
    for (test, line, wanted) in [
        (&strict, "", "sam is not among the attesters of risks: have one of ann, eve attest"),
        (
            &required,
            "",
            "risks requires an artifact: give --artifact FILE[=URI] and the version of the \
             reviewed document: give --version and the people who took part: give --participant \
             once for each",
        ),
        (
            &required,
            "--artifact f --version 1",
            "risks requires the people who took part: give --participant",
        ),
        (
            &plain,
            "--period 2026-Q3",
            "2026-Q3 of risks is Missed, and only an open occurrence can be attested; open: 2026-Q4",
        ),
        (&plain, "--period 2031", "2031 of risks is not known"),
        (
            &plain,
            "--performed-at 2026-12-01",
            "--performed-at 2026-12-01T00:00:00Z is in the future",
        ),
        (
            &plain,
            "--performed-at 2026-09-30",
            "is before 2026-Q4, which opened at 2026-10-01T00:00:00Z",
        ),
        (&plain, "--performed-at Tuesday", "write a day, such as 2026-11-20"),
    ] {
        let refused = attempt(&quarters(test), line).unwrap_err();
        assert!(refused.contains(wanted), "{line}: {refused}");
    }
    let complete = "--artifact f --version 1 --participant ann";
    attempt(&quarters(&required), complete).unwrap();
}

#[test]
fn without_an_open_occurrence_it_says_when_one_opens() {
    let test = json!({"attestation": {"every": "1y"}});
    let next = occurrence("2027", "Scheduled", "2027-01-01", "2028-01-01");
    let done = occurrence("2026", "Completed", "2026-01-01", "2027-01-01");
    for (control, wanted) in [
        (control(&test, &[]), "has no occurrences yet: check that the operator runs"),
        (
            control(&test, std::slice::from_ref(&next)),
            "no open occurrence: 2027 opens at 2027-01-01T00:00:00Z",
        ),
        (
            control(&test, &[done, next]),
            "2026 is Completed, and 2027 opens at 2027-01-01T00:00:00Z",
        ),
        (control(&json!({"rbac": {}}), &[]), "needs no attestation: its test is rbac"),
    ] {
        let refused = attempt(&control, "").unwrap_err();
        assert!(refused.contains(wanted), "{refused}");
    }
}

#[test]
fn a_name_is_the_same_each_time_and_valid_for_any_control() {
    let spec = attempt(&quarters(&json!({"every": "3mo"})), "").unwrap();
    let name = name_of(&spec);
    assert_eq!(name, name_of(&spec));
    assert!(name.starts_with("risks-2026-q4-"), "{name}");
    let corrected = AttestationSpec { corrects: Some(name.clone()), ..spec.clone() };
    assert_ne!(name_of(&corrected), name);
    let long = AttestationSpec { control: format!("{}.b", "a-".repeat(120)), ..spec };
    let long = name_of(&long);
    assert!(long.len() <= 253 && !long.contains("--"), "{long}");
}

#[test]
fn an_artifact_is_named_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("minutes.txt");
    std::fs::write(&file, "test").unwrap();
    let path = file.to_str().unwrap();
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for (text, uri) in [
        (path.to_owned(), "file:minutes.txt"),
        (format!("{path}=https://docs.corp/?id=4"), "https://docs.corp/?id=4"),
    ] {
        let read = artifact(&text).unwrap();
        assert_eq!((read.uri.as_str(), read.sha256.as_str()), (uri, digest));
    }
    let refused = artifact(&format!("{path}.gone")).unwrap_err().to_string();
    assert!(refused.contains("minutes.txt.gone can't be read"), "{refused}");
}

#[test]
fn what_an_event_opened_can_be_answered_though_the_status_has_no_room_for_it() {
    let test = json!({"attestation": {"on": {"event": "ControlDeleted"}, "openFor": "5d"}});
    let shown = control(&test, &[occurrence("event-8", "Open", "2026-11-01", "2026-12-01")]);
    assert_eq!(attempt(&shown, "").unwrap().period, "event-8");
    assert_eq!(attempt(&shown, "--period event-3").unwrap().period, "event-3");
    for period in ["event-0", "event-9", "2026"] {
        let refused = attempt(&shown, &format!("--period {period}")).unwrap_err();
        assert!(refused.contains("not known"), "{refused}");
    }
}
