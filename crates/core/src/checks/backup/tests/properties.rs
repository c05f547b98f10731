use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, sample::Index};
use serde_json::Value;

use super::{
    scenarios::{self, Scenario, objects},
    world::{World, check, now},
};
use crate::{
    checks::{Item, backup::target::BackupTarget},
    inventory::{IndexUpdate, backup::BackupIndex},
};

static SCENARIOS: LazyLock<Vec<Scenario>> = LazyLock::new(scenarios::all);

fn later(at: Timestamp, minutes: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

proptest! {
    /// What is said holds until `valid_until`, word for word.
    #[test]
    fn a_judgement_holds_as_long_as_it_says(
        which: Index,
        start in -4_i64 * 1440..60 * 1440,
        wait in 0_i64..60 * 1440,
    ) {
        let scenario = which.get(&SCENARIOS);
        let world = World::of(scenario);
        let check = check(scenario);
        let start = later(now(), start);
        for (item, judgement) in world.judge(check.as_ref(), start) {
            let mut end = later(start, wait);
            if let Some(until) = judgement.valid_until {
                prop_assert!(until > start, "{}: is over at once", scenario.name);
                // The last minute before, so that the bound is hit often.
                end = end.min(later(until, -1)).max(start);
            }
            let after = check.judge(&world.context(end), item);
            prop_assert_eq!(Some(judgement), after, "{} from {} to {}", scenario.name, start, end);
        }
    }

    /// The index after any changes is that of the objects that are left, and whatever is judged
    /// differently after a change was marked by it.
    #[test]
    fn changes_are_followed(
        steps in proptest::collection::vec((any::<Index>(), any::<Index>(), 0..4), 1..24),
        of: Index,
    ) {
        let judged = of.get(&SCENARIOS);
        let check = check(judged);
        let mut world = World::of(judged);
        let mut before = world.judge(check.as_ref(), now());
        for (scenario, object, action) in steps {
            let source = scenario.get(&SCENARIOS);
            if source.objects.is_empty() {
                continue;
            }
            let object = object.get(&source.objects);
            let change = if action == 0 { world.remove(object) } else { world.apply(object) };
            let after = world.judge(check.as_ref(), now());
            let mut marked = Vec::new();
            if let Some(change) = &change {
                check.affected(&world.context(now()), change, &mut |item| marked.push(item));
            }
            let items = before.keys().chain(after.keys()).copied();
            let missed: Vec<Item> = items
                .filter(|item| before.get(item) != after.get(item) && !marked.contains(item))
                .collect();
            prop_assert!(missed.is_empty(), "{} {object}: {missed:?} {before:?} {after:?}", judged.name);
            before = after;
        }
        let mut rebuilt = BackupIndex::default();
        for (slot, object) in world.inventory.iter() {
            rebuilt.update(&IndexUpdate { slot, before: None, after: Some(object) });
        }
        prop_assert_eq!(&world.inventory.backups, &rebuilt);
    }

    /// The order in which objects come changes nothing.
    #[test]
    fn order_does_not_matter(scenario: Index, objects in Just(()).prop_perturb(|(), rng| rng)) {
        let scenario = scenario.get(&SCENARIOS);
        let mut shuffled: Vec<&Value> = scenario.objects.iter().collect();
        let mut rng = objects;
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, rng.random_range(0..=at));
        }
        let mut world = World::empty_for(scenario);
        for object in shuffled {
            world.apply(object);
        }
        let words = |world: &World| {
            let judged = world.judge(check(scenario).as_ref(), now());
            let mut judged: Vec<_> = judged.into_values().map(|one| format!("{one:?}")).collect();
            judged.sort();
            judged
        };
        prop_assert_eq!(words(&world), words(&World::of(scenario)));
    }
}

/// At the instant of `valid_until` the backup is too old, to the nanosecond.
#[test]
fn a_backup_is_too_old_exactly_when_it_said() {
    let scenario = Scenario {
        name: String::new(),
        of: "PersistentVolumeClaims",
        restore_test_every: None,
        files: false,
        objects: vec![objects::claim(), objects::longhorn_volume(), objects::longhorn_backup()],
        expect: "",
    };
    let world = World::of(&scenario);
    let check = check(&scenario);
    let at = |now| world.judge(check.as_ref(), now).into_values().next().unwrap();
    let judgement = at(now());
    assert!(judgement.failing.is_empty());
    let until: Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
    assert_eq!(judgement.valid_until, Some(until));
    let before = until.checked_sub(SignedDuration::from_nanos(1)).unwrap();
    assert!(at(before).failing.is_empty());
    let after = at(until);
    assert_eq!(after.failing[0].rule, "TooOld");
    assert_eq!(after.valid_until, None, "time alone will not mend it");
}

/// A year of hourly backups is one group of the index, and judging asks for the newest only.
#[test]
fn a_year_of_backups_is_one_group() {
    let mut world = World::new(&[objects::claim(), objects::velero_location()]);
    let start: Timestamp = "2025-11-21T12:00:00Z".parse().unwrap();
    for hour in 0..8760 {
        let name = format!("hourly-{hour}");
        let at = later(start, hour * 60).to_string();
        let patch = serde_json::json!({"status": {"completionTimestamp": at}});
        world.apply(&objects::named(&name, objects::with(objects::velero_backup(), &patch)));
    }
    assert_eq!(world.inventory.backups.velero().count(), 1);
    let (_, runs) = world.inventory.backups.velero().next().unwrap();
    assert_eq!(runs.len(), 8760);
    let slot = world.inventory.backups.claims(scenarios::SHOP).next().unwrap();
    let subject = crate::api::test_spec::backup::BackupSubject::PersistentVolumeClaims;
    assert!(BackupTarget::of(subject, &world.inventory, slot).is_some());
}
