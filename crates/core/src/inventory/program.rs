//! Programs: what reads a whole object while it is projected, for tests of which the control names the
//! kinds. Only kinds that a control asks for are read by one, and only its result is kept.

use std::cell::OnceCell;

use comptroller_cel::{AdmissionRequest, FailedValidation, PolicyOutcome, PreparedObject};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Interner, ObjectSource, ResourceType,
    presence::{Presence, PresenceProbe},
    reports::{ReportReader, ReportResults},
};

/// The longest text that is kept for an object, in bytes. There is one for every object that
/// fails, so it is far shorter than what the API server would answer.
pub(crate) const MAX_TEXT: usize = 300;

/// A program, by the digest of its source: equal programs of two controls run once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramId(pub u64);

/// What is run over each object of the kinds that a test names.
#[derive(Debug)]
pub enum Program {
    /// The expressions of a `cel` test.
    Cel(comptroller_cel::Program),
    /// Whether an object is one that a `presence` test asks for, and how it is.
    Presence(PresenceProbe),
    /// What a report of another engine says, as far as a `results` test asks for it.
    Results(ReportReader),
}

/// What one program said about one object. Small, since there is one for each program and object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProgramResult {
    /// The program is not about the object.
    NotMatched,
    /// Every validation is true.
    Pass,
    /// The validations that are false: index and message.
    Fail(Box<[(usize, Box<str>)]>),
    /// The program could not be evaluated, and why.
    Unknown(Box<str>),
    /// The object is one of those that must be there.
    Presence(Box<Presence>),
    /// What the report says of each resource.
    Results(Box<ReportResults>),
}

impl ProgramResult {
    /// What it weighs, in bytes, for the limit of all facts together. Nothing for the results of
    /// expressions, whose texts are few and short.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::NotMatched | Self::Pass | Self::Fail(_) | Self::Unknown(_) => 0,
            Self::Presence(presence) => presence.weight(),
            Self::Results(results) => results.weight(),
        }
    }

    /// The result in place of one that is not kept, because all objects together weigh too much.
    pub(super) fn refuse(&mut self, why: &str, resource: &ResourceType, (ns, name): (&str, &str)) {
        match self {
            Self::NotMatched | Self::Pass | Self::Fail(_) | Self::Unknown(_) => {}
            Self::Presence(presence) => presence.refuse(why),
            Self::Results(results) => **results = ReportResults::refused(why, resource, ns, name),
        }
    }
}

/// A whole object, as programs see it.
#[derive(Debug)]
pub struct WholeObject<'a> {
    pub object: &'a Value,
    pub resource: &'a ResourceType,
    /// Empty for a cluster-scoped object.
    pub namespace: &'a str,
    pub name: &'a str,
    pub source: ObjectSource,
    pub interner: &'a Interner,
    /// The same for expressions, made once for all programs that have any.
    prepared: OnceCell<PreparedObject>,
}

impl<'a> WholeObject<'a> {
    pub fn new(
        object: &'a Value,
        resource: &'a ResourceType,
        (namespace, name): (&'a str, &'a str),
        source: ObjectSource,
        interner: &'a Interner,
    ) -> Self {
        Self { object, resource, namespace, name, source, interner, prepared: OnceCell::new() }
    }

    /// What an expression is evaluated on.
    pub(super) fn prepared(&self) -> &PreparedObject {
        self.prepared.get_or_init(|| {
            let request = AdmissionRequest {
                group: &self.resource.group,
                version: &self.resource.version,
                kind: &self.resource.kind,
                resource: &self.resource.plural,
                namespace: self.namespace,
                name: self.name,
            };
            match self.source {
                ObjectSource::Cluster => PreparedObject::new(self.object, &request),
                ObjectSource::Manifests => {
                    PreparedObject::from_manifest(self.object, &request, self.resource.namespaced)
                }
            }
        })
    }
}

/// Runs programs over one object; the results are in the order of the programs.
pub fn run_all<'p>(
    programs: impl Iterator<Item = &'p Program>,
    whole: &WholeObject<'_>,
) -> Box<[ProgramResult]> {
    let run = |program: &Program| match program {
        Program::Cel(expressions) => result(expressions.judge(whole.prepared())),
        Program::Presence(probe) => probe.probe(whole),
        Program::Results(reader) => reader.read(whole),
    };
    programs.map(run).collect()
}

fn result(outcome: PolicyOutcome) -> ProgramResult {
    match outcome {
        PolicyOutcome::NotMatched => ProgramResult::NotMatched,
        PolicyOutcome::Pass => ProgramResult::Pass,
        PolicyOutcome::Fail(failures) => ProgramResult::Fail(
            failures
                .into_iter()
                .map(|FailedValidation { validation, message, .. }| {
                    (validation, shortened(message))
                })
                .collect(),
        ),
        PolicyOutcome::Unknown(reason) => ProgramResult::Unknown(shortened(reason.to_string())),
    }
}

/// The start of a text, which may come from anybody.
pub(super) fn shortened(mut text: String) -> Box<str> {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text.into()
}
