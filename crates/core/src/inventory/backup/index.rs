//! Which objects may bear on a claim, a namespace or a database: their numbers in the inventory, by what
//! they are about, newest success last. Facts stay in the inventory, so that an entry for a backup is some
//! 40 bytes, and the thousands of backups of a schedule are one group.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::{
    BackupFacts, RunOutcome, census::Census, velero::VeleroBackup, velero_scope::VeleroScope,
};
use crate::inventory::{Facts, IndexUpdate, Object, Slot, Symbol};

/// What an object of a backup tool is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BackupKey {
    /// Velero schedules of all namespaces.
    VeleroSchedules,
    /// Velero restores of all namespaces.
    VeleroRestores,
    /// Velero storage locations of a namespace.
    VeleroLocations(Symbol),
    /// What Velero copied of a claim: namespace and name.
    VeleroCopies(Symbol, Symbol),
    /// What Velero copied in a namespace without naming the claim.
    VeleroNameless(Symbol),
    /// What a Velero backup copied: its namespace and name.
    VeleroCopiesOf(Symbol, Symbol),
    /// Snapshots of a claim: namespace and name.
    VolumeSnapshots(Symbol, Symbol),
    /// K8up schedules of a namespace.
    K8upSchedules(Symbol),
    /// K8up backups of a namespace.
    K8upBackups(Symbol),
    /// K8up restores of a namespace.
    K8upRestores(Symbol),
    /// restic snapshots of a namespace.
    K8upSnapshots(Symbol),
    /// restic snapshots that hold a claim: namespace and name.
    K8upClaim(Symbol, Symbol),
    /// PostgreSQL clusters of a namespace.
    CnpgClusters(Symbol),
    /// Backups of a PostgreSQL cluster: namespace and name.
    CnpgBackups(Symbol, Symbol),
    /// Scheduled backups of a PostgreSQL cluster: namespace and name.
    CnpgSchedules(Symbol, Symbol),
    /// Longhorn volumes of a claim: namespace and name.
    LonghornVolumes(Symbol, Symbol),
    /// Backups of a Longhorn volume: Longhorn's namespace and the volume's name.
    LonghornBackups(Symbol, Symbol),
    /// Longhorn's recurring jobs of a namespace.
    LonghornJobs(Symbol),
    /// `VolSync`'s sources of a claim: namespace and name.
    VolSyncSources(Symbol, Symbol),
    /// Kasten's policies of all namespaces.
    KastenPolicies,
    /// Kasten's backups of a namespace.
    KastenBackups(Symbol),
    /// Kasten's restores of a namespace.
    KastenRestores(Symbol),
    /// `CronJobs` of a namespace that back something up.
    CronJobs(Symbol),
    /// Objects of any kind that could not be read.
    Malformed,
}

/// Velero backups that differ in nothing but when they ran and how they ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VeleroGroup {
    /// The namespace of the Backups, which is that of Velero.
    pub namespace: Symbol,
    /// The namespaces, resources and labels that they cover.
    pub scope: Arc<VeleroScope>,
    /// The `BackupStorageLocation`; empty for the default one.
    pub location: Symbol,
}

/// Objects with the time of their success, the newest last. Those without success come first.
pub type OrderedRuns = BTreeSet<(Option<Timestamp>, Slot)>;

/// The objects that bear on a claim, a namespace or a database, by what they are about.
#[derive(Debug, Default, PartialEq)]
pub struct BackupIndex {
    objects: FxHashMap<BackupKey, OrderedRuns>,
    velero: FxHashMap<VeleroGroup, OrderedRuns>,
    claims: FxHashMap<Symbol, BTreeSet<Slot>>,
    /// How many snapshots each Velero backup should have, for those that a check asked about.
    pub census: Census,
}

impl BackupIndex {
    /// Follows a change of one object.
    pub fn update(&mut self, update: &IndexUpdate<'_>) {
        self.census.follow(update);
        if let Some(object) = update.before {
            self.remove(update.slot, object);
        }
        if let Some(object) = update.after {
            self.insert(update.slot, object);
        }
    }

    /// The objects about something, newest success first.
    pub fn newest(&self, key: &BackupKey) -> impl Iterator<Item = (Option<Timestamp>, Slot)> {
        self.objects.get(key).into_iter().flat_map(|runs| runs.iter().rev().copied())
    }

    /// The numbers of the objects about something, newest success first.
    pub fn slots(&self, key: &BackupKey) -> impl Iterator<Item = Slot> {
        self.newest(key).map(|(_, slot)| slot)
    }

    /// Velero's backups. There are few groups: one for each schedule and location.
    pub fn velero(&self) -> impl Iterator<Item = (&VeleroGroup, &OrderedRuns)> {
        self.velero.iter()
    }

    /// The namespaces that have claims, in no order.
    pub fn claim_namespaces(&self) -> impl Iterator<Item = &Symbol> {
        self.claims.keys()
    }

    /// The numbers of the claims of a namespace.
    pub fn claims(&self, namespace: &str) -> impl Iterator<Item = Slot> {
        self.claims.get(namespace).into_iter().flatten().copied()
    }

    fn insert(&mut self, slot: Slot, object: &Object) {
        // Claims have a map of their own: backups of a namespace are about all of them.
        if let Facts::Claim(_) = object.facts {
            let claims = self.claims.entry(object.namespace.clone()).or_default();
            claims.insert(slot);
        }
        if let Some((group, at)) = velero_group(object) {
            self.velero.entry(group).or_default().insert((at, slot));
        }
        places(object, |key, at| {
            self.objects.entry(key).or_default().insert((at, slot));
        });
    }

