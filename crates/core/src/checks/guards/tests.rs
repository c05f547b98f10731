use serde_json::{Value, json};

use super::*;
use crate::checks::workload::tests::world::World;

fn object(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec})
}

/// All that is shipped, but for one binding that is as `change` makes it, or missing.
fn world(change: impl Fn(&mut Value) -> bool) -> World {
    let mut world = World::default();
    for ShippedGuard { kind, name, spec } in shipped() {
        let mut spec = spec.clone();
        let is_changed = kind == BINDING && name == "comptroller-exception-author";
        if !is_changed || change(&mut spec) {
            world.apply(ADMISSION, kind, &object(name, &spec));
        }
    }
    world
}

/// Rule, resource and message of each finding, and how many items there are.
type Found = (Vec<(String, String, String)>, usize);

fn found(world: &World) -> Found {
    found_by(world, |judgement| judgement.failing)
}

fn found_by(world: &World, of: impl Fn(Judgement) -> Vec<Finding>) -> Found {
    found_with(&GuardsTest::default(), world, of)
}

fn found_with(test: &GuardsTest, world: &World, of: impl Fn(Judgement) -> Vec<Finding>) -> Found {
    let check = build(test).unwrap().check;
    let mut judged = Vec::new();
    world.with_context(|context| {
        let mut items = Vec::new();
        check.items(context, &mut |item| items.push(item));
        judged.extend(items.into_iter().filter_map(|item| check.judge(context, item)));
    });
    let count = judged.len();
    let findings = judged.into_iter().flat_map(of);
    let told = findings.map(|one| (one.rule.into_owned(), one.resource.name, one.message));
    (told.collect(), count)
}

#[test]
fn what_is_shipped_passes_and_what_is_missing_or_weaker_fails() {
    assert_eq!(found(&world(|_| true)), (Vec::new(), shipped().len()));
    let (missing, count) = found(&world(|_| false));
    assert_eq!(count, shipped().len());
    let [(rule, name, message)] = &missing[..] else { panic!("{missing:?}") };
    assert_eq!((rule.as_str(), name.as_str()), ("GuardMissing", "comptroller-exception-author"));
    assert!(message.starts_with("does not exist"), "{message}");
    let (weak, _) = found(&world(|spec| {
        spec["validationActions"] = json!(["Audit"]);
        true
    }));
    let [(rule, _, message)] = &weak[..] else { panic!("{weak:?}") };
    assert_eq!(rule, "GuardChanged");
    assert!(message.starts_with("spec.validationActions[0] differs"), "{message}");
}

#[test]
fn a_binding_that_reads_another_list_of_writers_fails() {
    let elsewhere = GuardsTest { namespace: Some("audit".to_owned()) };
    let found_in = |at: &str| {
        let world = world(|spec| {
            spec["paramRef"]["namespace"] = at.into();
            true
        });
        let (findings, _) = found_with(&elsewhere, &world, |judgement| judgement.failing);
        findings.into_iter().map(|(_, name, _)| name).collect::<Vec<_>>()
    };
    let shipped: Vec<String> = found_in(SHIPPED_NAMESPACE);
    let moved = found_in("audit");
    assert!(shipped.contains(&"comptroller-exception-author".to_owned()), "{shipped:?}");
    assert_eq!(moved.len() + 1, shipped.len(), "{moved:?}");
}

#[test]
fn a_guard_of_no_manifest_is_unknown_and_a_weaker_one_fails() {
    let mut world = world(|_| false);
    world.inventory.source = ObjectSource::Manifests;
    let (unknown, count) = found_by(&world, |judgement| judgement.unknown);
    assert_eq!((found(&world), count), ((Vec::new(), count), shipped().len()));
    let [(rule, name, message)] = &unknown[..] else { panic!("{unknown:?}") };
    assert_eq!((rule.as_str(), name.as_str()), ("GuardNotShown", "comptroller-exception-author"));
    assert!(message.starts_with("is in none of the manifests"), "{message}");
    let weak = object("comptroller-exception-author", &json!({"validationActions": ["Warn"]}));
    world.apply(ADMISSION, BINDING, &weak);
    assert_eq!(found(&world).0[0].0, "GuardChanged");
}

#[test]
fn a_guard_that_comes_changes_or_goes_affects_the_control() {
    const NAME: &str = "comptroller-exception-author";
    let mut world = world(|_| false);
    let check = build(&GuardsTest::default()).unwrap().check;
    world.follow(check.as_ref());
    let shipped = shipped().iter().find(|one| one.kind == BINDING && one.name == NAME).unwrap();
    world.apply(ADMISSION, BINDING, &object(NAME, &shipped.spec));
    world.assert_followed(check.as_ref());
    world.apply(ADMISSION, BINDING, &object(NAME, &json!({"validationActions": ["Warn"]})));
    world.assert_followed(check.as_ref());
    world.remove(ADMISSION, BINDING, NAME);
    world.assert_followed(check.as_ref());
}
