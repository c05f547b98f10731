//! Cheats by who can get around what binds records to their authors.

use std::time::Duration;

use comptroller_core::api::State;
use comptroller_evidence::entry::{Data, Entry};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    controlplane::wait,
    people::{ANN, GITOPS, SAM, attempt, attestation, change, create, exception},
    process::{LIMIT, kubectl},
    world::{Report, World, list, of_item},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SYSTEM: &str = "-n=comptroller-system";

/// Guards that are gone for a moment, approvals and attestations that were forged then, those who
/// could act as somebody else, and dates that nobody can confirm: each is on the page, and nothing
/// that rests on them alone is a pass.
#[tokio::test]
async fn what_was_forged_while_nobody_was_bound_proves_nothing() {
    let mut world = World::guarded().await;
    for guard in ["comptroller-exception-author", "comptroller-attestation-author"] {
        world.until_entry(guard, |entry| is_guard(entry, guard, "InForce")).await;
    }
    for name in ["minutes", "forged-minutes", "backdated"] {
        world.bench.apply(&human_control(name)).await;
    }
    let honest = world.governed("honest-pause").await;
    let forged = world.governed("forged-pause").await;
    let excused = world.governed("excused").await;
    // A policy takes effect a moment after it was created.
    tokio::time::sleep(Duration::from_secs(3)).await;

    for (name, control, suspends) in [
        ("honest-pause", "honest-pause", true),
        ("forged-pause", "forged-pause", true),
        ("excuse", "excused", false),
    ] {
        create(&world.bench, SAM, asked(name, control, suspends)).await.unwrap();
    }
    change(&world.bench, ANN, "honest-pause", json!({"approvedBy": ANN})).await.unwrap();
    attest(&world, "minutes", SAM, &json!({})).await;
    let long_ago = whole(Timestamp::now() - SignedDuration::from_hours(24 * 58));
    attest(&world, "backdated", SAM, &json!({"performedAt": long_ago})).await;
    approved(&world, "honest-pause").await;
    kubectl(&world.bench.plane, &["delete", "attestation/backdated"]).await;
    // What was written within some seconds of a lapse counts as written in it.
    tokio::time::sleep(Duration::from_secs(5)).await;

    unguarded(&world).await;
    for name in ["forged-pause", "excuse"] {
        wait::until("the forgery is let through", LIMIT, async || {
            change(&world.bench, GITOPS, name, json!({"approvedBy": ANN})).await.ok()
        })
        .await
        .unwrap();
    }
    wait::until("the forgery is let through", LIMIT, async || {
        let of =
            json!({"control": "forged-minutes", "period": period(&world, "forged-minutes").await});
        create(&world.bench, GITOPS, attestation("forged-minutes", ANN, &of)).await.ok()
    })
    .await
    .unwrap();
    guarded_again(&world).await;

    // For what they forged.
    for (governed, name) in [(&honest, "honest-pause"), (&forged, "forged-pause")] {
        approved(&world, name).await;
        governed.declare(&world, "suspend: true", "true").await;
        governed.until(&world, State::Unknown).await;
        governed.declare(&world, "", "true").await;
        governed.until(&world, State::Passing).await;
    }
    excused.config_map(&world, "bad", None).await;
    excused.until(&world, State::Excepted).await;
    excused.config_map(&world, "bad", Some("ops")).await;
    excused.until(&world, State::Passing).await;
    rights_for_a_moment(&world).await;

    let report = world.report().await;
    let suspended = |name: &str| list(report.control(name), "suspensions")[0].clone();
    assert!(suspended("honest-pause")["approvedBy"].is_string(), "{:#}", suspended("honest-pause"));
    assert_eq!(report.control("forged-pause")["conclusion"], "NotDeterminable");
    report.is_no_pass("excused");
    let bound = |name: &str| -> Value {
        let all = list(&report.json, "exceptions").iter();
        all.clone().find(|one| one["name"] == name).unwrap()["approverBound"].clone()
    };
    assert_eq!((bound("honest-pause"), bound("excuse")), (json!(true), json!(false)));
    let record =
        |name: &str| list(&list(report.control(name), "occurrences")[0], "records")[0].clone();
    assert_eq!(record("minutes")["authorBound"], true);
    assert_eq!(record("forged-minutes")["authorBound"], false);
    report.is_no_pass("forged-minutes");
    let late = record("backdated");
    assert_eq!(late["backdated"], true, "{late:#}");
    assert_eq!(late["summary"], "Done.", "it was deleted, and the log has it: {late:#}");
    let unbound = report.identity("was not in force");
    assert!(unbound.iter().all(|one| one["authorNotBound"] == true), "{unbound:#?}");
    for guard in ["comptroller-exception-author", "comptroller-attestation-author"] {
        assert!(!report.identity(guard).is_empty(), "{unbound:#?}");
    }
    rights_are_told(&report);
    report.shows(&["author not bound", "backdated", "may act as somebody else"]);
    let found = of_item(report.control("excused"), "exceptedFindings", "bad");
    assert_eq!(found["exception"], "excuse", "{found:#}");
}

