//! Reports for the tests of every format: one with everything in it, hostile names included, and
//! one with as many deviations as asked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::assigning_clones,
    reason = "only tests use it, and a fixture that is wrong must say where"
)]

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    fold::criteria::standings,
    model::{
        Accepted, Conclusion, ControlReport, Coverage, Deviation, Ending, ExceptionReport,
        GapReport, Interval, OccurrenceReport, PeriodReport, PeriodSummary, Provenance,
        ReportPeriod, ReportedPopulation, Span, SpecChange,
    },
};
use comptroller_core::api::{ResourceRef, Severity, State, criteria::Category};
use comptroller_evidence::data::{FieldChange, OccurrencePhase, PopulationList};

/// What somebody who may create objects could call one, with everything that a format could
/// interpret: markup, quotes, a formula, an escape sequence, and a change of reading direction.
pub const HOSTILE: &str = "=HYPERLINK(\"//evil\")</td></svg><script>alert('x')</script>&amp;\u{1b}[31m\u{202e}gpj,\r\n\"@";

/// A time of the sample, as `2026-07-01T00:00:00Z`.
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A quarter with every kind of content: seven controls in every conclusion, human ones too,
/// exceptions, changed specs, gaps, and hostile text wherever text comes from outside.
pub fn rich() -> PeriodReport {
    let controls = vec![
        backups(),
        certificates(),
        encryption(),
        images(),
        no_cluster_admin(),
        log_review(),
        standing_gateways(),
    ];
    assemble(controls)
}

/// A report at a time, with one control that held.
pub fn type_one() -> PeriodReport {
    let mut report = assemble(vec![certificates()]);
    let as_of = at("2026-09-30T12:00:00Z");
    report.period.name = "soc2-type1-2026".to_owned();
    report.period.span = Span::TypeI { as_of };
    for control in &mut report.controls {
        control.intervals = vec![interval(
            "2026-09-30T12:00:00Z",
            "2026-09-30T12:00:00Z",
            Some(State::Passing),
            "NoFindings",
        )];
        control.population_start = None;
    }
    report.gaps.clear();
    report.exceptions.clear();
    report
}

/// The rich report with a control that has this many deviations.
pub fn with_deviations(count: usize) -> PeriodReport {
    let mut report = rich();
    let Some(control) = report.controls.iter_mut().find(|one| one.name == "images-are-pinned")
    else {
        return report;
    };
    let start = at("2026-07-02T00:00:00Z");
    control.deviations = (0..count)
        .map(|number| {
            let seconds = i64::try_from(number).unwrap() * 600;
            let since = start + SignedDuration::from_secs(seconds % 7_000_000);
            Deviation {
                resource: resource("apps/v1", "Deployment", Some("shop"), &format!("web-{number}")),
                since,
                until: Some(since + SignedDuration::from_hours(3)),
                opened_entry: number as u64,
                closed_entry: Some(number as u64 + 7),
                ..image_deviation()
            }
        })
        .collect();
    report.summary = summary(&report.controls);
    report
}

fn assemble(mut controls: Vec<ControlReport>) -> PeriodReport {
    controls.sort_by(|one, other| one.name.cmp(&other.name));
    PeriodReport {
        period: ReportPeriod {
            name: "soc2-2026-q3".to_owned(),
            span: Span::TypeII { from: at("2026-07-01T00:00:00Z"), to: at("2026-10-01T00:00:00Z") },
            categories: vec![Category::Security, Category::Availability],
        },
        provenance: provenance(),
        summary: summary(&controls),
        criteria: standings(&[Category::Availability], &controls),
        controls,
        exceptions: vec![exception("legacy-ci-admin"), hostile_exception()],
        gaps: gaps(),
    }
}

fn summary(controls: &[ControlReport]) -> PeriodSummary {
    let of = |wanted| controls.iter().filter(|one| one.conclusion == wanted).count();
    let deviations = controls.iter().flat_map(|control| &control.deviations);
    let mut coverage = Coverage::default();
    for control in controls {
        coverage.observed_seconds += control.coverage.observed_seconds;
        coverage.expected_seconds += control.coverage.expected_seconds;
    }
    PeriodSummary {
        controls: controls.len(),
        effective: of(Conclusion::Effective),
        with_deviations: of(Conclusion::Deviations),
        unknown: of(Conclusion::Unknown),
        deviations: deviations.clone().count(),
        open_deviations: deviations.filter(|one| one.ending == Ending::Open).count(),
        coverage,
    }
}

