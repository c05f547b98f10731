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
    fold::{criteria::criteria, summary},
    model::{
        Accepted, AttestationReport, Conclusion, ControlReport, Coverage, CoveredFinding,
        DEVIATION_RULE, Deviation, DeviationPattern, Ending, ExceptedFinding, ExceptionReport,
        GapReport, IdentityFact, Interval, LogReport, OccurrenceReport, OperatorReport, OutOfScope,
        PeriodReport, PolicySource, Provenance, RegisterFaultReport, RegisterGapReport,
        RegisterReport, ReportPeriod, ReportedItem, ReportedPopulation, ReportedSystem,
        ResponseReport, Span, SpecChange, SpecVersion, Suspension, TimeAnomaly, TimeFault,
        WaivedOccurrence, Wildcard, WindowPopulation,
    },
};
use comptroller_core::api::{ResourceRef, Severity, State, criteria::Category};
use comptroller_evidence::{
    data::{ArtifactRef, FieldChange, GapCause, OccurrencePhase, PopulationCause, PopulationList},
    fold::register_windows::{ChangeRow, RegisterBasis, RegisterRow, RegisterVoucher, SeenRow},
    inventory::Reading,
    register::{Between, Fields, ListRead},
};

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

/// A report at a time, with one control without a deviation.
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
        if let Some(end) = &mut control.population_end {
            end.at = at("2026-09-30T11:40:00Z");
        }
        control.coverage = Coverage::default();
        control.basis =
            "As of the date, every item that it judges was as its spec asks.".to_owned();
        for version in &mut control.specs {
            version.to = as_of;
        }
    }
    report.summary = summary(&report.controls, 95);
    report.log.days = 1;
    report.criteria = criteria(&[Category::Availability], &report.controls, (as_of, as_of), 95);
    report.gaps.clear();
    report.exceptions.clear();
    report
}

/// The rich report with registers: one of grants with a short-lived one and hostile text, known but for an
/// hour, and one that began within the period.
pub fn with_registers() -> PeriodReport {
    let mut report = rich();
    report.registers = vec![grants(), late_volumes()];
    report
}

fn grants() -> RegisterReport {
    let seen = |time: &str, entry: u64| SeenRow {
        at: at(time),
        entry,
        between: None,
        in_first_list: false,
    };
    let row = |key: &str, subject: &str, came: SeenRow, went: Option<SeenRow>| RegisterRow {
        key: key.to_owned(),
        fields: Fields::from([
            ("subject".to_owned(), json!(subject)),
            ("role".to_owned(), json!("ClusterRole cluster-admin")),
            ("scope".to_owned(), json!("cluster")),
            ("risks".to_owned(), json!(["ClusterAdmin", "ReadsSecrets"])),
        ]),
        came,
        went,
        changes: Vec::new(),
    };
    let standing = SeenRow { in_first_list: true, ..seen("2026-06-01T00:00:00Z", 12) };
    let short = row(
        "grant/02",
        "User person:1f0c",
        seen("2026-07-14T10:00:00Z", 9_100),
        Some(seen("2026-07-14T12:00:00Z", 9_120)),
    );
    let between = Between { from: at("2026-08-02T00:00:00Z"), to: at("2026-08-02T01:00:00Z") };
    let found = SeenRow { between: Some(between), ..seen("2026-08-02T01:00:00Z", 20_010) };
    let changed = ChangeRow {
        seen: seen("2026-08-05T00:00:00Z", 21_000),
        fields: Fields::from([("subject".to_owned(), json!(HOSTILE))]),
    };
    let hostile = RegisterRow { changes: vec![changed], ..row(HOSTILE, HOSTILE, found, None) };
    RegisterReport {
        name: "grants".to_owned(),
        basis: RegisterBasis {
            at_start: Some(voucher(48, "2026-06-30T23:00:00Z", 1)),
            at_end: Some(voucher(21_000, "2026-08-05T00:00:00Z", 2)),
            entries: 4,
            came: 2,
            went: 1,
            changed: 1,
            entries_digest: "sha256:0e".to_owned(),
            lists: vec![ListRead {
                resource: "clusterrolebindings.rbac.authorization.k8s.io".to_owned(),
                reading: Reading::Complete,
                resource_version: Some("4711".to_owned()),
                listed_at: Some(at("2026-08-02T01:00:00Z")),
                count: 41,
                counted: Some(41),
            }],
            lists_entry: Some(20_010),
            collector: Some(HOSTILE.to_owned()),
        },
        population: Some(3),
        not_known: vec![RegisterGapReport {
            from: Some(at("2026-08-02T00:00:00Z")),
            to: Some(at("2026-08-02T01:00:00Z")),
            reason: HOSTILE.to_owned(),
            entry: Some(20_009),
        }],
        faults: Vec::new(),
        items: vec![row("grant/01", "Group ops", standing, None), short, hostile],
    }
}

