//! A company's cluster: teams with namespaces of workloads, storage, rights and traffic, most of it
//! in order.

use std::path::Path;

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};

use super::rights;

const TEAMS: [&str; 6] = ["pay", "web", "data", "ops", "ml", "core"];

/// A namespace's objects, which make a file.
pub struct Folder {
    pub name: String,
    pub objects: Vec<Value>,
}

/// At least this many objects, by namespace; what has none comes first.
pub fn company(objects: usize) -> Vec<Folder> {
    let mut random = SmallRng::seed_from_u64(11);
    let mut folders = vec![Folder { name: "cluster".to_owned(), objects: shared() }];
    let mut count = folders[0].objects.len();
    while count < objects {
        let folder = namespace(&mut random, folders.len() - 1);
        count += folder.objects.len();
        folders.push(folder);
    }
    folders
}

/// All objects of a company, cut to this many.
pub fn objects(count: usize) -> Vec<Value> {
    let mut objects: Vec<Value> =
        company(count).into_iter().flat_map(|folder| folder.objects).collect();
    objects.truncate(count);
    objects
}

/// Writes a company as YAML, a file for each namespace. Returns how many objects there are.
pub fn write(folders: &[Folder], to: &Path) -> usize {
    for folder in folders {
        let documents: Vec<String> =
            folder.objects.iter().map(|object| yaml_serde::to_string(object).unwrap()).collect();
        std::fs::write(to.join(format!("{}.yaml", folder.name)), documents.join("---\n")).unwrap();
    }
    folders.iter().map(|folder| folder.objects.len()).sum()
}

fn shared() -> Vec<Value> {
    let mut objects = vec![json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gp3"},
        "provisioner": "ebs.csi.aws.com", "parameters": {"encrypted": "true"},
    })];
    for role in 0..40 {
        let group = rights::group(&format!("team-{}", role % 6));
        objects.push(rights::cluster_role(role, false));
        objects.push(rights::cluster_binding(role, role, &[group]));
    }
    objects
}

/// A random word of some.
fn one_of<'a>(random: &mut SmallRng, words: &[&'a str]) -> &'a str {
    words[random.random_range(0..words.len())]
}

fn namespace(random: &mut SmallRng, number: usize) -> Folder {
    let team = TEAMS[number % TEAMS.len()];
    let name = format!("{team}-{number:03}");
    let env = one_of(random, &["production", "staging"]);
    let level = one_of(random, &["baseline", "restricted", "privileged"]);
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": name, "annotations": {"owner": format!("{team}@acme.example")},
            "labels": {"team": team, "env": env, "pod-security.kubernetes.io/enforce": level},
        },
    })];
    objects.extend(access(random, &name));
    objects.extend((0..3).map(|claim| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": format!("data-{claim}"), "namespace": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
                "resources": {"requests": {"storage": "20Gi"}},
            },
        })
    }));
    for app in 0..10 {
        objects.extend(self::app(random, &name, app));
    }
    objects.extend((0..2).map(|job| cron_job(random, &name, job)));
    Folder { name, objects }
}

fn access(random: &mut SmallRng, namespace: &str) -> Vec<Value> {
    let account = |number: usize| {
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false,
            "metadata": {"name": format!("program-{number}"), "namespace": namespace},
        })
    };
    let mut objects: Vec<Value> = (0..4).map(account).collect();
    for number in 0..2 {
        let mut role = rights::cluster_role(number + 1, false);
        role["kind"] = json!("Role");
        role["metadata"]["namespace"] = json!(namespace);
        objects.push(role);
    }
    for number in 0..4 {
        let program = json!({
            "kind": "ServiceAccount", "name": format!("program-{number}"), "namespace": namespace,
        });
        let team = rights::group(&format!("team-{}", random.random_range(0..6)));
        let subjects = [if number < 3 { program } else { team }];
        let mut binding = rights::binding(namespace, number, number + 1, &subjects);
        if number < 2 {
            binding["roleRef"]["kind"] = json!("Role");
        } else {
            binding["roleRef"]["name"] = json!(one_of(random, &["view", "edit", "admin"]));
        }
        objects.push(binding);
    }
    objects
}

