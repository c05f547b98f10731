//! Pods, and what may be written into their fields.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

use rand::{Rng, rngs::SmallRng};
use serde_json::{Value, json};

/// A pod that says nothing of its confinement.
pub fn plain() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {
            "initContainers": [{"name": "init", "image": "i"}],
            "containers": [
                {"name": "app", "image": "i", "ports": [{"containerPort": 8080}],
                    "resources": {"limits": {"cpu": "1"}}},
                {"name": "side", "image": "i"},
            ],
        },
    })
}

/// A pod that the restricted level admits.
pub fn hardened() -> Value {
    let mut pod = plain();
    pod["spec"]["securityContext"] =
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    for path in CONTAINERS {
        pod.pointer_mut(path).unwrap()["securityContext"] =
            json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    }
    pod
}

const CONTAINERS: &[&str] = &["/spec/initContainers/0", "/spec/containers/0", "/spec/containers/1"];

/// One field of a pod, and what to write there; null removes it.
pub type Mutation = (String, Value);

/// Every field that admission looks at, with values it admits and values it refuses.
pub fn mutations() -> Vec<Mutation> {
    let mut all: Vec<Mutation> = Vec::new();
    let mut add = |path: &str, values: Value| {
        for value in values.as_array().unwrap() {
            all.push((path.to_owned(), value.clone()));
        }
    };
    for field in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
        add(&format!("/spec/{field}"), json!([true, false]));
    }
    add("/spec/automountServiceAccountToken", json!([true, false]));
    add("/spec/os", json!([{"name": "linux"}]));
    add("/spec/resources", json!([{"limits": {"cpu": "2", "memory": "1Gi"}}]));
    add("/spec/volumes", volumes());
    add(
        "/spec/securityContext/sysctls",
        json!([
            [{"name": "net.ipv4.tcp_rmem", "value": "1"}],
            [{"name": "net.ipv4.tcp_syncookies", "value": "1"}, {"name": "kernel.msgmax", "value": "1"}],
            [{"name": "net/ipv4/tcp_syncookies", "value": "1"}],
            [{"name": "net.ipv4.ip_local_reserved_ports", "value": "1"}],
            [{"name": "net.ipv4.tcp_keepalive_time", "value": "1"}],
            [{"name": "net.ipv4.tcp_notsent_lowat", "value": "1"}],
            [{"name": "net.ipv4.tcp_slow_start_after_idle", "value": "1"}],
        ]),
    );
    let annotation = "container.apparmor.security.beta.kubernetes.io/app";
    add(
        "/metadata/annotations",
        json!([
            {annotation: "unconfined"}, {annotation: "runtime/default"}, {annotation: "localhost/p"},
        ]),
    );
    for path in ["/spec", CONTAINERS[0], CONTAINERS[1], CONTAINERS[2]] {
        let context = format!("{path}/securityContext");
        for (field, values) in shared_fields() {
            add(&format!("{context}/{field}"), values);
        }
        if path != "/spec" {
            for (field, values) in container_fields() {
                add(&format!("{context}/{field}"), values);
            }
            add(&format!("{path}/ports"), json!([[{"containerPort": 90, "hostPort": 90}], null]));
            add(
                &format!("{path}/resources"),
                json!([
                    {"limits": {"cpu": "1", "memory": "1Gi"}}, {"requests": {"memory": "0"}}, null,
                ]),
            );
        }
    }
    let handlers = json!([
        {"httpGet": {"port": 80, "host": "10.0.0.1"}},
        {"tcpSocket": {"port": 80, "host": "a.test"}},
        {"httpGet": {"port": 80}},
        {"exec": {"command": ["true"]}},
    ]);
    for field in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/preStop"] {
        add(&format!("/spec/containers/0/{field}"), handlers.clone());
    }
    all
}

