//! From an object to facts and the results of programs, while the whole object is in memory.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::{
    ObjectSource,
    facts::{self, Facts, MetadataOnly, Project},
    intern::{Interner, Symbol},
    program::{self, Program, ProgramId, ProgramResult, WholeObject},
    resource::ResourceType,
    weight,
};

/// What is kept of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectedObject {
    /// The namespace; empty for a cluster-scoped object.
    pub namespace: Symbol,
    /// `metadata.name`, never empty.
    pub name: Symbol,
    /// `metadata.uid`. None in a manifest that was never applied.
    pub uid: Option<Box<str>>,
    /// What checks read of it.
    pub facts: Facts,
    /// What each program said, in the order of [`Projector::program_ids`].
    pub results: Box<[ProgramResult]>,
    /// What facts and results weigh, in bytes: see [`weight::weigh`].
    pub weight: usize,
}

/// Why an object can't be kept at all.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It has no name, so nothing can be said about it.
    #[error("metadata.name is missing: give the object a name")]
    NoName,
    /// Its metadata has another form.
    #[error("metadata can't be read: {0}")]
    Metadata(String),
}

/// Reads objects of one resource type.
#[derive(Clone, Debug)]
pub struct Projector {
    resource: ResourceType,
    project: Option<Project>,
    programs: Vec<(ProgramId, Arc<Program>)>,
    interner: Arc<Interner>,
    source: ObjectSource,
}

impl Projector {
    /// A projector for a type, with the programs that read it.
    pub fn new(
        resource: ResourceType,
        programs: Vec<(ProgramId, Arc<Program>)>,
        interner: Arc<Interner>,
    ) -> Self {
        let project = facts::projection(&resource.group, &resource.kind).map(|row| row.project);
        Self { resource, project, programs, interner, source: ObjectSource::Cluster }
    }

    /// The same for objects of another origin: CEL programs see what the API server adds to an object, but
    /// for a manifest they say that it is missing.
    #[must_use]
    pub fn with_source(self, source: ObjectSource) -> Self {
        Self { source, ..self }
    }

    /// The type it reads.
    pub fn resource(&self) -> &ResourceType {
        &self.resource
    }

    /// Whether it runs any program.
    pub fn has_programs(&self) -> bool {
        !self.programs.is_empty()
    }

    /// The programs that it runs, in order.
    pub fn program_ids(&self) -> Vec<ProgramId> {
        self.programs.iter().map(|(id, _)| *id).collect()
    }

    /// Projects an object. One of another form becomes [`Facts::Malformed`]: it stays in the population and
    /// is unknown, rather than making the whole list unusable.
    pub fn project(&self, object: &Value) -> Result<ProjectedObject, IdentityError> {
        let metadata = MetadataOnly::deserialize(object)
            .map_err(|error| IdentityError::Metadata(error.to_string()))?
            .metadata;
        let name = metadata.name.filter(|name| !name.is_empty()).ok_or(IdentityError::NoName)?;
        // As kubectl does, a namespaced manifest without a namespace goes to `default`; a namespace in a
        // cluster-scoped one is ignored.
        let namespace = if self.resource.namespaced {
            metadata
                .namespace
                .filter(|namespace| !namespace.is_empty())
                .unwrap_or_else(|| "default".into())
        } else {
            String::new()
        };
        let facts = match self.project {
            Some(project) => project(object, &self.interner)
                .unwrap_or_else(|error| Facts::Malformed(shortened(error.0))),
            None => Facts::Exists,
        };
        let mut results = self.run(object, &namespace, &name);
        let mut weight =
            weight::weigh(&facts) + results.iter().map(ProgramResult::weight).sum::<usize>();
        let mut facts = facts;
        // Refused before it is kept, so that one hostile object never enters the inventory.
        if weight > weight::LIMIT_OF_ONE {
            let why = weight::too_large(weight);
            for result in &mut results {
                result.refuse(&why, &self.resource, (&namespace, &name));
            }
            facts = Facts::Malformed(why.into());
            weight = 0;
        }
        Ok(ProjectedObject {
            namespace: self.interner.intern(&namespace),
            name: self.interner.intern(&name),
            uid: metadata.uid.filter(|uid| !uid.is_empty()).map(String::into_boxed_str),
            facts,
            results,
            weight,
        })
    }

    fn run(&self, object: &Value, namespace: &str, name: &str) -> Box<[ProgramResult]> {
        if self.programs.is_empty() {
            return Box::default();
        }
        let whole = WholeObject::new(
            object,
            &self.resource,
            (namespace, name),
            self.source,
            &self.interner,
        );
        program::run_all(self.programs.iter().map(|(_, program)| program.as_ref()), &whole)
    }
}

/// The start of an error, which may repeat what it found, and that may be long.
fn shortened(mut text: String) -> Box<str> {
    const LONGEST: usize = 1024;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('\u{2026}');
    }
    text.into()
}
