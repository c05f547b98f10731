//! What is to be backed up.

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
pub struct Target<'a> {
    /// Where it is.
    pub slot: Slot,
    /// Its namespace; a namespace is in itself.
    pub namespace: &'a Symbol,
    /// Its name.
    pub name: &'a Symbol,
    /// What it is.
    pub what: What<'a>,
}

/// What a target is.
#[derive(Debug)]
pub enum What<'a> {
    /// A claim.
    Claim(&'a ClaimFacts),
    /// A namespace.
    Namespace {
        /// Its facts.
        facts: &'a NamespaceFacts,
        /// Whether a claim in it is to be backed up, so that manifests are not enough.
        data: bool,
    },
    /// A database.
    Database(&'a CnpgCluster),
    /// A database of an operator whose backups are not read.
    OtherDatabase {
        /// Its labels.
        labels: &'a Labels,
        /// `KIND (GROUP)`.
        kind: String,
    },
}

/// The label that every API server sets on every namespace (KEP-2161).
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl<'a> Target<'a> {
    /// The item in a slot, when it is one of the subject.
    pub fn of(subject: BackupSubject, inventory: &'a Inventory, slot: Slot) -> Option<Self> {
        let object = inventory.get(slot)?;
        let what = match (subject, &object.facts) {
            (BackupSubject::PersistentVolumeClaims, Facts::Claim(claim)) => What::Claim(claim),
            (BackupSubject::Namespaces, Facts::Namespace(facts)) => {
                What::Namespace { facts, data: holds_data(inventory, &object.name) }
            }
            (BackupSubject::Databases, Facts::Backup(facts)) => match &**facts {
                BackupFacts::CnpgCluster(cluster) => What::Database(cluster),
                BackupFacts::OtherDatabase(database) => {
                    let resource = &inventory.kind_state(object.kind)?.resource;
                    What::OtherDatabase {
                        labels: &database.labels,
                        kind: format!("{} ({})", resource.kind, resource.group),
                    }
                }
                _ => return None,
            },
            _ => return None,
        };
        let namespace = match what {
            What::Namespace { .. } => &object.name,
            What::Claim(_) | What::Database(_) | What::OtherDatabase { .. } => &object.namespace,
        };
        Some(Self { slot, namespace, name: &object.name, what })
    }

    /// Whether the labels match.
    pub fn is_selected(&self, selector: &Selector) -> bool {
        selector.matches(|key| match (self.labels().get(key), &self.what) {
            (None, What::Namespace { .. }) if key == NAME_LABEL => Some(self.name.as_str()),
            (value, _) => value,
        })
    }

    /// What it is called in messages.
    pub fn noun(&self) -> &'static str {
        match self.what {
            What::Claim(_) => "claim",
            What::Namespace { .. } => "namespace",
            What::Database(_) | What::OtherDatabase { .. } => "database",
        }
    }

    /// When it was made: what succeeded before is of an earlier one of its name.
    pub fn created(&self) -> Option<Timestamp> {
        match &self.what {
            What::Claim(claim) => claim.created,
            What::Namespace { facts, .. } => facts.created,
            What::Database(cluster) => cluster.created,
            What::OtherDatabase { .. } => None,
        }
    }

    /// What to do when nothing covers it.
    pub fn remedy(&self) -> &'static str {
        match &self.what {
            What::Claim(claim) if is_excluded(&claim.labels) => {
                "its label velero.io/exclude-from-backup leaves it out; remove the label, or except the claim"
            }
            What::Claim(_) => {
                "add it to a schedule of Velero, K8up, Longhorn, VolSync or Kasten, snapshot it, or label its backup CronJob comptroller.dev/backs-up"
            }
            What::Namespace { .. } => {
                "add it as a whole to a Velero schedule or a Kasten policy, or create a K8up Schedule in it"
            }
            What::Database(_) | What::OtherDatabase { .. } => "create a ScheduledBackup for it",
        }
    }

    fn labels(&self) -> &Labels {
        match &self.what {
            What::Claim(claim) => &claim.labels,
            What::Namespace { facts, .. } => &facts.labels,
            What::Database(cluster) => &cluster.labels,
            What::OtherDatabase { labels, .. } => labels,
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

/// The facts of a backup object.
pub fn backup_facts(object: &Object) -> Option<&BackupFacts> {
    match &object.facts {
        Facts::Backup(facts) => Some(facts),
        _ => None,
    }
}

/// The facts of the backup object in a slot.
pub fn backup_at(inventory: &Inventory, slot: Slot) -> Option<&BackupFacts> {
    backup_facts(inventory.get(slot)?)
}
