//! The log is what is remembered: it names nobody, says each step once, and outranks a status that
//! somebody has mended by hand.

use std::path::Path;

use comptroller_core::api::{OccurrencePhase, State};
use comptroller_evidence::{
    data::AttestationData,
    entry::{Data, Entry},
    log::LogReader,
    store,
};
use futures::TryStreamExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{
    lifecycle::{control, days_ago},
    people::{SAM, attestation, cluster, create},
};

pub async fn steps(log: &Path, control: &str) -> Vec<AttestationData> {
    let store = store::open(log.to_str().unwrap()).unwrap();
    let reader = LogReader::open(store, None).await.unwrap();
    let entries: Vec<_> = reader.entries(0..reader.size()).try_collect().await.unwrap();
    entries
        .iter()
        .map(|(_, bytes)| Entry::parse(bytes).unwrap())
        .filter(|entry| entry.subject.name == control)
        .filter_map(|entry| match entry.data {
            Data::Attestation(data) => Some(*data),
            _ => None,
        })
        .collect()
}

fn told(steps: &[AttestationData]) -> Vec<String> {
    let told = steps.iter().map(|step| match &step.record {
        None => format!("{} {}", step.occurrence.period, step.phase),
        Some(record) => {
            format!("{} record {}: {}", step.occurrence.period, record.name, step.message)
        }
    });
    told.collect()
}

#[tokio::test]
async fn a_missed_occurrence_stays_missed_in_the_log_whatever_the_status_says() {
    let mut bench = cluster().await;
    let log = bench.plane.dir().join("evidence");
    let arguments = ["--evidence", log.to_str().unwrap()];
    let kubeconfig = bench.plane.kubeconfig("admin");
    bench.start_operator_as(kubeconfig.clone(), &arguments).await;
    let spec = format!("{{every: 1mo, start: \"{}\", openFor: 1d}}", days_ago(20));
    bench.apply(&control("kept", &spec)).await;
    let failing = bench.until_state("kept", State::Failing).await;
    assert!(failing.evidence.is_some());
    let (missed, next) = (&failing.occurrences[0], &failing.occurrences[1]);
    let late = json!({"control": "kept", "period": missed.period});
    create(&bench, SAM, attestation("late", SAM, &late)).await.unwrap();
    bench
        .until("kept", "notes the catch-up", |status| !status.occurrences[0].records.is_empty())
        .await;

    let recorded = steps(&log, "kept").await;
    let expected = [
        format!("{} Missed", missed.period),
        format!("{} Scheduled", next.period),
        format!(
            "{} record late: the record does not count: it came too late and is kept as a catch-up: \
             the occurrence stays Missed",
            missed.period
        ),
    ];
    assert_eq!(told(&recorded), expected);
    let record = recorded[2].record.as_ref().unwrap();
    assert!(record.attested_by.starts_with("person:") && !record.on_behalf, "{record:?}");
    assert_eq!(recorded[2].phase, OccurrencePhase::Missed);

    // Who may write statuses mends it while nobody looks.
    bench.stop_operator().await;
    let mut mended = failing.occurrences.clone();
    mended[0].phase = OccurrencePhase::Completed;
    let patch = Patch::Merge(json!({"status": {"state": "Passing", "occurrences": mended}}));
    bench.controls().patch_status("kept", &PatchParams::default(), &patch).await.unwrap();
    bench.start_operator_as(kubeconfig, &arguments).await;
    let again = bench.until_state("kept", State::Failing).await;
    assert_eq!(again.occurrences[0].phase, OccurrencePhase::Missed);
    assert_eq!(again.since, failing.since);
    bench.stop_operator().await;
    assert_eq!(told(&steps(&log, "kept").await), expected, "nothing is recorded twice");
}
