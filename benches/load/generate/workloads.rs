//! Workloads with what their controllers would have made of them.

use rand::Rng;
use serde_json::{Value, json};

use super::{
    Place, Planter, Purpose,
    pods::{Flaws, pod},
};

/// What a workload is made of, whatever its kind.
struct Draft<'a> {
    name: String,
    labels: Value,
    selector: Value,
    spec: Value,
    place: &'a Place,
}

impl Planter {
    /// A workload of a kind that is as frequent as in most clusters.
    pub(super) fn workload(&mut self, place: &mut Place, index: usize, accounts: &[String]) {
        let kind = match self.rng.random_range(0..20) {
            0..14 => "Deployment",
            14..16 => "StatefulSet",
            16 => "DaemonSet",
            _ => "CronJob",
        };
        let prefix = self.pick(&["api", "worker", "gateway", "sync", "indexer"]);
        let name = format!("{prefix}-{index}");
        let flaws = self.flaws();
        let account = accounts[self.rng.random_range(0..accounts.len())].clone();
        let spec = self.pod_spec(&name, &account, flaws);
        let labels = json!({
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/instance": name,
            "app.kubernetes.io/part-of": place.name,
            "team": place.team,
        });
        let selector = json!({"matchLabels": {"app.kubernetes.io/name": name}});
        self.judge_workload(kind, &name, place, flaws);
        let draft = Draft { name, labels, selector, spec, place };
        match kind {
            "Deployment" => self.deployment(&draft),
            "StatefulSet" => {
                let claims = self.stateful_set(&draft);
                for claim in claims {
                    self.claim(place, &claim);
                }
            }
            "DaemonSet" => self.daemon_set(&draft),
            _ => self.cron_job(draft),
        }
    }

    fn judge_workload(&mut self, kind: &str, name: &str, place: &Place, flaws: Flaws) {
        let item = format!("{kind} {}/{name}", place.name);
        let serves = kind != "CronJob";
        let expected = &mut self.expected;
        expected.judge("workloads-are-operable", &item, flaws.breaks_operability(serves));
        expected.judge("pod-security-baseline", &item, flaws.breaks_baseline());
        if place.purpose.is_guarded() {
            expected.judge("images-are-pinned-and-known", &item, flaws.breaks_images());
        }
        if place.purpose == Purpose::Prod {
            let broken = flaws.breaks_restricted();
            expected.judge("pod-security-restricted-in-production", &item, broken);
        }
    }

    /// With its current `ReplicaSet` and Pods, and now and then an old `ReplicaSet`.
    fn deployment(&mut self, draft: &Draft<'_>) {
        let Draft { name, place, .. } = draft;
        let replicas = if self.one_in(7) { 1 } else { self.rng.random_range(2..5) };
        if place.purpose == Purpose::Prod {
            let item = format!("{}/{name}", place.name);
            self.expected.judge("production-is-redundant", &item, replicas < 2);
        }
        let mut deployment = self.object("apps/v1", "Deployment", draft);
        deployment["spec"] = json!({
            "replicas": replicas,
            "revisionHistoryLimit": 10,
            "selector": draft.selector,
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": template(&draft.labels, &draft.spec),
        });
        self.add(deployment);
        let owner = owner("apps/v1", "Deployment", name, &place.name);
        let current = self.replica_set(draft, &owner, replicas);
        if self.one_in(3) {
            // What ran before the last rollout, by tag and without probes.
            let old = Draft {
                name: name.clone(),
                labels: draft.labels.clone(),
                selector: draft.selector.clone(),
                spec: self.pod_spec(name, "default", Flaws { by_tag: true, ..Flaws::default() }),
                place,
            };
            self.replica_set(&old, &owner, 0);
        }
        let labels = with(&draft.labels, "pod-template-hash", &current);
        let set = format!("{name}-{current}");
        let owner = self::owner("apps/v1", "ReplicaSet", &set, &place.name);
        for _ in 0..replicas {
            let pod_name = format!("{set}-{:05x}", self.rng.random_range(0..0x000f_ffff_u32));
            self.running(&pod_name, place, &labels, &owner, &draft.spec);
        }
        self.service(place, name);
    }

