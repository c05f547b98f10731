//! `backup`: every claim, namespace or database has a success that is recent enough and can be
//! restored, whatever tool made it.
//!
//! | rule | it fails when |
//! |---|---|
//! | `NotCovered` | nothing backs the item up, and nothing is scheduled to |
//! | `NeverSucceeded` | something is to back it up, and no success is there to restore |
//! | `TooOld` | the newest success is older than `maxAge` |
//! | `StorageLocationUnavailable` | the only recent success lies where Velero can't reach it |
//! | `Paused` | every schedule of the tools that back it up is paused, however recent the last success: none will follow |
//! | `RestoreUntested` | it has a success, and no restore within `restoreTestEvery` |
//!
//! What is not known is `Undecided`, and never a pass: an object that can't be read where no
//! other success is recent enough, a volume that a Velero resource policy may leave out, a database
//! of an operator that is not known here.
//!
//! Evidence is of this very item, or it is none: of its uid, of its volume, and not from before it
//! was created. An item younger than `maxAge` of which there is none yet is pending: it is not of the
//! population until `maxAge` after it was created. Only that every schedule for it is paused fails it
//! at once. A scan of files does not come back later, so there it is unknown.
//!
//! Files show what should be, and a manifest has no status. Where none of them says that something
//! ran, the item is unknown; where one does, it is judged as in a cluster.

mod affected;
mod evidence;
mod freshness;
mod providers;
mod restores;
mod target;

#[cfg(test)]
mod tests;

use super::{BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement};
use crate::{
    api::{
        Duration, Selector,
        test_spec::{BackupSubject, BackupTest},
    },
    inventory::{
        Change, Facts, Slot,
        backup::{
            BARMAN_CLOUD, CNPG, K8UP, KASTEN_ACTIONS, KASTEN_APPS, KASTEN_CONFIG, LONGHORN,
            SNAPSHOT, VELERO, VOLSYNC, others,
        },
    },
};
use target::{BackupTarget, TargetKind};

/// A `backup` test, compiled.
#[derive(Debug)]
struct BackupCheck {
    subject: BackupSubject,
    selector: Selector,
    max_age: Duration,
    restore_test_every: Option<Duration>,
}

/// Compiles a `backup` test.
pub fn build(test: &BackupTest) -> Result<Built, BuildError> {
    let selector = test
        .selector
        .as_ref()
        .map(Selector::compile)
        .transpose()
        .map_err(|error| BuildError::Invalid(format!("spec.test.backup.selector.{error}")))?;
    Ok(BackupCheck {
        subject: test.of,
        selector: selector.unwrap_or_default(),
        max_age: test.max_age,
        restore_test_every: test.restore_test_every,
    }
    .into())
}

const VELERO_KINDS: [(&str, &str); 6] = [
    (VELERO, "Schedule"),
    (VELERO, "Backup"),
    (VELERO, "Restore"),
    (VELERO, "BackupStorageLocation"),
    (VELERO, "PodVolumeBackup"),
    (VELERO, "DataUpload"),
];
const K8UP_KINDS: [(&str, &str); 4] =
    [(K8UP, "Schedule"), (K8UP, "Backup"), (K8UP, "Snapshot"), (K8UP, "Restore")];
const CNPG_KINDS: [(&str, &str); 4] =
    [(CNPG, "Cluster"), (CNPG, "Backup"), (CNPG, "ScheduledBackup"), (BARMAN_CLOUD, "ObjectStore")];
const KASTEN_KINDS: [(&str, &str); 4] = [
    (KASTEN_CONFIG, "Policy"),
    (KASTEN_ACTIONS, "BackupAction"),
    (KASTEN_ACTIONS, "RestoreAction"),
    (KASTEN_APPS, "RestorePoint"),
];
/// Tools that only back up single claims.
const VOLUME_KINDS: [(&str, &str); 7] = [
    (SNAPSHOT, "VolumeSnapshot"),
    (SNAPSHOT, "VolumeSnapshotContent"),
    (LONGHORN, "Volume"),
    (LONGHORN, "Backup"),
    (LONGHORN, "RecurringJob"),
    (VOLSYNC, "ReplicationSource"),
    ("batch", "CronJob"),
];
const CLAIM: (&str, &str) = ("", "PersistentVolumeClaim");
const NAMESPACE: (&str, &str) = ("", "Namespace");
/// What is behind a claim decides what can be copied of it, and how.
const VOLUME: (&str, &str) = ("", "PersistentVolume");

