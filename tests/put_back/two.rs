//! Two operators at one log, of which one has hung, or which nobody elected.

use super::*;
use crate::process::get;

/// A leader that hangs leads for 15 s by its lease; then it is for its follower to speak.
const SECONDS: Duration = Duration::from_secs(45);

#[tokio::test]
async fn a_leader_that_hangs_is_told_of_and_followed() {
    let (bench, log) = bench().await;
    let controls = bench.controls();
    let directory = log.to_str().unwrap();
    let arguments =
        ["--leader-elect", "--leader-elect-namespace", "default", "--evidence", directory];
    let first = bench.another_operator(&arguments).await;
    until_recorded(&bench, 0).await;
    let second = bench.another_operator(&arguments).await;
    first.signal("STOP");
    bench.apply(&config_map("our-b", "{}")).await;
    until_refused(&controls, SECONDS, "holds the lock").await;
    let kept = log.with_extension("kept");
    std::fs::copy(log.join("checkpoint"), &kept).unwrap();
    let before = entries(&log).await.len();

    // It wakes up: it lets go of the lock, writes nothing, and the other one goes on.
    first.signal("CONT");
    until_recorded(&bench, 1).await;
    let (_, metrics) = get(&first.url, "/metrics").await.unwrap();
    assert!(metrics.contains("comptroller_leader 0"), "{metrics}");
    let all = entries(&log).await;
    let epoch = all[before - 1].epoch;
    assert!(all[before..].iter().all(|entry| entry.epoch > epoch), "{:#?}", &all[before..]);
    let told = gaps(&all);
    assert!(matches!(told[..], [why] if why.contains("took over")), "{told:?}");
    verify(&log, Some(&kept));
    // And is of use again.
    drop(second);
    bench.apply(&config_map("our-c", "{}")).await;
    until_recorded(&bench, 2).await;
    verify(&log, Some(&kept));
}

#[tokio::test]
async fn of_two_operators_that_nobody_elected_one_works() {
    let (bench, log) = bench().await;
    let arguments = ["--evidence", log.to_str().unwrap()];
    let first = bench.another_operator(&arguments).await;
    until_recorded(&bench, 0).await;
    let second = bench.begin_another_operator(&arguments);
    wait::until("the second says that it is one too many", LIMIT, async || {
        let (status, body) = get(&second.url, "/readyz").await.ok()?;
        (status == 503 && body.contains("another operator writes")).then_some(())
    })
    .await
    .unwrap();
    // The first goes on, and nobody writes over what it says.
    for (number, name) in [(1, "our-b"), (2, "our-c"), (3, "our-d")] {
        bench.apply(&config_map(name, "{}")).await;
        let status = until_recorded(&bench, number).await;
        assert_eq!(recorded(&status).0, "True");
    }
    let events = process::kubectl(&bench.plane, &["get", "events.events.k8s.io", "-A"]).await;
    assert!(!events.contains("LogUnavailable"), "{events}");
    let (status, _) = get(&first.url, "/readyz").await.unwrap();
    assert_eq!(status, 200);
    // It is gone, and the second does its work.
    drop(first);
    bench.apply(&config_map("our-e", "{}")).await;
    until_recorded(&bench, 4).await;
    wait::until("the second is ready", LIMIT, async || {
        let (status, _) = get(&second.url, "/readyz").await.ok()?;
        (status == 200).then_some(())
    })
    .await
    .unwrap();
    verify(&log, None);
}
