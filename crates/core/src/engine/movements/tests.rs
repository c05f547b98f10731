//! Why findings end and items come and go, played on an engine that records.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::*;
use crate::{
    api::{ControlExceptionSpec, ControlSpec},
    engine::{Engine, Remembered, lapsed::Lapsed, memory::FindingHash},
    inventory::{Catalog, Interner, KindId, Projector, ResourceType, ServedResource},
};

const CONTROL: &str = "c";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

struct World {
    engine: Engine,
    interner: Arc<Interner>,
    second: i64,
    generation: i64,
    version: u64,
}

fn resource(kind: &str) -> ResourceType {
    ResourceType {
        group: String::new(),
        version: "v1".into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
        namespaced: kind != "Namespace",
    }
}

fn spec(scope: &Value, require: &[&str]) -> Arc<ControlSpec> {
    Arc::new(
        serde_json::from_value(json!({
            "title": "t", "criteria": ["CC6.1"], "owner": "o", "severity": "High",
            "scope": scope, "test": {"workload": {"require": require}},
        }))
        .unwrap(),
    )
}

fn in_production() -> Value {
    json!({"namespaces": {"matchLabels": {"env": "prod"}}})
}

fn namespace(env: &str) -> Value {
    json!({"kind": "Namespace", "metadata": {"name": "a", "labels": {"env": env, "team": "x"}}})
}

fn pod(name: &str, uid: &str, privileged: bool) -> Value {
    json!({
        "kind": "Pod", "metadata": {"name": name, "namespace": "a", "uid": uid},
        "spec": {"containers": [
            {"name": "c", "image": "i", "securityContext": {"privileged": privileged}},
        ]},
    })
}

impl World {
    /// A control over these objects, judged and recorded once.
    fn new(scope: &Value, objects: &[Value]) -> Self {
        let mut engine = Engine::default();
        engine.keep_lapsed_verdicts();
        let kinds = [
            "Namespace",
            "Pod",
            "ReplicationController",
            "Deployment",
            "ReplicaSet",
            "StatefulSet",
            "DaemonSet",
            "Job",
            "CronJob",
        ];
        let row = |kind: &&str| {
            let group = match *kind {
                "Namespace" | "Pod" | "ReplicationController" => "",
                "Job" | "CronJob" => "batch",
                _ => "apps",
            };
            let resource = ResourceType { group: group.into(), ..resource(kind) };
            ServedResource { resource, versions: vec!["v1".into()] }
        };
        engine.set_catalog(Catalog::new(kinds.iter().map(row).collect()), at(0));
        let remembered = Remembered::default();
        engine.upsert_control(CONTROL, 1, spec(scope, &["NoPrivileged"]), remembered);
        let interner = Arc::<Interner>::default();
        let mut world = Self { engine, interner, second: 0, generation: 1, version: 0 };
        for (resource, programs) in world.engine.watch_set().kinds {
            let kind = world.engine.kind(&resource);
            world.engine.begin(kind);
            let projector = Projector::new(resource.clone(), programs, Arc::clone(&world.interner));
            for object in objects.iter().filter(|object| object["kind"] == *resource.kind) {
                world.engine.stage(kind, projector.project(object).unwrap());
            }
            world.engine.commit(kind, projector.program_ids(), at(0));
        }
        world.judge();
        world.record();
        world
    }

    fn kind(&mut self, kind: &str) -> KindId {
        self.engine.kind(&resource(kind))
    }

    fn put(&mut self, object: &Value) {
        let name = object["kind"].as_str().unwrap();
        let projector = Projector::new(resource(name), Vec::new(), Arc::clone(&self.interner));
        let kind = self.kind(name);
        self.engine.apply(kind, projector.project(object).unwrap(), at(self.second));
    }

    fn delete(&mut self, name: &str) {
        let kind = self.kind("Pod");
        self.engine.remove(kind, "a", name, at(self.second));
    }

    fn edit(&mut self, scope: &Value, require: &[&str]) {
        self.generation += 1;
        let spec = spec(scope, require);
        self.engine.upsert_control(CONTROL, self.generation, spec, Remembered::default());
    }

    fn judge(&mut self) {
        self.second += 1;
        self.engine.evaluate(at(self.second));
    }

