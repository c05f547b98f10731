//! The items that an object bears on: those whose judgement may change when it does. Too many is slow, too
//! few is wrong.

use crate::{
    api::test_spec::BackupSubject,
    checks::{Item, backup::providers::velero_volumes::VeleroRun},
    inventory::{
        Facts, Inventory, Object, Slot, Symbol,
        backup::{
            BARMAN_CLOUD, BackupFacts, CNPG, K8UP, KASTEN_ACTIONS, KASTEN_APPS, KASTEN_CONFIG,
            LONGHORN, SNAPSHOT, VELERO, VOLSYNC, cron::CronFacts, index::BackupKey,
            velero_copies::VeleroVolumeCopy, velero_scope::VeleroScope,
        },
        storage::PersistentVolumeFacts,
    },
};

/// Visits the items that an object, as it is or as it was, bears on.
pub fn visit(
    subject: BackupSubject,
    inventory: &Inventory,
    slot: Slot,
    object: &Object,
    visit: &mut dyn FnMut(Item),
) {
    let mut affected = AffectedItems { subject, inventory, visit };
    match &object.facts {
        Facts::Claim(_) => {
            affected.claim(slot, &object.namespace);
            // Velero counts snapshots against the claims there are.
            affected.recounted_backups();
        }
        Facts::Volume(volume) => affected.volume(volume),
        Facts::Namespace(_) => {
            affected.namespace(slot, &object.name);
            affected.recounted_backups();
        }
        Facts::Workload(workload) => {
            if let Some(cron) = &workload.cron {
                affected.cron(&object.namespace, cron);
            }
        }
        Facts::Backup(facts) => affected.backup(slot, object, facts),
        Facts::Malformed(_) => affected.malformed(slot, object),
        _ => {}
    }
}

struct AffectedItems<'a, 'v> {
    subject: BackupSubject,
    inventory: &'a Inventory,
    visit: &'v mut dyn FnMut(Item),
}

impl AffectedItems<'_, '_> {
    fn claim(&mut self, slot: Slot, namespace: &str) {
        match self.subject {
            BackupSubject::PersistentVolumeClaims => (self.visit)(Item::Object(slot)),
            // Whether a namespace has claims decides what its backups must hold.
            BackupSubject::Namespaces => self.all_in(namespace),
            BackupSubject::Databases => {}
        }
    }

    fn namespace(&mut self, slot: Slot, name: &str) {
        match self.subject {
            BackupSubject::PersistentVolumeClaims => self.all_in(name),
            BackupSubject::Namespaces => (self.visit)(Item::Object(slot)),
            BackupSubject::Databases => {}
        }
    }

    /// The claim that a volume is bound to.
    fn volume(&mut self, volume: &PersistentVolumeFacts) {
        let Some((namespace, name)) = &volume.claim else {
            return;
        };
        self.claim_named(namespace, name);
        // A namespace is backed up when each of its claims is.
        if self.subject == BackupSubject::Namespaces {
            self.all_in(namespace);
        }
        self.recounted_backups();
    }

    /// The items of the Velero backups that have enough snapshots for the claims they cover by now, or no
    /// longer: a claim that comes or goes changes how many that takes.
    fn recounted_backups(&mut self) {
        let inventory = self.inventory;
        for (slot, before) in inventory.backups.census.recounted() {
            if let Some(run) = VeleroRun::at(inventory, slot) {
                let taken = run.backup.volumes.snapshots();
                // Most changes alter the count and not the answer: a backup may cover 10,000 claims.
                if run.has_enough(inventory) != before.is_reached_by(taken) {
                    self.velero(&run.backup.scope);
                }
            }
        }
    }

