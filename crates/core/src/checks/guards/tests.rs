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
fn found(world: &World) -> (Vec<(String, String, String)>, usize) {
    let check = build(&GuardsTest::default()).unwrap().check;
    let mut judged = Vec::new();
    world.with_context(|context| {
        let mut items = Vec::new();
        check.items(context, &mut |item| items.push(item));
        judged.extend(items.into_iter().filter_map(|item| check.judge(context, item)));
    });
    let count = judged.len();
    let findings = judged.into_iter().flat_map(|judgement| judgement.failing);
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
    assert!(message.starts_with("spec.validationActions[0] is not as"), "{message}");
}

#[test]
fn a_guard_that_comes_or_goes_affects_the_control() {
    let mut world = world(|_| true);
    let check = build(&GuardsTest::default()).unwrap().check;
    world.follow(check.as_ref());
    let weak = object("comptroller-exception-author", &json!({"validationActions": ["Warn"]}));
    world.apply(ADMISSION, BINDING, &weak);
    world.assert_followed(check.as_ref());
}
