//! The items that were judged: the population from which an auditor draws samples.

use crate::{
    api::ResourceRef,
    checks::{self, Item},
    inventory::{Inventory, Object, Slot, rbac::Subject, reports::ReportedResource},
};

/// An item that was judged, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedItem {
    pub resource: ResourceRef,
    /// The uid of the object. None for what is no object, or passed no API server.
    pub uid: Option<Box<str>>,
    /// The digest of the facts that it was judged on. None of what is no object, and where it is not
    /// asked for.
    pub facts: Option<String>,
}

/// Says the digest of the facts of an object. None where it is not asked for.
pub type FactsDigest<'a> = dyn FnMut(Slot, &Object) -> Option<String> + 'a;

/// Items by name, without those that are gone. A subject is named as a binding names it.
pub fn judged(
    inventory: &Inventory,
    items: impl Iterator<Item = Item>,
    digest: &mut FactsDigest<'_>,
) -> Vec<JudgedItem> {
    let present = items.filter(|item| match item {
        Item::Subject(id) => inventory.rights.subject(*id).is_some(),
        Item::Object(_) | Item::Reported(_) | Item::Cluster(_) => true,
    });
    let mut named = |item| {
        let judged = named(inventory, item)?;
        let facts = match item {
            Item::Object(slot) => inventory.get(slot).and_then(|object| digest(slot, object)),
            Item::Subject(_) | Item::Reported(_) | Item::Cluster(_) => None,
        };
        Some(JudgedItem { facts, ..judged })
    };
    present.filter_map(&mut named).collect()
}

/// An item by name. None for an object that is gone, and for a subject that is long forgotten.
pub fn named(inventory: &Inventory, item: Item) -> Option<JudgedItem> {
    match item {
        Item::Object(slot) => object(inventory, inventory.get(slot)?),
        Item::Subject(id) => inventory.rights.last_known(id).map(subject),
        Item::Reported(id) => inventory.reports.resource(id).map(reported),
        Item::Cluster(part) => Some(cluster(part)),
    }
}

/// An object, which may be gone, by name.
pub fn object(inventory: &Inventory, object: &Object) -> Option<JudgedItem> {
    let resource = checks::reference_of(inventory, object)?;
    Some(JudgedItem { resource, uid: object.uid.clone(), facts: None })
}

fn subject(subject: &Subject) -> JudgedItem {
    let namespace = subject.namespace().map(ToString::to_string);
    let api_version = if namespace.is_some() { "v1" } else { "rbac.authorization.k8s.io/v1" };
    let resource = ResourceRef {
        api_version: api_version.to_owned(),
        kind: subject.kind().to_owned(),
        namespace,
        name: subject.name().to_string(),
    };
    JudgedItem { resource, uid: None, facts: None }
}

fn reported(resource: &ReportedResource) -> JudgedItem {
    JudgedItem { resource: resource.reference(), uid: None, facts: None }
}

/// An item of the cluster as a whole, by its number within the check.
fn cluster(part: u32) -> JudgedItem {
    let resource = ResourceRef {
        api_version: "v1".to_owned(),
        kind: "Cluster".to_owned(),
        namespace: None,
        name: format!("cluster/{part}"),
    };
    JudgedItem { resource, uid: None, facts: None }
}
