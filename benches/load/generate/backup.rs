//! Velero's schedules and backups of groups of namespaces, restore drills, and databases.

use rand::Rng;
use serde_json::{Value, json};

use super::{Place, Planter, Purpose};

const NAMESPACE: &str = "velero";

/// When the newest backups end, in minutes from when the cluster is made. The API server makes every
/// claim anew, and a backup of before is of an earlier one of its name; one that ends a moment from
/// now is believed, since clocks differ.
const ENDED: i64 = 4;

/// What is wrong with the backups of a group of namespaces.
#[derive(Clone, Copy, Debug)]
struct Neglect {
    /// Its schedule is paused, and no backup has succeeded for two days.
    failing: bool,
    /// Nobody has restored one.
    untested: bool,
}

/// A backup that ran.
struct BackupRun {
    name: String,
    /// When it began and ended.
    time: (String, String),
    succeeded: bool,
}

impl Planter {
    /// Velero itself, confined and with the rights that it needs.
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
            let volumes = covered.iter().map(|place| place.claims.len()).sum();
            self.schedule(&format!("group-{number}"), &names, volumes, neglect);
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
                let taken = if fresh { self.minutes(ENDED) } else { self.hours(-90) };
                self.snapshot(&place.name, claim, &taken);
                saved = fresh;
            }
            // A claim of which there is no backup yet is pending, unless none will ever follow.
            if saved || place.backed_up {
                let item = format!("{}/{claim}", place.name);
                self.expected.judge("volumes-are-backed-up", &item, !saved);
            }
        }
        if place.purpose == Purpose::Prod && place.backed_up {
            let restorable = good && !neglect.untested;
            self.expected.judge("production-can-be-restored", &place.name, !restorable);
        }
    }

    fn minutes(&self, minutes: i64) -> String {
        let at = self.now.checked_add(jiff::SignedDuration::from_mins(minutes));
        at.unwrap_or(self.now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn schedule(&mut self, name: &str, namespaces: &[&str], volumes: usize, neglect: Neglect) {
        let template = json!({
            "includedNamespaces": namespaces,
            "storageLocation": "offsite",
            "ttl": "2400h0m0s",
        });
        let last = self.minutes(ENDED - 1);
        self.add(json!({
            "apiVersion": "velero.io/v1",
            "kind": "Schedule",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"schedule": "0 3 * * *", "template": template, "paused": neglect.failing},
            "status": {"phase": "Enabled", "lastBackup": last},
        }));
        let times = [
            (self.minutes(ENDED - 1), self.minutes(ENDED)),
            (self.hours(-28), self.hours(-27)),
            (self.hours(-52), self.hours(-51)),
        ];
        for (index, time) in times.into_iter().enumerate() {
            let succeeded = !neglect.failing || index == 2;
            let taken = if succeeded { volumes } else { 0 };
            let run = BackupRun { name: format!("{name}-{index}"), time, succeeded };
            self.backup(name, &template, &run, (taken, volumes));
        }
        if neglect.untested {
            return;
        }
        let drill = format!("{name}-drill");
        let time = (self.hours(-24 * 34 - 1), self.hours(-24 * 34));
        let run = BackupRun { name: drill.clone(), time, succeeded: true };
        self.backup(name, &template, &run, (volumes, volumes));
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

    fn backup(&mut self, of: &str, spec: &Value, run: &BackupRun, (taken, tried): (usize, usize)) {
        let (began, ended) = &run.time;
        let mut status = json!({
            "phase": "Completed",
            "startTimestamp": began,
            "completionTimestamp": ended,
            "expiration": self.hours(2400),
            "csiVolumeSnapshotsAttempted": tried,
            "csiVolumeSnapshotsCompleted": taken,
        });
        if !run.succeeded {
            status["phase"] = "PartiallyFailed".into();
            status["errors"] = 1.into();
        }
        self.add(json!({
            "apiVersion": "velero.io/v1",
            "kind": "Backup",
            "metadata": {
                "name": run.name,
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
        // A new database without a backup is pending; one of which none will follow is not.
        scheduled["suspend"] = stale.into();
        object("ScheduledBackup", "ledger-nightly", scheduled, json!({}));
        let ended = if stale { -50 * 60 } else { ENDED };
        let at = |minutes: i64| {
            let at = self.now.checked_add(jiff::SignedDuration::from_mins(minutes));
            at.unwrap_or(self.now).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let status = json!({
            "phase": "completed",
            "startedAt": at(ended - 1),
            "stoppedAt": at(ended),
        });
        object("Backup", "ledger-nightly-last", cluster, status);
    }
}
