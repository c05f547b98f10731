//! The controls and exceptions of a scan.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value;

use super::sources::SourceFiles;
use crate::{
    cli::pack::PACK,
    source::manifest::{self, DocumentLine, Limits, ManifestDocument, ManifestError},
};
use comptroller_core::api::{
    Control, ControlException, ControlExceptionSpec, ControlSpec, GROUP, InvalidSpec, structural,
    unknown_fields,
};
use comptroller_report::ReportedError;

/// A position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePosition {
    pub file: Arc<str>,
    pub at: DocumentLine,
}

impl FilePosition {
    /// An error at this position.
    pub fn error(&self, message: String) -> ReportedError {
        ReportedError {
            file: Some(Arc::clone(&self.file)),
            document: Some(self.at.document),
            line: Some(self.at.line),
            object: None,
            message,
        }
    }
}

impl From<ManifestError> for ReportedError {
    fn from(error: ManifestError) -> Self {
        let ManifestError { file, location: at, message, .. } = error;
        FilePosition { file, at }.error(message)
    }
}

/// Why a control or an exception can't be used.
#[derive(Debug, thiserror::Error)]
enum DefinitionError {
    /// It has no name.
    #[error("metadata.name is missing: give the object a name")]
    NoName,
    /// Its spec is not valid.
    #[error("{kind} {name} is invalid: {}", .error.to_string().replace('\n', "; "))]
    Invalid { kind: &'static str, name: String, error: InvalidSpec },
    /// The API server drops unknown fields with a warning. A misspelled part of a test would then never be
    /// evaluated, and the control might pass, so a scan rejects it.
    #[error("{kind} {name} has unknown fields: {fields}; correct their names{}", bare_on(.fields))]
    UnknownFields { kind: &'static str, name: String, fields: String },
    /// Another one has the same name.
    #[error(
        "{kind} {name} is already defined at {}:{} with other contents: remove one of them",
        at.file, at.at.line
    )]
    Duplicate { kind: &'static str, name: String, at: FilePosition },
}

/// What to say where a reader of YAML 1.1, such as kubectl, made true of a bare `on`.
fn bare_on(fields: &str) -> &'static str {
    if fields.contains("spec.test.attestation.true") {
        "; write \"on\" in quotes, since YAML reads a bare on as true"
    } else {
        ""
    }
}

/// Controls and exceptions by name, and the errors of those that can't be used.
#[derive(Debug, Default)]
pub(super) struct ControlSet {
    /// The controls, and where each is defined.
    pub controls: BTreeMap<String, (Arc<ControlSpec>, FilePosition)>,
    /// The exceptions, and where each is defined.
    pub exceptions: BTreeMap<String, (ControlExceptionSpec, FilePosition)>,
    /// The errors of files and of objects that can't be used.
    pub errors: Vec<ReportedError>,
    /// The names of all controls, including those that the filters left out.
    pub known: BTreeSet<String>,
    /// With --only-manifests, the controls that only a cluster can answer.
    pub left_to_cluster: BTreeSet<String>,
    /// The time of the scan, from which an exception may last for a year at most.
    now: Timestamp,
}

impl ControlSet {
    pub fn at(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }

    /// The controls of the built-in pack.
    pub fn builtin(now: Timestamp) -> Self {
        let mut rules = Self::at(now);
        for (name, text) in PACK {
            let name = &format!("(built in) {name}.yaml");
            manifest::read(name, text.as_bytes(), Limits::default(), &mut |found| {
                rules.take(name, found);
            });
        }
        rules
    }

    /// The controls and exceptions in these files; other objects are ignored.
    pub fn read(paths: &[PathBuf], now: Timestamp) -> Self {
        let mut rules = Self::at(now);
        // A folder of controls may have a kustomization, and its files can be read as they are.
        let sources = SourceFiles::find_including_unrendered(paths);
        rules.errors.extend(sources.errors.iter().cloned());
        for source in sources.iter() {
            let read = sources.read(source, Limits::default(), &mut |found| {
                rules.take(&source.name, found);
            });
            if let Err(error) = read {
                rules.errors.push(ReportedError {
                    file: Some(Arc::clone(&source.name)),
                    message: error.to_string(),
                    ..ReportedError::default()
                });
            }
        }
        rules
    }

