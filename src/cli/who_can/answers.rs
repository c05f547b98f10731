//! The subjects that are allowed to do something, and how they are printed.

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

/// A subject that is allowed, with every way it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct EntitledSubject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: &'static str,
    /// The name of the subject.
    pub name: String,
    /// The namespace of a service account; None for other kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The bindings that allow it. Empty for `system:masters` without a binding: the API server lets that
    /// group do everything before it asks RBAC.
    pub via: Vec<GrantingBinding>,
}

/// A binding through which a subject is allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct GrantingBinding {
    pub binding: ResourceRef,
    /// The role that it grants.
    pub role: ResourceRef,
}

/// Every allowed subject, each with its bindings sorted.
pub(super) fn who_can(inventory: &Inventory, request: &AccessRequest<'_>) -> Vec<EntitledSubject> {
    let entitled = inventory.rights.who_can(request);
    entitled.iter().map(|entitlement| allowed_subject(inventory, entitlement)).collect()
}

fn allowed_subject(inventory: &Inventory, entitlement: &Entitlement) -> EntitledSubject {
    let via = entitlement.via.iter().filter_map(|path| {
        Some(GrantingBinding {
            binding: reference(inventory, path.binding)?,
            role: role_reference(inventory, path.role)?,
        })
    });
    let mut via: Vec<GrantingBinding> = via.collect();
    via.sort();
    EntitledSubject {
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

/// The roles and bindings that can't be parsed, each with the reason. They might allow anybody.
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

/// Writes a table for people.
pub(super) fn print_table(answers: &[EntitledSubject], out: &mut dyn Write) -> std::io::Result<()> {
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

/// Writes the answers as JSON; the fields are a contract with scripts.
pub(super) fn print_json(answers: &[EntitledSubject], out: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, answers)?;
    writeln!(out)
}

/// An object in short, such as `RoleBinding/prod/jane-hotfix`.
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
    fn answers_are_printed_as_documented() {
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
