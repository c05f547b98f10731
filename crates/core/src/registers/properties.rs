//! What is followed change by change comes to what is derived anew.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DerivedItem, ItemKey, REGISTERS, Register, RegisterChanges};
use crate::{
    engine::Engine,
    inventory::{Availability, Catalog, Interner, Projector},
};

const RBAC: &str = "rbac.authorization.k8s.io";

/// One step of a cluster's life.
#[derive(Clone, Debug)]
enum Step {
    /// A binding of a name with these subjects, to a role; none deletes it.
    Binding(u8, u8, Option<Vec<u8>>),
    /// A role whose rule has a verb; none deletes it.
    Role(u8, Option<u8>),
    Deployment(u8, Option<u8>),
    /// What waits is recorded, so many objects at most.
    Record(usize),
    /// A record that failed.
    Fail,
    /// The log was opened again.
    Compare,
}

fn step() -> impl Strategy<Value = Step> {
    let subjects = proptest::option::of(proptest::collection::vec(0..4_u8, 0..3));
    prop_oneof![
        4 => (0..3_u8, 0..2_u8, subjects).prop_map(|(name, role, it)| Step::Binding(name, role, it)),
        2 => (0..2_u8, proptest::option::of(0..3_u8)).prop_map(|(name, verb)| Step::Role(name, verb)),
        2 => (0..2_u8, proptest::option::of(0..3_u8)).prop_map(|(name, it)| Step::Deployment(name, it)),
        3 => (1..3_usize).prop_map(Step::Record),
        1 => Just(Step::Fail),
        1 => Just(Step::Compare),
    ]
}

/// A register as a recorder keeps it.
#[derive(Default)]
struct Kept {
    items: BTreeMap<String, DerivedItem>,
    seen: Vec<String>,
}

fn key(kind: &str, item: &DerivedItem) -> String {
    match &item.key {
        ItemKey::Text(text) => format!("{kind}/{text}"),
        ItemKey::Fields(names) => {
            let values: Vec<_> = names.iter().map(|name| &item.fields[*name]).collect();
            format!("{kind}/{values:?}")
        }
    }
}

impl Kept {
    fn take(&mut self, changes: &RegisterChanges) {
        for passed in &changes.passed {
            let key = key(passed.kind, &passed.item);
            if passed.went.is_some() {
                self.items.remove(&key);
            } else {
                self.items.insert(key, passed.item.clone());
            }
        }
        if changes.begins {
            self.seen.clear();
        }
        for (kind, item, _) in &changes.present {
            let key = key(kind, item);
            self.seen.push(key.clone());
            self.items.insert(key, item.clone());
        }
        if changes.ends {
            self.items.retain(|key, _| self.seen.contains(key));
        }
    }
}

struct World {
    engine: Engine,
    interner: std::sync::Arc<Interner>,
    second: i64,
    kept: BTreeMap<&'static str, Kept>,
    uid: u32,
}

impl World {
    fn new() -> Self {
        let mut engine = Engine::default();
        engine.set_catalog(Catalog::builtin(), Timestamp::UNIX_EPOCH);
        engine.registers().0.follow();
        let kept = REGISTERS.iter().map(|register| (register.name, Kept::default())).collect();
        Self { engine, interner: std::sync::Arc::default(), second: 0, kept, uid: 0 }
    }

    fn now(&mut self) -> Timestamp {
        self.second += 1;
        Timestamp::from_second(self.second).unwrap()
    }