impl BackupCheck {
    /// The kinds whose objects are the items of the control.
    fn item_kinds(&self) -> Vec<(&'static str, &'static str)> {
        match self.subject {
            BackupSubject::PersistentVolumeClaims => vec![CLAIM],
            BackupSubject::Namespaces => vec![NAMESPACE],
            BackupSubject::Databases => {
                let others = others::PROJECTIONS.iter().map(|row| (row.group, row.kind));
                std::iter::once((CNPG, "Cluster")).chain(others).collect()
            }
        }
    }

    fn judge_target(&self, context: &CheckContext<'_>, target: &BackupTarget<'_>) -> Judgement {
        // Counted and unknown rather than left out: a database that nobody backs up must not go unseen.
        if let TargetKind::OtherDatabase { kind, .. } = &target.kind {
            let message = format!(
                "not judged: the backups of {kind} are not read. Attest them with a control of their own, and leave this database out of this control by spec.test.backup.selector or the scope"
            );
            return undecided(context, target.slot, message).unwrap_or_default();
        }
        let evidence = providers::gather(context, target, self.max_age);
        let mut judgement = freshness::judge(context, target, &evidence, self.max_age);
        // Without a backup there is nothing to restore, and the missing backup is reported already.
        if let Some(every) = self.restore_test_every
            && !judgement.pending
            && evidence.iter().any(evidence::ToolEvidence::has_success)
        {
            restores::judge(context, target, every, &mut judgement);
        }
        judgement
    }
}

impl Check for BackupCheck {
    fn reads(&self) -> Vec<Dependency> {
        let databases = self.item_kinds();
        let (required, optional): (_, &[&[_]]) = match self.subject {
            // Labels of namespaces leave them out of Velero's backups.
            BackupSubject::PersistentVolumeClaims => (
                &[CLAIM][..],
                &[
                    &[NAMESPACE, VOLUME],
                    &VELERO_KINDS,
                    &K8UP_KINDS,
                    &CNPG_KINDS,
                    &KASTEN_KINDS,
                    &VOLUME_KINDS,
                ],
            ),
            BackupSubject::Namespaces => {
                (&[NAMESPACE, CLAIM], &[&[VOLUME], &VELERO_KINDS, &K8UP_KINDS, &KASTEN_KINDS])
            }
            BackupSubject::Databases => (&[], &[&CNPG_KINDS, &databases[1..]]),
        };
        let required = required.iter().map(|(group, kind)| Dependency::required(group, kind));
        let optional = optional
            .iter()
            .copied()
            .flatten()
            .map(|(group, kind)| Dependency::optional(group, kind));
        required.chain(optional).collect()
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        super::visit_kinds(context.inventory, &self.item_kinds(), visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        let Change::Object { slot, before } = change else {
            return;
        };
        // What it bore on before it changed may have lost its backup.
        for object in before.iter().chain(context.inventory.get(*slot)) {
            affected::visit(self.subject, context.inventory, *slot, object, visit);
        }
    }

    fn judges_manifests(&self) -> bool {
        false
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let Item::Object(slot) = item else {
            return None;
        };
        let object = context.inventory.get(slot)?;
        // Facts that can't be read don't say which kind they are of.
        if let Facts::Malformed(error) = &object.facts {
            let resource = &context.inventory.kind_state(object.kind)?.resource;
            let is_it =
                |(group, kind): &(&str, &str)| resource.group == *group && resource.kind == *kind;
            let ours = self.item_kinds().iter().any(is_it);
            return ours.then(|| undecided(context, slot, format!("can't be read: {error}")))?;
        }
        let target = BackupTarget::of(self.subject, context.inventory, slot)?;
        target.is_selected(&self.selector).then(|| self.judge_target(context, &target))
    }
}

/// The rule of findings about what is not known.
const UNDECIDED: &str = "Undecided";

fn undecided(context: &CheckContext<'_>, slot: Slot, message: String) -> Option<Judgement> {
    Some(Judgement {
        unknown: vec![finding(context, slot, UNDECIDED, message)?],
        ..Judgement::default()
    })
}

fn finding(
    context: &CheckContext<'_>,
    slot: Slot,
    rule: &'static str,
    message: String,
) -> Option<Finding> {
    Some(Finding {
        rule: rule.into(),
        severity: None,
        resource: super::reference(context.inventory, slot)?,
        subject: None,
        message,
    })
}
