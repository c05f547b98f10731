//! What the loader learns about kinds and controls while it reads.

use std::sync::Arc;

use serde_json::Value;

use super::{KindReader, ManifestLoader, SeenKind, is_in_namespace};
use crate::cli::scan::controls::FilePosition;
use comptroller_core::inventory::{self, Projector, catalog, facts};

impl ManifestLoader {
    /// Adds a control or an exception. False for any other object. A control that comes after objects needs a
    /// second pass, since it decides which fields of them are read.
    pub(super) fn learn_rule(&mut self, object: &Value, position: &FilePosition) -> bool {
        let before = self.learned.rules.controls.len();
        let taken = self.learned.rules.add(object, position);
        if self.learned.rules.controls.len() > before {
            let new = self.learned.rules.controls.iter().any(|(name, (spec, _))| {
                !self.engine.controls().any(|(known, same)| known == name && *same == **spec)
            });
            self.learned.too_late |= new;
        }
        taken
    }

    pub(super) fn learn_definition(&mut self, definition: &Value) {
        let Some(row) = catalog::from_crd(definition) else {
            return;
        };
        if self.known.as_ref().is_some_and(|known| known.definitions.contains(&row)) {
            return;
        }
        let key = (row.resource.group.clone(), row.resource.kind.clone());
        self.learned.too_late |= self.kinds.get(&key).is_some_and(|kind| kind.guessed);
        self.learned.definitions.push(row.clone());
        self.catalog.add(row);
        self.catalog_changed();
    }

    /// Notes a kind at its first object.
    pub(super) fn discover(&mut self, key: &(String, String), version: &str, object: &Value) {
        let (group, kind) = key;
        let guessed = self.catalog.find_kind(group, kind).is_none();
        if guessed {
            let known = self.known.as_ref().is_some_and(|known| known.namespaced.contains(key));
            let namespaced = known || is_in_namespace(object);
            if namespaced {
                self.learned.namespaced.insert(key.clone());
            }
            self.catalog.add(catalog::guess_type(group, version, kind, namespaced));
            self.catalog_changed();
        }
        let reader = self.reader(group, kind);
        let number = self.kinds.len();
        self.kinds.insert(key.clone(), SeenKind { number, reader, guessed });
    }

    pub(super) fn reader(&mut self, group: &str, kind: &str) -> Option<KindReader> {
        let (resource, programs) = self
            .wanted
            .kinds
            .iter()
            .find(|(resource, _)| resource.group == group && resource.kind == kind)?;
        let projector =
            Projector::new(resource.clone(), programs.clone(), Arc::clone(&self.interner))
                .with_source(inventory::ObjectSource::Manifests);
        let id = self.engine.kind(resource);
        self.engine.begin(id);
        let understood = facts::projection(group, kind).map(|projection| projection.versions);
        Some(KindReader { id, projector, understood })
    }

    pub(super) fn catalog_changed(&mut self) {
        self.engine.set_catalog(self.catalog.clone(), self.now);
        self.wanted = self.engine.watch_set();
    }
}