fn late_volumes() -> RegisterReport {
    RegisterReport {
        name: "volumes".to_owned(),
        basis: RegisterBasis {
            at_end: Some(voucher(30_000, "2026-09-01T00:00:00Z", 0)),
            entries: 1,
            entries_digest: "sha256:0f".to_owned(),
            ..RegisterBasis::default()
        },
        population: Some(0),
        not_known: vec![RegisterGapReport {
            from: None,
            to: Some(at("2026-09-01T00:00:00Z")),
            reason: "the register was not kept yet".to_owned(),
            entry: None,
        }],
        faults: vec![RegisterFaultReport {
            entry: 30_001,
            fault: "it removes a, which is not in the register".to_owned(),
        }],
        items: Vec::new(),
    }
}

fn voucher(entry: u64, time: &str, total: u64) -> RegisterVoucher {
    RegisterVoucher { entry, at: at(time), total, digest: format!("sha256:{entry:04x}") }
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
                item: item("apps/v1", "Deployment", Some("shop"), &format!("web-{number}")),
                from: since,
                to: Some(since + SignedDuration::from_hours(3)),
                opened_entry: number as u64,
                closed_entry: Some(number as u64 + 7),
                ..image_deviation()
            }
        })
        .collect();
    report.summary = summary(&report.controls, 95);
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
        system_description: system_description(),
        provenance: provenance(),
        log: log(),
        summary: summary(&controls, 95),
        deviation_rule: DEVIATION_RULE,
        criteria: criteria(&[Category::Availability], &controls, whole(), 95),
        controls,
        exceptions: vec![exception("legacy-ci-admin"), hostile_exception()],
        gaps: gaps(),
        identity: identity(),
        registers: Vec::new(),
        period_changes: Vec::new(),
    }
}

fn system_description() -> ReportedSystem {
    let described = json!({
        "company": "Acme Corporation",
        "system": {"name": "Acme Shop", "description": format!("Sells things.\n{HOSTILE}")},
        "boundary": {
            "clusters": ["production"],
            "excluded": [{"what": "the Namespace sandbox", "why": HOSTILE}],
        },
        "subserviceOrganizations": [{
            "name": "Example Cloud",
            "services": "Runs the control plane and the nodes.",
            "method": "CarveOut",
            "complementaryControls": [{"control": "Its staff's access is reviewed.", "criteria": ["CC6.4"]}],
        }],
        "complementaryUserEntityControls": [{"control": "Users keep their passwords to themselves."}],
        "pointsOfFocus": [{"criterion": "CC6.1", "points": ["Nobody holds rights for good.", HOSTILE]}],
    });
    ReportedSystem::read(&described, at("2026-06-20T08:00:00Z"), 41).unwrap()
}

