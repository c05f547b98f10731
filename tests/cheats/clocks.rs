//! Cheats by the clock: what the operator hears of the API server's time is bent by a proxy.

use comptroller_evidence::{
    data::OperatorEvent,
    entry::{Data, Entry},
};

use crate::{
    controlplane::wait,
    faults::{Action, Proxy, on},
    process::LIMIT,
    world::{World, list, now, time},
};

/// The clocks differ by hours while it is bad, once while the operator runs and once from its start on:
/// both times are gaps, the places are named, and no period is a pass for it.
#[tokio::test]
async fn while_a_clock_is_wrong_nothing_is_vouched_for() {
    let mut world = World::without_operator().await;
    let proxy = Proxy::before(&world.bench.plane, "admin", 7);
    world.start_operator_with(proxy.kubeconfig(), &[]).await;
    let bent = world.governed("bent").await;
    let mut times = Vec::new();
    for (turn, hours) in [(1, 26), (2, -2)] {
        if turn == 2 {
            world.bench.stop_operator().await;
        }
        proxy.set([on().then(Action::Ahead(hours * 3600))]);
        if turn == 2 {
            world.start_operator_with(proxy.kubeconfig(), &[]).await;
        }
        told(&world, OperatorEvent::ClockDiffers, turn).await;
        let from = now();
        bent.config_map(&world, "bad", None).await;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        bent.config_map(&world, "bad", Some("ops")).await;
        times.push((from, now()));
        proxy.set([]);
        told(&world, OperatorEvent::ClockAgrees, turn).await;
    }

    let report = world.report().await;
    report.is_no_pass("bent");
    let gaps = report.gaps("ClockDiffers");
    for (from, to) in times {
        let covers =
            |gap: &&serde_json::Value| time(&gap["from"]) <= from && to <= time(&gap["to"]);
        assert!(gaps.iter().any(covers), "{from} to {to}: {gaps:#?}");
    }
    assert!(!list(&report.json["log"], "timeAnomalies").is_empty(), "{:#}", report.json["log"]);
    let ended = now();
    let fell = world.entries().await.is_sorted_by_key(|entry| entry.at);
    assert!(fell && world.entries().await.iter().all(|entry| entry.at <= ended), "time was bent");
}

/// Waits until the log says it so many times.
async fn told(world: &World, event: OperatorEvent, times: usize) {
    let is = |entry: &&Entry| matches!(&entry.data, Data::Operator(data) if data.event == event);
    wait::until(event.as_str(), LIMIT, async || {
        (world.entries().await.iter().filter(is).count() >= times).then_some(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
}