fn provenance() -> Provenance {
    let origin = "comptroller.dev/evidence/6f1c2c8e-6a53-4b3e-9a53-1f0c7a9c0d11";
    Provenance {
        cluster: "6f1c2c8e-6a53-4b3e-9a53-1f0c7a9c0d11".to_owned(),
        origin: origin.to_owned(),
        source: "s3://acme-evidence/production".to_owned(),
        checkpoint: format!(
            "{origin}\n48213\nZm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=\n\n\u{2014} {origin} pXQ1b3K0H2m8uJfY0s8m1c0m0w3b1Qn0V6v7xJt5h0q2y9d4e6r8t0u2i4o6p8a0s2d4f6g8h0j2k4l6=\n"
        ),
        verifier_key: format!("{origin}+a5743d6f+AfWq0c2v8nq7m1m3n5b7v9c1x3z5a7s9d1f3g5h7j9k1"),
        log_size: 48_213,
        first_entry: 0,
        verification: "Every entry from 0 to 48212 was hashed again and is part of the signed \
                       checkpoint, whose signature the verifier key confirms; the log extends the \
                       older checkpoint of 31007 entries."
            .to_owned(),
        run_at: at("2026-10-02T08:15:42Z"),
        run_by: "auditor@firm.example".to_owned(),
        version: "0.1.0".to_owned(),
        command: "comptroller report soc2-2026-q3 --from 2026-07-01T00:00:00Z --to \
                  2026-10-01T00:00:00Z --evidence s3://acme-evidence/production -o html"
            .to_owned(),
        verify_command: "comptroller evidence verify s3://acme-evidence/production --key \
                         comptroller.pub"
            .to_owned(),
        completeness: "The log was read from its first entry to its last; entry 48212 is later \
                       than the end of the period."
            .to_owned(),
    }
}

