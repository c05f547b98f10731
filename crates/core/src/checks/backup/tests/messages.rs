//! Messages name the object, what is wrong with it, and what to do.

use serde_json::json;

use super::{
    scenarios::{self, Scenario, objects::*},
    world::{World, check, now},
};
use crate::{
    api::test_spec::backup::BackupTest,
    checks::{Dependency, Need, backup},
};

fn message(name: &str) -> String {
    let scenario = scenarios::all().into_iter().find(|scenario| scenario.name == name).unwrap();
    let world = World::of(&scenario);
    let judged = world.judge(check(&scenario).as_ref(), now());
    let judgement = judged.into_values().next().unwrap();
    judgement.failing.into_iter().chain(judgement.unknown).next().unwrap().message
}

#[test]
fn messages_name_the_object_and_the_reason() {
    for (scenario, said) in [
        (
            "velero: the schedule's last backup is a run, not a success",
            "the newest success is Backup backup-tools/daily-1 (velero.io) of 2026-11-20T02:00:00Z, \
             older than 1d",
        ),
        (
            "velero: unavailable storage",
            "Backup backup-tools/daily-2 (velero.io) of 2026-11-21T02:00:00Z can't be restored: \
             BackupStorageLocation backup-tools/default (velero.io) is unavailable: bucket is gone",
        ),
        (
            "velero: the only schedule is paused, whatever the last success",
            "no backup will follow: Schedule backup-tools/daily (velero.io) is paused, and no other \
             schedule covers it; resume it",
        ),
        (
            "velero: manifests without snapshots",
            "no backup of this claim has succeeded and is there to restore: Backup \
             backup-tools/daily-2 (velero.io) holds manifests only: no volume snapshot was \
             completed, and no PodVolumeBackup or DataUpload of this claim is there (snapshotVolumes, defaultVolumesToFsBackup)",
        ),
        (
            "velero: the claim's label leaves it out",
            "no backup, snapshot or schedule covers this claim: its label \
             velero.io/exclude-from-backup leaves it out; remove the label, or grant the claim an exception",
        ),
        (
            "restore: too long ago",
            "the last successful restore is Restore backup-tools/drill (velero.io) of \
             2026-08-01T12:00:00Z, more than 90d ago: restore this claim somewhere else, and \
             check the result",
        ),
    ] {
        assert_eq!(message(scenario), said, "{scenario}");
    }
    let malformed = message("malformed: a backup that may be about the claim");
    assert!(
        malformed.starts_with(
            "Backup backup-tools/odd (velero.io) may be about this claim, and can't be read: "
        ),
        "{malformed}"
    );
}

#[test]
fn only_selected_items_count() {
    let test: BackupTest = serde_json::from_value(json!({
        "of": "PersistentVolumeClaims", "maxAge": "24h",
        "selector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]},
    }))
    .unwrap();
    let other = with(named("cache", claim()), &json!({"metadata": {"labels": {"app": "cache"}}}));
    let world = World::new(&[claim(), other]);
    let check = backup::build(&test).unwrap().check;
    let judged = world.judge(check.as_ref(), now());
    assert_eq!(judged.len(), 1);
    assert_eq!(judged.into_values().next().unwrap().failing[0].resource.name, "cache");
}

#[test]
fn a_namespace_is_selected_by_its_name() {
    let test: BackupTest = serde_json::from_value(json!({
        "of": "Namespaces", "maxAge": "24h",
        "selector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}},
    }))
    .unwrap();
    let world = World::new(&[namespace(), named("web", namespace())]);
    let check = backup::build(&test).unwrap().check;
    assert_eq!(world.judge(check.as_ref(), now()).len(), 1);
}

/// A claim that can't be read stays in the population.
#[test]
fn a_malformed_item_is_unknown() {
    let scenario = Scenario {
        name: String::new(),
        of: "PersistentVolumeClaims",
        restore_test_every: None,
        files: false,
        objects: vec![
            with(claim(), &json!({"spec": {"storageClassName": 3}})),
            velero_location(),
            velero_backup(),
        ],
        expect: "unknown",
    };
    assert_eq!(World::of(&scenario).said(&scenario), "unknown");
}

/// Without the items there is nothing to say; without a tool there is no backup by it.
#[test]
fn tools_are_optional_and_items_are_not() {
    for (of, required) in [
        ("PersistentVolumeClaims", vec!["PersistentVolumeClaim"]),
        ("Namespaces", vec!["Namespace", "PersistentVolumeClaim"]),
        ("Databases", vec![]),
    ] {
        let test = serde_json::from_value(json!({"of": of, "maxAge": "24h"})).unwrap();
        let reads = backup::build(&test).unwrap().check.reads();
        let kinds: Vec<String> = reads
            .into_iter()
            .filter_map(|read| match read {
                Dependency::Kind { kind, need: Need::Required, .. } => Some(kind.into_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(kinds, required, "{of}");
    }
}
