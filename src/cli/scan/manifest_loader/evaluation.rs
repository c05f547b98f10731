//! The evaluation of what was loaded.

use std::sync::Arc;

use super::ManifestLoader;
use crate::{
    cli::scan::{
        absent::absent_kinds,
        controls::{ControlSet, FilePosition},
        notes,
    },
    source::manifest::DocumentLine,
};
use comptroller_core::{api::ResourceRef, inventory::Symbol};
use comptroller_report::{EvaluationReport, SourceLocation};

impl ManifestLoader {
    /// Evaluates, after all files were read. Kinds without an object are complete and empty.
    pub fn evaluate(mut self, rules: &ControlSet) -> EvaluationReport {
        self.describe_namespace();
        for (name, (spec, _)) in &rules.exceptions {
            self.engine.upsert_exception(name, spec, None);
        }
        let absent =
            absent_kinds(self.engine.controls().map(|(_, spec)| spec), &self.catalog, |group| {
                self.kinds.iter().any(|((seen, _), kind)| kind.guessed && seen == group)
            });
        for row in absent {
            self.catalog.add(row);
        }
        self.catalog_changed();
        for unread in std::mem::take(&mut self.unread) {
            self.stage_unread(&unread);
        }
        for (resource, programs) in std::mem::take(&mut self.wanted.kinds) {
            let id = self.engine.kind(&resource);
            let programs = programs.into_iter().map(|(program, _)| program).collect();
            self.engine.commit(id, programs, self.now);
        }
        self.engine.evaluate(self.now);
        let locate = |resource: &ResourceRef| self.locate(resource);
        let mut evaluation = EvaluationReport::collect(&self.engine, self.now, &locate);
        evaluation.summary.objects = self.objects;
        evaluation.summary.skipped = self.skipped;
        evaluation.notes = notes::notes(&self.engine, rules, self.now);
        evaluation.errors = self.errors;
        evaluation
    }

    /// Adds the Namespace with the labels that the user gave, unless a manifest has it.
    fn describe_namespace(&mut self) {
        let Some(object) = self.placement.namespace_object() else {
            return;
        };
        let key = (String::new(), "Namespace".to_owned());
        if !self.kinds.contains_key(&key) {
            self.discover(&key, "v1", &object);
        }
        let position = FilePosition {
            file: "--namespace-labels".into(),
            at: DocumentLine { document: 1, line: 1 },
        };
        if let Err(error) = self.project(&key, "v1", &object, &position) {
            self.errors.push(position.error(error.to_string()));
        }
    }

    fn locate(&self, resource: &ResourceRef) -> Option<SourceLocation> {
        let group = resource.api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = self.kinds.get(&(group.to_owned(), resource.kind.clone()))?;
        let namespace = Symbol::from(resource.namespace.as_deref().unwrap_or_default());
        let name = Symbol::from(resource.name.as_str());
        let defined = self.defined.get(&(kind.number, namespace, name))?;
        let file = Arc::clone(self.files.get(defined.file)?);
        Some(SourceLocation { file, line: defined.line })
    }
}
