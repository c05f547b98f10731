//! At rest, by what the API server shows of itself.

use serde_json::json;

use super::{NOW, at, check, inventory, judge, words};
use crate::inventory::{ApiServer, Inventory, api_server::parse_transformations};

/// API server pods with these arguments.
fn servers(servers: &[&[&str]]) -> Inventory {
    let pods: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(number, arguments)| {
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": format!("kube-apiserver-{number}"),
                    "namespace": "kube-system",
                    "labels": {"component": "kube-apiserver", "tier": "control-plane"},
                },
                "spec": {"containers": [{"name": "kube-apiserver", "command": arguments}]},
            })
        })
        .collect();
    inventory(&pods)
}

/// Rows as `direction prefix`, of secrets.
fn metrics(rows: &[&str]) -> ApiServer {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let (direction, prefix) = row.split_once(' ').unwrap();
            format!(
                r#"apiserver_storage_transformation_operations_total{{resource="secrets",status="OK",transformation_type="{direction}",transformer_prefix="{prefix}"}} 1"#
            )
        })
        .collect();
    ApiServer::Observed(parse_transformations(lines.iter().map(String::as_str)))
}

fn verdict(flags: &[&[&str]], api_server: ApiServer) -> String {
    let mut inventory = servers(flags);
    inventory.observe_api_server(api_server);
    let judgements = judge(check("atRest: {resources: [secrets]}").as_ref(), &inventory, at(NOW));
    assert_eq!(judgements.len(), 1);
    judgements.values().map(words).collect()
}

const WITH: &[&str] = &["kube-apiserver", "--encryption-provider-config=/etc/kubernetes/enc.yaml"];
const WITHOUT: &[&str] = &["kube-apiserver", "--encryption-provider-config-automatic-reload=true"];

#[test]
fn what_counts_as_evidence() {
    let unreadable = || ApiServer::Unreadable("403".into());
    for (flags, api_server, expected) in [
        (&[][..], ApiServer::NotObserved, "unknown NotShown"),
        (&[], unreadable(), "unknown NotShown"),
        (&[], ApiServer::Idle, "unknown NotShown"),
        (&[WITHOUT], ApiServer::Idle, "fails NoEncryptionProvider"),
        (&[WITH], ApiServer::NotObserved, "unknown NotShown"),
        (&[WITH], unreadable(), "unknown NotShown"),
        (&[WITHOUT], ApiServer::NotObserved, "fails NoEncryptionProvider"),
        (&[WITH, WITHOUT], unreadable(), "fails NoEncryptionProvider"),
        (&[], metrics(&[]), "fails NoEncryptionProvider"),
        (&[WITH], metrics(&[]), "unknown NotShown"),
        (&[], metrics(&["to_storage k8s:enc:kms:v2:vault:"]), "pass"),
        (
            &[WITH],
            metrics(&[
                "to_storage k8s:enc:aescbc:v1:",
                "to_storage key1:",
                "from_storage k8s:enc:aescbc:v1:",
                "from_storage key1:",
            ]),
            "pass",
        ),
        // One of several API servers encrypts; the metrics are those of that one.
        (
            &[WITH, WITHOUT],
            metrics(&["to_storage k8s:enc:secretbox:v1:"]),
            "fails NoEncryptionProvider",
        ),
        (&[], metrics(&["to_storage identity"]), "fails PlaintextWrites"),
        (
            &[],
            metrics(&["to_storage identity", "to_storage k8s:enc:aesgcm:v1:"]),
            "fails PlaintextWrites",
        ),
        (
            &[],
            metrics(&["to_storage k8s:enc:kms:v2:vault:", "from_storage identity"]),
            "fails PlaintextRows",
        ),
        (&[], metrics(&["from_storage identity"]), "fails PlaintextRows; unknown NotShown"),
        (&[], metrics(&["from_storage k8s:enc:kms:v2:vault:"]), "unknown NotShown"),
        (
            &[],
            metrics(&["to_storage k8s:enc:kms:v2:vault:", "from_storage unknown"]),
            "unknown NotShown",
        ),
        (&[], metrics(&["to_storage rot13"]), "unknown NotShown"),
    ] {
        let case = format!("{flags:?} {api_server:?}");
        assert_eq!(verdict(flags, api_server), expected, "{case}");
    }
}

#[test]
fn forms_of_the_flag() {
    for (flags, expected) in [
        (&["--encryption-provider-config", "/etc/enc.yaml"][..], "unknown NotShown"),
        (&["--encryption_provider_config=/etc/enc.yaml"], "unknown NotShown"),
        (&["--encryption-provider-config="], "fails NoEncryptionProvider"),
        (&[], "unknown NotShown"),
    ] {
        assert_eq!(verdict(&[flags], ApiServer::NotObserved), expected, "{flags:?}");
    }
}

#[test]
fn resources_are_judged_by_themselves() {
    let mut inventory = servers(&[]);
    inventory.observe_api_server(metrics(&["to_storage k8s:enc:kms:v2:vault:"]));
    let check = check("atRest: {resources: [secrets, configmaps]}");
    let judgements = judge(check.as_ref(), &inventory, at(NOW));
    let found: Vec<String> = judgements.values().map(words).collect();
    assert_eq!(found, ["pass", "unknown NotShown"]);
}

#[test]
fn metrics_without_a_resource_prove_nothing() {
    let row = r#"apiserver_storage_transformation_operations_total{status="OK",transformation_type="to_storage",transformer_prefix="k8s:enc:kms:v2:"} 1"#;
    let rows = parse_transformations(std::iter::once(row));
    assert_eq!(verdict(&[], ApiServer::Observed(rows)), "unknown NotShown");
}
