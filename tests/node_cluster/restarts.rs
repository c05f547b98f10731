//! Everything that ends a pod on a node, and what the log on its volume says of it.

use comptroller_core::api::State;
use comptroller_evidence::{
    data::{GapCause, GapData, OperatorEvent},
    entry::{Data, Entry},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    controlplane::wait,
    log,
    node::{Container, Node},
    release::{self, EVIDENCE, LIMIT, NAMESPACE},
    subject::Subject,
};

/// A rollout, a pod that is deleted, a container that is killed, a kubelet that restarts, and a
/// power cut: the log goes on after each, says how long nobody looked, and verifies.
pub async fn the_log_goes_on_whatever_ends_the_pod(node: &mut Node) {
    let subject = Subject::create(node, "restarts").await;

    let restart = ["-n", NAMESPACE, "rollout", "restart", "deployment/comptroller"];
    node.kubectl(&restart).await.unwrap();
    release::rolled_out(node).await.unwrap();
    subject.violate().await;
    subject.until(State::Failing).await;

    let deleted = release::pod(node).await;
    node.kubectl(&["-n", NAMESPACE, "delete", "pod", &deleted]).await.unwrap();
    subject.mend().await;
    subject.until(State::Passing).await;

    let killed = running(node).await;
    killed.signal("KILL").unwrap();
    until_another_than(node, &killed).await;
    subject.violate().await;
    subject.until(State::Failing).await;

    // The kubelet alone: the container runs on, and nothing is to be said of it.
    let before = running(node).await;
    node.restart_kubelet().await.unwrap();
    subject.mend().await;
    subject.until(State::Passing).await;
    assert_eq!(running(node).await, before);

    node.power_cut().await.unwrap();
    until_another_than(node, &before).await;
    subject.violate().await;
    subject.until(State::Failing).await;
    release::rolled_out(node).await.unwrap();

    let verify =
        ["-n", NAMESPACE, "exec", "deployment/comptroller", "--", "comptroller", "evidence"];
    let said = node.kubectl(&[&verify[..], &["verify", EVIDENCE]].concat()).await.unwrap();
    println!("{}", said.trim_end());

    // The same on the node, as whoever has the disk reads it.
    let entries = log::entries(&node.folder("volumes/evidence/evidence").unwrap()).await;
    let states: Vec<&str> = entries.iter().filter_map(|entry| verdict(entry, "restarts")).collect();
    assert_eq!(states, ["Passing", "Failing", "Passing", "Failing", "Passing", "Failing"]);
    let gaps: Vec<&GapData> = entries
        .iter()
        .filter_map(|entry| match &entry.data {
            Data::Gap(gap) => Some(gap),
            _ => None,
        })
        .collect();
    let crashes = gaps.iter().filter(|gap| gap.cause == Some(GapCause::Crashed));
    assert_eq!(crashes.count(), 2, "{gaps:#?}");
    let silences: Vec<_> = entries.windows(3).filter_map(silence_after_stop).collect();
    assert_eq!(silences.len(), 2, "{entries:#?}");
    for (from, to) in silences {
        // What a successor watched while it stood by is no gap, nor is a moment.
        let is_gap = gaps.iter().any(|gap| (gap.from, gap.to) == (from, to));
        let is_brief = to.duration_since(from) <= SignedDuration::from_mins(1);
        assert!(is_gap || is_brief, "{from} to {to} is no gap: {gaps:#?}");
    }
}

/// From the stop of an operator in order to the next start, if these entries begin with the stop.
fn silence_after_stop(entries: &[Entry]) -> Option<(Timestamp, Timestamp)> {
    let event = |entry: &Entry| match &entry.data {
        Data::Operator(data) => Some(data.event),
        _ => None,
    };
    let [first, rest @ ..] = entries else { return None };
    let started = rest.iter().find(|entry| event(entry) == Some(OperatorEvent::Started))?;
    (event(first) == Some(OperatorEvent::Stopped)).then_some((first.at, started.at))
}

/// The state that an entry records of a control.
pub fn verdict<'a>(entry: &'a Entry, control: &str) -> Option<&'a str> {
    match &entry.data {
        Data::Verdict(data) if entry.subject.name == control => Some(data.state.as_str()),
        _ => None,
    }
}

async fn running(node: &Node) -> Container {
    let pod = release::pod(node).await;
    wait::until("the operator's container runs", LIMIT, async || {
        node.container(NAMESPACE, &pod).await.ok().flatten()
    })
    .await
    .unwrap()
}

async fn until_another_than(node: &Node, ended: &Container) {
    let pod = release::pod(node).await;
    wait::until("another container runs", LIMIT, async || {
        let container = node.container(NAMESPACE, &pod).await.ok().flatten()?;
        (container != *ended).then_some(())
    })
    .await
    .unwrap();
}
