//! The manifests under `config/` grant what the operator reads, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use comptroller_core::inventory::{Catalog, facts, reports};
use serde::Deserialize;
use serde_json::Value;

fn documents(path: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    yaml_serde::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Group -> plurals that the reader roles grant to list and watch.
fn granted() -> BTreeMap<String, BTreeSet<String>> {
    let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for role in documents("config/rbac/reader_role.yaml") {
        let name = role["metadata"]["name"].as_str().unwrap().to_owned();
        for rule in role["rules"].as_array().into_iter().flatten() {
            assert_eq!(
                strings(&rule["verbs"]),
                ["list", "watch"].map(str::to_owned).into(),
                "{name}: the operator lists and watches, and nothing else"
            );
            for group in strings(&rule["apiGroups"]) {
                granted.entry(group).or_default().extend(strings(&rule["resources"]));
            }
        }
        if role["aggregationRule"].is_null() {
            assert_eq!(
                role["metadata"]["labels"]["comptroller.dev/aggregate-to-reader"], "true",
                "{name}"
            );
        }
    }
    granted
}

/// Group -> plurals that controls of the pack name: those with a cel or a presence test.
fn judged_by_the_pack() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/soc2");
    let mut judged = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        for control in documents(path.to_str().unwrap()) {
            let tests = ["cel", "presence"].map(|test| &control["spec"]["test"][test]["resources"]);
            for rule in tests.into_iter().filter_map(Value::as_array).flatten() {
                for group in strings(&rule["apiGroups"]) {
                    judged.extend(
                        strings(&rule["resources"])
                            .into_iter()
                            .map(|plural| (group.clone(), plural)),
                    );
                }
            }
        }
    }
    assert!(!judged.is_empty());
    judged
}

#[test]
fn the_reader_roles_grant_the_kinds_that_checks_and_the_pack_read() {
    let catalog = Catalog::builtin();
    let mut read: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for projection in facts::projections() {
        let row = catalog.find_kind(projection.group, projection.kind).unwrap_or_else(|| {
            panic!("{} {} is not in the built-in catalog", projection.group, projection.kind)
        });
        read.entry(projection.group.to_owned()).or_default().insert(row.resource.plural.clone());
    }
    for api in reports::KINDS {
        let plurals = api.kinds.iter().map(|(_, plural)| (*plural).to_owned());
        read.entry(api.group.to_owned()).or_default().extend(plurals);
    }
    for (group, plural) in judged_by_the_pack() {
        read.entry(group).or_default().insert(plural);
    }
    assert_eq!(granted(), read, "left: config/rbac/reader_role.yaml, right: what checks read");
}

#[test]
fn no_role_reads_secrets_or_escalates() {
    for file in [
        "role.yaml",
        "reader_role.yaml",
        "leader_election_role.yaml",
        "evidence_role.yaml",
        "metrics_reader_role.yaml",
        "user_roles.yaml",
        "optional/audit_stream.yaml",
        "optional/enforcement.yaml",
        "optional/revocation.yaml",
    ] {
        for role in documents(&format!("config/rbac/{file}")) {
            for rule in role["rules"].as_array().into_iter().flatten() {
                let words: BTreeSet<String> = ["apiGroups", "resources", "verbs"]
                    .iter()
                    .flat_map(|field| strings(&rule[*field]))
                    .collect();
                for forbidden in
                    ["*", "secrets", "escalate", "bind", "impersonate", "pods/exec", "nodes/proxy"]
                {
                    assert!(!words.contains(forbidden), "{file}: {forbidden} in {rule}");
                }
            }
        }
    }
}

fn operator() -> Value {
    documents("config/manager/deployment.yaml").remove(0)
}

fn container() -> Value {
    operator()["spec"]["template"]["spec"]["containers"][0].take()
}

/// Name -> number of the ports of the operator's container.
fn ports() -> BTreeMap<String, u64> {
    let container = container();
    let ports = container["ports"].as_array().unwrap();
    ports
        .iter()
        .map(|port| {
            (port["name"].as_str().unwrap().to_owned(), port["containerPort"].as_u64().unwrap())
        })
        .collect()
}

#[test]
fn each_port_is_one_that_the_operator_listens_on() {
    let container = container();
    let arguments = strings(&container["args"]);
    let ports = ports();
    for (name, flag) in [("https", "--listen"), ("probes", "--probe-listen")] {
        let argument = format!("{flag}=0.0.0.0:{}", ports[name]);
        assert!(arguments.contains(&argument), "{argument} in {arguments:?}");
    }
    assert_eq!(ports.len(), 2);
    let service = documents("config/manager/service.yaml").remove(0);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "https");
}

#[test]
fn the_kubelet_asks_where_nobody_scrapes() {
    let container = container();
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let expected = serde_json::json!({ "path": path, "port": "probes" });
        assert_eq!(container[probe]["httpGet"], expected, "{probe}");
    }
}

#[test]
fn the_network_policy_is_about_the_operator_and_lets_in_who_scrapes_and_who_probes() {
    let policy = documents("config/network/network_policy.yaml").remove(0);
    let spec = &policy["spec"];
    let operator = operator();
    assert_eq!(policy["metadata"]["namespace"], operator["metadata"]["namespace"]);
    let labels = operator["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
    for (key, value) in spec["podSelector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(labels.get(key), Some(value), "{key}");
    }
    assert_eq!(strings(&spec["policyTypes"]), ["Egress", "Ingress"].map(str::to_owned).into());

    let ports = ports();
    let from_anywhere: Vec<&Value> =
        spec["ingress"].as_array().unwrap().iter().filter(|rule| rule["from"].is_null()).collect();
    assert_eq!(from_anywhere, [&serde_json::json!({ "ports": [{ "port": "probes" }] })]);
    for rule in spec["ingress"].as_array().unwrap() {
        for port in rule["ports"].as_array().unwrap() {
            assert!(ports.contains_key(port["port"].as_str().unwrap()), "{port}");
        }
    }
    // An egress rule without ports would let everything out.
    for rule in spec["egress"].as_array().unwrap() {
        assert!(!rule["ports"].as_array().unwrap().is_empty());
    }
    let folders = documents("config/default/kustomization.yaml").remove(0);
    assert!(strings(&folders["resources"]).contains("../network"));
}
