//! Objects that are written down and can't be read: whoever judges their kind can't tell.

use serde_json::Value;

use super::controls::Place;
use crate::{
    api::ResourceRef,
    inventory::{CelResult, Facts, Interner, Projected, manifest},
};

/// The type of an object that can't be read, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Its group and kind, or those that were probably meant.
    Known(String, String),
    /// A kind that its text names, in any group.
    Named(String),
}

/// Why an object can't be read, and of what type it may be.
#[derive(Debug)]
pub(super) struct Refused {
    pub message: String,
    pub types: Vec<Type>,
}

impl Refused {
    /// An object of a known type.
    pub fn of(group: &str, kind: &str, message: String) -> Self {
        Self { message, types: vec![Type::Known(group.to_owned(), kind.to_owned())] }
    }

    /// A text that names these kinds.
    pub fn naming(kinds: impl IntoIterator<Item = String>, message: String) -> Self {
        let named = |kind: String| match kind.strip_suffix("List") {
            Some(item) if !item.is_empty() => Type::Named(item.to_owned()),
            _ => Type::Named(kind),
        };
        Self { message, types: kinds.into_iter().map(named).collect() }
    }
}

/// An object that can't be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub types: Vec<Type>,
    /// None where the text can't be parsed.
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub place: Place,
    /// Which file of the scan it is in.
    pub file: u32,
    pub message: String,
}

impl Unread {
    /// What can be said of an object that was refused.
    pub fn new(refused: &Refused, object: Option<&Value>, place: Place, file: u32) -> Self {
        let text = |pointer| {
            let value = object.and_then(|object| object.pointer(pointer));
            value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self {
            types: refused.types.clone(),
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
            place,
            file,
            message: refused.message.clone(),
        }
    }

    /// Where it is, for a name: that of its metadata may be missing, or another object's.
    pub fn place_name(&self) -> String {
        format!("({}:{})", self.place.file, self.place.at.line)
    }

    /// What stands for it in the inventory, to be judged Unknown by whoever reads its kind.
    pub fn projected(
        &self,
        namespace: &str,
        name: &str,
        programs: usize,
        interner: &Interner,
    ) -> Projected {
        Projected {
            namespace: interner.intern(namespace),
            name: interner.intern(name),
            facts: Facts::Malformed(self.message.as_str().into()),
            cel: vec![CelResult::Unknown(self.message.as_str().into()); programs].into(),
        }
    }
}

/// What an error about an object names.
pub(super) fn reference(object: &Value) -> Option<ResourceRef> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(ResourceRef {
        api_version: text("/apiVersion")?,
        kind: text("/kind")?,
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name")?,
    })
}

/// An `OpenShift` template holds objects that only rendering makes real.
pub(super) fn template(group: &str, kind: &str, object: &Value) -> Option<Refused> {
    let objects = object.get("objects").filter(|_| kind == "Template")?;
    if !matches!(group, "" | "template.openshift.io") {
        return None;
    }
    let message = "an OpenShift template: render it first, with `oc process --local -f FILE -o yaml | comptroller scan -`";
    let kinds = manifest::named_in(objects.to_string().as_bytes());
    Some(Refused::naming(kinds, message.to_owned()))
}