fn resource(version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ResourceRef {
    ResourceRef {
        api_version: version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    }
}

fn interval(from: &str, to: &str, state: Option<State>, reason: &str) -> Interval {
    Interval { from: at(from), to: at(to), state, reason: reason.to_owned() }
}

fn coverage(intervals: &[Interval]) -> Coverage {
    let expected = Interval {
        from: at("2026-07-01T00:00:00Z"),
        to: at("2026-10-01T00:00:00Z"),
        state: None,
        reason: String::new(),
    };
    let seen = intervals.iter().filter(|one| one.state.is_some());
    Coverage {
        observed_seconds: seen.map(|one| one.length().as_secs()).sum(),
        expected_seconds: expected.length().as_secs(),
    }
}

fn population(time: &str, count: u64, entry: u64) -> ReportedPopulation {
    ReportedPopulation {
        at: at(time),
        count,
        list: Some(PopulationList { digest: digest(entry), count }),
        entry,
    }
}

fn digest(seed: u64) -> String {
    comptroller_vocabulary::canonical::sha256(&seed.to_be_bytes())
}

/// A control that held all through, over 40 objects.
fn held(name: &str, title: &str, criteria: &[&str], test: &str) -> ControlReport {
    let intervals = vec![interval(
        "2026-07-01T00:00:00Z",
        "2026-10-01T00:00:00Z",
        Some(State::Passing),
        "NoFindings",
    )];
    ControlReport {
        name: name.to_owned(),
        title: title.to_owned(),
        objective: Some(format!("{title}, all the time and everywhere.")),
        criteria: criteria.iter().map(|&id| id.to_owned()).collect(),
        owner: "platform-security".to_owned(),
        severity: Severity::High,
        test: test.to_owned(),
        spec_digest: digest(name.len() as u64),
        accepted: Vec::new(),
        conclusion: Conclusion::Effective,
        coverage: coverage(&intervals),
        intervals,
        deviations: Vec::new(),
        population_start: Some(population("2026-07-01T00:00:00Z", 38, 12)),
        population_end: Some(population("2026-09-30T23:10:00Z", 41, 48_190)),
        changes: Vec::new(),
        occurrences: Vec::new(),
    }
}

fn certificates() -> ControlReport {
    held(
        "certificates-do-not-expire",
        "Certificates are renewed before they expire",
        &["CC6.7"],
        "encryption",
    )
}

/// Failed twice, with an hour in which the operator was down.
fn backups() -> ControlReport {
    let control = held(
        "databases-are-backed-up",
        "Every database has a backup of the last day",
        &["A1.2", "CC7.5"],
        "backup",
    );
    let intervals = vec![
        interval(
            "2026-07-01T00:00:00Z",
            "2026-07-19T02:11:09Z",
            Some(State::Passing),
            "NoFindings",
        ),
        interval(
            "2026-07-19T02:11:09Z",
            "2026-07-20T06:40:51Z",
            Some(State::Failing),
            "FindingsOpen",
        ),
        interval(
            "2026-07-20T06:40:51Z",
            "2026-08-11T04:00:00Z",
            Some(State::Passing),
            "NoFindings",
        ),
        interval("2026-08-11T04:00:00Z", "2026-08-13T16:30:00Z", None, "NotObserved"),
        interval(
            "2026-08-13T16:30:00Z",
            "2026-09-27T21:05:33Z",
            Some(State::Passing),
            "NoFindings",
        ),
        interval(
            "2026-09-27T21:05:33Z",
            "2026-10-01T00:00:00Z",
            Some(State::Failing),
            "FindingsOpen",
        ),
    ];
    let deviation = Deviation {
        rule: "BackupTooOld".to_owned(),
        resource: resource("postgresql.cnpg.io/v1", "Cluster", Some("payments"), "ledger"),
        subject: None,
        message: "the newest backup is 29h old, and 24h are allowed".to_owned(),
        severity: Severity::Critical,
        since: at("2026-07-19T02:11:09Z"),
        until: Some(at("2026-07-20T06:40:51Z")),
        ending: Ending::Resolved,
        exception: None,
        opened_entry: 9_120,
        closed_entry: Some(9_871),
    };
    let open = Deviation {
        since: at("2026-09-27T21:05:33Z"),
        until: None,
        ending: Ending::Open,
        opened_entry: 46_002,
        closed_entry: None,
        ..deviation.clone()
    };
    ControlReport {
        severity: Severity::Critical,
        conclusion: Conclusion::Deviations,
        coverage: coverage(&intervals),
        intervals,
        deviations: vec![deviation, open],
        ..control
    }
}

/// Never visible, on a managed control plane.
fn encryption() -> ControlReport {
    let control = held(
        "secrets-encrypted-at-rest",
        "Secrets are encrypted at rest",
        &["CC6.1"],
        "encryption",
    );
    let intervals = vec![interval(
        "2026-07-01T00:00:00Z",
        "2026-10-01T00:00:00Z",
        Some(State::Unknown),
        "NotVisible",
    )];
    ControlReport {
        conclusion: Conclusion::Unknown,
        coverage: coverage(&intervals),
        intervals,
        population_start: None,
        population_end: Some(ReportedPopulation {
            list: None,
            ..population("2026-09-30T23:10:00Z", 0, 48_191)
        }),
        ..control
    }
}

fn image_deviation() -> Deviation {
    Deviation {
        rule: "ImageWithoutDigest".to_owned(),
        resource: resource("apps/v1", "Deployment", Some("shop"), HOSTILE),
        subject: Some(HOSTILE.to_owned()),
        message: format!("the image of the container is named by a tag: {HOSTILE}"),
        severity: Severity::Medium,
        since: at("2026-06-20T10:00:00Z"),
        until: Some(at("2026-07-30T10:00:00Z")),
        ending: Ending::Excepted,
        exception: Some("legacy-ci-admin".to_owned()),
        opened_entry: 3,
        closed_entry: Some(12_001),
    }
}

/// Hostile in every text, changed twice, and excepted for a time.
fn images() -> ControlReport {
    let control = held(
        "images-are-pinned",
        &format!("Images are pinned {HOSTILE}"),
        &["CC6.8", "CC8.1", "ISO27001:A.8.19"],
        "workload",
    );
    let intervals = vec![
        interval(
            "2026-07-01T00:00:00Z",
            "2026-07-30T10:00:00Z",
            Some(State::Failing),
            "FindingsOpen",
        ),
        interval(
            "2026-07-30T10:00:00Z",
            "2026-08-11T04:00:00Z",
            Some(State::Excepted),
            "FindingsExcepted",
        ),
        interval("2026-08-11T04:00:00Z", "2026-08-13T16:30:00Z", None, "NotObserved"),
        interval(
            "2026-08-13T16:30:00Z",
            "2026-09-10T00:00:00Z",
            Some(State::Excepted),
            "FindingsExcepted",
        ),
        interval(
            "2026-09-10T00:00:00Z",
            "2026-10-01T00:00:00Z",
            Some(State::Passing),
            "NoFindings",
        ),
    ];
    let field = |path: &str, from, to| FieldChange { path: path.to_owned(), from, to };
    ControlReport {
        objective: Some(HOSTILE.to_owned()),
        accepted: vec![Accepted { what: HOSTILE.to_owned(), reason: Some(HOSTILE.to_owned()) }],
        owner: HOSTILE.to_owned(),
        severity: Severity::Medium,
        conclusion: Conclusion::Deviations,
        coverage: coverage(&intervals),
        intervals,
        deviations: vec![image_deviation()],
        changes: vec![
            SpecChange {
                at: at("2026-07-14T13:20:00Z"),
                change: "Updated".to_owned(),
                spec_digest: Some(digest(77)),
                fields: vec![
                    field("/severity", Some(json!("Low")), Some(json!("Medium"))),
                    field("/test/workload/registries/0", None, Some(json!(HOSTILE))),
                ],
                entry: 7_702,
            },
            SpecChange {
                at: at("2026-09-02T09:00:00Z"),
                change: "Updated".to_owned(),
                spec_digest: Some(digest(78)),
                fields: vec![field(
                    "/scope/excludeNamespaces",
                    Some(json!(["kube-system", "sandbox"])),
                    None,
                )],
                entry: 31_444,
            },
        ],
        ..control
    }
}

/// One short deviation, of a person's rights.
fn no_cluster_admin() -> ControlReport {
    let control = held(
        "no-standing-cluster-admin",
        "Nobody holds cluster-admin permanently",
        &["CC6.1", "CC6.3"],
        "rbac",
    );
    let intervals = vec![
        interval(
            "2026-07-01T00:00:00Z",
            "2026-09-03T09:14:03Z",
            Some(State::Passing),
            "NoFindings",
        ),
        interval(
            "2026-09-03T09:14:03Z",
            "2026-09-03T09:52:40Z",
            Some(State::Failing),
            "FindingsOpen",
        ),
        interval(
            "2026-09-03T09:52:40Z",
            "2026-10-01T00:00:00Z",
            Some(State::Passing),
            "NoFindings",
        ),
    ];
    let binding = resource(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        None,
        "incident-4711-temporary-administrators",
    );
    ControlReport {
        conclusion: Conclusion::Deviations,
        coverage: coverage(&intervals),
        intervals,
        deviations: vec![Deviation {
            rule: "ClusterAdmin".to_owned(),
            resource: binding,
            subject: Some("User person:5f2b8c1d9e7a4f60b3c2d1e0f9a8b7c6".to_owned()),
            message: "holds cluster-admin in the whole cluster".to_owned(),
            severity: Severity::High,
            since: at("2026-09-03T09:14:03Z"),
            until: Some(at("2026-09-03T09:52:40Z")),
            ending: Ending::Resolved,
            exception: None,
            opened_entry: 32_010,
            closed_entry: Some(32_066),
        }],
        ..control
    }
}

/// A human control: one occurrence in time, one late, one missed, one open.
fn log_review() -> ControlReport {
    let control =
        held("log-review", "Alerts and logs are reviewed every month", &["CC7.2"], "attestation");
    let occurrence = |period: &str, opens: &str, due: &str, grace: &str, phase, entry| {
        let attested = matches!(phase, OccurrencePhase::Completed | OccurrencePhase::CompletedLate);
        OccurrenceReport {
            period: period.to_owned(),
            opens: at(opens),
            due: at(due),
            grace_until: at(grace),
            phase,
            attested_by: if attested {
                vec!["person:0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f".to_owned()]
            } else {
                Vec::new()
            },
            performed_at: attested.then(|| at(due)),
            artifacts: if attested { vec![digest(entry)] } else { Vec::new() },
            entry,
        }
    };
    let intervals = vec![
        interval("2026-07-01T00:00:00Z", "2026-09-15T00:00:00Z", Some(State::Passing), "Attested"),
        interval("2026-09-15T00:00:00Z", "2026-10-01T00:00:00Z", Some(State::Failing), "Missed"),
    ];
    ControlReport {
        severity: Severity::Low,
        conclusion: Conclusion::Deviations,
        coverage: coverage(&intervals),
        intervals,
        population_start: None,
        population_end: None,
        occurrences: vec![
            occurrence(
                "2026-06",
                "2026-07-01T00:00:00Z",
                "2026-07-08T00:00:00Z",
                "2026-07-15T00:00:00Z",
                OccurrencePhase::Completed,
                5_000,
            ),
            occurrence(
                "2026-07",
                "2026-08-01T00:00:00Z",
                "2026-08-08T00:00:00Z",
                "2026-08-15T00:00:00Z",
                OccurrencePhase::CompletedLate,
                20_000,
            ),
            occurrence(
                "2026-08",
                "2026-09-01T00:00:00Z",
                "2026-09-08T00:00:00Z",
                "2026-09-15T00:00:00Z",
                OccurrencePhase::Missed,
                40_000,
            ),
        ],
        deviations: vec![Deviation {
            rule: "OccurrenceMissed".to_owned(),
            resource: resource("comptroller.dev/v1alpha1", "Control", None, "log-review"),
            subject: None,
            message: "nobody attested the occurrence 2026-08 by 2026-09-15".to_owned(),
            severity: Severity::Low,
            since: at("2026-09-15T00:00:00Z"),
            until: None,
            ending: Ending::Open,
            exception: None,
            opened_entry: 40_000,
            closed_entry: None,
        }],
        ..control
    }
}

/// Nothing to govern, and declared late in the period.
fn standing_gateways() -> ControlReport {
    let control = held("gateways-have-tls", "Gateways terminate TLS", &["CC6.7"], "encryption");
    let intervals = vec![interval(
        "2026-08-20T08:00:00Z",
        "2026-10-01T00:00:00Z",
        Some(State::NotApplicable),
        "NoPopulation",
    )];
    ControlReport {
        conclusion: Conclusion::NotApplicable,
        coverage: Coverage {
            observed_seconds: coverage(&intervals).observed_seconds,
            expected_seconds: coverage(&intervals).observed_seconds,
        },
        intervals,
        population_start: Some(ReportedPopulation {
            list: None,
            ..population("2026-08-20T08:00:00Z", 0, 25_000)
        }),
        population_end: Some(ReportedPopulation {
            list: None,
            ..population("2026-09-30T23:10:00Z", 0, 48_195)
        }),
        changes: vec![SpecChange {
            at: at("2026-08-20T08:00:00Z"),
            change: "Created".to_owned(),
            spec_digest: Some(digest(99)),
            fields: Vec::new(),
            entry: 24_999,
        }],
        ..control
    }
}

fn exception(name: &str) -> ExceptionReport {
    ExceptionReport {
        name: name.to_owned(),
        controls: vec!["images-are-pinned".to_owned()],
        reason: "The old build system writes tags until it is replaced in September.".to_owned(),
        requested_by: "person:11112222333344445555666677778888".to_owned(),
        approved_by: Some("person:aaaabbbbccccddddeeeeffff00001111".to_owned()),
        expires: at("2026-09-10T00:00:00Z"),
        active: vec![interval("2026-07-30T10:00:00Z", "2026-09-10T00:00:00Z", None, "Active")],
        entries: vec![11_990, 12_000, 35_120],
    }
}

fn hostile_exception() -> ExceptionReport {
    ExceptionReport {
        controls: vec!["images-are-pinned".to_owned(), HOSTILE.to_owned()],
        reason: HOSTILE.to_owned(),
        approved_by: None,
        active: Vec::new(),
        entries: vec![40_100],
        ..exception("never-approved")
    }
}

fn gaps() -> Vec<GapReport> {
    vec![
        GapReport {
            control: None,
            from: at("2026-08-11T04:00:00Z"),
            to: at("2026-08-13T16:30:00Z"),
            reason: "the operator was not running".to_owned(),
            entry: Some(22_803),
        },
        GapReport {
            control: Some("images-are-pinned".to_owned()),
            from: at("2026-08-11T04:00:00Z"),
            to: at("2026-08-13T16:30:00Z"),
            reason: HOSTILE.to_owned(),
            entry: None,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_consistent_in_itself() {
        let report = rich();
        assert_eq!(report.summary.deviations, 5);
        assert_eq!(report.summary.open_deviations, 2);
        for control in &report.controls {
            for pair in control.intervals.windows(2) {
                assert_eq!(pair[0].to, pair[1].from, "{}", control.name);
            }
        }
        assert!(report.controls.is_sorted_by_key(|control| &control.name), "by name");
        assert_eq!(with_deviations(10_000).summary.deviations, 10_004);
    }
}
