//! Installing the operator as a cluster's administrator does, and what then runs.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::json;

use crate::{
    harness::Result,
    image,
    node::{NAME as NODE, Node},
};

/// How long anything may take on a busy machine.
pub const LIMIT: Duration = Duration::from_mins(2);
pub const NAMESPACE: &str = "comptroller-system";
pub const DEPLOYMENT: &str = "comptroller";
/// The folder of the log in the container.
pub const EVIDENCE: &str = "/var/lib/comptroller/evidence";
/// What selects the operator's pods.
const LABEL: &str = "app.kubernetes.io/name=comptroller";

/// Installs the operator by the shipped manifests, with the log on a volume, and waits until it is ready.
pub async fn install(node: &Node) -> Result<()> {
    image::import(node).await?;
    volumes(node).await?;
    let overlay = overlay(node)?;
    let overlay = overlay.to_str().ok_or("a path in UTF-8")?;
    node.kubectl(&["apply", "--server-side", "-k", overlay]).await?;
    rolled_out(node).await
}

/// Two volumes of the node's disk, which the kubelet hands to the pod's group.
async fn volumes(node: &Node) -> Result<()> {
    for (name, size) in [("evidence", "5Gi"), ("evidence-key", "16Mi")] {
        let volume = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": { "name": name },
            "spec": {
                "capacity": { "storage": size },
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": { "namespace": NAMESPACE, "name": format!("comptroller-{name}") },
                // Unlike of a `hostPath`, the kubelet sets its group.
                "local": { "path": node.folder(&format!("volumes/{name}"))? },
                "nodeAffinity": { "required": { "nodeSelectorTerms": [{
                    "matchExpressions": [
                        { "key": "kubernetes.io/hostname", "operator": "In", "values": [NODE] },
                    ],
                }] } },
            },
        });
        node.kubectl_with_input(&["apply", "-f", "-"], &volume.to_string()).await?;
    }
    Ok(())
}

/// The shipped manifests with the image of this test.
fn overlay(node: &Node) -> Result<PathBuf> {
    let folder = node.plane.dir().join("overlay");
    fs::create_dir_all(&folder)?;
    // Resources may only be named by relative paths.
    let up = "../".repeat(folder.components().count() - 1);
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default");
    let (name, tag) = image::NAME.rsplit_once(':').ok_or("a tag")?;
    let kustomization = json!({
        "resources": [format!("{up}{}", config.strip_prefix("/")?.display())],
        "images": [{ "name": "comptroller", "newName": name, "newTag": tag }],
    });
    fs::write(folder.join("kustomization.yaml"), kustomization.to_string())?;
    Ok(folder)
}

/// Runs the operator's program here; its output, whether good or bad.
pub fn comptroller(arguments: &[&str]) -> std::result::Result<String, String> {
    let output = Command::new(image::binary()).args(arguments).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(text.into_owned()) } else { Err(text.into_owned()) }
}

/// Waits until every replica is the newest and ready.
pub async fn rolled_out(node: &Node) -> Result<()> {
    let deployment = format!("deployment/{DEPLOYMENT}");
    let wait = ["-n", NAMESPACE, "rollout", "status", &deployment, "--timeout=120s"];
    match node.kubectl(&wait).await {
        Ok(_) => Ok(()),
        Err(error) => {
            describe(node).await;
            Err(error.into())
        }
    }
}

/// The operator's pods that are not on their way out.
pub async fn pods(node: &Node) -> Vec<Pod> {
    let pods = Api::<Pod>::namespaced(node.client(), NAMESPACE);
    let pods = pods.list(&ListParams::default().labels(LABEL)).await.unwrap().items;
    pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
}

/// The name of the operator's pod, where there is one replica.
pub async fn pod(node: &Node) -> String {
    let pods = pods(node).await;
    let [pod] = &pods[..] else { panic!("{} pods of the operator", pods.len()) };
    pod.name_any()
}

/// What an administrator would look at when something does not work.
pub async fn describe(node: &Node) {
    let looks: [&[&str]; 4] = [
        &["get", "pods", "-A", "-o", "wide"],
        &["-n", NAMESPACE, "describe", "pods", "-l", LABEL],
        &["-n", NAMESPACE, "logs", "--all-containers", "--tail=40", "-l", LABEL],
        &["get", "controls"],
    ];
    for look in looks {
        let said = node.kubectl(look).await.unwrap_or_else(|error| error.to_string());
        eprintln!("$ kubectl {}\n{said}", look.join(" "));
    }
}

/// The shipped manifests on a stock node: the namespace refuses what is not restricted, the root
/// filesystem is read-only, and the volumes belong to the pod's group.
pub async fn it_is_ready_within_restricted_pod_security(node: &mut Node) {
    let deployments = Api::<Deployment>::namespaced(node.client(), NAMESPACE);
    let status = deployments.get(DEPLOYMENT).await.unwrap().status.unwrap();
    assert_eq!((status.ready_replicas, status.unavailable_replicas), (Some(1), None));

    // The namespace does enforce it: a pod with less is refused.
    let privileged = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "privileged", "namespace": NAMESPACE },
        "spec": { "containers": [{
            "name": "shell",
            "image": image::NAME,
            "securityContext": { "privileged": true },
        }] },
    });
    let refused = node
        .kubectl_with_input(&["apply", "--dry-run=server", "-f", "-"], &privileged.to_string())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("violates PodSecurity \"restricted"), "{refused}");

    // What the kernel says of the process, whatever the manifest says.
    let container = node.container(NAMESPACE, &pod(node).await).await.unwrap().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", container.pid)).unwrap();
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(value("Uid:"), ["65532"; 4]);
    assert_eq!(value("Gid:"), ["65532"; 4]);
    assert_eq!(value("CapEff:"), ["0000000000000000"]);
    assert_eq!(value("CapBnd:"), ["0000000000000000"]);
    assert_eq!(value("NoNewPrivs:"), ["1"]);
    assert_eq!(value("Seccomp:"), ["2"]);
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", container.pid)).unwrap();
    let options = |path: &str| {
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(path)).unwrap();
        line.split(' ').nth(3).unwrap().split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(options("/").contains(&"ro".to_owned()), "{mounts}");
    assert!(options("/var/lib/comptroller").contains(&"rw".to_owned()), "{mounts}");

    // The folder was root's, and the kubelet has handed it to the group of the pod.
    let volume = fs::metadata(node.folder("volumes/evidence").unwrap()).unwrap();
    assert_eq!((volume.uid(), volume.gid()), (0, 65532));
}
