//! The subjects that may, and how they are printed.

use std::io::Write;

use serde::Serialize;

use comptroller_core::{
    api::ResourceRef,
    checks::reference,
    inventory::{
        Facts, Inventory,
        rbac::{AccessRequest, Entitlement, PROJECTIONS, RoleId, RoleNode},
    },
};
use comptroller_report::visible;

/// A subject that may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: &'static str,
    /// Name.
    pub name: String,
    /// Namespace of a service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Every way it may. Empty for `system:masters` where no binding names it: the API server
    /// lets that group do everything before it asks RBAC.
    pub via: Vec<Via>,
}

/// One way a subject may.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Via {
    /// The binding.
    pub binding: ResourceRef,
    /// The role it gives.
    pub role: ResourceRef,
}

/// Every subject that may, with its paths sorted.
pub(super) fn who_can(inventory: &Inventory, request: &AccessRequest<'_>) -> Vec<Answer> {
    let entitled = inventory.rights.who_can(request);
    entitled.iter().map(|entitlement| answer(inventory, entitlement)).collect()
}

fn answer(inventory: &Inventory, entitlement: &Entitlement) -> Answer {
    let via = entitlement.via.iter().filter_map(|path| {
        Some(Via {
            binding: reference(inventory, path.binding)?,
            role: role_reference(inventory, path.role)?,
        })
    });
    let mut via: Vec<Via> = via.collect();
    via.sort();
    Answer {
        kind: entitlement.subject.kind(),
        name: entitlement.subject.name().to_string(),
        namespace: entitlement.subject.namespace().map(ToString::to_string),
        via,
    }
}

fn role_reference(inventory: &Inventory, id: RoleId) -> Option<ResourceRef> {
    let key = inventory.rights.role(id).map(RoleNode::key)?;
    Some(ResourceRef {
        api_version: "rbac.authorization.k8s.io/v1".to_owned(),
        kind: key.kind().to_owned(),
        namespace: (!key.namespace.is_empty()).then(|| key.namespace.to_string()),
        name: key.name.to_string(),
    })
}

/// The roles and bindings that can't be read, each with why: they might give anybody the right.
pub(super) fn malformed(inventory: &Inventory) -> Vec<String> {
    let mut found: Vec<String> = PROJECTIONS
        .iter()
        .flat_map(|row| inventory.objects_of(row.group, row.kind))
        .filter_map(|(slot, object)| {
            let Facts::Malformed(error) = &object.facts else {
                return None;
            };
            let name = path(&reference(inventory, slot)?);
            Some(format!("{name} can't be read: {}", visible(error)))
        })
        .collect();
    found.sort();
    found
}

/// Prints a table for people.
pub(super) fn print_table(answers: &[Answer], out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = tabwriter::TabWriter::new(out).padding(3);
    writeln!(table, "KIND\tNAMESPACE\tNAME\tBINDING\tROLE")?;
    for answer in answers {
        let who = format!(
            "{}\t{}\t{}",
            answer.kind,
            visible(answer.namespace.as_deref().unwrap_or_default()),
            visible(&answer.name)
        );
        if answer.via.is_empty() {
            writeln!(table, "{who}\t(the API server itself)\t")?;
        }
        for via in &answer.via {
            writeln!(table, "{who}\t{}\t{}", path(&via.binding), path(&via.role))?;
        }
    }
    table.flush()
}

/// Prints the answers as JSON, as the contract has them.
pub(super) fn print_json(answers: &[Answer], out: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, answers)?;
    writeln!(out)
}

/// `RoleBinding/prod/jane-hotfix`.
pub(super) fn path(object: &ResourceRef) -> String {
    let namespace =
        object.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
    visible(&format!("{}/{namespace}{}", object.kind, object.name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_core::inventory::rbac::{RequestTarget, testing::*};

    #[test]
    fn answers_print_as_the_contract_has_them() {
        let world = World::of([
            cluster_role("reader", &["get core pods"]),
            bind_in(
                "prod",
                "b",
                "ClusterRole/reader",
                &["ServiceAccount/prod/ci", "User/x\u{1b}[2J"],
            ),
        ]);
        let target = RequestTarget::Resource {
            group: "",
            resource: "pods",
            subresource: "",
            namespace: "prod",
            name: "",
        };
        let answers = who_can(&world.inventory, &AccessRequest { verb: "get", target });
        let mut json = Vec::new();
        print_json(&answers, &mut json).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            json[2],
            serde_json::json!({
                "kind": "ServiceAccount",
                "name": "ci",
                "namespace": "prod",
                "via": [{
                    "binding": {
                        "apiVersion": "rbac.authorization.k8s.io/v1",
                        "kind": "RoleBinding",
                        "namespace": "prod",
                        "name": "b",
                    },
                    "role": {
                        "apiVersion": "rbac.authorization.k8s.io/v1",
                        "kind": "ClusterRole",
                        "name": "reader",
                    },
                }],
            })
        );
        assert_eq!(json[1]["name"], "system:masters");
        assert_eq!(json[1]["via"], serde_json::json!([]));
        let mut table = Vec::new();
        print_table(&answers, &mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert!(!table.contains('\u{1b}'), "{table}");
        assert!(table.contains("x\\u{1b}[2J"), "{table}");
        assert!(table.contains("RoleBinding/prod/b"), "{table}");
        assert!(table.contains("(the API server itself)"), "{table}");
    }
}