/// A workload with its replicas, its Service and, for some, an Ingress.
fn app(random: &mut SmallRng, namespace: &str, number: usize) -> Vec<Value> {
    let name = format!("{}-{number}", one_of(random, &["api", "worker", "gateway", "sync"]));
    let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": namespace});
    let spec = pod_spec(random, &name);
    let replicas = random.random_range(2..4);
    let set = format!("{name}-{:08x}", random.random::<u32>());
    let meta = |name: &str| json!({"name": name, "namespace": namespace, "labels": labels});
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let selector = json!({"matchLabels": {"app.kubernetes.io/name": name}});
    let mut objects = vec![
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(&name),
            "data": {"level": "info", "app.properties": "key.0=value\nkey.1=value\n".repeat(6)},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": meta(&name),
            "spec": {
                "type": "ClusterIP", "selector": selector["matchLabels"],
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            },
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(&name),
            "spec": {"replicas": replicas, "selector": selector, "template": template},
        }),
    ];
    let mut replica_set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta(&set),
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    });
    replica_set["metadata"]["ownerReferences"] = owner("Deployment", &name);
    objects.push(replica_set);
    for pod in 0..replicas {
        let mut object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": meta(&format!("{set}-{pod}")), "spec": spec,
        });
        object["metadata"]["ownerReferences"] = owner("ReplicaSet", &set);
        object["spec"]["nodeName"] = json!(format!("node-{}", random.random_range(0..50)));
        objects.push(object);
    }
    if number < 2 {
        objects.push(ingress(random, namespace, &name));
    }
    objects
}

fn owner(kind: &str, name: &str) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true,
        "uid": "0f0f0f0f-1111-4222-8333-444455556666", "blockOwnerDeletion": true,
    }])
}

/// Four of five are as strict as can be; a few are privileged, without limits, or not pinned.
fn pod_spec(random: &mut SmallRng, name: &str) -> Value {
    let mut pod: Value = yaml_serde::from_str(include_str!("pod.yaml")).unwrap();
    pod["serviceAccountName"] = json!(format!("program-{}", random.random_range(0..4)));
    pod["volumes"][1]["configMap"]["name"] = json!(name);
    let container = &mut pod["containers"][0];
    container["name"] = json!(name);
    let image = format!("registry.acme.example/apps/{name}");
    let digest = format!("{:016x}", random.random::<u64>()).repeat(4);
    let tag = one_of(random, &["1.4.2", "2.0.0", "latest"]);
    container["image"] = if random.random_bool(0.6) {
        json!(format!("{image}@sha256:{digest}"))
    } else {
        json!(format!("{image}:{tag}"))
    };
    if random.random_bool(0.2) {
        container["securityContext"] = json!({"privileged": random.random_bool(0.1)});
        container["resources"] = json!({});
    }
    pod
}

fn ingress(random: &mut SmallRng, namespace: &str, name: &str) -> Value {
    let host = format!("{name}.{namespace}.acme.example");
    let tls = json!([{"hosts": [host], "secretName": format!("{name}-tls")}]);
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "ingressClassName": "nginx", "tls": if random.random_bool(0.9) { tls } else { json!([]) },
            "rules": [{"host": host, "http": {"paths": [{
                "path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": name, "port": {"name": "http"}}},
            }]}}],
        },
    })
}

fn cron_job(random: &mut SmallRng, namespace: &str, number: usize) -> Value {
    let name = format!("job-{number}");
    let mut spec = pod_spec(random, &name);
    spec["restartPolicy"] = json!("OnFailure");
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "schedule": "0 3 * * *", "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"template": {"spec": spec}}},
        },
    })
}
