//! Cheats by the audit period: who chooses it chooses what is told.

use comptroller_core::api::State;
use comptroller_evidence::{
    data::ChangeKind,
    entry::{Data, Entry},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    process::kubectl,
    world::{World, list, now, time},
};

/// A period with a deviation is deleted, and declared again without that time and with a share of
/// observation that anything reaches: both are on the page that is made of it.
#[tokio::test]
async fn a_period_that_was_declared_again_without_the_bad_time_says_so() {
    let mut world = World::start().await;
    let begun = now() - SignedDuration::from_mins(5);
    let hidden = world.governed("hidden").await;
    hidden.break_rule(&world).await;
    hidden.config_map(&world, "bad", Some("ops")).await;
    hidden.until(&world, State::Passing).await;
    let ends = now() + SignedDuration::from_hours(1);
    world.bench.apply(&period(begun, ends, 95)).await;
    recorded(&world, ChangeKind::Created, 1).await;
    kubectl(&world.bench.plane, &["delete", "auditperiod/q3"]).await;
    recorded(&world, ChangeKind::Deleted, 1).await;
    let later = now() + SignedDuration::from_secs(1);
    world.bench.apply(&period(later, ends, 1)).await;
    recorded(&world, ChangeKind::Created, 2).await;
    hidden.config_map(&world, "next", Some("ops")).await;
    world.bench.until("hidden", "goes on", |status| status.population == 3).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    world.bench.stop_operator().await;

    let (code, text, said) = world.read_report(&["q3", "-o", "json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let changes = list(&report, "periodChanges");
    let told: Vec<&str> = changes.iter().map(|one| one["change"].as_str().unwrap()).collect();
    assert_eq!(told, ["Created", "Deleted", "Created"], "{changes:#?}");
    assert!(changes[0]["what"].as_str().unwrap().contains(&begun.to_string()), "{changes:#?}");
    assert!(changes[2]["what"].as_str().unwrap().contains("from 1 % on"), "{changes:#?}");
    assert!(time(&changes[1]["at"]) <= now());
    let (_, page, _) = world.read_report(&["q3", "-o", "html"]);
    for words in ["declared again", "audit period about this time was deleted", &begun.to_string()]
    {
        assert!(page.contains(words), "not on the page: {words}");
    }
    // The whole time is read by whoever asks for it, whatever became of the period.
    world.from = begun;
    let whole = world.report_until(now());
    assert_eq!(whole.control("hidden")["conclusion"], "DeviationObserved");
    assert_eq!(list(&whole.json, "periodChanges").len(), 3);
}

fn period(from: Timestamp, to: Timestamp, minimum: u8) -> String {
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: AuditPeriod
metadata: {{name: q3}}
spec: {{type: TypeII, from: \"{from}\", to: \"{to}\", minimumObservation: {minimum}}}
"
    )
}

/// Waits until the log has so many such changes of a period.
async fn recorded(world: &World, change: ChangeKind, times: usize) {
    let is = |entry: &&Entry| {
        entry.subject.kind == "AuditPeriod"
            && matches!(&entry.data, Data::Object(_, data) if data.change == change)
    };
    let what = format!("the period is {}", change.as_str());
    crate::controlplane::wait::until(&what, crate::process::LIMIT, async || {
        (world.entries().await.iter().filter(is).count() >= times).then_some(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
}
