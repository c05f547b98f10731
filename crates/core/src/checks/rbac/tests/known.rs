//! `subjects: Known`: whose a user name is, when that changes, and what a change affects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn person(name: &str, username: &str, starts: Option<&str>, ends: Option<&str>) -> Value {
    json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "Person",
        "metadata": {"name": name},
        "spec": {
            "displayName": name, "identities": {"usernames": [username]},
            "startDate": starts, "endDate": ends,
        },
    })
}

fn known() -> Box<dyn Check> {
    check(json!({"subjects": "Known"}))
}

fn judged_at(check: &dyn Check, world: &World, now: &str) -> Vec<(Item, Judgement)> {
    let context = CheckContext {
        inventory: &world.inventory,
        scope: &ScopeFilter::default(),
        now: now.parse().unwrap(),
        occurrences: &[],
    };
    let mut items = Vec::new();
    check.items(&context, &mut |item| items.push(item));
    let judge = |item| Some((item, check.judge(&context, item)?));
    items.into_iter().filter_map(judge).collect()
}

/// The rules that fail and those that are unknown, each with its subject, and until when.
fn told(check: &dyn Check, world: &World, now: &str) -> (Vec<String>, Vec<String>, String) {
    let judged = judged_at(check, world, now);
    let lines = |of: fn(&Judgement) -> &Vec<Finding>| {
        let findings = judged.iter().flat_map(|(_, judgement)| of(judgement));
        let mut lines: Vec<String> = findings
            .map(|finding| {
                format!("{} {}", finding.rule, finding.subject.as_deref().unwrap_or("-"))
            })
            .collect();
        lines.sort();
        lines
    };
    let until = judged.iter().filter_map(|(_, judgement)| judgement.valid_until).min();
    let until = until.map(|until| until.to_string()).unwrap_or_default();
    (lines(|judgement| &judgement.failing), lines(|judgement| &judgement.unknown), until)
}

fn bound(users: &[&str]) -> World {
    World::of([cluster_role("r", &["get core pods"]), bind("b", "r", users)])
}

#[test]
fn every_user_is_one_person_who_works_here() {
    let mut world = bound(&[
        "User/jane",
        "User/ann",
        "User/old",
        "User/new",
        "User/both",
        "User/nobody",
        "User/system:kube-proxy",
        "Group/platform",
        "ServiceAccount/prod/ci",
    ]);
    for object in [
        person("jane", "jane", None, None),
        person("ann", "ann", Some("2026-01-01"), Some("2026-11-30")),
        person("old", "old", None, Some("2026-06-30")),
        person("new", "new", Some("2027-01-01"), None),
        person("both-1", "both", None, None),
        person("both-2", "both", None, None),
    ] {
        world.apply(&object);
    }
    let before = "2026-11-30T12:00:00Z";
    let (failing, unknown, until) = told(&*known(), &world, before);
    assert_eq!(
        failing,
        [
            "FormerPerson User old",
            "NotYetStarted User new",
            "SharedIdentity User both",
            "UnknownUser User nobody",
        ]
    );
    assert!(unknown.is_empty());
    assert_eq!(until, "2026-12-01T00:00:00Z");
    assert_eq!(judged_at(&*known(), &world, before).len(), 6, "only people are asked about");
    // A last day passes by itself.
    let (failing, _, _) = told(&*known(), &world, &until);
    assert!(failing.contains(&"FormerPerson User ann".to_owned()), "{failing:?}");
    // Who is allowed was looked at, and passes.
    let allowing = check(json!({
        "subjects": "Known",
        "allow": [{"kind": "User", "name": "n*"}, {"kind": "Group", "name": "old"}],
    }));
    let (failing, _, _) = told(&*allowing, &world, before);
    assert_eq!(failing, ["FormerPerson User old", "SharedIdentity User both"]);
    assert_eq!(judged_at(&*allowing, &world, before).len(), 6);
}

