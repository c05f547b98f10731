//! How a control with `on` reaches the API server by kubectl, and what the operator says of an event
//! that opens nothing.

use comptroller_core::api::{ControlStatus, State};
use serde_json::Value;

use crate::{
    controlplane::ControlPlane,
    lifecycle::control,
    process::{Bench, kubectl},
};

/// What kubectl answers to a manifest on its standard input: whether it was taken, and what it said.
async fn apply(bench: &Bench, arguments: &[&str], manifest: &str) -> (bool, String) {
    let arguments = [&["apply", "-f", "-"], arguments].concat();
    let output = bench.plane.kubectl_with_input("admin", &arguments, manifest).await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Why a control is not ready. None while it is, or nobody has said.
fn unready(status: &ControlStatus) -> Option<&str> {
    let ready = status.conditions.iter().find(|one| one.type_ == "Ready")?;
    (ready.status.as_str() == "False").then_some(ready.message.as_str())
}

async fn operator() -> Bench {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let mut bench = Bench::without_operator(plane).await;
    let log = bench.plane.dir().join("evidence");
    let kubeconfig = bench.plane.kubeconfig("admin");
    bench.start_operator_as(kubeconfig, &["--evidence", log.to_str().unwrap()]).await;
    bench
}

#[tokio::test]
async fn kubectl_takes_on_in_quotes_and_an_event_that_opens_nothing_is_not_ready() {
    let mut bench = operator().await;
    quoted_or_refused(&bench).await;
    named_when_nothing_opens(&bench).await;
    bench.stop_operator().await;
}

async fn quoted_or_refused(bench: &Bench) {
    for (how, arguments) in [("client", &[][..]), ("server", &["--server-side"][..])] {
        let bare = control(&format!("bare-{how}"), "{on: {event: ControlDeleted}, openFor: 5d}");
        let (taken, said) = apply(bench, arguments, &bare).await;
        assert!(!taken, "{how} took a bare on: {said}");
        assert!(said.contains("true"), "{how} names the field that it sent: {said}");

        let name = format!("quoted-{how}");
        let quoted = control(&name, "{\"on\": {event: ControlDeleted}, openFor: 5d}");
        let (taken, said) = apply(bench, arguments, &quoted).await;
        assert!(taken, "{how} refused on in quotes: {said}");
        bench.until_state(&name, State::NotApplicable).await;
        let stored = kubectl(&bench.plane, &["get", "control", &name, "-o", "json"]).await;
        let stored: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!(stored["spec"]["test"]["attestation"]["on"]["event"], "ControlDeleted");
    }
    // Even where unknown fields are only warned of, such a control has neither every nor on.
    let bare = control("bare-unchecked", "{on: {event: ControlDeleted}, openFor: 5d}");
    let (taken, said) = apply(bench, &["--validate=false"], &bare).await;
    assert!(!taken && said.contains("exactly one of every and on"), "{said}");
}

async fn named_when_nothing_opens(bench: &Bench) {
    let cases = [
        ("people", "\"on\": {event: PersonLeft}, openFor: 1d", "PersonLeft"),
        (
            "register",
            "\"on\": {register: grants, change: Added}, openFor: 5d",
            "the register \"grants\"",
        ),
        (
            "closed-by",
            "\"on\": {event: ControlDeleted}, openFor: 1d, closedBy: {register: grants, empty: 'true'}",
            "closedBy",
        ),
    ];
    for (name, test, named) in cases {
        bench.apply(&control(name, &format!("{{{test}}}"))).await;
        let status = bench.until(name, "is not ready", |status| unready(status).is_some()).await;
        let why = unready(&status).unwrap();
        assert!(why.contains(named), "{name}: {why}");
        assert_ne!(status.state, State::Passing, "{name}: {status:?}");
    }
}
