//! The items of a backup control: what is to be backed up.

use jiff::Timestamp;

use crate::{
    api::{Selector, test_spec::BackupSubject},
    inventory::{
        Facts, Inventory, Object, Slot, Symbol,
        backup::{BackupFacts, cnpg::CnpgCluster, velero_scope::EXCLUDE_LABEL},
        facts::{Labels, NamespaceFacts},
        storage::ClaimFacts,
    },
};

/// An item of a backup control.
#[derive(Debug)]
pub struct BackupTarget<'a> {
    pub slot: Slot,
    /// Its namespace; of a namespace, that namespace.
    pub namespace: &'a Symbol,
    pub name: &'a Symbol,
    pub kind: TargetKind<'a>,
}

/// What a target is, with the facts that decide which backups must hold it.
#[derive(Debug)]
pub enum TargetKind<'a> {
    Claim(&'a ClaimFacts),
    Namespace {
        facts: &'a NamespaceFacts,
        /// Whether a claim in it is to be backed up, so that manifests are not enough.
        data: bool,
    },
    /// A cluster of `CloudNativePG`.
    Database(&'a CnpgCluster),
    /// A database of an operator whose backups are not read.
    OtherDatabase {
        labels: &'a Labels,
        /// As messages name it: `KIND (GROUP)`.
        kind: String,
    },
}

/// The label that every API server sets on every namespace (KEP-2161).
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl<'a> BackupTarget<'a> {
    /// The item in a slot; None when the control is not about such objects.
    pub fn of(subject: BackupSubject, inventory: &'a Inventory, slot: Slot) -> Option<Self> {
        let object = inventory.get(slot)?;
        let kind = match (subject, &object.facts) {
            (BackupSubject::PersistentVolumeClaims, Facts::Claim(claim)) => {
                TargetKind::Claim(claim)
            }
            (BackupSubject::Namespaces, Facts::Namespace(facts)) => {
                TargetKind::Namespace { facts, data: holds_data(inventory, &object.name) }
            }
            (BackupSubject::Databases, Facts::Backup(facts)) => match &**facts {
                BackupFacts::CnpgCluster(cluster) => TargetKind::Database(cluster),
                BackupFacts::OtherDatabase(database) => {
                    // There are many such operators, so the message takes the name from the object itself.
                    let resource = &inventory.kind_state(object.kind)?.resource;
                    TargetKind::OtherDatabase {
                        labels: &database.labels,
                        kind: format!("{} ({})", resource.kind, resource.group),
                    }
                }
                _ => return None,
            },
            _ => return None,
        };
        let namespace = match kind {
            TargetKind::Namespace { .. } => &object.name,
            TargetKind::Claim(_) | TargetKind::Database(_) | TargetKind::OtherDatabase { .. } => {
                &object.namespace
            }
        };
        Some(Self { slot, namespace, name: &object.name, kind })
    }

    /// Whether the control's selector takes it, by its labels.
    pub fn is_selected(&self, selector: &Selector) -> bool {
        selector.matches(|key| match (self.labels().get(key), &self.kind) {
            // A manifest need not write what the API server sets.
            (None, TargetKind::Namespace { .. }) if key == NAME_LABEL => Some(self.name.as_str()),
            (value, _) => value,
        })
    }

    /// What it is called in messages.
    pub fn noun(&self) -> &'static str {
        match self.kind {
            TargetKind::Claim(_) => "claim",
            TargetKind::Namespace { .. } => "namespace",
            TargetKind::Database(_) | TargetKind::OtherDatabase { .. } => "database",
        }
    }

    /// When it was created: what succeeded before is of an earlier one of its name. None when that is
    /// not known, as in most manifests.
    pub fn created(&self) -> Option<Timestamp> {
        match &self.kind {
            TargetKind::Claim(claim) => claim.created,
            TargetKind::Namespace { facts, .. } => facts.created,
            TargetKind::Database(cluster) => cluster.created,
            TargetKind::OtherDatabase { .. } => None,
        }
    }

    /// What to do when nothing covers it, for the end of a message.
    pub fn remedy(&self) -> &'static str {
        match &self.kind {
            TargetKind::Claim(claim) if is_excluded(&claim.labels) => {
                "its label velero.io/exclude-from-backup leaves it out; remove the label, or grant the claim an exception"
            }
            TargetKind::Claim(_) => {
                "add it to a schedule of Velero, K8up, Longhorn, VolSync or Kasten, snapshot it, or label its backup CronJob comptroller.dev/backs-up"
            }
            TargetKind::Namespace { .. } => {
                "add it as a whole to a Velero schedule or a Kasten policy, or create a K8up Schedule in it"
            }
            TargetKind::Database(_) | TargetKind::OtherDatabase { .. } => {
                "create a ScheduledBackup for it"
            }
        }
    }

    fn labels(&self) -> &Labels {
        match &self.kind {
            TargetKind::Claim(claim) => &claim.labels,
            TargetKind::Namespace { facts, .. } => &facts.labels,
            TargetKind::Database(cluster) => &cluster.labels,
            TargetKind::OtherDatabase { labels, .. } => labels,
        }
    }
}

/// Whether a label keeps Velero away from an object.
pub fn is_excluded(labels: &Labels) -> bool {
    labels.get(EXCLUDE_LABEL) == Some("true")
}

fn holds_data(inventory: &Inventory, namespace: &str) -> bool {
    inventory
        .backups
        .claims(namespace)
        .filter_map(|slot| inventory.get(slot))
        .any(|object| matches!(&object.facts, Facts::Claim(claim) if !is_excluded(&claim.labels)))
}

/// The facts of an object of a backup tool; None of any other.
pub fn backup_facts(object: &Object) -> Option<&BackupFacts> {
    match &object.facts {
        Facts::Backup(facts) => Some(facts),
        _ => None,
    }
}

/// The facts of the object in a slot, if it is one of a backup tool.
pub fn backup_at(inventory: &Inventory, slot: Slot) -> Option<&BackupFacts> {
    backup_facts(inventory.get(slot)?)
}
