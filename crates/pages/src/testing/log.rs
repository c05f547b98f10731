//! The log of the sample.

use std::collections::BTreeMap;

use comptroller_core::api::{OccurrencePhase, State};
use comptroller_evidence::data::{ChangeKind, FieldChange, GapCause};
use serde_json::json;

use super::at;
use crate::model::{
    ControlHistory, ListedPopulation, LogGap, LogOperator, LogView, TimelineEvent, TimelineFact,
    Verification, VouchedBy, Witnesses,
};

/// A checkpoint, in the form of one.
pub const CHECKPOINT: &str = "comptroller.example/prod-eu-1\n98258\nqINS1GRFpWGtnDcG3lDHY4bWLzV5l3cTZ5qP0Zl8uGg=\n\n— comptroller.example/prod-eu-1 M1h4Vr3bqkSJXvXwAAAA\n";

/// What the log says of the sample.
pub fn log_view(text: &str) -> LogView {
    LogView {
        location: "s3://evidence-prod/eu-1".to_owned(),
        size: 98_258,
        last_at: Some(at("2026-11-30T12:58:02Z")),
        checkpoint: Some(CHECKPOINT.to_owned()),
        verifier_key: Some("comptroller.example/prod-eu-1+33587856+AbC0".to_owned()),
        verification: Verification::Verified {
            at: at("2026-11-30T06:00:00Z"),
            size: 97_900,
            key_given: true,
        },
        witnesses: Witnesses {
            names: vec!["witness.example/a".to_owned(), text.to_owned()],
            days: vec![VouchedBy {
                day: "2026-11-29".parse().unwrap(),
                size: 97_120,
                witnesses: vec!["witness.example/a".to_owned()],
            }],
            contradictions: vec![],
        },
        operators: vec![LogOperator {
            instance: "comptroller-7d9f8b6c5-x2x7k".to_owned(),
            version: "0.1.0".to_owned(),
            image: Some("registry.corp/comptroller@sha256:9f86d081".to_owned()),
            from: at("2026-11-01T06:00:00Z"),
            entry: 51_200,
        }],
        gaps: vec![LogGap {
            from: at("2026-11-22T03:00:00Z"),
            to: at("2026-11-23T01:30:00Z"),
            cause: Some(GapCause::ApiServerUnreachable),
            reason: format!("the API server did not answer {text}"),
            entry: 80_120,
        }],
        earlier_gaps: 3,
        controls: BTreeMap::from([
            ("no-standing-cluster-admin".to_owned(), admins(text)),
            ("access-is-reviewed".to_owned(), reviews(text)),
        ]),
        controls_from: 40_000,
    }
}

fn event(time: &str, entry: u64, fact: TimelineFact) -> TimelineEvent {
    TimelineEvent { at: at(time), entry, fact }
}

fn state(state: State, failing: u64, message: &str) -> TimelineFact {
    TimelineFact::State {
        state,
        reason: "FindingsOpen".to_owned(),
        message: message.to_owned(),
        population: 231,
        failing,
        excepted: 1,
        unknown: 0,
    }
}

fn admins(text: &str) -> ControlHistory {
    let rule = TimelineFact::Rule {
        change: ChangeKind::Updated,
        fields: vec![
            FieldChange {
                path: "/severity".to_owned(),
                from: Some(json!("High")),
                to: Some(json!("Critical")),
            },
            FieldChange { path: "/owner".to_owned(), from: None, to: Some(json!(text)) },
        ],
        by: None,
    };
    let exception = |change, phase: Option<&str>| TimelineFact::Exception {
        name: "legacy-ci".to_owned(),
        change,
        phase: phase.map(str::to_owned),
    };
    let gone =
        TimelineFact::Exception { name: text.to_owned(), change: ChangeKind::Deleted, phase: None };
    let declared = TimelineFact::Rule {
        change: ChangeKind::Created,
        fields: vec![],
        by: Some("jane@corp".to_owned()),
    };
    let gap = TimelineFact::Gap {
        to: at("2026-10-13T18:00:00Z"),
        cause: Some(GapCause::InputsUnreadable),
        reason: "clusterroles could not be listed".to_owned(),
    };
    ControlHistory {
        events: [
            event("2026-10-02T08:00:00Z", 40_001, declared),
            event(
                "2026-10-02T08:00:01Z",
                40_002,
                state(State::Passing, 0, "Nobody holds what is forbidden."),
            ),
            event("2026-10-12T08:00:00Z", 47_002, gap),
            event("2026-11-02T09:00:00Z", 60_011, exception(ChangeKind::Created, Some("Pending"))),
            event("2026-11-02T11:00:00Z", 60_310, exception(ChangeKind::Phase, Some("Active"))),
            event("2026-11-02T11:00:01Z", 60_311, state(State::Excepted, 0, "")),
            event("2026-11-12T10:21:00Z", 71_100, rule),
            event("2026-11-13T10:21:00Z", 71_101, gone),
            event("2026-11-20T09:14:03Z", 78_004, state(State::Failing, 23, text)),
            event(
                "2026-11-21T10:00:00Z",
                79_000,
                TimelineFact::Response { name: "ops-admin-response".to_owned() },
            ),
            event("2026-11-21T11:00:00Z", 79_001, TimelineFact::Unread),
        ]
        .into(),
        earlier: 1_200,
        last_at: Some(at("2026-11-30T12:58:02Z")),
        population: Some(ListedPopulation {
            at: at("2026-11-30T00:00:10Z"),
            entry: 97_121,
            digest: "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
                .to_owned(),
            count: 231,
        }),
    }
}

fn reviews(text: &str) -> ControlHistory {
    let step =
        |period: &str, phase, record: Option<&str>, message: &str| TimelineFact::Occurrence {
            period: period.to_owned(),
            phase,
            record: record.map(str::to_owned),
            message: message.to_owned(),
        };
    ControlHistory {
        events: [
            event(
                "2026-04-15T00:00:00Z",
                41_000,
                step("2026-Q1", OccurrencePhase::Missed, None, "Nobody attested it."),
            ),
            event(
                "2026-07-03T10:00:00Z",
                44_000,
                step("2026-Q2", OccurrencePhase::CompletedLate, Some("access-2026-q2"), text),
            ),
            event("2026-11-25T00:00:00Z", 90_000, state(State::Failing, 1, "2026-11 is overdue.")),
        ]
        .into(),
        earlier: 0,
        last_at: Some(at("2026-11-30T12:00:00Z")),
        population: None,
    }
}
