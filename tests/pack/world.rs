//! A cluster made of manifests, judged by controls: the engine without an API server.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use comptroller_core::{
    api::{Control, ControlException},
    engine::{Engine, Remembered, Verdict},
    inventory::{ApiServer, Catalog, Interner, Projector, catalog},
};
use jiff::Timestamp;
use serde_json::Value;

/// When every world is judged.
pub fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// What controls say of objects, by the name of the control.
pub fn judge(
    controls: Vec<Control>,
    exceptions: &[ControlException],
    objects: &[Value],
    api_server: ApiServer,
) -> BTreeMap<String, Verdict> {
    let mut engine = Engine::default();
    let mut served = Catalog::builtin();
    objects.iter().filter_map(catalog::from_crd).for_each(|row| served.add(row));
    engine.set_catalog(served, now());
    let mut names = Vec::new();
    for control in controls {
        let name = control.metadata.name.unwrap();
        engine.upsert_control(&name, 1, Arc::new(control.spec), Remembered::default());
        names.push(name);
    }
    for exception in exceptions {
        let name = exception.metadata.name.as_deref().unwrap();
        engine.upsert_exception(name, &exception.spec, Some(now()));
    }
    fill(&mut engine, objects);
    engine.observe_api_server(api_server, now());
    engine.evaluate(now());
    let verdict = |name: String| {
        let verdict = engine.verdict(&name).unwrap_or_else(|| panic!("no verdict: {name}")).clone();
        (name, verdict)
    };
    names.into_iter().map(verdict).collect()
}

/// Takes in the objects of every kind that a control reads.
pub fn fill(engine: &mut Engine, objects: &[Value]) {
    let interner = Arc::<Interner>::default();
    for (resource, programs) in engine.watch_set().kinds {
        let id = engine.kind(&resource);
        let projector = Projector::new(resource.clone(), programs, Arc::clone(&interner));
        engine.begin(id);
        let api_version = resource.api_version();
        for object in objects {
            if object["apiVersion"] == *api_version && object["kind"] == *resource.kind {
                engine.stage(id, projector.project(object).unwrap());
            }
        }
        engine.commit(id, projector.program_ids(), now());
    }
}

/// State, failing, excepted and unknown items, for a comparison that reads well.
pub fn summary(verdict: &Verdict) -> String {
    let mut text = verdict.state.to_string();
    for (count, word) in
        [(verdict.failing, "failing"), (verdict.excepted, "excepted"), (verdict.unknown, "unknown")]
    {
        if count > 0 {
            let _ = write!(text, " {count} {word}");
        }
    }
    text
}