    /// What Velero copied of a claim. That a backup has copies at all decides what a restore of it
    /// brought back.
    fn copied(&mut self, velero: &Symbol, copy: &VeleroVolumeCopy) {
        match &copy.claim {
            Some(claim) => self.claim_named(&copy.namespace, claim),
            // It names a volume only, and any claim of the namespace may be the one.
            None => self.all_in(&copy.namespace),
        }
        if self.subject == BackupSubject::Namespaces {
            self.all_in(&copy.namespace);
        }
        self.recounted_backups();
        let backup = self.inventory.lookup(VELERO, "Backup", velero, &copy.backup);
        if let Some(Facts::Backup(facts)) = backup.map(|object| &object.facts)
            && let BackupFacts::VeleroBackup(backup) = &**facts
            // While it runs, nothing is judged by it.
            && backup.outcome.success().is_some()
        {
            self.velero(&backup.scope);
        }
    }

    fn cron(&mut self, namespace: &str, cron: &CronFacts) {
        for claim in cron.claims() {
            // The label of a CronJob may say that it backs up every claim of its namespace.
            if claim == "*" {
                self.all_in(namespace);
            } else {
                self.claim_named(namespace, claim);
            }
        }
    }

    fn backup(&mut self, slot: Slot, object: &Object, facts: &BackupFacts) {
        let namespace = &object.namespace;
        match facts {
            BackupFacts::VeleroSchedule(schedule) => self.velero(&schedule.scope),
            BackupFacts::VeleroBackup(backup) => self.velero(&backup.scope),
            BackupFacts::VeleroRestore(restore) => self.velero(&restore.scope),
            BackupFacts::VeleroLocation(_) => self.location(namespace),
            BackupFacts::VeleroCopy(copy) => self.copied(namespace, copy),
            BackupFacts::VolSyncSource(source) => {
                if let Some(claim) = &source.claim {
                    self.claim_named(namespace, claim);
                }
            }
            // Its selectors are over labels of namespaces, which are left to the judgement.
            BackupFacts::KastenPolicy(_) => self.velero(&VeleroScope::default()),
            BackupFacts::KastenBackup(action) => self.all_in(&action.namespace),
            BackupFacts::KastenRestore(restore) => self.all_in(&restore.namespace),
            BackupFacts::OtherDatabase(_) => (self.visit)(Item::Object(slot)),
            BackupFacts::VolumeSnapshot(snapshot) => {
                if let Some(claim) = &snapshot.claim {
                    self.claim_named(namespace, claim);
                }
            }
            BackupFacts::SnapshotContent(content) => {
                let (namespace, name) = &content.snapshot;
                self.snapshot_named(namespace, name);
            }
            BackupFacts::KastenRestorePoint
            | BackupFacts::K8upSchedule(_)
            | BackupFacts::K8upBackup(_)
            | BackupFacts::K8upSnapshot(_)
            | BackupFacts::K8upRestore(_) => self.all_in(namespace),
            // Recovered clusters and backups speak of other clusters of their namespace, too.
            BackupFacts::CnpgCluster(_)
            | BackupFacts::CnpgBackup(_)
            | BackupFacts::CnpgScheduledBackup(_)
            | BackupFacts::CnpgObjectStore(_) => {
                if matches!(facts, BackupFacts::CnpgCluster(_)) {
                    // The index no longer knows one that went.
                    (self.visit)(Item::Object(slot));
                }
                self.databases_of(namespace);
            }
            BackupFacts::LonghornVolume(volume) => {
                if let Some((namespace, claim)) = &volume.claim {
                    self.claim_named(namespace, claim);
                }
            }
            BackupFacts::LonghornBackup(backup) => {
                if let Some(volume) = &backup.volume {
                    self.longhorn_volume(namespace, volume);
                }
            }
            // It applies to volumes by group, and to all of them by the group `default`.
            BackupFacts::LonghornRecurringJob(_) => self.every_claim(),
        }
    }

