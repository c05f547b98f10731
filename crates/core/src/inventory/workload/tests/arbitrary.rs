//! Random templates, and what the API server makes of them.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::ResourceType;

pub fn resource(group: &str, kind: &str) -> ResourceType {
    ResourceType {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
        namespaced: true,
    }
}

/// An object of these fields, each present or not.
fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let mut result = Just(Map::new()).boxed();
    for (name, value) in fields {
        result = (result, option::of(value))
            .prop_map(move |(mut map, value)| {
                if let Some(value) = value {
                    map.insert(name.to_owned(), value);
                }
                map
            })
            .boxed();
    }
    result.prop_map(Value::Object).boxed()
}

fn one_of(values: &'static [&'static str]) -> BoxedStrategy<Value> {
    select(values).prop_map(Value::from).boxed()
}

fn boolean() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn profile() -> BoxedStrategy<Value> {
    one_of(&["RuntimeDefault", "Localhost", "Unconfined"])
        .prop_map(|kind| json!({"type": kind}))
        .boxed()
}

fn security_context() -> BoxedStrategy<Value> {
    object(vec![
        ("runAsNonRoot", boolean()),
        ("runAsUser", (0..3_i64).prop_map(Value::from).boxed()),
        ("seccompProfile", profile()),
        ("privileged", boolean()),
        ("procMount", one_of(&["Unmasked"])),
        (
            "seLinuxOptions",
            one_of(&["container_t", "spc_t"]).prop_map(|kind| json!({"type": kind})).boxed(),
        ),
        (
            "capabilities",
            one_of(&["ALL", "CHOWN"])
                .prop_map(|name| json!({"drop": [name], "add": [name]}))
                .boxed(),
        ),
    ])
}

fn resources() -> BoxedStrategy<Value> {
    let amounts =
        || object(vec![("cpu", one_of(&["0", "100m", "2"])), ("memory", one_of(&["0", "64Mi"]))]);
    object(vec![("requests", amounts()), ("limits", amounts())])
}

fn container(name: &'static str) -> BoxedStrategy<Value> {
    let port = (1..9_i64, option::of(1..9_i64))
        .prop_map(|(port, host)| json!([{"containerPort": port, "hostPort": host}]));
    let fields = object(vec![
        ("image", one_of(&["nginx", "registry.test/app@sha256:0"])),
        ("securityContext", security_context()),
        ("resources", resources()),
        ("readinessProbe", Just(json!({"httpGet": {"port": 1}})).boxed()),
        ("ports", port.boxed()),
    ]);
    fields
        .prop_map(move |mut fields| {
            fields["name"] = name.into();
            fields
        })
        .boxed()
}

/// A pod template, as a user writes it.
pub fn template() -> BoxedStrategy<Value> {
    let volume = select(vec!["hostPath", "nfs", "configMap", "emptyDir"])
        .prop_map(|kind| json!([{"name": "v", kind: {}}, {"name": "w"}]));
    let spec = object(vec![
        ("hostNetwork", boolean()),
        ("hostPID", boolean()),
        ("hostUsers", boolean()),
        ("serviceAccountName", one_of(&["default", "web"])),
        ("automountServiceAccountToken", boolean()),
        ("restartPolicy", one_of(&["Always", "Never"])),
        (
            "securityContext",
            object(vec![
                ("runAsNonRoot", boolean()),
                ("appArmorProfile", profile()),
                ("seccompProfile", profile()),
            ]),
        ),
        ("resources", resources()),
        ("volumes", volume.boxed()),
        ("initContainers", container("init").prop_map(|one| json!([one])).boxed()),
    ]);
    let annotation = option::of(select(vec!["runtime/default", "unconfined", "localhost/x"]));
    (spec, container("app"), annotation)
        .prop_map(|(mut spec, container, annotation)| {
            spec["containers"] = json!([container]);
            let annotations = annotation
                .map(|value| json!({"container.apparmor.security.beta.kubernetes.io/app": value}));
            json!({"metadata": {"annotations": annotations}, "spec": spec})
        })
        .boxed()
}

