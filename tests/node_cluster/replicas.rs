//! Two replicas on a bucket: who leads after each kind of end, how soon, and what a leader that
//! slept does when it wakes up.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use comptroller_core::api::State;
use comptroller_evidence::entry::Entry;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod, policy::v1::PodDisruptionBudget};
use kube::{Api, ResourceExt as _, api::EvictParams};
use serde_json::{Value, json};

use crate::{
    bucket::{Bucket, signing_key},
    chart,
    controlplane::wait,
    image, log,
    node::{ADDRESS, Node},
    release::{self, LIMIT, NAMESPACE},
    restarts::verdict,
    subject::Subject,
};

/// What the issue promises.
const AFTER_A_CRASH: Duration = Duration::from_secs(20);
const AFTER_A_SHUTDOWN: Duration = Duration::from_secs(2);

/// Where in the bucket the log is.
const PREFIX: &str = "cluster/log";

/// Rolling out two replicas; a leader that is killed, one that is told to end, one that is paused.
pub async fn two_replicas_hand_over_and_nothing_is_lost(node: &mut Node) {
    let bucket = Bucket::listen(&format!("{ADDRESS}:0")).await;
    let url = service(node, &bucket).await;
    chart::remove(node).await.unwrap();
    secrets(node, &bucket, &url).await;
    let values = json!({
        "replicaCount": 2,
        "evidence": {
            "bucket": {
                "url": format!("s3://bucket/{PREFIX}"),
                "credentialsSecret": "bucket",
            },
            "key": { "existingSecret": "evidence-key" },
        },
    });
    // When this test runs alone, the definitions are still those of the manifests.
    let take_over = ["--take-ownership", "--force-conflicts"];
    chart::install(node, image::NAME, &values, &take_over).await.unwrap();
    let replicas = Replicas { node, bucket };

    let subject = Subject::create(node, "replicas").await;
    replicas.crash(&subject).await;
    replicas.shut_down(&subject).await;
    replicas.pause(&subject).await;

    // One log, in which leaderships follow one another.
    let entries = replicas.entries("after").await;
    assert!(entries.is_sorted_by_key(|entry| entry.epoch), "an epoch fell");
    let states: Vec<&str> = entries.iter().filter_map(|entry| verdict(entry, "replicas")).collect();
    assert_eq!(states, ["Passing", "Failing", "Passing", "Failing", "Passing"]);
    let exported = replicas.save("verified");
    let verified = release::comptroller(&["evidence", "verify", exported.to_str().unwrap()]);
    assert!(verified.is_ok(), "{verified:?}");
}

/// A namespace as the pack wants it, with what docs/operations.md says to prepare for a bucket.
async fn secrets(node: &Node, bucket: &Bucket, url: &str) {
    let mut environment: BTreeMap<String, String> = bucket.environment().into_iter().collect();
    environment.insert("AWS_ENDPOINT_URL".to_owned(), url.to_owned());
    let secret = |name: &str, data: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name, "namespace": NAMESPACE },
            "stringData": data,
        })
    };
    let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": NAMESPACE,
                "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
            },
        },
        secret("bucket", json!(environment)),
        secret("evidence-key", json!({ "evidence.key": signing_key() })),
    ] });
    node.kubectl_with_input(&["apply", "-f", "-"], &objects.to_string()).await.unwrap();
}

/// The bucket as a Service, which pods find by DNS and reach through kube-proxy; its URL there.
async fn service(node: &Node, bucket: &Bucket) -> String {
    let port = bucket.url().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "storage" } },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "bucket", "namespace": "storage" },
            "spec": { "ports": [{ "port": 9000, "targetPort": port }] },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "bucket",
                "namespace": "storage",
                "labels": { "kubernetes.io/service-name": "bucket" },
            },
            "addressType": "IPv4",
            "ports": [{ "port": port }],
            "endpoints": [{ "addresses": [ADDRESS] }],
        },
    ] });
    node.kubectl_with_input(&["apply", "-f", "-"], &objects.to_string()).await.unwrap();
    "http://bucket.storage.svc.cluster.local:9000".to_owned()
}

struct Replicas<'a> {
    node: &'a Node,
    bucket: Bucket,
}

