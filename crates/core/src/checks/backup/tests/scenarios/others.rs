use serde_json::json;

use super::{SHOP, Scenario, objects::*};

/// Databases whose backups are not read hide behind no other.
pub fn all() -> Vec<Scenario> {
    let kinds = [
        ("acid.zalan.do/v1", "postgresql"),
        ("postgres-operator.crunchydata.com/v1beta1", "PostgresCluster"),
        ("mysql.oracle.com/v2", "InnoDBCluster"),
        ("elasticsearch.k8s.elastic.co/v1", "Elasticsearch"),
    ];
    let named = kinds.map(|(api_version, kind)| {
        let other = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": "ledger", "namespace": SHOP, "labels": {"app": "db"}},
            "spec": {},
        });
        let name = format!("other databases: {kind} of {api_version}");
        Scenario::databases(&name, vec![cnpg_cluster(), cnpg_backup(), other], "pass; unknown")
    });
    named.into()
}
