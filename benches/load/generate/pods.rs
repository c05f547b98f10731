//! Pod templates as charts write them, and the pods that are made of them.

use rand::Rng;
use serde_json::{Value, json};

use super::Planter;

const IMAGES: [&str; 8] =
    ["api", "worker", "gateway", "consumer", "sync", "frontend", "scheduler", "proxy"];

/// What is wrong with a pod template.
#[allow(clippy::struct_excessive_bools, reason = "each is a mistake of its own")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flaws {
    /// A way out to the node, which the baseline level refuses.
    pub privileged: bool,
    /// May run as root with capabilities, which the restricted level refuses.
    pub unconfined: bool,
    /// An image that is named by tag.
    pub by_tag: bool,
    /// An image from a registry that nobody scans.
    pub foreign: bool,
    /// No requests for CPU and memory.
    pub no_requests: bool,
    /// No readiness probe, so that nobody knows when it can serve.
    pub silent: bool,
}

impl Flaws {
    /// Whether the pod violates the baseline level.
    pub fn breaks_baseline(self) -> bool {
        self.privileged
    }

    /// Whether the pod violates the restricted level.
    pub fn breaks_restricted(self) -> bool {
        self.privileged || self.unconfined
    }

    /// Whether an image is not the one that was approved.
    pub fn breaks_images(self) -> bool {
        self.by_tag || self.foreign
    }

    /// Whether the workload can't be operated; what runs to an end needs no readiness.
    pub fn breaks_operability(self, serves: bool) -> bool {
        self.no_requests || (serves && self.silent)
    }
}

impl Planter {
    pub(super) fn flaws(&mut self) -> Flaws {
        Flaws {
            privileged: self.one_in(40),
            unconfined: self.one_in(6),
            by_tag: self.one_in(5),
            foreign: self.one_in(20),
            no_requests: self.one_in(8),
            silent: self.one_in(9),
        }
    }

    /// `spec` of a pod of a workload.
    pub(super) fn pod_spec(&mut self, name: &str, account: &str, flaws: Flaws) -> Value {
        let mut containers = vec![self.container(name, flaws)];
        if self.one_in(3) {
            containers.push(self.sidecar());
        }
        let security = if flaws.breaks_restricted() {
            json!({})
        } else {
            json!({
                "runAsNonRoot": true,
                "runAsUser": 10001,
                "fsGroup": 2000,
                "seccompProfile": {"type": "RuntimeDefault"},
            })
        };
        json!({
            "serviceAccountName": account,
            "automountServiceAccountToken": false,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "securityContext": security,
            "containers": containers,
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": 100,
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
                },
            }]}},
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "config", "configMap": {"name": format!("{name}-config")}},
            ],
        })
    }

    fn container(&mut self, name: &str, flaws: Flaws) -> Value {
        let registry =
            if flaws.foreign { "docker.io/somebody" } else { "registry.example.com/acme" };
        let repository = format!("{registry}/{}", self.pick(&IMAGES));
        let image = if flaws.by_tag {
            format!("{repository}:{}", self.pick(&["1.4.2", "2.0.0", "main"]))
        } else {
            format!("{repository}:3.1@sha256:{:064x}", self.rng.random_range(0..40_u8))
        };
        let mut container = json!({
            "name": name,
            "image": image,
            "ports": [
                {"name": "http", "containerPort": 8080},
                {"name": "metrics", "containerPort": 9090},
            ],
            "env": [
                {"name": "LOG_LEVEL", "value": "info"},
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "DATABASE", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}},
                {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.observability:4317"},
                {"name": "FEATURES", "value": "search=on,export=off,new-checkout=10%"},
            ],
            "envFrom": [{"configMapRef": {"name": format!("{name}-config")}}],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
            "volumeMounts": [
                {"name": "tmp", "mountPath": "/tmp"},
                {"name": "config", "mountPath": "/etc/app", "readOnly": true},
            ],
        });
        if flaws.privileged {
            container["securityContext"] = json!({"privileged": true});
        } else if !flaws.unconfined {
            container["securityContext"] = confined();
        }
        if !flaws.no_requests {
            container["resources"] = resources("100m", "256Mi");
        }
        if !flaws.silent {
            container["readinessProbe"] =
                json!({"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5});
        }
        container
    }

    /// One that breaks nothing by itself.
    fn sidecar(&mut self) -> Value {
        json!({
            "name": "proxy",
            "image": format!("registry.example.com/mesh/proxy@sha256:{:064x}", self.rng.random_range(0..4_u8)),
            "args": ["--config-path", "/etc/proxy/proxy.yaml", "--service-cluster", "default"],
            "securityContext": confined(),
            "resources": resources("10m", "64Mi"),
            "readinessProbe": {"tcpSocket": {"port": 15001}},
        })
    }
}

fn confined() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

fn resources(cpu: &str, memory: &str) -> Value {
    json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}})
}

/// A running pod made of a template. `status` is what the kubelet would have written.
pub(super) fn pod(
    name: &str,
    namespace: &str,
    labels: &Value,
    owner: &Value,
    spec: &Value,
    started: &str,
) -> Value {
    let mut spec = spec.clone();
    let node = name.bytes().map(usize::from).sum::<usize>() % 50;
    spec["nodeName"] = format!("node-{node}").into();
    let statuses: Vec<Value> = spec["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| {
            json!({
                "name": container["name"],
                "image": container["image"],
                "imageID": container["image"],
                "containerID": format!("containerd://{:064x}", node),
                "ready": true,
                "started": true,
                "restartCount": 0,
                "state": {"running": {"startedAt": started}},
            })
        })
        .collect();
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": started});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [owner],
        },
        "spec": spec,
        "status": {
            "phase": "Running",
            "hostIP": "10.1.2.3",
            "podIP": "10.2.3.4",
            "podIPs": [{"ip": "10.2.3.4"}],
            "startTime": started,
            "conditions": conditions,
            "containerStatuses": statuses,
        },
    })
}
