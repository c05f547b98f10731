//! People: who works here, since when and until when, with what they do and whom they report to.

use super::{DerivedItem, ItemKey, Register, Source, nobody};
use crate::{
    api::GROUP,
    inventory::{Facts, Inventory, Object},
};

pub static REGISTER: Register = Register {
    name: "people",
    sources: &[Source { group: GROUP, kind: "Person", items }],
    reads: &[],
    concerned: nobody,
};

/// The name of the object may say who it is, so that the key is a digest of what it becomes.
fn items(_: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let Facts::Person(facts) = &object.facts else { return Vec::new() };
    let mut item = DerivedItem {
        key: ItemKey::Fields(&["person"]),
        fields: std::collections::BTreeMap::new(),
    };
    item.set("person", object.name.as_str());
    item.texts("usernames", facts.usernames.iter().map(ToString::to_string));
    item.texts("groups", facts.groups.iter().map(ToString::to_string));
    item.text("department", facts.department.as_ref());
    item.texts("roles", facts.roles.iter().map(ToString::to_string));
    item.text("manager", facts.manager.as_ref());
    item.text("starts", facts.starts);
    item.text("ends", facts.ends);
    vec![item]
}