    fn put(&mut self, group: &str, kind: &str, name: &str, object: Option<Value>) {
        let now = self.now();
        let resource = Catalog::builtin().find_kind(group, kind).unwrap().resource.clone();
        let id = self.engine.kind(&resource);
        self.engine.set_availability(id, Availability::Complete, now);
        let Some(mut object) = object else {
            self.uid += 1;
            return self.engine.remove(id, "prod", name, now);
        };
        object["metadata"] =
            json!({"name": name, "namespace": "prod", "uid": format!("{name}-{}", self.uid)});
        let projector = Projector::new(resource, Vec::new(), self.interner.clone());
        self.engine.apply(id, projector.project(&object).unwrap(), now);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Binding(name, role, subjects) => {
                let object = subjects.as_ref().map(|subjects| {
                    let subject = |it: &u8| json!({"kind": "User", "name": format!("u{it}")});
                    json!({
                        "roleRef": {"kind": "Role", "name": format!("r{role}")},
                        "subjects": subjects.iter().map(subject).collect::<Vec<_>>(),
                    })
                });
                self.put(RBAC, "RoleBinding", &format!("b{name}"), object);
            }
            Step::Role(name, verb) => {
                let verbs = ["get", "create", "*"];
                let object = verb.map(|verb| {
                    json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": [verbs[usize::from(verb)]]}]})
                });
                self.put(RBAC, "Role", &format!("r{name}"), object);
            }
            Step::Deployment(name, image) => {
                let object = image.map(|image| {
                    let container = json!({"name": "c", "image": format!("ghcr.io/a:{image}")});
                    json!({"spec": {"template": {"spec": {"containers": [container]}}}})
                });
                self.put("apps", "Deployment", &format!("d{name}"), object);
            }
            Step::Record(objects) => self.record(*objects, false),
            Step::Fail => self.record(1, true),
            Step::Compare => {
                for register in REGISTERS {
                    let (tracker, inventory) = self.engine.registers();
                    tracker.compare(inventory, register);
                }
            }
        }
    }

    fn record(&mut self, objects: usize, fails: bool) {
        for register in REGISTERS {
            let (tracker, inventory) = self.engine.registers();
            let Some((changes, taken)) = tracker.take(inventory, register, objects) else {
                continue;
            };
            if fails {
                tracker.give_back(register.name, taken, false);
            } else {
                self.kept.get_mut(register.name).unwrap().take(&changes);
            }
        }
    }

    fn fresh(&self, register: &'static Register) -> BTreeMap<String, DerivedItem> {
        let derived = register.derive(self.engine.inventory());
        derived.map(|(kind, item)| (key(kind, &item), item)).collect()
    }
}

proptest! {
    #[test]
    fn changes_come_to_what_is_derived_anew(steps in proptest::collection::vec(step(), 0..40)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        for _ in 0..=steps.len() {
            world.record(usize::MAX - 1, false);
        }
        for register in REGISTERS {
            let kept = &world.kept[register.name].items;
            prop_assert_eq!(kept, &world.fresh(register), "{}", register.name);
            prop_assert!(!world.engine.registers().0.has_work(register.name));
        }
    }
}

#[test]
fn a_grant_that_came_and_went_before_anybody_asked_is_told_with_both_times() {
    let mut world = World::new();
    world.step(&Step::Record(10));
    world.step(&Step::Role(0, Some(0)));
    world.step(&Step::Binding(0, 0, Some(vec![1])));
    world.step(&Step::Binding(0, 0, None));
    let (tracker, inventory) = world.engine.registers();
    let grants = Register::find("grants").unwrap();
    let (changes, _) = tracker.take(inventory, grants, 10).unwrap();
    let [passed] = changes.passed.as_slice() else { panic!("{changes:?}") };
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    assert_eq!((passed.came, passed.went), (at(2), at(3)));
    assert_eq!(passed.item.fields["subject"], "User u1");
    assert_eq!(passed.item.fields["right"], "can read every Secret in namespace prod");
    assert_eq!(passed.item.fields["risks"], json!(["ReadSecrets"]));
    assert!(changes.present.is_empty());
}

#[test]
fn what_is_no_longer_read_is_not_gone() {
    let mut world = World::new();
    world.step(&Step::Binding(0, 0, Some(vec![1])));
    world.step(&Step::Record(10));
    let now = world.now();
    let kind = world.engine.inventory().find_kind(RBAC, "RoleBinding").unwrap();
    world.engine.release(kind, now);
    assert!(!world.engine.registers().0.has_work("grants"));
}
