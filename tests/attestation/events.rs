//! What events oblige people to: each event opens one occurrence, whenever the operator is killed.

use std::process::Command;

use comptroller_core::api::{ControlStatus, Occurrence, OccurrencePhase, State};
use comptroller_evidence::data::AttestationData;
use kube::api::DeleteParams;
use serde_json::json;

use crate::{
    lifecycle::control,
    people::{SAM, attestation, cluster, create},
    process::Bench,
    recorded::steps,
};

fn occurrence<'a>(status: &'a ControlStatus, name: &str) -> Option<&'a Occurrence> {
    status.occurrences.iter().find(|one| one.event.as_ref().is_some_and(|event| event.name == name))
}

fn openings(steps: &[AttestationData]) -> Vec<String> {
    let opened =
        steps.iter().filter(|step| step.phase == OccurrencePhase::Open && step.record.is_none());
    opened.map(|step| step.event.as_ref().unwrap().name.clone()).collect()
}

async fn delete(bench: &Bench, name: &str) {
    bench.controls().delete(name, &DeleteParams::default()).await.unwrap();
}

fn todo(bench: &Bench, user: &str) -> String {
    let listed = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["todo", "--kubeconfig"])
        .arg(bench.plane.kubeconfig(user))
        .output()
        .unwrap();
    String::from_utf8(listed.stdout).unwrap()
}

#[tokio::test]
async fn each_event_opens_one_occurrence_that_is_answered_or_missed() {
    let mut bench = cluster().await;
    let log = bench.plane.dir().join("evidence");
    let arguments = ["--evidence", log.to_str().unwrap()];
    let kubeconfig = bench.plane.kubeconfig("admin");
    bench.start_operator_as(kubeconfig.clone(), &arguments).await;
    let test = "{\"on\": {event: ControlDeleted}, openFor: 40s}";
    bench.apply(&control("explained", test)).await;
    for name in ["first", "second", "third"] {
        bench.apply(&control(name, "{every: 1y}")).await;
        bench.until_state(name, State::NotApplicable).await;
    }
    let quiet = bench.until_state("explained", State::NotApplicable).await;
    assert_eq!(quiet.occurrences, []);

    delete(&bench, "first").await;
    let open = |name: &'static str| {
        move |status: &ControlStatus| {
            occurrence(status, name).is_some_and(|one| one.phase == OccurrencePhase::Open)
        }
    };
    let opened = bench.until("explained", "has an occurrence", open("first")).await;
    let first = occurrence(&opened, "first").unwrap();
    assert_eq!(first.period, "event-1");
    assert_eq!(first.event.as_ref().unwrap().at, first.opens);
    let listed = todo(&bench, SAM);
    assert!(listed.contains("comptroller attest explained --period event-1"), "{listed}");

    // Killed between what happens and anything that is said of it.
    delete(&bench, "second").await;
    bench.kill_operator();
    delete(&bench, "third").await;
    bench.start_operator_as(kubeconfig.clone(), &arguments).await;
    bench.until("explained", "has the second", open("second")).await;
    bench.until("explained", "has the third", open("third")).await;
    let answer = json!({"control": "explained", "period": "event-1"});
    create(&bench, SAM, attestation("answer", SAM, &answer)).await.unwrap();
    bench
        .until("explained", "counts the answer", |status| {
            occurrence(status, "first").is_some_and(|one| one.phase == OccurrencePhase::Completed)
        })
        .await;
    bench.kill_operator();
    bench.start_operator_as(kubeconfig, &arguments).await;

    let missed = bench.until_state("explained", State::Failing).await;
    assert_eq!(occurrence(&missed, "first").unwrap().phase, OccurrencePhase::Completed);
    let missed = bench
        .until("explained", "missed both", |status| {
            let is_missed = |one: &&Occurrence| one.phase == OccurrencePhase::Missed;
            status.occurrences.iter().filter(is_missed).count() == 2
        })
        .await;
    assert_eq!((missed.population, missed.failing), (3, 2));
    bench.stop_operator().await;
    let steps = steps(&log, "explained").await;
    assert_eq!(openings(&steps).len(), 3, "{:?}", openings(&steps));
    assert_eq!(openings(&steps)[0], "first");
    let missed = steps.iter().filter(|step| step.phase == OccurrencePhase::Missed);
    assert_eq!(missed.count(), 2);
}
