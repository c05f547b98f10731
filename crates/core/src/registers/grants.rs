//! Grants: each subject of each binding, with what its role gives there.

use serde_json::Value;

use super::{DerivedItem, ItemKey, Register, Source};
use crate::{
    checks::rbac::{rights_of_role, role_risks},
    inventory::{
        Facts, Inventory, Object, Slot,
        rbac::{BindingFacts, RoleKey, RoleKind},
    },
};
use comptroller_vocabulary::canonical;

const RBAC: &str = "rbac.authorization.k8s.io";

pub static REGISTER: Register = Register {
    name: "grants",
    sources: &[
        Source { group: RBAC, kind: "ClusterRoleBinding", items },
        Source { group: RBAC, kind: "RoleBinding", items },
    ],
    reads: &[(RBAC, "ClusterRole"), (RBAC, "Role")],
    concerned,
};

/// What makes two grants one.
const IDENTITY: &[&str] = &["binding", "role", "scope", "subject"];

/// Where a grant of a `ClusterRoleBinding` is in effect.
const CLUSTER: &str = "cluster";

fn items(inventory: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let Facts::Binding(facts) = &object.facts else { return Vec::new() };
    let shared = of_binding(inventory, object, facts);
    let mut items: Vec<DerivedItem> = facts
        .subjects
        .iter()
        .map(|subject| {
            let mut item = shared.clone();
            item.set("subject", subject.to_string());
            item
        })
        .collect();
    // A binding may name a subject twice.
    items.sort_by(|one, other| subject(one).cmp(subject(other)));
    items.dedup_by(|one, other| subject(one) == subject(other));
    items
}

fn subject(item: &DerivedItem) -> &str {
    item.fields.get("subject").and_then(Value::as_str).unwrap_or_default()
}

/// What the grants of one binding have in common.
fn of_binding(inventory: &Inventory, object: &Object, facts: &BindingFacts) -> DerivedItem {
    let key = role_of(object, facts);
    let in_cluster = object.namespace.is_empty();
    let namespace = (!in_cluster).then_some(&*object.namespace);
    let mut item =
        DerivedItem { key: ItemKey::Fields(IDENTITY), fields: std::collections::BTreeMap::new() };
    let binding = if in_cluster {
        format!("ClusterRoleBinding/{}", object.name)
    } else {
        format!("RoleBinding/{}/{}", object.namespace, object.name)
    };
    item.set("binding", binding);
    item.set("role", key.to_string());
    item.set("scope", namespace.map_or_else(|| CLUSTER.to_owned(), |it| format!("namespace {it}")));
    item.text("grantedAt", facts.created);
    // Of a role that does not exist nothing is given, until somebody makes it.
    let Some(role) = inventory.rights.find_role(&key) else {
        item.set("right", "the role does not exist");
        return item;
    };
    item.set("right", rights_of_role(role, namespace));
    let rules: Vec<_> = role.rules().collect();
    // The facts of a role have no fractions, so that there always is a digest.
    item.text("roleDigest", canonical::digest(&rules).ok());
    let risks = role_risks(role, namespace);
    item.text("risk", risks.iter().map(|(_, severity)| *severity).max());
    item.texts("risks", risks.into_iter().map(|(risk, _)| risk.to_string()));
    item
}

fn role_of(object: &Object, facts: &BindingFacts) -> RoleKey {
    let name = facts.role.name.clone();
    match facts.role.kind {
        RoleKind::ClusterRole => RoleKey::cluster(name),
        RoleKind::Role => RoleKey { namespace: object.namespace.clone(), name },
    }
}

/// The bindings of a role that came, changed or went.
fn concerned(inventory: &Inventory, object: &Object) -> Vec<Slot> {
    let Facts::Role(_) = &object.facts else { return Vec::new() };
    let key = RoleKey { namespace: object.namespace.clone(), name: object.name.clone() };
    inventory.rights.bindings_of(&key).to_vec()
}