fn log() -> LogReport {
    LogReport {
        continues_published: Some(false),
        published: Some(format!("{HOSTILE}\n48000\n")),
        vouched_days: 0,
        policy: PolicySource::None,
        days: 92,
        time_anomalies: vec![TimeAnomaly {
            entry: 30_101,
            at: at("2026-08-30T00:00:00Z"),
            server_time: Some(at("2026-08-29T00:00:00Z")),
            fault: TimeFault::ClocksDiffer,
        }],
    }
}

fn identity() -> Vec<IdentityFact> {
    vec![IdentityFact {
        from: at("2026-08-02T10:00:00Z"),
        to: Some(at("2026-08-02T10:00:03Z")),
        what: format!("ValidatingAdmissionPolicyBinding {HOSTILE} was not in force"),
        who: vec![HOSTILE.to_owned()],
        author_not_bound: true,
        entry: 20_100,
    }]
}

fn response() -> ResponseReport {
    ResponseReport {
        name: "ledger-july".to_owned(),
        at: at("2026-07-22T08:00:00Z"),
        cause: HOSTILE.to_owned(),
        response: "The schedule was restored, and an alert watches it.".to_owned(),
        owner: "platform-security".to_owned(),
        responded_by: "person:11112222333344445555666677778888".to_owned(),
        corrective_action_by: Some("2026-08-01".to_owned()),
        author_bound: Some(true),
        entry: 9_990,
    }
}

fn attestation(performed_at: Timestamp, entry: u64) -> AttestationReport {
    AttestationReport {
        name: format!("log-review-{entry}"),
        counts: true,
        attested_by: "person:0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f".to_owned(),
        recorded_by: Some("person:11112222333344445555666677778888".to_owned()),
        on_behalf: true,
        performed_at,
        recorded_at: performed_at,
        seen_at: Some(performed_at),
        outcome: "CompletedWithFindings".to_owned(),
        version: None,
        participants: 2,
        artifacts: vec![ArtifactRef { uri: HOSTILE.to_owned(), digest: digest(entry) }],
        summary: HOSTILE.to_owned(),
        note: "the record counts".to_owned(),
        author_bound: Some(false),
        unbound_entry: Some(entry + 7),
        backdated: true,
        late: false,
        spec_digest: digest(entry),
        entry,
    }
}

fn spec(title: &str, criteria: &[&str], test: &str) -> SpecVersion {
    let (from, to) = whole();
    let criteria: Vec<String> = criteria.iter().map(|&id| id.to_owned()).collect();
    SpecVersion {
        from,
        to,
        entry: 11,
        spec: json!({"title": title, "criteria": criteria, "test": {test: {}}}),
        spec_digest: digest(title.len() as u64),
        title: title.to_owned(),
        severity: Severity::High,
        criteria,
        what_was_done: format!("Every item was judged by the {test} test on each of its changes."),
        accepted: Vec::new(),
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
        operators: vec![OperatorReport {
            from: at("2026-08-13T16:30:00Z"),
            instance: "comptroller-0".to_owned(),
            image: Some(format!("registry.acme.example/comptroller@{}", digest(4))),
            version: "0.1.0".to_owned(),
            flags: vec!["run".to_owned(), "--evidence".to_owned(), HOSTILE.to_owned()],
            user: Some("system:serviceaccount:comptroller:comptroller".to_owned()),
            node: Some("node-3".to_owned()),
            entry: 22_802,
        }],
        cosignatures: Vec::new(),
        policy: PolicySource::None,
        contradictions: Vec::new(),
        lists: Vec::new(),
    }
}