/// The pod of a template after the API server's defaults, the admission of service accounts and
/// the scheduler. Written from the API server's documented behaviour, apart from what it tests;
/// `tests/pod_security_parity.rs` asks the API server itself.
pub fn pod_from(template: &Value) -> Value {
    let mut pod = template.clone();
    pod["metadata"]["name"] = "web-5d4f-x2x".into();
    pod["status"] = json!({"phase": "Running", "podIP": "10.0.0.7"});
    let spec = &mut pod["spec"];
    let host_network = spec["hostNetwork"] == true;
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            default_requests(&mut container["resources"]);
            container["terminationMessagePath"] = "/dev/termination-log".into();
            container["imagePullPolicy"] = "Always".into();
            container["volumeMounts"] =
                json!([{"name": "kube-api-access-x2x", "mountPath": "/token"}]);
            for port in container["ports"].as_array_mut().into_iter().flatten() {
                port["protocol"] = "TCP".into();
                if host_network && port["hostPort"].is_null() {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
    default_pod_requests(spec);
    if spec["serviceAccountName"].is_null() {
        spec["serviceAccountName"] = "default".into();
    }
    spec["serviceAccount"] = spec["serviceAccountName"].clone();
    if spec["restartPolicy"].is_null() {
        spec["restartPolicy"] = "Always".into();
    }
    for (field, value) in [
        ("nodeName", json!("node-1")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("enableServiceLinks", json!(true)),
        ("priority", json!(0)),
        ("tolerations", json!([{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}])),
    ] {
        spec[field] = value;
    }
    if spec["volumes"].is_null() {
        spec["volumes"] = json!([]);
    }
    let volumes = spec["volumes"].as_array_mut().unwrap();
    volumes.retain(|volume| volume["name"] != "w");
    volumes.push(json!({"name": "w", "emptyDir": {}}));
    volumes.push(json!({"name": "kube-api-access-x2x", "projected": {"sources": []}}));
    sync_app_armor(&mut pod);
    pod
}

fn default_requests(resources: &mut Value) {
    for name in ["cpu", "memory"] {
        let limit = resources["limits"][name].clone();
        if !limit.is_null() && resources["requests"][name].is_null() {
            resources["requests"][name] = limit;
        }
    }
}

fn default_pod_requests(spec: &mut Value) {
    let limits = spec["resources"]["limits"].as_object();
    if limits.is_none_or(|limits| limits.values().all(Value::is_null)) {
        return;
    }
    for name in ["cpu", "memory"] {
        if !spec["resources"]["requests"][name].is_null() {
            continue;
        }
        // Of several containers the API server takes the sum, which is zero only if all are.
        let of_containers = ["initContainers", "containers"]
            .iter()
            .flat_map(|list| spec[list].as_array().into_iter().flatten())
            .map(|container| container["resources"]["requests"][name].clone())
            .filter(|request| !request.is_null())
            .max_by_key(|request| request != "0");
        let request = of_containers.unwrap_or_else(|| spec["resources"]["limits"][name].clone());
        spec["resources"]["requests"][name] = request;
    }
}

fn sync_app_armor(pod: &mut Value) {
    let annotation =
        &pod["metadata"]["annotations"]["container.apparmor.security.beta.kubernetes.io/app"];
    let kind = match annotation.as_str() {
        Some("runtime/default") => "RuntimeDefault",
        Some("unconfined") => "Unconfined",
        Some(_) => "Localhost",
        None => return,
    };
    let profile = json!({"type": kind});
    if pod["spec"]["securityContext"]["appArmorProfile"] != profile {
        pod["spec"]["containers"][0]["securityContext"]["appArmorProfile"] = profile;
    }
}

/// Templates with any JSON in the place of any field.
pub fn garbage() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let any_json = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            (select(vec!["name", "type", "spec", "securityContext", "limits"]), inner)
                .prop_map(|(key, value)| json!({key: value})),
        ]
    });
    (template(), any::<prop::sample::Index>(), any_json)
        .prop_map(|(mut template, at, junk)| {
            let mut paths = Vec::new();
            pointers(&template, String::new(), &mut paths);
            let path = at.get(&paths).clone();
            if let Some(place) = template.pointer_mut(&path) {
                *place = junk;
            }
            template
        })
        .boxed()
}

fn pointers(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(inner, format!("{path}/{key}"), paths);
            }
        }
        Value::Array(list) => {
            for (at, inner) in list.iter().enumerate() {
                pointers(inner, format!("{path}/{at}"), paths);
            }
        }
        _ => {}
    }
    paths.push(path);
}

/// One change of a `ReplicaSet` or a pod.
#[derive(Clone, Debug)]
pub struct Step {
    pub pod: bool,
    pub name: u8,
    pub owner: Option<u8>,
    pub remove: bool,
}

impl Step {
    pub fn name(&self) -> String {
        format!("w-{}", self.name)
    }

    pub fn object(&self) -> Value {
        let owners = self.owner.map(|owner| {
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("w-{owner}"), "controller": true}])
        });
        let pod = json!({"containers": [{"name": "app"}]});
        let spec = if self.pod { pod } else { json!({"template": {"spec": pod}}) };
        json!({"metadata": {"name": self.name(), "ownerReferences": owners}, "spec": spec})
    }
}

pub fn step() -> BoxedStrategy<Step> {
    (any::<bool>(), 0..6_u8, option::of(0..4_u8), prop::bool::weighted(0.2))
        .prop_map(|(pod, name, owner, remove)| Step { pod, name, owner, remove })
        .boxed()
}
