//! Registers: what the company has, item by item, derived from the facts of the objects that bring it
//! along. Pure.
//!
//! A register is a file here and a line in [`REGISTERS`]. It says which kinds it reads and what an
//! object of each comes to; the [`RegisterTracker`] follows every change, so that a change of one
//! object derives that object's items again, and those of no other. What a register can't know is a
//! field that is absent, and a kind that nobody reads makes it unread, never empty.
//!
//! People are named here as the cluster names them: whoever records an item makes pseudonyms of them,
//! and its key of what then is there.

mod databases;
mod endpoints;
mod extensions;
mod grants;
mod namespaces;
mod people;
#[cfg(test)]
mod properties;
mod suppliers;
mod tracker;
mod volumes;
mod workloads;

use std::collections::BTreeMap;

use serde_json::Value;

pub use self::tracker::{PassedItem, RegisterChanges, RegisterTracker, TakenWork};
use crate::inventory::{Inventory, Object, Slot, Symbol};

/// Every register, in the order in which they are recorded. What is kept by our other kinds alone has its
/// line here as well, once something projects it into facts.
pub const REGISTERS: &[&Register] = &[
    &grants::REGISTER,
    &people::REGISTER,
    &workloads::REGISTER,
    &volumes::REGISTER,
    &databases::REGISTER,
    &endpoints::REGISTER,
    &namespaces::REGISTER,
    &suppliers::REGISTER,
    &extensions::REGISTER,
];

/// A population that is kept whole over time.
#[derive(Debug)]
pub struct Register {
    /// Its name, in entries, metrics and commands.
    pub name: &'static str,
    /// The kinds whose objects bring its items along.
    pub sources: &'static [Source],
    /// Further kinds, on which the fields of items depend: as group and kind.
    pub reads: &'static [(&'static str, &'static str)],
    /// The objects of [`sources`](Self::sources) whose items another object has a part in.
    pub concerned: fn(&Inventory, &Object) -> Vec<Slot>,
}

/// A kind whose objects bring items of a register along.
#[derive(Debug)]
pub struct Source {
    /// The API group; empty for the core group.
    pub group: &'static str,
    pub kind: &'static str,
    /// What an object comes to. Which items these are depends on the object alone, so that what was
    /// there before it went can be told; what they say may depend on others.
    pub items: fn(&Inventory, &Object) -> Vec<DerivedItem>,
}

/// An item, before people are pseudonyms.
#[derive(Clone, Debug, PartialEq)]
pub struct DerivedItem {
    /// What it is known by.
    pub key: ItemKey,
    /// What is kept of it: texts, whole numbers, truth values and lists of texts.
    pub fields: BTreeMap<String, Value>,
}

/// What an item is known by, after the kind of the object that brings it along and a slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKey {
    /// A text, such as `prod/web`.
    Text(String),
    /// A digest of these fields, as they are recorded: a person may be among them.
    Fields(&'static [&'static str]),
}

/// Nothing but the object itself says what its items are.
fn nobody(_: &Inventory, _: &Object) -> Vec<Slot> {
    Vec::new()
}

impl Register {
    /// The register of this name. None if there is none.
    pub fn find(name: &str) -> Option<&'static Self> {
        REGISTERS.iter().copied().find(|register| register.name == name)
    }

    /// Every kind that it reads, as group and kind; the sources first.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let sources = self.sources.iter().map(|source| (source.group, source.kind));
        sources.chain(self.reads.iter().copied())
    }

    /// The source of an object. None if it brings no items along.
    fn source(&self, inventory: &Inventory, object: &Object) -> Option<&'static Source> {
        let resource = &inventory.kind_state(object.kind)?.resource;
        self.sources
            .iter()
            .find(|source| source.kind == resource.kind && source.group == resource.group)
    }

    /// What an object comes to in this register: none for one of another kind.
    pub fn items(&self, inventory: &Inventory, object: &Object) -> Vec<DerivedItem> {
        let source = self.source(inventory, object);
        source.map(|source| (source.items)(inventory, object)).unwrap_or_default()
    }

    /// All of what is in it, by the present facts.
    pub fn derive<'a>(
        &'a self,
        inventory: &'a Inventory,
    ) -> impl Iterator<Item = (&'static str, DerivedItem)> + 'a {
        self.sources.iter().flat_map(move |source| {
            let objects = inventory.objects_of(source.group, source.kind);
            objects.flat_map(move |(_, object)| {
                let items = (source.items)(inventory, object);
                items.into_iter().map(move |item| (source.kind, item))
            })
        })
    }
}

impl DerivedItem {
    /// An item of a text.
    fn new(key: impl Into<String>) -> Self {
        Self { key: ItemKey::Text(key.into()), fields: BTreeMap::new() }
    }

    /// The item of an object, by its namespace and name.
    fn of(object: &Object) -> Self {
        let mut item = Self::new(qualified(object));
        item.text("namespace", Some(&object.namespace).filter(|name| !name.is_empty()));
        item.set("name", object.name.as_str());
        item
    }

    /// Sets a field.
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Sets a field of what is known, and leaves it out otherwise.
    fn text(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.set(name, value.to_string());
        }
    }

    /// Sets a list of texts, sorted, each once. An empty one is left out.
    fn texts(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let values: std::collections::BTreeSet<String> = values.into_iter().collect();
        if !values.is_empty() {
            self.set(name, values.into_iter().map(Value::from).collect::<Vec<_>>());
        }
    }

    /// Whether both are one item: of the same key, whatever is kept of it.
    fn is_same_item(&self, other: &Self) -> bool {
        match (&self.key, &other.key) {
            (ItemKey::Fields(names), ItemKey::Fields(others)) => {
                names == others
                    && names.iter().all(|name| self.fields.get(*name) == other.fields.get(*name))
            }
            (one, other) => one == other,
        }
    }
}

/// `namespace/name`, or the name alone of an object without a namespace.
fn qualified(object: &Object) -> String {
    if object.namespace.is_empty() {
        object.name.to_string()
    } else {
        format!("{}/{}", object.namespace, object.name)
    }
}

/// A label or parameter that may not be there.
fn known(text: Option<&Symbol>) -> Option<&Symbol> {
    text.filter(|text| !text.is_empty())
}