    /// The hash in its name.
    fn replica_set(&mut self, draft: &Draft<'_>, owner: &Value, replicas: usize) -> String {
        let hash = format!("{:010x}", self.rng.random_range(0..0xff_ffff_ffff_u64));
        let labels = with(&draft.labels, "pod-template-hash", &hash);
        self.add(json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{}-{hash}", draft.name),
                "namespace": draft.place.name,
                "labels": labels,
                "ownerReferences": [owner],
            },
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {
                    "app.kubernetes.io/name": draft.name,
                    "pod-template-hash": hash,
                }},
                "template": template(&labels, &draft.spec),
            },
        }));
        hash
    }

    /// The names of its claims.
    fn stateful_set(&mut self, draft: &Draft<'_>) -> Vec<String> {
        let Draft { name, place, .. } = draft;
        let replicas = self.rng.random_range(1..4);
        let mut set = self.object("apps/v1", "StatefulSet", draft);
        let mut spec = draft.spec.clone();
        if let Some(mounts) = spec["containers"][0]["volumeMounts"].as_array_mut() {
            mounts.push(json!({"name": "data", "mountPath": "/var/lib/data"}));
        }
        set["spec"] = json!({
            "replicas": replicas,
            "serviceName": name,
            "selector": draft.selector,
            "template": template(&draft.labels, &spec),
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "20Gi"}},
                },
            }],
        });
        self.add(set);
        let owner = owner("apps/v1", "StatefulSet", name, &place.name);
        let mut claims = Vec::new();
        for index in 0..replicas {
            let pod_name = format!("{name}-{index}");
            let claim = format!("data-{pod_name}");
            let mut spec = spec.clone();
            if let Some(volumes) = spec["volumes"].as_array_mut() {
                volumes
                    .push(json!({"name": "data", "persistentVolumeClaim": {"claimName": claim}}));
            }
            self.running(&pod_name, place, &draft.labels, &owner, &spec);
            claims.push(claim);
        }
        self.service(place, name);
        claims
    }

    fn daemon_set(&mut self, draft: &Draft<'_>) {
        let Draft { name, place, .. } = draft;
        let mut set = self.object("apps/v1", "DaemonSet", draft);
        set["spec"] = json!({
            "selector": draft.selector,
            "template": template(&draft.labels, &draft.spec),
        });
        self.add(set);
        let owner = owner("apps/v1", "DaemonSet", name, &place.name);
        for _ in 0..self.rng.random_range(3..8) {
            let pod_name = format!("{name}-{:05x}", self.rng.random_range(0..0x000f_ffff_u32));
            self.running(&pod_name, place, &draft.labels, &owner, &draft.spec);
        }
    }

    fn cron_job(&mut self, mut draft: Draft<'_>) {
        draft.spec["restartPolicy"] = "OnFailure".into();
        let overlaps = self.one_in(6);
        let suspended = self.one_in(10);
        if draft.place.purpose == Purpose::Prod {
            let item = format!("CronJob {}/{}", draft.place.name, draft.name);
            self.expected.judge("batch-runs-succeed", &item, overlaps || suspended);
        }
        let mut job = self.object("batch/v1", "CronJob", &draft);
        job["spec"] = json!({
            "schedule": format!("{} 3 * * *", self.rng.random_range(0..60)),
            "concurrencyPolicy": if overlaps { "Allow" } else { "Forbid" },
            "suspend": suspended,
            "jobTemplate": {"spec": {"template": template(&draft.labels, &draft.spec)}},
        });
        self.add(job);
    }

    fn object(&self, api_version: &str, kind: &str, draft: &Draft<'_>) -> Value {
        json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": draft.name,
                "namespace": draft.place.name,
                "labels": draft.labels,
                "annotations": {"example.com/released": self.hours(-200)},
            },
        })
    }

    fn running(&mut self, name: &str, place: &Place, labels: &Value, owner: &Value, spec: &Value) {
        let started = self.hours(-200);
        self.add(pod(name, &place.name, labels, owner, spec, &started));
    }
}

fn template(labels: &Value, spec: &Value) -> Value {
    let annotations = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "9090"});
    json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec})
}

fn with(labels: &Value, key: &str, value: &str) -> Value {
    let mut labels = labels.clone();
    labels[key] = value.into();
    labels
}

/// A reference to a controller. Its uid stands for the one that the API server would give it.
fn owner(api_version: &str, kind: &str, name: &str, namespace: &str) -> Value {
    let text = format!("{kind}/{namespace}/{name}");
    let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": format!("00000000-0000-4000-8000-{:012x}", digest & 0xffff_ffff_ffff),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}
