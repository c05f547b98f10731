//! The controls and exceptions that a scan judges by.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value;

use super::sources::Sources;
use crate::{
    cli::pack::PACK,
    source::manifest::{self, Found, Limits, Location, ManifestError},
};
use comptroller_core::api::{
    Control, ControlException, ControlExceptionSpec, ControlSpec, GROUP, structural, unknown_fields,
};
use comptroller_report::ReportedError;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub file: Arc<str>,
    pub at: Location,
}

impl Place {
    /// An error at this place.
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
        Place { file, at }.error(message)
    }
}

/// Controls and exceptions by name, and what is wrong with the others.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Controls.
    pub controls: BTreeMap<String, (Arc<ControlSpec>, Place)>,
    /// Exceptions.
    pub exceptions: BTreeMap<String, (ControlExceptionSpec, Place)>,
    /// What can't be used.
    pub errors: Vec<ReportedError>,
    /// The names of all controls, those that are not asked for too.
    pub known: BTreeSet<String>,
    /// The controls that only a cluster can answer, where the user asks for the others alone.
    pub left_to_cluster: BTreeSet<String>,
    /// The time of the scan: an exception lasts for a year from then at most.
    now: Timestamp,
}

impl Rules {
    /// None yet.
    pub fn at(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }

    /// The built-in pack.
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

    /// What these files hold; the rest of them is passed over.
    pub fn read(paths: &[PathBuf], now: Timestamp) -> Self {
        let mut rules = Self::at(now);
        let sources = Sources::find_as_they_are(paths);
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

    fn take(&mut self, file: &str, found: Result<Found, ManifestError>) {
        match found {
            Ok(Found::Object(object, at)) => {
                self.add(&object, &Place { file: file.into(), at });
            }
            Ok(Found::Other(_)) => {}
            Err(error) => self.errors.push(error.into()),
        }
    }

    /// Takes in a `Control` or a `ControlException`; false for anything else.
    pub fn add(&mut self, object: &Value, place: &Place) -> bool {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let Some((GROUP, _)) = text("apiVersion").split_once('/') else {
            return false;
        };
        let added = match text("kind") {
            "Control" => self.add_control(object, place),
            "ControlException" => self.add_exception(object, place),
            _ => return false,
        };
        if let Err(message) = added {
            self.errors.push(place.error(message));
        }
        true
    }

    fn add_control(&mut self, object: &Value, place: &Place) -> Result<(), String> {
        let name = name_of(object)?;
        let control: Control =
            structural::read(object).map_err(|error| explain("Control", &name, &error))?;
        reject_unknown_fields(object, "Control", &name)?;
        control.spec.validate().map_err(|error| explain("Control", &name, &error))?;
        insert(&mut self.controls, "Control", name, Arc::new(control.spec), place.clone())
    }

    fn add_exception(&mut self, object: &Value, place: &Place) -> Result<(), String> {
        let name = name_of(object)?;
        let exception: ControlException =
            structural::read(object).map_err(|error| explain("ControlException", &name, &error))?;
        reject_unknown_fields(object, "ControlException", &name)?;
        let created = exception.metadata.creation_timestamp.map(|time| time.0);
        let spec = exception.spec;
        // Whoever applies the file does so today at the earliest. One that is over is no mistake.
        let from = created.or_else(|| (spec.expires.0 > self.now).then_some(self.now));
        spec.validate(from).map_err(|error| explain("ControlException", &name, &error))?;
        insert(&mut self.exceptions, "ControlException", name, spec, place.clone())
    }

    /// Takes in what was found among the manifests.
    pub fn merge(&mut self, other: Self) {
        self.errors.extend(other.errors);
        for (name, (spec, place)) in other.controls {
            let added = insert(&mut self.controls, "Control", name, spec, place.clone());
            self.errors.extend(added.err().map(|message| place.error(message)));
        }
        for (name, (spec, place)) in other.exceptions {
            let added = insert(&mut self.exceptions, "ControlException", name, spec, place.clone());
            self.errors.extend(added.err().map(|message| place.error(message)));
        }
    }
}

/// The same thing in two files is fine; two things of one name are not.
fn insert<T: PartialEq>(
    known: &mut BTreeMap<String, (T, Place)>,
    kind: &str,
    name: String,
    value: T,
    place: Place,
) -> Result<(), String> {
    match known.get(&name) {
        Some((same, _)) if *same == value => Ok(()),
        Some((_, at)) => Err(format!(
            "{kind} {name} is already defined at {}:{}, and not the same: remove one of them",
            at.file, at.at.line
        )),
        None => {
            known.insert(name, (value, place));
            Ok(())
        }
    }
}

fn name_of(object: &Value) -> Result<String, String> {
    object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| "metadata.name is missing: give the object a name".to_owned())
}

fn explain(kind: &str, name: &str, error: &comptroller_core::api::InvalidSpec) -> String {
    format!("{kind} {name} is invalid: {}", error.to_string().replace('\n', "; "))
}

/// The API server would drop such a field with a warning; a test that nobody runs must not pass.
fn reject_unknown_fields(object: &Value, kind: &str, name: &str) -> Result<(), String> {
    let unknown = unknown_fields(object);
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{kind} {name} has fields that its kind does not have: {}; correct their names",
        unknown.join(", ")
    ))
}