    fn malformed(&mut self, slot: Slot, object: &Object) {
        let Some(state) = self.inventory.kind_state(object.kind) else {
            return;
        };
        // The object may be an item itself.
        (self.visit)(Item::Object(slot));
        match state.resource.group.as_str() {
            K8UP | VOLSYNC => self.all_in(&object.namespace),
            CNPG | BARMAN_CLOUD => self.databases_of(&object.namespace),
            VELERO | KASTEN_CONFIG | KASTEN_ACTIONS | KASTEN_APPS => {
                self.velero(&VeleroScope::default());
            }
            SNAPSHOT | LONGHORN => self.every_claim(),
            // They are counted as claims that a backup should hold.
            "" if matches!(
                state.resource.kind.as_str(),
                "PersistentVolumeClaim" | "PersistentVolume" | "Namespace"
            ) =>
            {
                self.velero(&VeleroScope::default());
            }
            _ => {}
        }
    }

    /// What a Velero scope may cover: labels are left to the judgement.
    fn velero(&mut self, scope: &VeleroScope) {
        match self.subject {
            BackupSubject::PersistentVolumeClaims => {
                let namespaces = self.inventory.backups.claim_namespaces();
                for namespace in namespaces.filter(|name| scope.includes_namespace(name)) {
                    for slot in self.inventory.backups.claims(namespace) {
                        (self.visit)(Item::Object(slot));
                    }
                }
            }
            BackupSubject::Namespaces => {
                for (slot, object) in self.inventory.objects_of("", "Namespace") {
                    if scope.includes_namespace(&object.name) {
                        (self.visit)(Item::Object(slot));
                    }
                }
            }
            BackupSubject::Databases => {}
        }
    }

    fn location(&mut self, namespace: &Symbol) {
        let inventory = self.inventory;
        for (group, _) in inventory.backups.velero() {
            if group.namespace == *namespace {
                self.velero(&group.scope);
            }
        }
    }

    fn snapshot_named(&mut self, namespace: &str, name: &str) {
        let inventory = self.inventory;
        let snapshot = inventory.lookup(SNAPSHOT, "VolumeSnapshot", namespace, name);
        if let Some(Facts::Backup(facts)) = snapshot.map(|object| &object.facts)
            && let BackupFacts::VolumeSnapshot(snapshot) = &**facts
            && let Some(claim) = &snapshot.claim
        {
            self.claim_named(namespace, claim);
        }
    }

    fn longhorn_volume(&mut self, namespace: &str, name: &str) {
        let inventory = self.inventory;
        let volume = inventory.lookup(LONGHORN, "Volume", namespace, name);
        if let Some(Facts::Backup(facts)) = volume.map(|object| &object.facts)
            && let BackupFacts::LonghornVolume(volume) = &**facts
            && let Some((namespace, claim)) = &volume.claim
        {
            self.claim_named(namespace, claim);
        }
    }

    fn databases_of(&mut self, namespace: &Symbol) {
        match self.subject {
            BackupSubject::Databases => {
                let clusters = BackupKey::CnpgClusters(namespace.clone());
                for slot in self.inventory.backups.slots(&clusters) {
                    (self.visit)(Item::Object(slot));
                }
            }
            BackupSubject::PersistentVolumeClaims => self.all_in(namespace),
            BackupSubject::Namespaces => {}
        }
    }

    fn claim_named(&mut self, namespace: &str, name: &str) {
        if self.subject == BackupSubject::PersistentVolumeClaims
            && let Some(kind) = self.inventory.find_kind("", "PersistentVolumeClaim")
            && let Some(slot) = self.inventory.find(kind, namespace, name)
        {
            (self.visit)(Item::Object(slot));
        }
    }

    /// The claims of a namespace, or the namespace.
    fn all_in(&mut self, namespace: &str) {
        match self.subject {
            BackupSubject::PersistentVolumeClaims => {
                for slot in self.inventory.backups.claims(namespace) {
                    (self.visit)(Item::Object(slot));
                }
            }
            BackupSubject::Namespaces => {
                if let Some(kind) = self.inventory.find_kind("", "Namespace")
                    && let Some(slot) = self.inventory.find(kind, "", namespace)
                {
                    (self.visit)(Item::Object(slot));
                }
            }
            BackupSubject::Databases => {}
        }
    }

    fn every_claim(&mut self) {
        if self.subject == BackupSubject::PersistentVolumeClaims {
            self.velero(&VeleroScope::default());
        }
    }
}
