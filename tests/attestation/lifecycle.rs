//! A human control from its first occurrence to the last: opened, attested, missed.

use std::process::{Command, Output};

use comptroller_core::api::{ControlStatus, Occurrence, OccurrencePhase, State};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::json;

use crate::{
    controlplane::wait,
    people::{ANN, SAM, attestation, cluster, create},
    process::{Bench, LIMIT, get, kubectl},
};

/// A human control.
pub fn control(name: &str, attestation: &str) -> String {
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}}}
spec:
  title: Risks are assessed
  remedy: Assess them.
  criteria: [CC3.2]
  owner: security
  severity: High
  test:
    attestation: {attestation}
"
    )
}

pub fn days_ago(days: i64) -> String {
    let at = Timestamp::now() - SignedDuration::from_hours(24 * days);
    at.to_zoned(TimeZone::UTC).date().to_string()
}

fn comptroller(bench: &Bench, user: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(arguments)
        .arg("--kubeconfig")
        .arg(bench.plane.kubeconfig(user))
        .output()
        .unwrap()
}

fn newest_opened(status: &ControlStatus) -> Option<&Occurrence> {
    status.occurrences.iter().rev().find(|one| one.phase != OccurrencePhase::Scheduled)
}

#[tokio::test]
async fn an_attested_occurrence_passes_and_a_missed_one_fails_for_ever() {
    let mut bench = cluster().await;
    bench.start_operator("admin").await;
    attested(&bench).await;
    overdue(&bench).await;
    let missed = missed(&bench).await;

    // Nothing of it is forgotten.
    bench.stop_operator().await;
    bench.start_operator("admin").await;
    let url = bench.url().to_owned();
    wait::until("the verdict is known again", LIMIT, async || {
        let (_, metrics) = get(&url, "/metrics").await.ok()?;
        metrics
            .contains(r#"comptroller_control_state{control="missed",state="Failing"} 1"#)
            .then_some(())
    })
    .await
    .unwrap();
    let again = bench.until_state("missed", State::Failing).await;
    assert_eq!(again.occurrences, missed.occurrences);
    bench.stop_operator().await;
}

async fn attested(bench: &Bench) {
    bench.apply(&control("monthly", "{every: 1mo, remindBefore: 28d, requires: [artifact]}")).await;
    let open = bench
        .until("monthly", "has an open occurrence", |status| {
            newest_opened(status).is_some_and(|one| one.phase == OccurrencePhase::Open)
        })
        .await;
    // What is open proves nothing yet.
    assert_eq!((open.state, open.population), (State::NotApplicable, 0));
    let next = open.occurrences.last().unwrap();
    assert_eq!(next.phase, OccurrencePhase::Scheduled);
    let period = newest_opened(&open).unwrap().period.clone();

    let refused = comptroller(bench, SAM, &["attest", "monthly", "--summary", "Done."]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("monthly requires an artifact: give --artifact"), "{said}");

    let minutes = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(minutes.path(), "41 risks").unwrap();
    let artifact = format!("{}=https://docs.corp/risks", minutes.path().display());
    let line = ["attest", "monthly", "--summary", "Done.", "--artifact", &artifact];
    let printed = comptroller(bench, SAM, &[&line[..], &["--dry-run"]].concat());
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(printed.contains("attestedBy: sam@corp") && printed.contains("docs.corp"), "{printed}");
    let recorded = comptroller(bench, SAM, &line);
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));

    let done = bench.until_state("monthly", State::Passing).await;
    assert_eq!((done.population, done.failing), (1, 0));
    let occurrence = newest_opened(&done).unwrap();
    assert_eq!((&occurrence.period, occurrence.phase), (&period, OccurrencePhase::Completed));
    assert!(occurrence.records[0].counts);
    let twice = comptroller(bench, SAM, &line);
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(said.contains("monthly has no open occurrence"), "{said}");
}

async fn overdue(bench: &Bench) {
    let spec = format!(
        "{{every: 1mo, start: \"{}\", openFor: 1d, grace: 25d, minAttesters: 2}}",
        days_ago(10)
    );
    bench.apply(&control("overdue", &spec)).await;
    let late = bench.until_state("overdue", State::Failing).await;
    assert_eq!(late.findings[0].rule, "Overdue");
    let period = newest_opened(&late).unwrap().period.clone();
    let of =
        |name, person| attestation(name, person, &json!({"control": "overdue", "period": period}));
    create(bench, SAM, of("overdue-sam", SAM)).await.unwrap();
    bench
        .until("overdue", "counts one of two", |status| {
            newest_opened(status).is_some_and(|one| one.records.len() == 1)
                && status.state == State::Failing
        })
        .await;
    create(bench, ANN, of("overdue-ann", ANN)).await.unwrap();
    let done = bench.until_state("overdue", State::Passing).await;
    assert_eq!(newest_opened(&done).unwrap().phase, OccurrencePhase::CompletedLate);
}

async fn missed(bench: &Bench) -> ControlStatus {
    let spec = format!("{{every: 1mo, start: \"{}\", openFor: 1d}}", days_ago(40));
    bench.apply(&control("missed", &spec)).await;
    let failing = bench.until_state("missed", State::Failing).await;
    assert_eq!((failing.population, failing.failing), (2, 2));
    let finding = &failing.findings[0];
    assert_eq!((finding.rule.as_str(), finding.resource.kind.as_str()), ("Missed", "Occurrence"));
    let first = failing.occurrences[0].clone();
    assert_eq!(first.phase, OccurrencePhase::Missed);

    let period = first.period.clone();
    let late = attestation("late", SAM, &json!({"control": "missed", "period": period}));
    create(bench, SAM, late).await.unwrap();
    let after = bench
        .until("missed", "notes the catch-up", |status| !status.occurrences[0].records.is_empty())
        .await;
    assert_eq!((after.state, after.failing), (State::Failing, 2));
    assert_eq!(after.occurrences[0].phase, OccurrencePhase::Missed);
    assert_eq!(after.occurrences[0].closed, first.closed);
    let record = &after.occurrences[0].records[0];
    assert!(!record.counts && record.note.contains("stays Missed"), "{record:?}");

    let events = kubectl(
        &bench.plane,
        &[
            "get",
            "events.events.k8s.io",
            "-A",
            "-o",
            "jsonpath={range .items[*]}{.reason} {.regarding.name}{\"\\n\"}{end}",
        ],
    )
    .await;
    assert!(events.contains("OccurrenceMissed missed"), "{events}");
    assert!(events.contains("OccurrenceClosed monthly"), "{events}");
    after
}