#[test]
fn without_any_person_nothing_is_claimed() {
    let mut world = bound(&["User/jane", "Group/platform"]);
    let now = "2026-11-30T12:00:00Z";
    let (failing, unknown, _) = told(&*known(), &world, now);
    assert!(failing.is_empty(), "{failing:?}");
    assert_eq!(unknown, ["UnknownUser User jane"]);
    let message = &judged_at(&*known(), &world, now)[0].1.unknown[0].message;
    assert!(message.contains("comptroller people import"), "{message}");
    world.apply(&person("sam", "sam", None, None));
    assert_eq!(told(&*known(), &world, now).0, ["UnknownUser User jane"]);
    // What is in no file may be in the cluster.
    world.inventory.source = ObjectSource::Manifests;
    assert_eq!(told(&*known(), &world, now).0, Vec::<String>::new());
    assert_eq!(told(&*known(), &world, now).1, ["UnknownUser User jane"]);
    let reads = known().reads();
    assert!(reads.contains(&Dependency::required("comptroller.dev", "Person")), "{reads:?}");
    assert!(
        !forbid(&[Risk::Exec]).reads().contains(&Dependency::required("comptroller.dev", "Person"))
    );
}

#[test]
fn who_they_are_and_what_they_hold_are_asked_together() {
    let mut world = World::of([
        cluster_role("r", &["* * *"]),
        bind("b", "r", &["User/jane", "User/nobody", "ServiceAccount/prod/ci"]),
        bind_in("dev", "c", "ClusterRole/r", &["User/far"]),
        person("jane", "jane", None, None),
    ]);
    let both = check(json!({"subjects": "Known", "forbid": ["ClusterAdmin"]}));
    let found = said(&failing(&*both, &world));
    assert_eq!(
        found,
        [
            "ClusterAdmin: b: ServiceAccount prod/ci",
            "ClusterAdmin: b: User jane",
            "ClusterAdmin: b: User nobody",
            "UnknownUser: dev/c: User far",
            "UnknownUser: b: User nobody",
        ]
    );
    let message = &failing(&*known(), &world)[1].message;
    assert!(message.contains("ClusterRoleBinding/b -> ClusterRole/r"), "{message}");
    // A Person who can't be read might be anybody.
    let mut broken = person("far", "far", None, None);
    broken["spec"]["startDate"] = "soon".into();
    world.apply(&broken);
    let judged = judge_all(&*known(), &world, &ScopeFilter::default());
    let unknown: Vec<Finding> = judged.into_iter().flat_map(|(_, found)| found.unknown).collect();
    assert_eq!(said(&unknown), ["Malformed: far: -"]);
    assert!(!unknown[0].message.contains("soon"), "{}", unknown[0].message);
}

/// A change: a person or a binding of a few names comes, changes or goes.
fn change() -> impl Strategy<Value = (Value, bool)> {
    let person = (0..4_u8, 0..4_u8, prop::option::of(0..3_usize)).prop_map(|(name, user, ends)| {
        let ends = ends.map(|ends| ["2026-01-10", "2026-01-20", "9999-12-31"][ends]);
        person(&format!("p{name}"), &format!("u{user}"), None, ends)
    });
    let binding = (0..3_u8, 0..5_u8)
        .prop_map(|(name, user)| bind(&format!("b{name}"), "r", &[&format!("User/u{user}")]));
    (prop_oneof![person, binding], any::<bool>())
}

proptest! {
    /// Whatever is judged again because of changes, the rest is as if all were judged anew; also when
    /// several changes come at once, as a list brings them.
    #[test]
    fn what_is_followed_is_what_is_judged_anew(
        batches in prop::collection::vec(prop::collection::vec(change(), 1..5), 1..12)
    ) {
        let check = check(json!({"subjects": "Known", "allow": [{"kind": "User", "name": "u3"}]}));
        let now: Timestamp = "2026-01-15T00:00:00Z".parse().unwrap();
        let mut world = World::of([cluster_role("r", &["get core pods"])]);
        let mut followed: BTreeMap<Item, Judgement> = BTreeMap::new();
        for batch in batches {
            let changes: Vec<Change> = batch
                .iter()
                .filter_map(|(object, gone)| if *gone { world.remove(object) } else { world.apply(object) })
                .collect();
            let scope = ScopeFilter::default();
            let context = CheckContext { inventory: &world.inventory, scope: &scope, now, occurrences: &[] };
            let mut items = Vec::new();
            for change in &changes {
                check.affected(&context, change, &mut |item| items.push(item));
            }
            for item in items {
                match check.judge(&context, item) {
                    Some(judgement) => followed.insert(item, judgement),
                    None => followed.remove(&item),
                };
            }
            let anew: BTreeMap<Item, Judgement> =
                judged_at(&*check, &world, "2026-01-15T00:00:00Z").into_iter().collect();
            prop_assert_eq!(&followed, &anew);
        }
    }
}
