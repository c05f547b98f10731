//! What a day of facts takes in the log: a year of a busy company must stay small.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../benches/load/expect.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod expect;
#[path = "pack/files.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod files;
#[path = "../benches/load/generate/mod.rs"]
#[allow(dead_code, unused_imports, reason = "a part of it is used here")]
mod generate;
#[path = "pack/world.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod world;

use std::{collections::BTreeMap, sync::Arc};

use comptroller_core::{
    api::{Control, structural},
    engine::{CollectedInventory, Engine, Remembered},
    inventory::{Catalog, catalog},
};
use comptroller_evidence::{canonical, key::SigningKey, privacy::KnownPeople};
use comptroller_recorder::{FactsWriter, InventoryObservation};
use serde_json::{Value, json};
use world::now;

/// The company of the load benchmark.
const SIZE: usize = 10_000;

/// What the facts of a year may take, if every list of every kind changed on every day: a part of the
/// 1 GiB that the whole log may.
const YEAR: usize = 160 * 1024 * 1024;

/// The company, with uids as the API server gives them: they do not compress.
fn company() -> Vec<Value> {
    let mut objects = generate::generate(SIZE, 1, now()).objects;
    for (number, object) in objects.iter_mut().enumerate() {
        let hex = canonical::sha256(&number.to_be_bytes());
        object["metadata"]["creationTimestamp"] = now().to_string().into();
        object["metadata"]["uid"] = hex.replace("sha256:", "")[..32].into();
    }
    objects.push(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "cluster-admin"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    }));
    objects
}

fn engine(objects: &[Value]) -> Engine {
    let mut engine = Engine::default();
    let mut served = Catalog::builtin();
    objects.iter().filter_map(catalog::from_crd).for_each(|row| served.add(row));
    engine.set_catalog(served, now());
    engine.read_rights();
    let pack = comptroller::cli::pack::render(&["velero".to_owned()]).unwrap();
    for object in files::objects("pack", &pack) {
        let control: Control = structural::read(&object).unwrap();
        let name = control.metadata.name.unwrap();
        engine.upsert_control(&name, 1, Arc::new(control.spec), Remembered::default());
    }
    world::fill(&mut engine, objects);
    engine.evaluate(now());
    engine
}

fn writer() -> FactsWriter {
    let key = SigningKey::from_seed("comptroller.dev/evidence/x", &[7; 32]).unwrap();
    FactsWriter::new(Arc::new(key.pseudonyms()), KnownPeople::default())
}

/// How many bytes the lists take as they are stored, by kind, and how many objects they have.
fn stored(collected: &CollectedInventory) -> BTreeMap<String, (usize, usize)> {
    let observed =
        InventoryObservation { collected: collected.clone(), lists: BTreeMap::default() };
    let sizes = observed.sizes(&writer()).unwrap();
    let count = |kind: &str| {
        let of = collected.kinds.iter().find(|known| known.resource.kind == kind);
        of.map_or(0, |known| known.objects.len())
    };
    sizes.into_iter().map(|(kind, bytes)| (kind.clone(), (bytes, count(&kind)))).collect()
}

#[test]
fn a_year_of_facts_of_a_busy_company_is_small() {
    let engine = engine(&company());
    let collected = engine.collect().unwrap();
    let sizes = stored(&collected);
    let (day, objects) =
        sizes.values().fold((0, 0), |(bytes, count), (more, of)| (bytes + more, count + of));
    println!("{sizes:?}\n{objects} objects: {} KiB a day", day / 1024);
    assert!(objects > SIZE / 2, "{sizes:?}");
    assert!(day * 365 < YEAR, "{} KiB a day", day / 1024);
    let names: usize = engine.controls().map(|(name, _)| engine.population(name).len()).sum();
    println!("{names} items of all controls");
}