impl Replicas<'_> {
    /// The pod whose process holds the lease.
    async fn leader(&self) -> Option<String> {
        let leases = Api::<Lease>::namespaced(self.node.client(), NAMESPACE);
        let holder = leases.get("comptroller").await.ok()?.spec?.holder_identity?;
        Some(holder.rsplit_once('_')?.0.to_owned()).filter(|pod| !pod.is_empty())
    }

    async fn until_another_leads(&self, than: &str) -> String {
        wait::until("another replica leads", LIMIT, async || {
            self.leader().await.filter(|leader| leader != than)
        })
        .await
        .unwrap()
    }

    /// Both pods are ready, so that there is one to take over.
    async fn until_both_are_ready(&self) {
        let pods = Api::<Pod>::namespaced(self.node.client(), NAMESPACE);
        wait::until("two replicas are ready", LIMIT, async || {
            let names: Vec<String> =
                release::pods(self.node).await.iter().map(Pod::name_any).collect();
            let mut ready = 0;
            for name in &names {
                let conditions = pods.get(name).await.ok()?.status?.conditions?;
                ready += usize::from(
                    conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True"),
                );
            }
            (names.len() == 2 && ready == 2).then_some(())
        })
        .await
        .unwrap();
    }

    /// The leader's container dies at once.
    async fn crash(&self, subject: &Subject) {
        self.until_both_are_ready().await;
        let leader = self.leader().await.unwrap();
        let container = self.node.container(NAMESPACE, &leader).await.unwrap().unwrap();
        let killed = Instant::now();
        container.signal("KILL").unwrap();
        subject.violate().await;
        subject.until(State::Failing).await;
        let judged = killed.elapsed();
        println!("crash: another replica has found and recorded a violation after {judged:.1?}");
        assert!(judged < AFTER_A_CRASH, "{judged:?}");
    }

    /// The leader's pod is evicted, as a drain does, and the other one may not follow at once.
    async fn shut_down(&self, subject: &Subject) {
        self.until_both_are_ready().await;
        let budgets = Api::<PodDisruptionBudget>::namespaced(self.node.client(), NAMESPACE);
        wait::until("one pod may be evicted", LIMIT, async || {
            let status = budgets.get("comptroller").await.ok()?.status?;
            (status.disruptions_allowed == Some(1)).then_some(())
        })
        .await
        .unwrap();
        let leader = self.leader().await.unwrap();
        let names = release::pods(self.node).await.into_iter().map(|pod| pod.name_any());
        let standby = names.into_iter().find(|name| *name != leader).unwrap();
        let pods = Api::<Pod>::namespaced(self.node.client(), NAMESPACE);
        let asked = Instant::now();
        pods.evict(&leader, &EvictParams::default()).await.unwrap();
        let refused = pods.evict(&standby, &EvictParams::default()).await.unwrap_err();
        assert!(matches!(&refused, kube::Error::Api(status) if status.code == 429), "{refused}");
        self.until_another_leads(&leader).await;
        let took = asked.elapsed();
        subject.mend().await;
        subject.until(State::Passing).await;
        let judged = asked.elapsed();
        println!(
            "shutdown: another replica leads after {took:.1?}, and has recorded a change after {judged:.1?}"
        );
        assert!(took < AFTER_A_SHUTDOWN, "{took:?}");
    }

    /// The leader is paused in the middle of its life, as by a hypervisor, and wakes up when another leads.
    async fn pause(&self, subject: &Subject) {
        self.until_both_are_ready().await;
        let leader = self.leader().await.unwrap();
        let container = self.node.container(NAMESPACE, &leader).await.unwrap().unwrap();
        let before = self.save("before");
        container.signal("STOP").unwrap();
        self.until_another_leads(&leader).await;
        subject.violate().await;
        let failing = subject.until(State::Failing).await;
        container.signal("CONT").unwrap();

        // It says that it no longer leads, and writes neither to the log nor to a status.
        let successor = self.leader().await.unwrap();
        assert_ne!(successor, leader);
        wait::until("the sleeper notices", LIMIT, async || {
            let logs = ["-n", NAMESPACE, "logs", &leader];
            let said = self.node.kubectl(&logs).await.ok()?;
            let leads = said.lines().rfind(|line| line.contains("this replica"))?;
            leads.contains("no longer leads").then_some(())
        })
        .await
        .unwrap();
        subject.mend().await;
        let passing = subject.until(State::Passing).await;
        assert!(passing.evidence.unwrap().index > failing.evidence.unwrap().index);
        assert_eq!(self.leader().await, Some(successor));

        // The log goes on from what it was: nobody has begun another branch.
        let log = log::reader(&before).await;
        let after = log::reader(&self.save("after-pause")).await;
        assert!(after.size() > log.size());
        let old = log::entries(&before).await;
        let new = self.entries("after-pause").await;
        assert_eq!(new[..old.len()], old[..]);
    }

    fn save(&self, name: &str) -> PathBuf {
        let folder = self.node.plane.dir().join("bucket").join(name);
        self.bucket.save(PREFIX, &folder);
        folder
    }

    async fn entries(&self, name: &str) -> Vec<Entry> {
        log::entries(&self.save(name)).await
    }
}
