//! What an entry of the log says in words, what it rests on, what it proves and what it does not. Pure.
//!
//! The texts are as the log has them: whoever prints them makes them [visible](comptroller_vocabulary::visible).

mod claims;
mod people;
mod reading;
mod register;
#[cfg(test)]
mod tests;
mod usage;
mod verdict;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

pub use self::reading::{rests_on_an_inventory, times};

use self::claims::Claims;
use crate::{
    data::{ChangeKind, ObjectChange, OperatorData, StoredData},
    entry::{Data, Entry, EntryType},
    inventory::InventoryData,
};
use comptroller_vocabulary::ResourceRef;

/// How many rows of a list are named; all of them are in the entry.
const NAMED_ROWS: usize = 20;

/// How many characters of a value are shown.
const VALUE_LENGTH: usize = 200;

/// An entry in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// What it says, in one sentence.
    pub says: String,
    /// More of what it says, each with its label.
    pub details: Vec<Detail>,
    /// The lists that it has, those without rows left out.
    pub lists: Vec<DescribedList>,
    /// What it rests on: who wrote it, and what of the cluster they had read.
    pub basis: Vec<Detail>,
    /// What it proves.
    pub proves: Vec<String>,
    /// What it does not prove, and where to look for that.
    pub does_not_prove: Vec<String>,
}

/// A text with its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    pub label: &'static str,
    pub text: String,
}

/// A list of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribedList {
    /// What its rows are, such as `new findings`.
    pub title: &'static str,
    /// How many rows the entry has.
    pub count: usize,
    /// The first 20 of them.
    pub rows: Vec<String>,
}

/// What earlier entries say of where an entry comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// The newest start of an operator under the epoch of the entry. None: that epoch has none.
    pub writer: Option<Earlier<OperatorData>>,
    /// The newest inventory before the entry, or the entry itself. None: there is none.
    pub inventory: Option<Earlier<InventoryData>>,
}

/// An earlier entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier<T> {
    /// Its number in the log.
    pub entry: u64,
    pub at: Timestamp,
    pub data: T,
}

/// Describes an entry, with its data put in where they lie beside the log.
pub fn describe(entry: &Entry, provenance: &Provenance) -> Description {
    let name = &entry.subject.name;
    let about = format!("{} {name}", entry.subject.kind);
    let mut described = match &entry.data {
        Data::Verdict(data) => verdict::verdict(name, data),
        Data::Heartbeat(data) => verdict::heartbeat(name, entry.at, data),
        Data::ControlChanged(data) | Data::Exception(data) | Data::Object(_, data) => {
            object(&about, data)
        }
        Data::Attestation(data) => people::attestation(name, data),
        Data::Operator(data) => reading::operator(name, data),
        Data::Gap(data) => reading::gap(&about, data),
        Data::Inventory(data) => reading::inventory(data),
        Data::Register(data) => register::register(name, entry.at, data),
        Data::Usage(data) => usage::usage(data),
        Data::Stored(_, data) => stored(&about, data),
        Data::Other(type_, data) => other(&about, *type_, data),
    };
    described.basis = reading::basis(entry, provenance);
    let Claims { proves, does_not_prove } = claims::of(entry.data.entry_type());
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    (described.proves, described.does_not_prove) = (texts(proves), texts(does_not_prove));
    described
}

impl Description {
    fn new(says: String) -> Self {
        Self {
            says,
            details: Vec::new(),
            lists: Vec::new(),
            basis: Vec::new(),
            proves: Vec::new(),
            does_not_prove: Vec::new(),
        }
    }

    fn detail(mut self, label: &'static str, text: &impl ToString) -> Self {
        self.details.push(Detail { label, text: text.to_string() });
        self
    }

    /// A detail that the entry may lack.
    fn known(self, label: &'static str, text: Option<impl ToString>) -> Self {
        match text {
            Some(text) => self.detail(label, &text),
            None => self,
        }
    }

    fn list<T>(mut self, title: &'static str, items: &[T], row: impl Fn(&T) -> String) -> Self {
        if !items.is_empty() {
            let rows = items.iter().take(NAMED_ROWS).map(row).collect();
            self.lists.push(DescribedList { title, count: items.len(), rows });
        }
        self
    }
}

/// A change of an object that the operator is governed by.
fn object(about: &str, data: &ObjectChange) -> Description {
    let says = match data.change {
        ChangeKind::Created => format!("{about} was first seen"),
        ChangeKind::Updated => format!("{about} was changed"),
        ChangeKind::Deleted => format!("{about} was deleted, or recreated under another uid"),
        ChangeKind::Phase => match &data.phase {
            Some(phase) => format!("{about} entered the phase {phase}; its spec is as it was"),
            None => format!("{about} left its phase; its spec is as it was"),
        },
    };
    let bound = data.author_bound.map(|bound| {
        if bound {
            "the policies that bind it to its author were in force"
        } else {
            "the policies that bind it to its author were not in force: anybody may have written it"
        }
    });
    Description::new(says)
        .known("phase", data.phase.as_ref())
        .known("generation", data.generation)
        .known("uid", data.uid.as_ref())
        .known("created", data.created_at)
        .known("author", bound)
        .known("spec", data.spec_digest.as_ref())
        .known("spec before", data.previous_digest.as_ref())
        .list("changed fields", &data.fields, |field| {
            let value = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), brief);
            format!("{}: {} -> {}", field.path, value(&field.from), value(&field.to))
        })
}

/// Data that lie beside the log and could not be read.
fn stored(about: &str, data: &StoredData) -> Description {
    let says = format!(
        "What this entry says of {about} lies beside the log, and is missing there or is not what was stored"
    );
    Description::new(says).detail("stored", &data.stored).detail("bytes", &data.bytes)
}

/// Data of a type that this version does not take apart: its fields as they are.
fn other(about: &str, type_: EntryType, data: &Value) -> Description {
    let says =
        format!("An entry of the type {type_} about {about}, which this version shows as it is");
    let fields: Vec<String> = match data {
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key}: {}", brief(value))).collect()
        }
        other => vec![brief(other)],
    };
    Description::new(says).list("fields", &fields, Clone::clone)
}

/// A value as JSON, its end cut where it is long.
fn brief(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_LENGTH) {
        Some((end, _)) => format!("{}… (cut)", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// An object, such as `Deployment shop/web`.
fn named(resource: &ResourceRef) -> String {
    let ResourceRef { kind, namespace, name, .. } = resource;
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// A number with its noun, such as `1 item` or `2 items`.
fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