    fn take(&mut self, file: &str, found: Result<ManifestDocument, ManifestError>) {
        match found {
            Ok(ManifestDocument::Object(object, at)) => {
                self.add(&object, &FilePosition { file: file.into(), at });
            }
            Ok(ManifestDocument::Other(_)) => {}
            Err(error) => self.errors.push(error.into()),
        }
    }

    /// Adds a `Control` or a `ControlException`. False for any other object.
    pub fn add(&mut self, object: &Value, place: &FilePosition) -> bool {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let Some((GROUP, _)) = text("apiVersion").split_once('/') else {
            return false;
        };
        let added = match text("kind") {
            "Control" => self.add_control(object, place),
            "ControlException" => self.add_exception(object, place),
            _ => return false,
        };
        if let Err(error) = added {
            self.errors.push(place.error(error.to_string()));
        }
        true
    }

    fn add_control(&mut self, object: &Value, place: &FilePosition) -> Result<(), DefinitionError> {
        let name = name_of(object)?;
        let control: Control =
            structural::read(object).map_err(|error| invalid("Control", &name, error))?;
        // After the types: an error of a type is more likely what is wrong.
        reject_unknown_fields(object, "Control", &name)?;
        control.spec.validate().map_err(|error| invalid("Control", &name, error))?;
        insert(&mut self.controls, "Control", name, Arc::new(control.spec), place.clone())
    }

    fn add_exception(
        &mut self,
        object: &Value,
        place: &FilePosition,
    ) -> Result<(), DefinitionError> {
        let name = name_of(object)?;
        let exception: ControlException =
            structural::read(object).map_err(|error| invalid("ControlException", &name, error))?;
        reject_unknown_fields(object, "ControlException", &name)?;
        let created = exception.metadata.creation_timestamp.map(|time| time.0);
        let spec = exception.spec;
        // The file will be applied today at the earliest, which counts as the creation of an exception.
        // One that has expired was valid once.
        let from = created.or_else(|| (spec.expires.0 > self.now).then_some(self.now));
        spec.validate(from).map_err(|error| invalid("ControlException", &name, error))?;
        insert(&mut self.exceptions, "ControlException", name, spec, place.clone())
    }

    /// Adds what was found among the manifests.
    pub fn merge(&mut self, other: Self) {
        self.errors.extend(other.errors);
        for (name, (spec, place)) in other.controls {
            let added = insert(&mut self.controls, "Control", name, spec, place.clone());
            self.errors.extend(added.err().map(|error| place.error(error.to_string())));
        }
        for (name, (spec, place)) in other.exceptions {
            let added = insert(&mut self.exceptions, "ControlException", name, spec, place.clone());
            self.errors.extend(added.err().map(|error| place.error(error.to_string())));
        }
    }
}

/// Adds an object. The same object in two files is fine, but not two different ones of the same name.
fn insert<T: PartialEq>(
    known: &mut BTreeMap<String, (T, FilePosition)>,
    kind: &'static str,
    name: String,
    value: T,
    place: FilePosition,
) -> Result<(), DefinitionError> {
    match known.get(&name) {
        Some((same, _)) if *same == value => Ok(()),
        Some((_, at)) => Err(DefinitionError::Duplicate { kind, name, at: at.clone() }),
        None => {
            known.insert(name, (value, place));
            Ok(())
        }
    }
}

fn name_of(object: &Value) -> Result<String, DefinitionError> {
    object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .ok_or(DefinitionError::NoName)
}

fn invalid(kind: &'static str, name: &str, error: InvalidSpec) -> DefinitionError {
    DefinitionError::Invalid { kind, name: name.to_owned(), error }
}

fn reject_unknown_fields(
    object: &Value,
    kind: &'static str,
    name: &str,
) -> Result<(), DefinitionError> {
    let unknown = unknown_fields(object);
    if unknown.is_empty() {
        return Ok(());
    }
    let (name, fields) = (name.to_owned(), unknown.join(", "));
    Err(DefinitionError::UnknownFields { kind, name, fields })
}
