//! The chart, as Helm installs it, changes it and removes it.

use std::{fs, path::PathBuf, process::Command};

use comptroller_core::api::{Control, State};
use comptroller_evidence::{data::OperatorEvent, entry::Data};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::{
    controlplane::wait,
    harness::Result,
    image, log,
    node::Node,
    release::{self, LIMIT, NAMESPACE},
    restarts::verdict,
    subject::Subject,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const RELEASE: &str = "comptroller";

/// Another name of the same image, which stands for the one of the next version.
const NEXT_IMAGE: &str = "localhost/comptroller:next";

/// Runs Helm with no configuration of the user's own; its output, or what went wrong.
pub async fn helm(node: &Node, arguments: &[&str]) -> Result<String> {
    let installed = PathBuf::from(ROOT).join("target/tools/bin/helm");
    let mut command = Command::new(if installed.exists() { installed } else { "helm".into() });
    let home = node.plane.dir().join("helm");
    command
        .args(arguments)
        .args(["--namespace", NAMESPACE])
        .current_dir(ROOT)
        .env("KUBECONFIG", node.plane.kubeconfig("admin"))
        .env("HELM_CACHE_HOME", home.join("cache"))
        .env("HELM_CONFIG_HOME", home.join("config"))
        .env("HELM_DATA_HOME", home.join("data"));
    let output = tokio::task::spawn_blocking(move || command.output())
        .await?
        .map_err(|error| format!("helm, which `make helm` builds: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("helm {}: {}", arguments.join(" "), text(&output.stderr)).into())
}

/// Installs or upgrades the release with these values, and waits until it is ready.
pub async fn install(node: &Node, image: &str, values: &Value, more: &[&str]) -> Result<()> {
    let (repository, tag) = image.rsplit_once(':').ok_or("a tag")?;
    let mut values = values.clone();
    values["image"] = json!({ "repository": repository, "tag": tag });
    let file = node.plane.dir().join("values.json");
    fs::write(&file, values.to_string())?;
    let file = file.to_str().ok_or("a path in UTF-8")?;
    let install = [
        &["upgrade", "--install", RELEASE, "charts/comptroller", "--create-namespace"],
        &["--values", file, "--wait", "--timeout", "3m"],
        more,
    ];
    if let Err(error) = helm(node, &install.concat()).await {
        release::describe(node).await;
        return Err(error);
    }
    release::rolled_out(node).await
}

/// Who began with the manifests goes on with the chart; an upgrade, and a rollback: one log
/// throughout, with a gap for each restart and nothing else.
pub async fn it_takes_over_upgrades_and_rolls_back(node: &mut Node) {
    let subject = Subject::create(node, "chart").await;
    let take_over = ["--take-ownership", "--force-conflicts"];
    install(node, image::NAME, &json!({}), &take_over).await.unwrap();
    subject.violate().await;
    let failing = subject.until(State::Failing).await;

    node.tag(image::NAME, NEXT_IMAGE).await.unwrap();
    let values = json!({ "podAnnotations": { "example.org/upgraded": "yes" }, "logLevel": "info" });
    // kubectl still owns each field whose value was the same.
    install(node, NEXT_IMAGE, &values, &["--force-conflicts"]).await.unwrap();
    let image =
        ["-n", NAMESPACE, "get", "pods", "-o", "jsonpath={.items[*].spec.containers[*].image}"];
    assert_eq!(node.kubectl(&image).await.unwrap(), NEXT_IMAGE);
    // What was known stays known: the control is not judged as if for the first time.
    assert_eq!(subject.until(State::Failing).await.since, failing.since);
    subject.mend().await;
    subject.until(State::Passing).await;

    helm(node, &["rollback", RELEASE, "1", "--wait", "--timeout", "3m"]).await.unwrap();
    release::rolled_out(node).await.unwrap();
    subject.violate().await;
    subject.until(State::Failing).await;
    let entries = log::entries(&node.folder("volumes/evidence/evidence").unwrap()).await;
    let states: Vec<&str> = entries.iter().filter_map(|entry| verdict(entry, "chart")).collect();
    assert_eq!(states, ["Passing", "Failing", "Passing", "Failing"]);
    let discontinued = entries.iter().any(|entry| {
        matches!(&entry.data, Data::Operator(data) if data.event == OperatorEvent::LogDiscontinued)
    });
    assert!(!discontinued, "an upgrade is not another log");
}

/// Nothing of the chart is left but what nobody can make again: definitions with their objects, the
/// log with its key, and the checkpoint that says how far the log was.
pub async fn an_uninstall_leaves_only_what_is_proof(node: &mut Node) {
    helm(node, &["uninstall", RELEASE, "--wait", "--timeout", "2m"]).await.unwrap();
    let ours = "app.kubernetes.io/name=comptroller";
    let kinds = node
        .kubectl(&["api-resources", "--verbs=list", "-o", "name", "--cached=false"])
        .await
        .unwrap();
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("events") && !kind.ends_with(".comptroller.dev"))
        .collect();
    let get = ["get", &kinds.join(","), "-A", "-l", ours, "-o", "name", "--ignore-not-found"];
    let left = async || {
        let listed = node.kubectl(&get).await.unwrap();
        let mut left: Vec<String> = listed
            .lines()
            .filter(|line| !line.starts_with("customresourcedefinition"))
            .map(str::to_owned)
            .collect();
        left.sort_unstable();
        left
    };
    let kept = [
        "configmap/comptroller-evidence",
        "persistentvolumeclaim/comptroller-evidence",
        "persistentvolumeclaim/comptroller-evidence-key",
    ];
    // Pods end after Helm has.
    let gone =
        wait::until("nothing else is left", LIMIT, async || (left().await == kept).then_some(()));
    if let Err(error) = gone.await {
        panic!("{error}: {:?}", left().await);
    }
    for kind in ["clusterroles", "clusterrolebindings", "validatingadmissionpolicies"] {
        let names = node.kubectl(&["get", kind, "-o", "name"]).await.unwrap();
        // `scraper` is the tests' own.
        let names: Vec<&str> = names.lines().filter(|name| name.contains("comptroller")).collect();
        assert!(names.is_empty(), "{names:?}");
    }
    let controls = Api::<Control>::all(node.client());
    let controls = controls.list(&ListParams::default()).await.unwrap().items;
    assert!(!controls.is_empty(), "an uninstall keeps what people wrote");

    // Whoever installs it again goes on with the same log.
    let before = log::entries(&node.folder("volumes/evidence/evidence").unwrap()).await;
    install(node, image::NAME, &json!({}), &[]).await.unwrap();
    let subject = Subject::create(node, "reinstalled").await;
    subject.violate().await;
    subject.until(State::Failing).await;
    let after = log::entries(&node.folder("volumes/evidence/evidence").unwrap()).await;
    assert_eq!(after[..before.len()], before[..]);
    let again = after.iter().filter_map(|entry| verdict(entry, "chart")).count();
    assert_eq!(again, 4, "nothing is said twice");
}

/// Removes the release with all that it keeps.
pub async fn remove(node: &Node) -> Result<()> {
    helm(node, &["uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout", "2m"]).await?;
    node.kubectl(&["delete", "namespace", NAMESPACE, "--wait", "--timeout=120s"]).await?;
    node.kubectl(&["delete", "persistentvolumes", "--all", "--wait", "--timeout=120s"]).await?;
    Ok(())
}
