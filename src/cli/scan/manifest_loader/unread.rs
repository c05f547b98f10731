//! Objects in the files that can't be read. Controls that judge their kind are Unknown.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{Definition, ManifestLoader, SeenKind};
use crate::{
    cli::scan::{controls::FilePosition, sources::SourceFiles},
    source::manifest::{self, DocumentLine},
};
use comptroller_core::{
    api::ResourceRef,
    inventory::{Facts, Interner, ProgramResult, ProjectedObject, Symbol},
};
use comptroller_report::ReportedError;

/// A type that an object which can't be read may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PossibleType {
    /// This group and kind, as written or as probably meant.
    Known(String, String),
    /// A kind that its text mentions, in any group.
    Named(String),
}

/// Why an object can't be read, and the types it may have.
#[derive(Debug)]
pub struct RejectedObject {
    pub message: String,
    pub types: Vec<PossibleType>,
}

impl RejectedObject {
    /// An object of a known type.
    pub fn of_type(group: &str, kind: &str, message: String) -> Self {
        Self { message, types: vec![PossibleType::Known(group.to_owned(), kind.to_owned())] }
    }

    /// Text that mentions these kinds, which may be items of a list.
    pub fn mentioning(kinds: impl IntoIterator<Item = String>, message: String) -> Self {
        let named = |kind: String| match kind.strip_suffix("List") {
            Some(item) if !item.is_empty() => PossibleType::Named(item.to_owned()),
            _ => PossibleType::Named(kind),
        };
        Self { message, types: kinds.into_iter().map(named).collect() }
    }
}

/// An object of a file that can't be read.
#[derive(Debug)]
pub struct UnreadDocument {
    pub types: Vec<PossibleType>,
    /// Its name; None if the text can't be parsed, or has none.
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub position: FilePosition,
    /// The index of its file.
    pub file: usize,
    pub message: String,
}

impl UnreadDocument {
    /// What is known about a rejected object.
    pub fn new(
        rejected: &RejectedObject,
        object: Option<&Value>,
        position: FilePosition,
        file: usize,
    ) -> Self {
        let text = |pointer| {
            let value = object.and_then(|object| object.pointer(pointer));
            value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self {
            types: rejected.types.clone(),
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
            position,
            file,
            message: rejected.message.clone(),
        }
    }

    /// A name made of its position: that in its metadata may be missing, or that of another object.
    pub fn position_name(&self) -> String {
        format!("({}:{})", self.position.file, self.position.at.line)
    }

    /// A placeholder for the inventory, which is judged Unknown by each control that reads its kind.
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
            uid: None,
            facts: Facts::Malformed(self.message.as_str().into()),
            results: vec![ProgramResult::Unknown(self.message.as_str().into()); programs].into(),
            weight: 0,
        }
    }
}

/// The object for an error; None if it lacks a name or type.
fn reference(object: &Value) -> Option<ResourceRef> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(ResourceRef {
        api_version: text("/apiVersion")?,
        kind: text("/kind")?,
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name")?,
    })
}

/// An `OpenShift` template, whose objects exist only after rendering; None for any other object.
pub fn template(group: &str, kind: &str, object: &Value) -> Option<RejectedObject> {
    // A custom resource may be called Template as well, and has no list of objects.
    let objects = object.get("objects").filter(|_| kind == "Template")?;
    if !matches!(group, "" | "template.openshift.io") {
        return None;
    }
    let message = "an OpenShift template: render it first, with `oc process --local -f FILE -o yaml | comptroller scan -`";
    let kinds = manifest::mentioned_in(objects.to_string().as_bytes());
    Some(RejectedObject::mentioning(kinds, message.to_owned()))
}

impl ManifestLoader {
    /// Reports an object that can't be read, and remembers that it exists.
    pub(super) fn reject(
        &mut self,
        rejected: &RejectedObject,
        object: Option<&Value>,
        position: FilePosition,
    ) {
        let error = position.error(rejected.message.clone());
        self.push(ReportedError { object: object.and_then(reference), ..error });
        let file = self.file();
        self.unread.push(UnreadDocument::new(rejected, object, position, file));
    }

    /// Reports folders that must be rendered first, and remembers that their objects exist.
    pub fn fail_unrendered(&mut self, sources: &SourceFiles) {
        for folder in &sources.unrendered {
            let at = DocumentLine { document: 1, line: 1 };
            let position = FilePosition { file: Arc::clone(&folder.file), at };
            let rejected = RejectedObject::mentioning(folder.kinds.clone(), folder.message.clone());
            self.path = Arc::clone(&folder.path);
            self.files.push(Arc::clone(&folder.file));
            self.reject(&rejected, None, position);
        }
    }

    /// Adds a placeholder to the objects of each type that an unread object may have.
    pub(super) fn stage_unread(&mut self, unread: &UnreadDocument) {
        for (group, kind) in self.types_of(unread) {
            let key = (group, kind);
            if !self.kinds.contains_key(&key) {
                let reader = self.reader(&key.0, &key.1);
                let number = self.kinds.len();
                self.kinds.insert(key.clone(), SeenKind { number, reader, guessed: false });
            }
            let Some(kind) = self.kinds.get(&key) else { continue };
            let Some(reader) = &kind.reader else { continue };
            // As the API server places an object: none for a cluster-wide kind, else the default.
            let namespace = match &unread.namespace {
                _ if !reader.projector.resource().namespaced => "",
                Some(namespace) => namespace,
                None => "default",
            };
            let own = unread.name.clone().unwrap_or_else(|| unread.position_name());
            let key_of = |name: &str| (kind.number, Symbol::from(namespace), Symbol::from(name));
            // A placeholder must not take the place of a readable object of the same name.
            let name = if self.defined.contains_key(&key_of(&own)) {
                format!("{own} {}", unread.position_name())
            } else {
                own
            };
            let programs = reader.projector.program_ids().len();
            let projected = unread.projected(namespace, &name, programs, &self.interner);
            let defined =
                Definition { file: unread.file, line: unread.position.at.line, digest: 0 };
            self.defined.insert(key_of(&name), defined);
            self.engine.stage(reader.id, projected);
        }
    }

    /// The types that some control reads and that an unread object may have.
    fn types_of(&self, unread: &UnreadDocument) -> BTreeSet<(String, String)> {
        let may_be = |group: &str, kind: &str| {
            unread.types.iter().any(|known| match known {
                PossibleType::Known(of, named) => of == group && named == kind,
                // Of the text only the kind is known, so any group may be meant: better Unknown than missed.
                PossibleType::Named(named) => named == kind,
            })
        };
        let wanted = self.wanted.kinds.keys();
        wanted
            .filter(|row| may_be(&row.group, &row.kind))
            .map(|row| (row.group.clone(), row.kind.clone()))
            .collect()
    }
}
