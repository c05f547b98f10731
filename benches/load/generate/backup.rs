//! Velero's schedules and backups of groups of namespaces, restore drills, and databases.

use rand::Rng;
use serde_json::{Value, json};

use super::{Place, Planter, Purpose};

const NAMESPACE: &str = "velero";

/// What is wrong with the backups of a group of namespaces.
#[derive(Clone, Copy, Debug)]
struct Neglect {
    /// Since two days no backup has succeeded.
    failing: bool,
    /// Nobody has restored one.
    untested: bool,
}

impl Planter {
    /// The tool itself.
    pub(super) fn velero(&mut self) {
        let level = Some("restricted");
        self.plant_namespace(NAMESPACE, "platform", Purpose::Tooling, level, (true, true));
        self.add(json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "velero", "namespace": NAMESPACE},
        }));
        let validated = self.hours(-1);
        self.add(json!({
            "apiVersion": "velero.io/v1",
            "kind": "BackupStorageLocation",
            "metadata": {"name": "offsite", "namespace": NAMESPACE},
            "spec": {"default": true, "provider": "aws", "objectStorage": {"bucket": "backups"}},
            "status": {"phase": "Available", "lastValidationTime": validated},
        }));
    }

    /// Covers the namespaces of a group that are to be covered, and judges all of them.
    pub(super) fn backups(&mut self, number: usize, group: &[Place]) {
        let covered: Vec<&Place> =
            group.iter().filter(|place| place.backed_up && place.purpose.is_guarded()).collect();
        let neglect = Neglect { failing: self.one_in(7), untested: self.one_in(6) };
        if !covered.is_empty() {
            let names: Vec<&str> = covered.iter().map(|place| place.name.as_str()).collect();
            self.schedule(&format!("group-{number}"), &names, neglect);
        }
        for place in group {
            self.judge_backups(place, neglect);
            self.database(place);
        }
    }

    fn judge_backups(&mut self, place: &Place, neglect: Neglect) {
        if !place.purpose.is_guarded() {
            return;
        }
        let good = place.backed_up && !neglect.failing;
        for claim in &place.claims {
            let mut saved = good;
            if !place.backed_up && self.rng.random_bool(0.5) {
                let fresh = self.rng.random_bool(0.8);
                self.snapshot(&place.name, claim, if fresh { 7 } else { 90 });
                saved = fresh;
            }
            let item = format!("{}/{claim}", place.name);
            self.expected.judge("volumes-are-backed-up", &item, !saved);
        }
        if place.purpose == Purpose::Prod {
            let restorable = good && !neglect.untested;
            self.expected.judge("production-can-be-restored", &place.name, !restorable);
        }
    }

    fn schedule(&mut self, name: &str, namespaces: &[&str], neglect: Neglect) {
        let template = json!({
            "includedNamespaces": namespaces,
            "storageLocation": "offsite",
            "ttl": "2400h0m0s",
        });
        let last = self.hours(-4);
        self.add(json!({
            "apiVersion": "velero.io/v1",
            "kind": "Schedule",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"schedule": "0 3 * * *", "template": template},
            "status": {"phase": "Enabled", "lastBackup": last},
        }));
        for (index, hours) in [3, 27, 51].into_iter().enumerate() {
            let succeeded = !neglect.failing || index == 2;
            self.backup(&format!("{name}-{index}"), name, &template, hours, succeeded);
        }
        if neglect.untested {
            return;
        }
        let drill = format!("{name}-drill");
        self.backup(&drill, name, &template, 24 * 34, true);
        let done = self.hours(-24 * 33);
        self.add(json!({
            "apiVersion": "velero.io/v1",
            "kind": "Restore",
            "metadata": {"name": drill, "namespace": NAMESPACE},
            "spec": {"backupName": drill, "includedNamespaces": namespaces},
            "status": {
                "phase": "Completed",
                "startTimestamp": done,
                "completionTimestamp": done,
            },
        }));
    }

    fn backup(&mut self, name: &str, of: &str, spec: &Value, hours_ago: i64, succeeded: bool) {
        let mut status = json!({
            "phase": "Completed",
            "startTimestamp": self.hours(-hours_ago - 1),
            "completionTimestamp": self.hours(-hours_ago),
            "expiration": self.hours(2400 - hours_ago),
            "csiVolumeSnapshotsAttempted": 3,
            "csiVolumeSnapshotsCompleted": 3,
        });
        if !succeeded {
            status["phase"] = "PartiallyFailed".into();
            status["errors"] = 1.into();
            status["csiVolumeSnapshotsCompleted"] = 2.into();
        }
        self.add(json!({
            "apiVersion": "velero.io/v1",
            "kind": "Backup",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"velero.io/schedule-name": of},
            },
            "spec": spec,
            "status": status,
        }));
    }

    /// Now and then a database with a backup of its own.
    fn database(&mut self, place: &Place) {
        if place.purpose != Purpose::Prod || !self.one_in(5) {
            return;
        }
        let stale = self.one_in(4);
        self.expected.judge("databases-are-backed-up", &place.name, stale);
        let mut object = |kind: &str, name: &str, spec: Value, status: Value| {
            self.objects.push(json!({
                "apiVersion": "postgresql.cnpg.io/v1",
                "kind": kind,
                "metadata": {"name": name, "namespace": place.name},
                "spec": spec,
                "status": status,
            }));
        };
        let cluster = json!({"cluster": {"name": "ledger"}});
        let storage = json!({"instances": 3, "storage": {"size": "50Gi"}});
        object("Cluster", "ledger", storage, json!({"phase": "Cluster in healthy state"}));
        let mut scheduled = cluster.clone();
        scheduled["schedule"] = "0 0 3 * * *".into();
        object("ScheduledBackup", "ledger-nightly", scheduled, json!({}));
        let hours = if stale { 50 } else { 4 };
        let at = |hours: i64| {
            let at = self.now.checked_sub(jiff::SignedDuration::from_hours(hours));
            at.unwrap_or(self.now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let status = json!({
            "phase": "completed",
            "startedAt": at(hours + 1),
            "stoppedAt": at(hours),
        });
        object("Backup", "ledger-nightly-last", cluster, status);
    }
}
