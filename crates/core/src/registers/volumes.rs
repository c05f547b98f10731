//! Volumes: claims, with the class that they are of.

use super::{DerivedItem, Register, Source, known, nobody};
use crate::inventory::{Facts, Inventory, Object};

pub static REGISTER: Register = Register {
    name: "volumes",
    sources: &[Source { group: "", kind: "PersistentVolumeClaim", items }],
    reads: &[],
    concerned: nobody,
};

fn items(_: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let Facts::Claim(facts) = &object.facts else { return Vec::new() };
    let mut item = DerivedItem::of(object);
    item.text("class", known(facts.storage_class.as_ref()));
    item.text("volume", known(facts.volume.as_ref()));
    item.set("bound", facts.bound);
    item.text("createdAt", facts.created);
    vec![item]
}
