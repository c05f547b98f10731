//! Objects that are written down and can't be read: whoever judges their kind can't tell.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{Defined, Intake, Kind};
use crate::{
    cli::scan::{controls::Place, sources::Sources},
    source::manifest::{self, Location},
};
use comptroller_core::{
    api::ResourceRef,
    inventory::{CelResult, Facts, Interner, ProjectedObject, Symbol},
};
use comptroller_report::ReportedError;

/// The type of an object that can't be read, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Its group and kind, or those that were probably meant.
    Known(String, String),
    /// A kind that its text names, in any group.
    Named(String),
}

/// Why an object can't be read, and of what type it may be.
#[derive(Debug)]
pub struct Refused {
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
pub struct Unread {
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
    ) -> ProjectedObject {
        ProjectedObject {
            namespace: interner.intern(namespace),
            name: interner.intern(name),
            facts: Facts::Malformed(self.message.as_str().into()),
            cel: vec![CelResult::Unknown(self.message.as_str().into()); programs].into(),
            weight: 0,
        }
    }
}

/// What an error about an object names.
fn reference(object: &Value) -> Option<ResourceRef> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(ResourceRef {
        api_version: text("/apiVersion")?,
        kind: text("/kind")?,
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name")?,
    })
}

/// An `OpenShift` template holds objects that only rendering makes real.
pub fn template(group: &str, kind: &str, object: &Value) -> Option<Refused> {
    let objects = object.get("objects").filter(|_| kind == "Template")?;
    if !matches!(group, "" | "template.openshift.io") {
        return None;
    }
    let message = "an OpenShift template: render it first, with `oc process --local -f FILE -o yaml | comptroller scan -`";
    let kinds = manifest::named_in(objects.to_string().as_bytes());
    Some(Refused::naming(kinds, message.to_owned()))
}

impl Intake {
    /// Reports what can't be read, and keeps that it is there.
    pub(super) fn refuse(&mut self, refused: &Refused, object: Option<&Value>, place: Place) {
        let error = place.error(refused.message.clone());
        self.push(ReportedError { object: object.and_then(reference), ..error });
        let file = self.file();
        self.unread.push(Unread::new(refused, object, place, file));
    }

    /// Folders that must be rendered first hold objects that nobody can read as they are.
    pub fn fail_unrendered(&mut self, sources: &Sources) {
        for folder in &sources.unrendered {
            let at = Location { document: 1, line: 1 };
            let place = Place { file: Arc::clone(&folder.file), at };
            let refused = Refused::naming(folder.kinds.clone(), folder.message.clone());
            self.path = Arc::clone(&folder.path);
            self.files.push(Arc::clone(&folder.file));
            self.refuse(&refused, None, place);
        }
    }

    /// Lets what can't be read stand among the objects of each type that it may be of.
    pub(super) fn stage_unread(&mut self, unread: &Unread) {
        for (group, kind) in self.types_of(unread) {
            let key = (group, kind);
            if !self.kinds.contains_key(&key) {
                let reader = self.reader(&key.0, &key.1);
                let place = u16::try_from(self.kinds.len()).unwrap_or(u16::MAX);
                self.kinds.insert(key.clone(), Kind { place, reader, guessed: false });
            }
            let Some(kind) = self.kinds.get(&key) else { continue };
            let Some(reader) = &kind.reader else { continue };
            let namespace = match &unread.namespace {
                _ if !reader.projector.resource().namespaced => "",
                Some(namespace) => namespace,
                None => "default",
            };
            let own = unread.name.clone().unwrap_or_else(|| unread.place_name());
            let identity = |name: &str| (kind.place, Symbol::from(namespace), Symbol::from(name));
            let name = if self.defined.contains_key(&identity(&own)) {
                format!("{own} {}", unread.place_name())
            } else {
                own
            };
            let programs = reader.projector.program_ids().len();
            let projected = unread.projected(namespace, &name, programs, &self.interner);
            let defined = Defined { file: unread.file, line: unread.place.at.line, digest: 0 };
            self.defined.insert(identity(&name), defined);
            self.engine.stage(reader.id, projected);
        }
    }

    /// The types that some control reads and that an object which can't be read may be of.
    fn types_of(&self, unread: &Unread) -> BTreeSet<(String, String)> {
        let may_be = |group: &str, kind: &str| {
            unread.types.iter().any(|known| match known {
                Type::Known(of, named) => of == group && named == kind,
                Type::Named(named) => named == kind,
            })
        };
        let wanted = self.wanted.kinds.keys();
        wanted
            .filter(|row| may_be(&row.group, &row.kind))
            .map(|row| (row.group.clone(), row.kind.clone()))
            .collect()
    }
}