fn item(version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ReportedItem {
    let resource = ResourceRef {
        api_version: version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    ReportedItem { resource, uid: Some("0b4c8f1e-2f6e-4b8a-8f0e-0d5c1c1a9e11".to_owned()) }
}

fn whole() -> (Timestamp, Timestamp) {
    (at("2026-07-01T00:00:00Z"), at("2026-10-01T00:00:00Z"))
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
        digest: Some(digest(entry)),
        list: Some(PopulationList { digest: digest(entry), count }),
        entry,
    }
}

fn digest(seed: u64) -> String {
    comptroller_vocabulary::canonical::sha256(&seed.to_be_bytes())
}

/// A control without a deviation all through, over 40 objects.
fn passing(name: &str, title: &str, criteria: &[&str], test: &str) -> ControlReport {
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
        specs: vec![spec(title, criteria, test)],
        wildcards: Vec::new(),
        conclusion: Conclusion::NoDeviationObserved,
        basis: "Enough was observed, and nothing in it was a deviation.".to_owned(),
        observed_share: 1.0,
        performed: (test == "attestation").then_some(true),
        coverage: coverage(&intervals),
        intervals,
        deviations: Vec::new(),
        deviation_pattern: None,
        excepted_findings: Vec::new(),
        out_of_scope: Vec::new(),
        suspensions: Vec::new(),
        population_window: WindowPopulation::default(),
        population_start: Some(population("2026-07-01T00:00:00Z", 38, 12)),
        population_end: Some(population("2026-09-30T23:10:00Z", 41, 48_190)),
        changes: Vec::new(),
        occurrences: Vec::new(),
    }
}

fn certificates() -> ControlReport {
    passing(
        "certificates-do-not-expire",
        "Certificates are renewed before they expire",
        &["CC6.7"],
        "encryption",
    )
}

/// Failed twice, with an hour in which the operator was down.
fn backups() -> ControlReport {
    let control = passing(
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
        item: item("postgresql.cnpg.io/v1", "Cluster", Some("payments"), "ledger"),
        subject: None,
        message: "the newest backup is 29h old, and 24h are allowed".to_owned(),
        severity: Severity::Critical,
        from: at("2026-07-19T02:11:09Z"),
        to: Some(at("2026-07-20T06:40:51Z")),
        ending: Ending::Mended,
        ending_detail: String::new(),
        last_found: None,
        exception: None,
        pattern: DeviationPattern::Recurring,
        cause: Some(HOSTILE.to_owned()),
        response: Some(response()),
        opened_entry: 9_120,
        closed_entry: Some(9_871),
    };
    let open = Deviation {
        from: at("2026-09-27T21:05:33Z"),
        to: None,
        ending: Ending::LeftScope,
        ending_detail: format!("the label env of the Namespace payments was prod and is {HOSTILE}"),
        last_found: Some(at("2026-09-28T01:00:00Z")),
        cause: None,
        response: None,
        opened_entry: 46_002,
        closed_entry: Some(46_100),
        ..deviation.clone()
    };
    ControlReport {
        severity: Severity::Critical,
        conclusion: Conclusion::DeviationObserved,
        basis: Conclusion::DeviationObserved.meaning().to_owned(),
        coverage: coverage(&intervals),
        intervals,
        out_of_scope: vec![OutOfScope {
            item: open.item.clone(),
            from: at("2026-09-28T01:00:00Z"),
            to: None,
            why: open.ending_detail.clone(),
            cause: PopulationCause::NamespaceLabels,
            entry: 46_100,
            return_entry: None,
        }],
        deviation_pattern: Some(DeviationPattern::Recurring),
        deviations: vec![deviation, open],
        ..control
    }
}

/// Never visible, on a managed control plane.
fn encryption() -> ControlReport {
    let control = passing(
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
        conclusion: Conclusion::NotDeterminable,
        basis: "Nobody could tell: the cluster does not show it.".to_owned(),
        observed_share: 0.0,
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
        item: item("apps/v1", "Deployment", Some("shop"), HOSTILE),
        subject: Some(HOSTILE.to_owned()),
        message: format!("the image of the container is named by a tag: {HOSTILE}"),
        severity: Severity::Medium,
        from: at("2026-06-20T10:00:00Z"),
        to: Some(at("2026-07-30T10:00:00Z")),
        ending: Ending::Excepted,
        ending_detail: String::new(),
        last_found: None,
        pattern: DeviationPattern::Isolated,
        cause: None,
        response: None,
        exception: Some("legacy-ci-admin".to_owned()),
        opened_entry: 3,
        closed_entry: Some(12_001),
    }
}