fn volumes() -> Value {
    json!([
        [{"name": "v", "hostPath": {"path": "/"}}],
        [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "nfs": {"server": "a", "path": "/"}}],
        [{"name": "v", "nfs": {"server": "a", "path": "/"}}],
        [{"name": "v", "iscsi": {"targetPortal": "1.2.3.4", "iqn": "iqn.2001-04.com.example:a", "lun": 0}}],
        [{"name": "v", "gcePersistentDisk": {"pdName": "a"}}],
        [{"name": "v", "flexVolume": {"driver": "a/b"}}],
        [{"name": "v", "cephfs": {"monitors": ["a"]}}],
        [{"name": "v", "fc": {"targetWWNs": ["a"], "lun": 1}}],
        [{"name": "v", "azureFile": {"secretName": "a", "shareName": "b"}}],
        [{"name": "v"}],
        [{"name": "v", "emptyDir": {}}],
        [{"name": "v", "configMap": {"name": "a"}}, {"name": "w", "secret": {"secretName": "a"}}],
        [{"name": "v", "projected": {"sources": [{"configMap": {"name": "a"}}]}}],
        [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
        [{"name": "v", "csi": {"driver": "a"}}],
        [{"name": "v", "persistentVolumeClaim": {"claimName": "a"}}],
        [{"name": "v", "downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}}],
        [{"name": "v", "image": {"reference": "i"}}],
        [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}}],
    ])
}

fn shared_fields() -> Vec<(&'static str, Value)> {
    let profiles = json!([
        {"type": "RuntimeDefault"}, {"type": "Unconfined"},
        {"type": "Localhost", "localhostProfile": "p"}, null,
    ]);
    vec![
        ("runAsNonRoot", json!([true, false, null])),
        ("runAsUser", json!([0, 1000])),
        ("seccompProfile", profiles.clone()),
        ("appArmorProfile", profiles),
        (
            "seLinuxOptions",
            json!([
                {"type": "container_t"}, {"type": "container_engine_t"}, {"type": "spc_t"},
                {"level": "s0"}, {"user": "u"}, {"role": "r"}, {"type": ""},
            ]),
        ),
        ("windowsOptions", json!([{"runAsUserName": "a"}, {"hostProcess": false}])),
    ]
}

fn container_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("privileged", json!([true, false])),
        ("allowPrivilegeEscalation", json!([true, false, null])),
        ("readOnlyRootFilesystem", json!([true])),
        ("procMount", json!(["Default", "Unmasked"])),
        (
            "capabilities",
            json!([
                {"drop": ["ALL"]},
                {"drop": ["all"]},
                {"drop": ["NET_RAW"]},
                {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                {"drop": ["ALL"], "add": ["CHOWN"]},
                {"add": ["NET_ADMIN", "CHOWN"]},
                {"add": ["CAP_CHOWN"]},
                {},
                null,
            ]),
        ),
    ]
}

/// Writes the field, with the objects on the way to it.
pub fn mutate(pod: &mut Value, (path, value): &Mutation) {
    let mut place = pod;
    let mut names = path.split('/').skip(1).peekable();
    while let Some(name) = names.next() {
        place = match name.parse::<usize>() {
            Ok(at) => &mut place[at],
            Err(_) => &mut place[name],
        };
        if names.peek().is_none() {
            *place = value.clone();
        }
    }
}

/// Puts right what a mix gets wrong most often, so that few pods are invalid.
pub fn repair(pod: &mut Value, rng: &mut SmallRng) {
    let host = ["hostNetwork", "hostPID", "hostIPC"].iter().any(|f| pod["spec"][f] == true);
    if host && pod["spec"]["hostUsers"] == false {
        pod["spec"]["hostUsers"] = Value::Null;
    }
    for path in CONTAINERS {
        let context = &mut pod.pointer_mut(path).unwrap()["securityContext"];
        if context["privileged"] == true && context["allowPrivilegeEscalation"] == false {
            let field = if rng.random() { "privileged" } else { "allowPrivilegeEscalation" };
            context[field] = Value::Null;
        }
        let unmasked = context["procMount"] == "Unmasked";
        if unmasked && !host {
            pod["spec"]["hostUsers"] = false.into();
        }
    }
}
