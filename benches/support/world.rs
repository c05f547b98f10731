//! An engine that follows objects given as JSON, as the operator follows a cluster.

use std::{collections::BTreeMap, sync::Arc};

use comptroller_core::{
    api::ControlSpec,
    engine::{Engine, EvaluationChanges, Remembered},
    inventory::{ApiServer, Catalog, Interner, KindId, ProjectedObject, Projector},
};
use serde_json::Value;

use super::now;

/// Specs of controls, each with the control's name.
pub type Controls = Vec<(String, Arc<ControlSpec>)>;

/// A cluster, its controls and their verdicts.
pub struct World {
    pub engine: Engine,
    interner: Arc<Interner>,
    projectors: BTreeMap<(String, String), (KindId, Projector)>,
}

impl World {
    /// Controls over an empty cluster, to be filled by [`World::list`].
    pub fn new(controls: &Controls) -> Self {
        let mut engine = Engine::default();
        engine.set_catalog(Catalog::builtin(), now());
        for (name, spec) in controls {
            engine.upsert_control(name, 1, Arc::clone(spec), Remembered::default());
        }
        engine.observe_api_server(ApiServer::Idle, now());
        let interner = Arc::new(Interner::default());
        let mut projectors = BTreeMap::new();
        for (resource, programs) in engine.watch_set().kinds {
            let key = (resource.group.clone(), resource.kind.clone());
            let id = engine.kind(&resource);
            projectors.insert(key, (id, Projector::new(resource, programs, Arc::clone(&interner))));
        }
        Self { engine, interner, projectors }
    }

    /// A cluster with these objects, evaluated.
    pub fn of(controls: &Controls, objects: &[Value]) -> Self {
        let mut world = Self::new(controls);
        world.list(objects);
        world.evaluate();
        world
    }

    /// Lists every kind: what no control reads is passed over, as nobody watches it.
    pub fn list(&mut self, objects: &[Value]) {
        for (id, _) in self.projectors.values() {
            self.engine.begin(*id);
        }
        for object in objects {
            if let Some((id, projected)) = self.project(object) {
                self.engine.stage(id, projected);
            }
        }
        for (id, projector) in self.projectors.values() {
            self.engine.commit(*id, projector.program_ids(), now());
        }
        self.interner.sweep();
    }

    /// An object as the watch of its kind hands it on; None of a kind that no control reads.
    pub fn project(&self, object: &Value) -> Option<(KindId, ProjectedObject)> {
        let (id, projector) = self.projectors.get(&kind_of(object))?;
        Some((*id, projector.project(object).unwrap()))
    }

    /// An object came or changed. True when its facts did.
    pub fn put(&mut self, object: &Value) -> bool {
        self.project(object).is_some_and(|(id, projected)| self.engine.apply(id, projected, now()))
    }

    /// Takes an object out, as its watch does when it was deleted.
    pub fn remove(&mut self, object: &Value) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        if let Some((id, _)) = self.projectors.get(&kind_of(object)) {
            self.engine.remove(*id, text("namespace"), text("name"), now());
        }
    }

    /// Brings every verdict up to date.
    pub fn evaluate(&mut self) -> EvaluationChanges {
        self.engine.evaluate(now())
    }

    /// Every control has a verdict; what is not served or not readable would be measured as free.
    pub fn assert_judged(&self) {
        for (name, _) in self.engine.controls() {
            let verdict = self.engine.verdict(name).unwrap_or_else(|| panic!("{name}: no verdict"));
            assert!(
                verdict.population > 0 || !verdict.message.contains("serve"),
                "{name}: {}",
                verdict.message
            );
        }
    }
}

/// The group and the kind of an object, by which its projector is found.
fn kind_of(object: &Value) -> (String, String) {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    (group.to_owned(), object["kind"].as_str().unwrap_or_default().to_owned())
}