/// Hostile in every text, changed twice, and excepted for a time.
fn images() -> ControlReport {
    let control = passing(
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
        conclusion: Conclusion::DeviationObserved,
        basis: Conclusion::DeviationObserved.meaning().to_owned(),
        coverage: coverage(&intervals),
        intervals,
        deviations: vec![image_deviation()],
        deviation_pattern: Some(DeviationPattern::Isolated),
        wildcards: vec![Wildcard {
            from: at("2026-07-14T13:20:00Z"),
            to: at("2026-10-01T00:00:00Z"),
            field: "/test/workload/registries/0".to_owned(),
            pattern: "*".to_owned(),
            entry: 7_702,
        }],
        excepted_findings: vec![ExceptedFinding {
            rule: "ImageWithoutDigest".to_owned(),
            item: image_deviation().item,
            since: at("2026-07-14T13:20:00Z"),
            from: at("2026-07-30T10:00:00Z"),
            to: Some(at("2026-09-10T00:00:00Z")),
            exception: "legacy-ci-admin".to_owned(),
            entry: 12_001,
        }],
        suspensions: vec![Suspension {
            from: at("2026-08-11T04:00:00Z"),
            to: at("2026-08-13T16:30:00Z"),
            approved_by: None,
            exception: None,
            author_bound: None,
            entry: 22_000,
        }],
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
    let control = passing(
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
    let binding = item(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        None,
        "incident-4711-temporary-administrators",
    );
    ControlReport {
        conclusion: Conclusion::DeviationObserved,
        basis: Conclusion::DeviationObserved.meaning().to_owned(),
        coverage: coverage(&intervals),
        intervals,
        deviations: vec![Deviation {
            rule: "ClusterAdmin".to_owned(),
            item: binding,
            subject: Some("User person:5f2b8c1d9e7a4f60b3c2d1e0f9a8b7c6".to_owned()),
            message: "holds cluster-admin in the whole cluster".to_owned(),
            severity: Severity::High,
            from: at("2026-09-03T09:14:03Z"),
            to: Some(at("2026-09-03T09:52:40Z")),
            ending: Ending::ObjectGone,
            ending_detail: String::new(),
            last_found: None,
            pattern: DeviationPattern::Isolated,
            cause: None,
            response: None,
            exception: None,
            opened_entry: 32_010,
            closed_entry: Some(32_066),
        }],
        ..control
    }
}

/// A human control: one occurrence in time, one late, one missed, one open.
fn log_review() -> ControlReport {
    let control = passing(
        "log-review",
        "Alerts and logs are reviewed every month",
        &["CC7.2"],
        "attestation",
    );
    let occurrence = |period: &str, opens: &str, due: &str, grace: &str, phase, entry| {
        let attested = matches!(phase, OccurrencePhase::Completed | OccurrencePhase::CompletedLate);
        OccurrenceReport {
            period: period.to_owned(),
            event: None,
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
            waived_by: None,
            records: if attested { vec![attestation(at(due), entry)] } else { Vec::new() },
            entry,
        }
    };
    let intervals = vec![
        interval("2026-07-01T00:00:00Z", "2026-09-15T00:00:00Z", Some(State::Passing), "Attested"),
        interval("2026-09-15T00:00:00Z", "2026-10-01T00:00:00Z", Some(State::Failing), "Missed"),
    ];
    ControlReport {
        severity: Severity::Low,
        conclusion: Conclusion::DeviationObserved,
        basis: Conclusion::DeviationObserved.meaning().to_owned(),
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
            item: item("comptroller.dev/v1alpha1", "Occurrence", None, "2026-08"),
            subject: None,
            message: "nobody attested the occurrence 2026-08 by 2026-09-15".to_owned(),
            severity: Severity::Low,
            from: at("2026-09-08T00:00:00Z"),
            to: None,
            ending: Ending::Open,
            ending_detail: String::new(),
            last_found: None,
            pattern: DeviationPattern::Judgement,
            cause: None,
            response: None,
            exception: None,
            opened_entry: 40_000,
            closed_entry: None,
        }],
        ..control
    }
}

