//! Namespaces: with the labels that say what they are for.

use super::{DerivedItem, Register, Source, nobody};
use crate::inventory::{Facts, Inventory, Object};

pub static REGISTER: Register = Register {
    name: "namespaces",
    sources: &[Source { group: "", kind: "Namespace", items }],
    reads: &[],
    concerned: nobody,
};

/// The fields, and the labels that they are read from, first what counts first.
const LABELS: &[(&str, &[&str])] = &[
    ("env", &["env", "environment"]),
    ("owner", &["owner", "team"]),
    ("dataClass", &["data-class", "data-classification"]),
    ("podSecurity", &["pod-security.kubernetes.io/enforce"]),
];

fn items(_: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let Facts::Namespace(facts) = &object.facts else { return Vec::new() };
    let mut item = DerivedItem::of(object);
    for (field, labels) in LABELS {
        item.text(field, labels.iter().find_map(|label| facts.labels.get(label)));
    }
    item.text("createdAt", facts.created);
    vec![item]
}