    /// What is handed over, as if the log took it.
    fn record(&mut self) -> (Lapsed, Option<Vec<Movement>>) {
        let lapsed = self.engine.lapsed(CONTROL, at(self.second));
        let movements = self.engine.movements(CONTROL);
        self.version = self.engine.population_version(CONTROL);
        self.engine.recorded(CONTROL, self.engine.last_lapsed(CONTROL));
        self.engine.population_recorded(CONTROL, self.version);
        (lapsed, movements)
    }

    /// The endings and the movements since the last record.
    fn told(&mut self) -> (Vec<String>, Vec<String>) {
        self.judge();
        let (lapsed, movements) = self.record();
        let endings = lapsed.gone.iter().map(|(_, ending)| {
            let kind = ending.kind.map_or("?", FindingEnding::as_str);
            format!("{kind}: {}", ending.detail)
        });
        let movements = movements.expect("told one by one");
        let moved = movements.iter().map(|movement| {
            let sign = if movement.entered { "+" } else { "-" };
            let uid = movement.item.uid.as_deref().unwrap_or_default();
            let Movement { item, why, detail, .. } = movement;
            format!("{sign}{}/{uid} {why}: {detail}", item.resource.name)
        });
        (endings.collect(), moved.collect())
    }
}

fn wrong_in_production() -> World {
    World::new(&in_production(), &[namespace("prod"), pod("x", "1", true), pod("y", "2", false)])
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn what_is_in_order_now_is_mended() {
    let mut world = wrong_in_production();
    world.put(&pod("x", "1", false));
    assert_eq!(world.told(), (vec!["Mended: ".to_owned()], none()));
}

#[test]
fn what_is_deleted_is_gone_and_not_mended() {
    let mut world = wrong_in_production();
    world.delete("x");
    assert_eq!(world.told(), (vec!["ObjectGone: ".to_owned()], vec!["-x/1 Object: ".to_owned()]));
    // Its number is given to another object.
    world.put(&pod("z", "3", true));
    assert_eq!(world.told(), (none(), vec!["+z/3 Object: ".to_owned()]));
    world.delete("z");
    world.put(&pod("w", "4", false));
    let moved = vec!["-z/3 Object: ".to_owned(), "+w/4 Object: ".to_owned()];
    assert_eq!(world.told(), (vec!["ObjectGone: ".to_owned()], moved));
}

#[test]
fn another_object_of_the_name_is_another_item() {
    let mut world = wrong_in_production();
    world.put(&pod("x", "9", false));
    let moved = vec!["-x/1 Object: ".to_owned(), "+x/9 Object: ".to_owned()];
    assert_eq!(world.told(), (vec!["ObjectGone: ".to_owned()], moved));
    // With the same facts as well.
    world.put(&pod("y", "8", false));
    let moved = vec!["-y/2 Object: ".to_owned(), "+y/8 Object: ".to_owned()];
    assert_eq!(world.told(), (none(), moved));
}

#[test]
fn a_namespace_that_is_relabelled_takes_its_items_out_of_scope() {
    let mut world = wrong_in_production();
    world.put(&namespace("dev"));
    let (endings, mut moved) = world.told();
    let detail = "the labels of Namespace a changed from env=prod to env=dev";
    assert_eq!(endings, [format!("LeftScope: {detail}")]);
    moved.sort();
    assert_eq!(
        moved,
        [format!("-x/1 NamespaceLabels: {detail}"), format!("-y/2 NamespaceLabels: {detail}")]
    );
    world.put(&namespace("prod"));
    let (_, mut moved) = world.told();
    moved.sort();
    let detail = "the labels of Namespace a changed from env=dev to env=prod";
    assert_eq!(moved[0], format!("+x/1 NamespaceLabels: {detail}"));
}

#[test]
fn a_scope_that_is_narrowed_and_a_test_that_is_eased_are_named() {
    let mut world = wrong_in_production();
    let mut scope = in_production();
    scope["excludeNamespaces"] = json!(["a"]);
    world.edit(&scope, &["NoPrivileged"]);
    let (endings, moved) = world.told();
    assert_eq!(endings, ["LeftScope: spec.scope.excludeNamespaces was edited"]);
    assert_eq!(moved.len(), 2);
    assert!(
        moved[0].ends_with("RuleChanged: spec.scope.excludeNamespaces was edited"),
        "{moved:?}"
    );

    let mut world = wrong_in_production();
    world.edit(&in_production(), &["RunAsNonRoot"]);
    let edited = "RuleChanged: spec.test.workload.require was edited".to_owned();
    assert!(world.told().0.contains(&edited));
}

#[test]
fn what_lapsed_says_why_as_well() {
    let mut world = wrong_in_production();
    world.put(&pod("y", "2", true));
    world.judge();
    world.delete("y");
    world.judge();
    world.put(&pod("x", "1", false));
    world.judge();
    let (lapsed, _) = world.record();
    // It was found, and it went when the next was mended.
    let gone: Vec<_> = lapsed.over.iter().flat_map(|over| &over.gone).chain(&lapsed.gone).collect();
    let kinds: Vec<_> = gone.iter().map(|(_, ending)| ending.kind).collect();
    assert!(kinds.contains(&Some(FindingEnding::Mended)), "{gone:?}");
    assert_eq!(lapsed.over.len(), 1);
}

#[test]
fn an_exception_ends_nothing() {
    let mut world = wrong_in_production();
    let exception: ControlExceptionSpec = serde_json::from_value(json!({
        "controls": [CONTROL], "resources": [{"kind": "Pod", "namespace": "a", "name": "x"}],
        "reason": "r", "requestedBy": "u", "approvedBy": "v", "expires": "2099-01-01T00:00:00Z",
    }))
    .unwrap();
    world.engine.upsert_exception("e", &exception, None);
    assert_eq!(world.told(), (none(), none()));
}

#[test]
fn too_much_at_once_is_told_by_a_list() {
    let mut world = wrong_in_production();
    for number in 0..=MAX_MOVEMENTS {
        world.put(&pod(&format!("p{number}"), &format!("u{number}"), false));
    }
    world.judge();
    let version = world.version;
    assert!(world.record().1.is_none() && world.version > version);
    // From there on, one by one again.
    world.delete("x");
    assert_eq!(world.told().1, ["-x/1 Object: "]);
}

/// Knows by name what a process before it found.
#[derive(Debug)]
struct Logged(Vec<(FindingHash, ResourceRef)>);

impl crate::engine::Recollection for Logged {
    fn since(&self, _: &crate::checks::Finding) -> Option<Timestamp> {
        None
    }

    fn open(&self) -> Vec<(FindingHash, ResourceRef)> {
        self.0.clone()
    }

    fn generation(&self) -> Option<i64> {
        Some(1)
    }
}

#[test]
fn what_went_while_nobody_looked_is_told_by_what_is_there() {
    let finding = |name: &str| {
        let resource = ResourceRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: Some("a".to_owned()),
            name: name.to_owned(),
        };
        (FindingHash::new("NoPrivileged", &resource, None), resource)
    };
    let logged = || Remembered {
        findings: Some(Arc::new(Logged(vec![finding("x"), finding("y"), finding("z")]))),
        ..Remembered::default()
    };
    let mut world = wrong_in_production();
    world.engine.take_over(CONTROL, logged());
    let (mut endings, _) = world.told();
    endings.sort();
    assert_eq!(endings, ["Mended: ", "ObjectGone: "]);

    let mut world = World::new(&in_production(), &[namespace("dev"), pod("x", "1", true)]);
    world.engine.take_over(CONTROL, logged());
    let (mut endings, _) = world.told();
    endings.sort();
    assert!(endings[0].starts_with("LeftScope: spec.scope.namespaces does not"), "{endings:?}");
}

#[test]
fn namespaces_are_told_once_a_scope_selects_by_them() {
    let mut world = wrong_in_production();
    let version = world.engine.namespaces_version();
    let told = world.engine.namespaces().expect("a scope selects");
    let labels: Vec<_> = told.iter().map(|one| (one.name.as_str(), &one.labels)).collect();
    let expected = BTreeMap::from([
        ("env".to_owned(), "prod".to_owned()),
        ("team".to_owned(), "x".to_owned()),
    ]);
    assert_eq!(labels, [("a", &expected)]);
    world.put(&pod("z", "3", false));
    assert_eq!(world.engine.namespaces_version(), version);
    world.put(&namespace("dev"));
    assert_ne!(world.engine.namespaces_version(), version);
    world.edit(&Value::Null, &["NoPrivileged"]);
    assert_eq!(world.engine.namespaces(), None);
}