/// Nothing to govern, and declared late in the period.
fn standing_gateways() -> ControlReport {
    let control = passing("gateways-have-tls", "Gateways terminate TLS", &["CC6.7"], "encryption");
    let intervals = vec![interval(
        "2026-08-20T08:00:00Z",
        "2026-10-01T00:00:00Z",
        Some(State::NotApplicable),
        "NoPopulation",
    )];
    ControlReport {
        conclusion: Conclusion::NotDue,
        basis: Conclusion::NotDue.meaning().to_owned(),
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
        resources: vec!["Deployment shop/*".to_owned()],
        suspends: false,
        ticket: Some("SEC-4711".to_owned()),
        compensating_control: Some("The registry keeps tags from moving.".to_owned()),
        created_at: Some(at("2026-07-30T08:59:58Z")),
        asked_at: at("2026-07-30T09:00:00Z"),
        recorded_by: None,
        approved_at: Some(at("2026-07-30T10:00:00Z")),
        author_bound: Some(true),
        approver_bound: Some(false),
        unbound_entry: Some(12_003),
        phase: "Expired".to_owned(),
        covered: vec![CoveredFinding {
            control: "images-are-pinned".to_owned(),
            item: image_deviation().item,
            since: at("2026-07-14T13:20:00Z"),
            from: at("2026-07-30T10:00:00Z"),
            to: Some(at("2026-09-10T00:00:00Z")),
        }],
        waived: vec![WaivedOccurrence {
            control: "log-review".to_owned(),
            period: "2026-08".to_owned(),
            entry: 12_400,
        }],
        wildcard: true,
        late: true,
        after_the_fact: true,
        reason: "The old build system writes tags until it is replaced in September.".to_owned(),
        requested_by: "person:11112222333344445555666677778888".to_owned(),
        approved_by: Some("person:aaaabbbbccccddddeeeeffff00001111".to_owned()),
        expires: Some(at("2026-09-10T00:00:00Z")),
        active: vec![interval("2026-07-30T10:00:00Z", "2026-09-10T00:00:00Z", None, "Active")],
        entries: vec![11_990, 12_000, 35_120],
    }
}

fn hostile_exception() -> ExceptionReport {
    ExceptionReport {
        controls: vec!["images-are-pinned".to_owned(), HOSTILE.to_owned()],
        reason: HOSTILE.to_owned(),
        approved_by: None,
        approved_at: None,
        phase: "Pending".to_owned(),
        author_bound: None,
        approver_bound: None,
        unbound_entry: None,
        covered: Vec::new(),
        waived: Vec::new(),
        wildcard: false,
        late: false,
        after_the_fact: false,
        active: Vec::new(),
        entries: vec![40_100],
        ..exception("never-approved")
    }
}

fn gaps() -> Vec<GapReport> {
    vec![
        GapReport {
            cause: GapCause::Crashed,
            controls: vec!["databases-are-backed-up".to_owned(), "images-are-pinned".to_owned()],
            everywhere: true,
            from: at("2026-08-11T04:00:00Z"),
            to: at("2026-08-13T16:30:00Z"),
            reason: "the operator was not running".to_owned(),
            entries: vec![22_803],
        },
        GapReport {
            cause: GapCause::Suspended,
            controls: vec!["images-are-pinned".to_owned()],
            everywhere: false,
            from: at("2026-08-11T04:00:00Z"),
            to: at("2026-08-13T16:30:00Z"),
            reason: HOSTILE.to_owned(),
            entries: Vec::new(),
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
        assert_eq!(report.summary.no_deviation_observed, 1);
    }
}