/// Rights and lists that are as before a moment later.
async fn rights_for_a_moment(world: &World) {
    let plane = &world.bench.plane;
    let run = async |line: &str| kubectl(plane, &line.split(' ').collect::<Vec<_>>()).await;
    let holds = |right: &'static str, who: &'static str| {
        move |entry: &Entry| {
            entry.subject.name == right && told(entry).is_some_and(|spec| spec.contains(who))
        }
    };
    run("create clusterrole imp --verb=impersonate --resource=users,groups").await;
    run("create clusterrolebinding imp --clusterrole=imp --group=night-shift").await;
    run("create role imp -n=comptroller-system --verb=impersonate --resource=serviceaccounts")
        .await;
    run("create rolebinding imp -n=comptroller-system --role=imp --group=day-shift").await;
    run("create clusterrolebinding edits --clusterrole=comptroller-editor --group=contractors")
        .await;
    run("create role execs -n=comptroller-system --verb=create --resource=pods/exec").await;
    run("create rolebinding execs -n=comptroller-system --role=execs --group=helpers").await;
    for (right, who) in [
        ("impersonate", "night-shift"),
        ("impersonate", "day-shift"),
        ("edit-controls", "contractors"),
        ("exec-into-operator", "helpers"),
    ] {
        world.until_entry(who, holds(right, who)).await;
    }
    run("delete clusterrolebinding imp edits").await;
    run("delete rolebinding imp execs -n=comptroller-system").await;
    let patch = json!({"data": {"helper": "system:serviceaccount:ci:bot"}}).to_string();
    let writers = "configmap/comptroller-record-writers";
    kubectl(plane, &[SYSTEM, "patch", writers, "-p", &patch]).await;
    world
        .until_entry("the writers", |entry| told(entry).is_some_and(|spec| spec.contains("ci:bot")))
        .await;
    let patch = json!({"data": {"helper": null}}).to_string();
    kubectl(plane, &[SYSTEM, "patch", writers, "-p", &patch]).await;
}

fn rights_are_told(report: &Report) {
    let who = |what: &str, who: &str| {
        let facts = report.identity(what);
        let named = |one: &&&Value| one["who"].to_string().contains(who);
        let fact = facts.iter().find(named);
        assert!(fact.is_some(), "{what}: no {who} in {facts:#?}");
    };
    who("may act as somebody else", "Group night-shift");
    who("may act as somebody else", "Group day-shift");
    who("may act as somebody else", "Group system:masters");
    who("may edit or delete controls", "Group contractors");
    who("may run commands in the operator", "Group helpers");
    who("comptroller-record-writers", "ci:bot");
}

/// The text of what a guard's entry says.
fn told(entry: &Entry) -> Option<String> {
    match &entry.data {
        Data::Object(_, change) => change.spec.as_ref().map(Value::to_string),
        _ => None,
    }
}

fn is_guard(entry: &Entry, name: &str, phase: &str) -> bool {
    let Data::Object(_, change) = &entry.data else { return false };
    entry.subject.name == name && change.phase.as_deref() == Some(phase)
}

/// One that is open for a month from now.
fn human_control(name: &str) -> String {
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}}}
spec:
  title: Risks are assessed
  criteria: [CC3.2]
  owner: security
  severity: High
  test:
    attestation: {{every: 1mo}}
"
    )
}

async fn period(world: &World, control: &str) -> String {
    let has_open = |status: &comptroller_core::api::ControlStatus| !status.occurrences.is_empty();
    let open = world.bench.until(control, "has an open occurrence", has_open).await;
    open.occurrences[0].period.clone()
}

/// Attests a control by a record of its name.
async fn attest(world: &World, control: &str, person: &str, more: &Value) {
    let mut of = json!({"control": control, "period": period(world, control).await});
    of.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    create(&world.bench, person, attestation(control, person, &of)).await.unwrap();
    world
        .until_entry("the record is recorded", |entry| {
            matches!(&entry.data, Data::Attestation(data)
                if data.record.as_ref().is_some_and(|record| record.name == control))
        })
        .await;
}

/// An exception that somebody asks for.
fn asked(name: &str, control: &str, suspends: bool) -> Value {
    let mut object = exception(name, SAM);
    object["spec"]["controls"] = json!([control]);
    let spec = object["spec"].as_object_mut().unwrap();
    if suspends {
        spec.remove("resources");
        spec.insert("suspends".to_owned(), true.into());
    } else {
        let all = json!([{"kind": "ConfigMap", "namespace": control, "name": "*"}]);
        spec.insert("resources".to_owned(), all);
    }
    object
}

async fn approved(world: &World, name: &str) {
    let is_approved = |entry: &Entry| match &entry.data {
        Data::Exception(change) => {
            entry.subject.name == name
                && change.spec.as_ref().is_some_and(|spec| spec.get("approvedBy").is_some())
        }
        _ => false,
    };
    world.until_entry("the approval is recorded", is_approved).await;
}

/// Takes away what binds records to their authors.
async fn unguarded(world: &World) {
    let plane = &world.bench.plane;
    for name in ["comptroller-exception-author", "comptroller-attestation-author"] {
        kubectl(plane, &["delete", &format!("validatingadmissionpolicybinding/{name}")]).await;
    }
}

/// Puts it back after three seconds, and waits until it holds.
async fn guarded_again(world: &World) {
    tokio::time::sleep(Duration::from_secs(3)).await;
    kubectl(&world.bench.plane, &["apply", "-k", &format!("{ROOT}/config/admission")]).await;
    wait::until("the policies are in force again", LIMIT, async || {
        let forged = attempt(&world.bench, SAM, attestation("x", ANN, &json!({}))).await;
        let asked = attempt(&world.bench, SAM, exception("x", ANN)).await;
        (forged.is_err() && asked.is_err()).then_some(())
    })
    .await
    .unwrap();
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap()
}
