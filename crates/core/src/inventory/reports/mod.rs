//! Reports of other engines: what they say of which resource, and nothing else.
//!
//! A report is read while it is projected, by a program for each test that asks for it: what passes
//! becomes a count, what does not a row. So 10,000 reports cost what their findings cost.

mod filter;
mod index;
mod kinds;
mod policy_report;
mod trivy;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    filter::ResultFilter,
    index::{ReportIndex, ReportedId},
    kinds::{KINDS, ReportApi, TRIVY, apis},
};
use super::{
    Object, ResourceType, Symbol,
    facts::{MetadataOnly, ObjectMetadata, ProjectionError},
    program::{ProgramResult, WholeObject, shortened},
};
use crate::api::{ResourceRef, Severity, test_spec::ReportKind};

/// How many rows of a resource are kept of one report. What is beyond them is counted.
pub const MAX_ROWS: usize = 100;

/// The source of our own reports, which are no evidence of themselves.
pub const OWN_SOURCE: &str = "comptroller";

/// A resource that a report is about. It need not exist, nor be of a kind that is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedResource {
    pub api_version: Symbol,
    pub kind: Symbol,
    /// Empty for a cluster-scoped resource.
    pub namespace: Symbol,
    pub name: Symbol,
}

impl ReportedResource {
    /// The resource as findings name it.
    pub fn reference(&self) -> ResourceRef {
        ResourceRef {
            api_version: self.api_version.to_string(),
            kind: self.kind.to_string(),
            namespace: (!self.namespace.is_empty()).then(|| self.namespace.to_string()),
            name: self.name.to_string(),
        }
    }

    /// The API group, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The namespace that it lies in, or is. Empty for anything else that is cluster-scoped.
    pub fn place(&self) -> &Symbol {
        if self.is_namespace() { &self.name } else { &self.namespace }
    }

    /// Whether it is a namespace.
    pub fn is_namespace(&self) -> bool {
        *self.kind == *"Namespace" && *self.api_version == *"v1"
    }

    /// An object as reports name it.
    pub fn of(resource: &ResourceType, namespace: &str, name: &str) -> Self {
        Self {
            api_version: resource.api_version().as_str().into(),
            kind: resource.kind.as_str().into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// What one report says, as far as a test asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportResults {
    /// What it says of each resource, by each engine. Sorted.
    pub entries: Box<[ReportEntry]>,
}

/// What one report says of one resource, by one engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportEntry {
    pub resource: ReportedResource,
    /// The uid that the report gives. None if it gives none.
    pub uid: Option<Box<str>>,
    /// The engine, as the report names it.
    pub engine: Symbol,
    /// How many results judge the resource, whatever they are. None are where they could not be read.
    pub judged: u32,
    /// The times of the oldest and the newest of them. None where one has none.
    pub dated: Option<Dated>,
    /// What does not pass, the worst first: at most [`MAX_ROWS`].
    pub rows: Box<[ResultRow]>,
    /// How many more fail.
    pub more: u32,
    /// Why the report can't be relied on. None where it can.
    pub problem: Option<Box<str>>,
}

/// When results were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    pub oldest: Timestamp,
    pub newest: Timestamp,
}

/// A result that does not pass, or several of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRow {
    /// The policy and its rule, in letters that are safe everywhere.
    pub rule: Symbol,
    /// Whether it fails. Otherwise the engine could not evaluate it.
    pub fails: bool,
    /// As the engine rates it. None if it does not.
    pub severity: Option<Severity>,
    /// What the engine says.
    pub message: Box<str>,
}

impl ReportResults {
    /// What is known of a report of which nothing is kept, or nothing can be read: that it is there.
    pub(super) fn refused(why: &str, resource: &ResourceType, namespace: &str, name: &str) -> Self {
        let resource = ReportedResource::of(resource, namespace, name);
        Self { entries: [ReportEntry::unreliable(resource, why)].into() }
    }

    pub(super) fn weight(&self) -> usize {
        const ENTRY: usize = 256;
        const ROW: usize = 96;
        let rows = |entry: &ReportEntry| {
            entry.rows.iter().map(|row| ROW + row.rule.len() + row.message.len()).sum::<usize>()
        };
        let texts = |entry: &ReportEntry| {
            entry.problem.as_ref().map_or(0, |text| text.len())
                + entry.resource.name.len()
                + entry.uid.as_ref().map_or(0, |uid| uid.len())
        };
        self.entries.iter().map(|entry| ENTRY + rows(entry) + texts(entry)).sum()
    }
}

impl ReportEntry {
    fn unreliable(resource: ReportedResource, why: &str) -> Self {
        Self {
            resource,
            uid: None,
            engine: "".into(),
            judged: 0,
            dated: None,
            rows: Box::default(),
            more: 0,
            problem: Some(shortened(why.to_owned())),
        }
    }
}

/// Reads reports of any of [`KINDS`] for one test.
#[derive(Debug)]
pub struct ReportReader {
    pub filter: ResultFilter,
}

impl ReportReader {
    /// What a report says. Nothing of one that the test does not ask for; one that can't be read says so.
    pub(super) fn read(&self, whole: &WholeObject<'_>) -> ProgramResult {
        let api = apis().find(|api| api.is(&whole.resource.group, &whole.resource.kind));
        let read = match api.map(|api| api.report) {
            Some(ReportKind::PolicyReport) => policy_report::read(&self.filter, whole),
            Some(kind) => trivy::read(&self.filter, kind, whole),
            None => return ProgramResult::NotMatched,
        };
        let results = read.unwrap_or_else(|error| {
            let why = format!("it can't be read: {error}");
            ReportResults::refused(&why, whole.resource, whole.namespace, whole.name)
        });
        if results.entries.is_empty() {
            return ProgramResult::NotMatched;
        }
        ProgramResult::Results(Box::new(results))
    }
}

/// Refuses names that no API server takes, and a status could not hold.
fn check_names(names: [&str; 4]) -> Result<(), ProjectionError> {
    let limits = [("apiVersion", 317), ("kind", 63), ("namespace", 63), ("name", 253)];
    for (text, (field, most)) in names.into_iter().zip(limits) {
        if text.chars().count() > most {
            let text = format!("{field} of a resource has more than {most} characters");
            return Err(ProjectionError(text));
        }
    }
    Ok(())
}

fn metadata(whole: &WholeObject<'_>) -> Result<ObjectMetadata, ProjectionError> {
    Ok(MetadataOnly::deserialize(whole.object)?.metadata)
}

/// The results that an object holds, of whatever test.
fn results_of(object: &Object) -> impl Iterator<Item = &ReportResults> {
    object.results.iter().filter_map(|result| match result {
        ProgramResult::Results(results) => Some(&**results),
        _ => None,
    })
}

/// The entries of an object, of whatever test.
pub fn entries_of(object: &Object) -> impl Iterator<Item = &ReportEntry> {
    results_of(object).flat_map(|results| &results.entries)
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod tests;