    fn remove(&mut self, slot: Slot, object: &Object) {
        if let Facts::Claim(_) = object.facts
            && let Some(claims) = self.claims.get_mut(&object.namespace)
        {
            claims.remove(&slot);
            if claims.is_empty() {
                self.claims.remove(&object.namespace);
            }
        }
        if let Some((group, at)) = velero_group(object) {
            take(&mut self.velero, &group, (at, slot));
        }
        places(object, |key, at| take(&mut self.objects, &key, (at, slot)));
    }
}

fn take<K: Eq + std::hash::Hash>(
    map: &mut FxHashMap<K, OrderedRuns>,
    key: &K,
    entry: (Option<Timestamp>, Slot),
) {
    if let Some(runs) = map.get_mut(key) {
        runs.remove(&entry);
        // Empty groups go, or deleted schedules would leave their keys for ever.
        if runs.is_empty() {
            map.remove(key);
        }
    }
}

fn velero_group(object: &Object) -> Option<(VeleroGroup, Option<Timestamp>)> {
    let Facts::Backup(facts) = &object.facts else {
        return None;
    };
    let BackupFacts::VeleroBackup(VeleroBackup { scope, location, outcome, .. }) = &**facts else {
        return None;
    };
    let group = VeleroGroup {
        namespace: object.namespace.clone(),
        scope: Arc::clone(scope),
        location: location.clone(),
    };
    Some((group, outcome.success()))
}

/// Puts an object under each key by which it is found, with the time of its success.
fn places(object: &Object, mut put: impl FnMut(BackupKey, Option<Timestamp>)) {
    let namespace = || object.namespace.clone();
    let facts = match &object.facts {
        Facts::Malformed(_) => return put(BackupKey::Malformed, None),
        Facts::Workload(workload) => {
            if let Some(cron) = &workload.cron {
                put(BackupKey::CronJobs(namespace()), cron.last_success);
            }
            return;
        }
        Facts::Backup(facts) => &**facts,
        _ => return,
    };
    let success = |outcome: &RunOutcome| outcome.success();
    match facts {
        BackupFacts::VeleroSchedule(_) => put(BackupKey::VeleroSchedules, None),
        BackupFacts::VeleroRestore(restore) => {
            put(BackupKey::VeleroRestores, success(&restore.outcome));
        }
        BackupFacts::VeleroLocation(_) => put(BackupKey::VeleroLocations(namespace()), None),
        BackupFacts::VeleroCopy(copy) => {
            let (space, at) = (copy.namespace.clone(), success(&copy.outcome));
            put(BackupKey::VeleroCopiesOf(namespace(), copy.backup.clone()), at);
            match copy.claim.clone() {
                Some(claim) => put(BackupKey::VeleroCopies(space, claim), at),
                None => put(BackupKey::VeleroNameless(space), at),
            }
        }
        BackupFacts::VolumeSnapshot(snapshot) => {
            if let Some(claim) = &snapshot.claim {
                let key = BackupKey::VolumeSnapshots(namespace(), claim.clone());
                put(key, success(&snapshot.outcome));
            }
        }
        BackupFacts::K8upSchedule(_) => put(BackupKey::K8upSchedules(namespace()), None),
        BackupFacts::K8upBackup(backup) => {
            put(BackupKey::K8upBackups(namespace()), success(&backup.outcome));
        }
        BackupFacts::K8upRestore(restore) => {
            put(BackupKey::K8upRestores(namespace()), success(&restore.outcome));
        }
        BackupFacts::K8upSnapshot(snapshot) => {
            put(BackupKey::K8upSnapshots(namespace()), snapshot.date);
            for claim in &snapshot.claims {
                put(BackupKey::K8upClaim(namespace(), claim.clone()), snapshot.date);
            }
        }
        BackupFacts::CnpgCluster(_) => put(BackupKey::CnpgClusters(namespace()), None),
        BackupFacts::CnpgBackup(backup) => {
            let key = BackupKey::CnpgBackups(namespace(), backup.cluster.clone());
            put(key, success(&backup.outcome));
        }
        BackupFacts::CnpgScheduledBackup(schedule) => {
            put(BackupKey::CnpgSchedules(namespace(), schedule.cluster.clone()), None);
        }
        BackupFacts::LonghornVolume(volume) => {
            if let Some((namespace, claim)) = volume.claim.clone() {
                put(BackupKey::LonghornVolumes(namespace, claim), None);
            }
        }
        BackupFacts::LonghornBackup(backup) => {
            if let Some(volume) = &backup.volume {
                let key = BackupKey::LonghornBackups(namespace(), volume.clone());
                put(key, success(&backup.outcome));
            }
        }
        BackupFacts::LonghornRecurringJob(_) => put(BackupKey::LonghornJobs(namespace()), None),
        BackupFacts::VolSyncSource(source) => {
            if let Some(claim) = source.claim.clone() {
                put(BackupKey::VolSyncSources(namespace(), claim), source.last_success);
            }
        }
        BackupFacts::KastenPolicy(_) => put(BackupKey::KastenPolicies, None),
        BackupFacts::KastenBackup(action) => {
            let key = BackupKey::KastenBackups(action.namespace.clone());
            put(key, success(&action.outcome));
        }
        BackupFacts::KastenRestore(restore) => {
            let key = BackupKey::KastenRestores(restore.namespace.clone());
            put(key, success(&restore.outcome));
        }
        // Found by name, from the objects that refer to them; Velero's backups are grouped.
        BackupFacts::VeleroBackup(_)
        | BackupFacts::SnapshotContent(_)
        | BackupFacts::CnpgObjectStore(_)
        | BackupFacts::KastenRestorePoint
        | BackupFacts::OtherDatabase(_) => {}
    }
}
