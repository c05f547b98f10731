//! Databases: the clusters of the operators that are known here.

use super::{DerivedItem, Register, Source, nobody};
use crate::inventory::{Facts, Inventory, Object, backup::BackupFacts};

pub static REGISTER: Register = Register {
    name: "databases",
    sources: &[Source { group: "postgresql.cnpg.io", kind: "Cluster", items }],
    reads: &[],
    concerned: nobody,
};

fn items(_: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let Facts::Backup(facts) = &object.facts else { return Vec::new() };
    let BackupFacts::CnpgCluster(facts) = &**facts else { return Vec::new() };
    let mut item = DerivedItem::of(object);
    item.set("operator", "CloudNativePG");
    item.text("objectStore", facts.store.as_ref());
    item.text("createdAt", facts.created);
    vec![item]
}
