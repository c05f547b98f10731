//! What passes can be judged again by whoever has the log: on the facts that it was judged on, by the
//! spec of the time, with nothing of the cluster.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use comptroller_core::api::State;
use comptroller_evidence::{
    entry::Data,
    inventory::{InventoryData, Reading},
    population::Members,
};
use serde_json::Value;

use crate::{
    controlplane::{ControlPlane, wait},
    log::{entries, reader},
    process::{Bench, LIMIT},
};

fn deployment(name: &str, privileged: bool) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers: [{{name: c, image: i, securityContext: {{privileged: {privileged}}}}}]
"
    )
}

fn control(name: &str, test: &str) -> String {
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}}}
spec:
  title: A control
  criteria: [CC6.1]
  owner: platform
  severity: High
  heartbeat: 1m
  test: {test}
"
    )
}

const ADMINS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ops}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane@acme.example}]
";

const NAMED: &str = r#"{cel: {resources: [{apiGroups: ["apps"], apiVersions: ["v1"], resources: ["deployments"]}],
    validations: [{expression: "object.metadata.name != 'web'", message: "jane@acme.example made it"}]}}"#;

/// What `evidence` says and its exit code.
fn evidence(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comptroller"));
    let output = command.arg("evidence").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

fn explain(log: &Path, control: &str, item: &str, at: &str) -> Value {
    let log = log.to_str().unwrap();
    let (code, text) =
        evidence(&["explain", log, "--control", control, "--item", item, "--at", at, "-o", "json"]);
    assert_eq!(code, 0, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The first inventory, its entry, and when it was written.
async fn inventory(log: &Path) -> (usize, InventoryData, jiff::Timestamp) {
    wait::until("an inventory", LIMIT, async || {
        entries(log).await.into_iter().enumerate().find_map(|(index, entry)| match entry.data {
            Data::Inventory(data) => Some((index, *data, entry.at)),
            _ => None,
        })
    })
    .await
    .unwrap()
}

async fn start() -> (Bench, PathBuf) {
    let plane = ControlPlane::builder().start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let log = bench.plane.dir().join("evidence");
    for object in [
        deployment("web", false),
        deployment("bad", true),
        ADMINS.to_owned(),
        control("unprivileged", "{workload: {require: [NoPrivileged]}}"),
        control("admins", "{rbac: {forbid: [ClusterAdmin]}}"),
        control("named", NAMED),
    ] {
        bench.apply(&object).await;
    }
    let (user, location) = (bench.plane.kubeconfig("admin"), log.to_str().unwrap().to_owned());
    bench.start_operator_as(user, &["--evidence", &location]).await;
    bench.until_state("unprivileged", State::Failing).await;
    bench.until_state("admins", State::Failing).await;
    bench.until_state("named", State::Failing).await;
    (bench, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_item_is_judged_again_on_the_facts_of_its_time() {
    let (mut bench, log) = start().await;
    let (index, data, at) = inventory(&log).await;
    let time = at.to_string();
    assert!(data.collector.starts_with("comptroller-") && data.kubernetes.is_some(), "{data:?}");
    let deployments = data.kinds.iter().find(|kind| kind.kind == "Deployment").unwrap();
    assert_eq!((deployments.count, deployments.reading), (2, Reading::Complete));
    assert!(deployments.resource_version.is_some() && deployments.listed_at.is_some());
    assert_eq!(deployments.programs, [data.programs["named"].clone()]);

    // Nobody is named, wherever somebody was.
    let reader = reader(&log).await;
    for list in data.lists() {
        let text = zstd::decode_all(&reader.stored(&list.digest).await.unwrap()[..]).unwrap();
        assert!(!String::from_utf8(text).unwrap().contains("jane@acme"), "{list:?}");
    }

    // The list of what was judged has the digests of the same facts.
    let listed = entries(&log).await.into_iter().find_map(|entry| match entry.data {
        Data::Verdict(data) if entry.subject.name == "unprivileged" => data.population_list,
        _ => None,
    });
    let listed = reader.stored(&listed.unwrap().digest).await.unwrap();
    let listed = String::from_utf8(listed.to_vec()).unwrap();
    assert_eq!(Members::of_list(&listed).count(), 2);

    // Then the item that passed is changed.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    bench.apply(&deployment("web", true)).await;
    bench.until("unprivileged", "finds both", |status| status.failing == 2).await;
    let now = wait::until("the entry of it", LIMIT, async || {
        entries(&log).await.into_iter().find_map(|entry| match entry.data {
            Data::Verdict(data) if data.failing == 2 => Some(entry.at),
            _ => None,
        })
    })
    .await
    .unwrap();
    bench.stop_operator().await;

    let then = explain(&log, "unprivileged", "Deployment/default/web", &time);
    assert_eq!(then["judgement"]["outcome"], "Passes", "{then:#}");
    assert_eq!(
        (&then["agrees"], &then["populationAgrees"]),
        (&true.into(), &true.into()),
        "{then:#}"
    );
    assert_eq!(then["inventory"]["entry"], index);
    assert_eq!(then["facts"]["facts"]["Workload"]["pod"]["containers"][0]["image"], "i");
    let digest = then["factsDigest"].as_str().unwrap();
    assert!(
        listed.lines().any(|line| line.contains("\tweb\t") && line.ends_with(digest)),
        "{listed}"
    );
    let bad = explain(&log, "unprivileged", "bad", &time);
    assert_eq!(bad["judgement"]["outcome"], "Fails", "{bad:#}");
    assert_eq!(
        (&bad["agrees"], &bad["recorded"]["findings"][0]["rule"]),
        (&true.into(), &bad["judgement"]["findings"][0]["rule"])
    );
    let later = explain(&log, "unprivileged", "default/web", &now.to_string());
    assert_eq!(
        (&later["agrees"], &later["judgement"]["outcome"]),
        (&false.into(), &"Passes".into())
    );
    assert!(later["changedSince"][0]["what"].as_str().unwrap().contains("was found"), "{later:#}");

    subjects_and_programs_are_explained_too(&log, &time).await;
    verdicts_are_rebuilt(&log);
    what_is_asked_wrongly_is_refused(&log, &time);
    an_altered_list_is_named(&log, &data, index, &time);
}

async fn subjects_and_programs_are_explained_too(log: &Path, time: &str) {
    // By the result of the program that ran then, though its message is another in the log.
    let named = explain(log, "named", "Deployment/default/web", time);
    assert_eq!(named["judgement"]["outcome"], "Fails", "{named:#}");
    assert_eq!(named["agrees"], true, "{named:#}");
    let other = explain(log, "named", "Deployment/default/bad", time);
    assert_eq!(
        (&other["agrees"], &other["judgement"]["outcome"]),
        (&true.into(), &"Passes".into())
    );
    // A person is asked for by the pseudonym.
    let holds = explain(log, "admins", "Group/system:masters", time);
    assert_eq!(holds["judgement"]["outcome"], "NotJudged", "{holds:#}");
    let bound = entries(log).await.into_iter().find_map(|entry| match entry.data {
        Data::Verdict(data) => data
            .added
            .into_iter()
            .find_map(|finding| Some(finding.subject?.strip_prefix("User ")?.to_owned())),
        _ => None,
    });
    let bound = format!("User/{}", bound.unwrap());
    let person = explain(log, "admins", &bound, time);
    assert_eq!(
        (&person["agrees"], &person["judgement"]["outcome"]),
        (&true.into(), &"Fails".into()),
        "{person:#}"
    );
    assert_eq!(person["facts"]["boundBy"][0], "ClusterRoleBinding/ops");
}

/// Of the verdicts that the log has the facts of, each comes to what was recorded; of the others it says why not.
fn verdicts_are_rebuilt(log: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comptroller"));
    command.args(["replay", "--sample", "1000", "--seed", "1", "-o", "json"]).arg(log);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rebuilt: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(rebuilt["different"], 0, "{rebuilt:#}");
    assert!(rebuilt["equal"].as_u64().unwrap() >= 1, "{rebuilt:#}");
    let entries = rebuilt["entries"].as_array().unwrap();
    let why = |entry: &&Value| entry["outcome"] == "NotRebuilt";
    let reasons = entries.iter().filter(why).filter_map(|entry| entry["why"].as_str());
    assert!(reasons.into_iter().all(|why| why.contains("does not hold the facts")), "{rebuilt:#}");
}

fn what_is_asked_wrongly_is_refused(log: &Path, time: &str) {
    let place = log.to_str().unwrap();
    for (control, item, at, said) in [
        ("unprivilegd", "web", time, "did you mean unprivileged?"),
        ("unprivileged", "Deployment/default/wep", time, "did you mean Deployment/default/web"),
        ("unprivileged", "web", "2020-01-01", "the log has no entry up to"),
    ] {
        let (code, text) =
            evidence(&["explain", place, "--control", control, "--item", item, "--at", at]);
        assert!(code == 2 && text.contains(said), "{code} {text}");
    }
    let (code, text) =
        evidence(&["explain", place, "--control", "unprivileged", "--item", "web", "--at", time]);
    assert_eq!(code, 0, "{text}");
    for line in ["Judgement:  Passes: the test workload", "Log agrees: yes", "namespace: default"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

/// One byte of the list in the directory is another: both say which list it is.
fn an_altered_list_is_named(log: &Path, data: &InventoryData, index: usize, time: &str) {
    let place = log.to_str().unwrap();
    let deployments = data.kinds.iter().find(|kind| kind.kind == "Deployment").unwrap();
    let digest = deployments.list.clone().unwrap().digest;
    let file = log.join("stored/sha256").join(digest.strip_prefix("sha256:").unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let (code, text) = evidence(&["verify", place]);
    assert!(
        code == 1 && text.contains(&digest) && text.contains(&format!("entry {index}")),
        "{text}"
    );
    let (code, text) =
        evidence(&["explain", place, "--control", "unprivileged", "--item", "web", "--at", time]);
    let named = format!("entry {index}, the list of apps/v1 Deployment: ");
    assert!(code == 1 && text.contains(&named) && text.contains(&digest), "{code} {text}");
    std::fs::remove_file(&file).unwrap();
    let (code, text) = evidence(&["verify", place]);
    assert!(code == 1 && text.contains("missing"), "{text}");
}
