//! Everything that ends a pod on a node, and what the log on its volume says of it.

use comptroller_core::api::State;
use comptroller_evidence::{
    data::OperatorEvent,
    entry::{Data, Entry},
};

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
    let gaps: Vec<&str> = entries
        .iter()
        .filter_map(|entry| match &entry.data {
            Data::Gap(gap) => Some(gap.reason.as_str()),
            _ => None,
        })
        .collect();
    let count = |text: &str| gaps.iter().filter(|reason| reason.contains(text)).count();
    assert_eq!(count("did not stop in order"), 2, "{gaps:#?}");
    let stopped = entries.iter().filter(
        |entry| matches!(&entry.data, Data::Operator(data) if data.event == OperatorEvent::Stopped),
    );
    assert_eq!((stopped.count(), count("was stopped in order")), (2, 2), "{gaps:#?}");
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
