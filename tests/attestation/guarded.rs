//! The guard is guarded: what is written while a policy is gone is marked in the log, and so is who
//! could get around it.

use std::{path::Path, time::Duration};

use comptroller_core::api::DeviationResponse;
use comptroller_evidence::{
    data::{ChangeKind, ObjectChange},
    entry::{Data, Entry, EntryType},
    log::LogReader,
    store,
};
use futures::TryStreamExt;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{
    controlplane::wait,
    lifecycle::control,
    people::{ANN, GITOPS, SAM, attempt, attestation, change, cluster, create, exception},
    process::{Bench, LIMIT, kubectl},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BINDING: &str = "ValidatingAdmissionPolicyBinding";
const EXCEPTION_AUTHOR: &str = "comptroller-exception-author";

async fn entries(log: &Path) -> Vec<Entry> {
    let store = store::open(log.to_str().unwrap()).unwrap();
    let Ok(reader) = LogReader::open(store, None).await else { return Vec::new() };
    let entries: Vec<_> = reader.entries(0..reader.size()).try_collect().await.unwrap();
    entries.iter().map(|(_, bytes)| Entry::parse(bytes).unwrap()).collect()
}

/// The changes of an object that the log has, with the type of their entries.
async fn changes(log: &Path, kind: &str, name: &str) -> Vec<(EntryType, ObjectChange)> {
    let all = entries(log).await.into_iter();
    all.filter(|entry| entry.subject.kind == kind && entry.subject.name == name)
        .filter_map(|entry| match entry.data {
            Data::Exception(change) => Some((EntryType::Exception, *change)),
            Data::Object(type_, change) => Some((type_, *change)),
            _ => None,
        })
        .collect()
}

/// Waits until the last change of an object is as wanted.
async fn until(
    log: &Path,
    kind: &str,
    name: &str,
    wanted: impl Fn(&ObjectChange) -> bool,
) -> Vec<(EntryType, ObjectChange)> {
    let mut last = Vec::new();
    wait::until(&format!("the log has {kind} {name}"), LIMIT, async || {
        last = changes(log, kind, name).await;
        last.last().is_some_and(|(_, change)| wanted(change)).then_some(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}: {last:#?}"));
    last
}

fn phase(change: &ObjectChange) -> Option<&str> {
    change.phase.as_deref()
}

fn response(name: &str, person: &str) -> Value {
    let mut object = json!({
        "metadata": {"name": name},
        "spec": {
            "control": "kept", "cause": "A slip.", "response": "Mended by sam@corp.", "owner": "sre",
            "respondedBy": person,
        },
    });
    let kind = DeviationResponse::api_resource();
    object["apiVersion"] = kind.api_version.into();
    object["kind"] = kind.kind.into();
    object
}

#[tokio::test]
async fn an_approval_that_was_forged_while_the_binding_was_gone_is_marked() {
    let mut bench = cluster().await;
    let log = bench.plane.dir().join("evidence");
    let arguments = ["--evidence", log.to_str().unwrap()];
    let kubeconfig = bench.plane.kubeconfig("admin");
    bench.start_operator_as(kubeconfig.clone(), &arguments).await;
    bench.apply(&control("kept", "{every: 1mo}")).await;
    let in_force =
        until(&log, BINDING, EXCEPTION_AUTHOR, |change| phase(change) == Some("InForce")).await;
    assert_eq!(in_force[0].0, EntryType::Guard);
    let writers = until(&log, "ConfigMap", "comptroller-record-writers", |_| true).await;
    assert_eq!(writers.last().unwrap().1.spec.as_ref().unwrap()["writers"], json!([GITOPS]));
    // A policy takes effect a moment after it was created.
    tokio::time::sleep(Duration::from_secs(3)).await;

    for name in ["honest", "forged"] {
        create(&bench, SAM, exception(name, SAM)).await.unwrap();
    }
    change(&bench, ANN, "honest", json!({"approvedBy": ANN})).await.unwrap();
    let approved = |change: &ObjectChange| {
        change.spec.as_ref().is_some_and(|spec| spec.get("approvedBy").is_some())
            || phase(change) != Some("Pending")
    };
    let honest = until(&log, "ControlException", "honest", approved).await;
    assert!(honest.iter().all(|(_, change)| change.author_bound != Some(false)), "{honest:#?}");
    assert_eq!(honest[0].1.author_bound, Some(true));
    assert!(honest[0].1.created_at.is_some());
    responses(&bench, &log).await;

    // What was written within some seconds of a lapse counts as written in it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    // For three seconds nobody is bound to anything.
    let binding = format!("validatingadmissionpolicybinding/{EXCEPTION_AUTHOR}");
    kubectl(&bench.plane, &["delete", &binding]).await;
    wait::until("the forgery is let through", LIMIT, async || {
        change(&bench, GITOPS, "forged", json!({"approvedBy": ANN})).await.ok()
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    kubectl(&bench.plane, &["apply", "-k", &format!("{ROOT}/config/admission")]).await;
    let writer = json!({"data": {"argocd": GITOPS}}).to_string();
    let writers = "configmap/comptroller-record-writers";
    kubectl(&bench.plane, &["-n=comptroller-system", "patch", writers, "-p", &writer]).await;
    wait::until("the policy is in force again", LIMIT, async || {
        attempt(&bench, SAM, exception("x", ANN)).await.err()
    })
    .await
    .unwrap();

    let course =
        until(&log, BINDING, EXCEPTION_AUTHOR, |change| phase(change) == Some("InForce")).await;
    let phases: Vec<_> = course.iter().map(|(_, change)| phase(change).unwrap()).collect();
    assert_eq!(phases, ["InForce", "NotInForce", "InForce"]);
    let forged = changes(&log, "ControlException", "forged").await;
    let (_, approval) =
        forged.iter().find(|(_, change)| change.change == ChangeKind::Updated).unwrap();
    assert_eq!(approval.author_bound, Some(false), "{forged:#?}");
    assert_eq!(forged[0].1.author_bound, Some(true));
    let honest = changes(&log, "ControlException", "honest").await;
    assert!(honest.iter().all(|(_, change)| change.author_bound != Some(false)), "{honest:#?}");
    attestations(&mut bench, &log, &arguments).await;
}

/// Management's responses are bound to who gives them, and recorded without people.
async fn responses(bench: &Bench, log: &Path) {
    let why = attempt(bench, SAM, response("x", ANN)).await.unwrap_err();
    assert!(why.contains("spec.respondedBy must be you, sam@corp"), "{why}");
    let why = attempt(bench, GITOPS, response("x", ANN)).await.unwrap_err();
    assert!(why.contains("set spec.recordedBy to system:serviceaccount:argocd"), "{why}");
    create(bench, SAM, response("slip", SAM)).await.unwrap();
    let told = until(log, "DeviationResponse", "slip", |_| true).await;
    let (type_, change) = &told[0];
    assert_eq!((*type_, change.author_bound), (EntryType::Response, Some(true)));
    let spec = change.spec.as_ref().unwrap();
    assert!(spec["respondedBy"].as_str().unwrap().starts_with("person:"), "{spec}");
    assert!(!spec.to_string().contains("sam@corp"), "{spec}");
}

/// Who holds a right that gets around the guards is told when it changes; and a restart does not
/// doubt policies that stayed as they were, nor believe those that were gone meanwhile.
async fn attestations(bench: &mut Bench, log: &Path, arguments: &[&str]) {
    let holds = |change: &ObjectChange, who: &str| {
        change.spec.as_ref().is_some_and(|spec| spec["who"].to_string().contains(who))
    };
    until(log, "Right", "impersonate", |change| !holds(change, "Group imp")).await;
    let plane = &bench.plane;
    let rule = ["create", "clusterrole", "imp", "--verb=impersonate", "--resource=users"];
    kubectl(plane, &rule).await;
    let binding = ["create", "clusterrolebinding", "imp", "--clusterrole=imp"];
    let to = ["--group=imp", "--user=eve@corp"];
    kubectl(plane, &[&binding[..], &to[..]].concat()).await;
    let told = until(log, "Right", "impersonate", |change| holds(change, "Group imp")).await;
    let (type_, change) = told.last().unwrap();
    assert_eq!(*type_, EntryType::Guard);
    assert!(holds(change, "User person:") && !holds(change, "eve@corp"), "{change:#?}");

    let record = async |bench: &Bench, name: &str, bound: bool| {
        let open = bench
            .until("kept", "has an open occurrence", |status| !status.occurrences.is_empty())
            .await;
        let period = &open.occurrences[0].period;
        let object = attestation(name, SAM, &json!({"control": "kept", "period": period}));
        create(bench, SAM, object).await.unwrap();
        (name.to_owned(), bound)
    };
    let mut wanted = vec![record(bench, "first", true).await];
    bench.stop_operator().await;
    wanted.push(record(bench, "while-down", true).await);
    bench.start_operator_as(bench.plane.kubeconfig("admin"), arguments).await;
    recorded(log, &wanted).await;
    bench.stop_operator().await;
    // The log knows the first binding, and not when it went.
    let binding = "validatingadmissionpolicybinding/comptroller-attestation-author";
    kubectl(&bench.plane, &["delete", binding]).await;
    wanted.push(record(bench, "while-gone", false).await);
    kubectl(&bench.plane, &["apply", "-k", &format!("{ROOT}/config/admission")]).await;
    bench.start_operator_as(bench.plane.kubeconfig("admin"), arguments).await;
    recorded(log, &wanted).await;
    bench.stop_operator().await;
}

/// Waits until the log has these attestations, each bound to its author or not.
async fn recorded(log: &Path, wanted: &[(String, bool)]) {
    let mut last = Vec::new();
    wait::until("the attestations are recorded", LIMIT, async || {
        let all = entries(log).await;
        last = all
            .into_iter()
            .filter_map(|entry| match entry.data {
                Data::Attestation(data) => data.record,
                _ => None,
            })
            .collect();
        (last.len() == wanted.len()).then_some(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}: {last:#?}"));
    for record in &last {
        let (_, bound) = wanted.iter().find(|(name, _)| *name == record.name).unwrap();
        assert_eq!(record.author_bound, Some(*bound), "{last:#?}");
        assert!(record.seen_at.is_some() && !record.summary.is_empty(), "{record:?}");
    }
}
