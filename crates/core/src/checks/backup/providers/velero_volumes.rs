//! Whether a Velero backup holds the data of a claim. `Completed` says nothing of single volumes:
//! Velero passes over what it can't take a snapshot of, and succeeds all the same.
//!
//! A `PodVolumeBackup` or a `DataUpload` with the claim's uid proves it. Snapshots are deleted
//! after the backup, so that only their number is left: Velero takes one of every volume of a CSI
//! driver that the backup covers, or fails. The number has to agree with the claims there are.

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use super::velero::is_left_out;
use crate::{
    checks::{
        CheckContext,
        backup::{evidence::Reliability, target::backup_at},
    },
    inventory::{
        Facts, Inventory, ObjectSource, Slot, Symbol,
        backup::{
            BackupFacts, RunOutcome,
            census::ClaimCount,
            index::BackupKey,
            velero::{VeleroBackup, Volumes},
            velero_copies::VeleroVolumeCopy,
        },
        storage::{ClaimFacts, VolumeSource},
    },
};

/// A `Backup` of Velero, and where it is in the inventory.
pub struct VeleroRun<'a> {
    slot: Slot,
    pub backup: &'a VeleroBackup,
    namespace: &'a Symbol,
    name: &'a Symbol,
}

/// Where backups are stored.
pub struct StorageSite {
    /// Whether backups can be read from there.
    pub reliability: Reliability,
    /// The name of the location, when it is read-only, so that this cluster writes nothing to it.
    pub read_only: Option<String>,
}

/// Whether a backup holds something. The reasons go on after the name of the backup: `leaves out ...`.
pub enum Holding {
    Held,
    Missing(String),
    /// It is not known, and why.
    Undecided(String),
}

impl Holding {
    /// The worse of two: what is known to be missing, before what is not known.
    pub fn worse(self, other: Self) -> Self {
        match (self, other) {
            (missing @ Self::Missing(_), _) | (_, missing @ Self::Missing(_)) => missing,
            (undecided @ Self::Undecided(_), _) | (_, undecided @ Self::Undecided(_)) => undecided,
            _ => Self::Held,
        }
    }
}

impl<'a> VeleroRun<'a> {
    /// The Backup in a slot; None when there is another object, or none.
    pub fn at(inventory: &'a Inventory, slot: Slot) -> Option<Self> {
        let object = inventory.get(slot)?;
        match backup_at(inventory, slot)? {
            BackupFacts::VeleroBackup(backup) => {
                Some(Self { slot, backup, namespace: &object.namespace, name: &object.name })
            }
            _ => None,
        }
    }

    /// Whether it took as many snapshots as it covers claims of which one can certainly be taken, and
    /// as many as it covers claims at all.
    pub fn has_enough(&self, inventory: &Inventory) -> (bool, bool) {
        let count =
            inventory.backups.census.expected(self.slot, self.backup, || count(inventory, self));
        count.is_reached_by(self.backup.volumes.snapshots())
    }

    /// Whether it is of this cluster. Asked only where no uid of what it holds proves it.
    pub fn is_from_here(&self, site: &StorageSite) -> Holding {
        if let Some(location) = &site.read_only {
            return Holding::Missing(format!(
                "lies in {location}, which is ReadOnly: this cluster backs nothing up to it, so the backup is of another"
            ));
        }
        if self.backup.synced {
            let why = "was found in its storage location after it had ended, and may be of another cluster: nothing in it names the uid of something here";
            return Holding::Undecided(why.to_owned());
        }
        Holding::Held
    }

    fn began_before(&self, made: Option<Timestamp>) -> bool {
        made.zip(self.backup.began).is_some_and(|(made, began)| began < made)
    }
}

/// A claim, and what Velero copied of it.
pub struct VeleroClaim<'a> {
    namespace: &'a Symbol,
    pub name: &'a Symbol,
    facts: &'a ClaimFacts,
    /// The best copy in each Backup, by the namespace and name of the Backup.
    copies: FxHashMap<(&'a Symbol, &'a Symbol), Copied>,
}

/// A copy of the files or of the moved snapshot of a claim, the best witness last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Copied {
    /// Of an earlier claim of this name.
    Earlier,
    /// Not a success, or not yet.
    Unsuccessful(Slot),
    /// Of a claim of this name; one of the two uids is not known.
    SameName,
    /// Of this claim: the uids are the same.
    This,
}

/// The volume behind a claim, by whether Velero can take snapshots of it.
enum Disk {
    /// The claim is not bound yet.
    None,
    /// The volume is not in the inventory, or does not show what it is.
    Unknown,
    /// A volume of a CSI driver, and when it was made.
    Csi(Option<Timestamp>),
    /// A disk of a cloud, and when it was made.
    Cloud(Option<Timestamp>),
    /// Something that no snapshots can be taken of.
    Other(&'static str),
}

/// Sources of volumes that plugins of Velero take snapshots of by themselves.
const CLOUD_DISKS: [&str; 6] = [
    "awsElasticBlockStore",
    "azureDisk",
    "cinder",
    "gcePersistentDisk",
    "portworxVolume",
    "vsphereVolume",
];

impl<'a> VeleroClaim<'a> {
    /// A claim with its copies.
    pub fn of(
        context: &CheckContext<'a>,
        namespace: &'a Symbol,
        name: &'a Symbol,
        facts: &'a ClaimFacts,
    ) -> Self {
        let inventory = context.inventory;
        let mut copies = FxHashMap::default();
        let named = BackupKey::VeleroCopies(namespace.clone(), name.clone());
        let nameless = BackupKey::VeleroNameless(namespace.clone());
        let slots = inventory.backups.slots(&named).chain(inventory.backups.slots(&nameless));
        for slot in slots {
            if let Some(object) = inventory.get(slot)
                && let Some(BackupFacts::VeleroCopy(copy)) = backup_at(inventory, slot)
                && let Some(copied) = Copied::of(copy, slot, facts)
            {
                let key = (&object.namespace, &copy.backup);
                let known = copies.entry(key).or_insert(copied);
                // A failed copy does not take away what an earlier try in the same backup achieved.
                *known = copied.max(*known);
            }
        }
        Self { namespace, name, facts, copies }
    }

    /// Whether it was created after a backup had begun.
    pub fn is_younger_than(&self, run: &VeleroRun<'_>) -> bool {
        run.began_before(self.facts.created)
    }

    /// Whether a backup holds it; None when the backup is not about it.
    pub fn is_held_by(
        &self,
        context: &CheckContext<'_>,
        run: &VeleroRun<'_>,
        site: &StorageSite,
    ) -> Option<Holding> {
        let copied = self.copies.get(&(run.namespace, run.name));
        let covered = run.backup.scope.covers_claim(self.namespace, &self.facts.labels);
        // A copy of the claim proves that the backup is about it, whatever its scope seems to say.
        if copied.is_none() && !covered {
            return None;
        }
        // The uid is of this cluster and of this claim: no other question is left.
        if copied == Some(&Copied::This) {
            return Some(Holding::Held);
        }
        Some(match run.is_from_here(site) {
            Holding::Held if self.is_younger_than(run) => Holding::Missing(
                "began before this claim was created: what it may hold is of an earlier one of its name"
                    .to_owned(),
            ),
            Holding::Held => match copied {
                Some(copied) => copied.holding(context),
                None => self.is_in_a_snapshot(context, run),
            },
            elsewhere => elsewhere,
        })
    }

    /// Whether one of the snapshots that a backup of this cluster took must be of this claim.
    fn is_in_a_snapshot(&self, context: &CheckContext<'_>, run: &VeleroRun<'_>) -> Holding {
        let volumes = run.backup.volumes;
        let files = context.inventory.source == ObjectSource::Manifests;
        // That a copy is missing is certain in a cluster.
        let absent = if files { Holding::Undecided } else { Holding::Missing };
        let there = if files { "is in these files" } else { "is there" };
        // Policies are ConfigMaps, which are not read.
        if volumes.policy {
            return Holding::Undecided(format!(
                "has a resource policy, which may leave the volume out; its status does not say which volumes it took, and no PodVolumeBackup or DataUpload of this claim {there}"
            ));
        }
        if volumes.snapshots() == 0 {
            return absent(format!(
                "holds manifests only: no volume snapshot was completed, and no PodVolumeBackup or DataUpload of this claim {there} (snapshotVolumes, defaultVolumesToFsBackup)"
            ));
        }
        let disk = disk(context.inventory, self.namespace, self.name, self.facts);
        match disk.gives_snapshots(volumes, run) {
            Some(false) => absent(format!(
                "took no snapshot of this claim, whose volume {}, and no PodVolumeBackup or DataUpload of it {there}",
                disk.reason()
            )),
            // Files are an excerpt: other claims may be what the snapshots are of.
            _ if files && volumes.files => Holding::Undecided(
                "copies files where a pod mounts the volume, and no PodVolumeBackup of this claim is in these files".to_owned(),
            ),
            _ if files && volumes.csi == 0 && matches!(disk, Disk::Csi(_)) => Holding::Undecided(
                "took snapshots of disks by a plugin, and does not say whether this volume, which is of a CSI driver, is among them".to_owned(),
            ),
            None if files => Holding::Undecided(
                "took volume snapshots, and the PersistentVolume of this claim is not in these files, so it is not known whether one can be taken of it".to_owned(),
            ),
            sure => self.by_number(context, run, sure.is_some()),
        }
    }

    /// Whether there are as many snapshots as claims to take them of.
    fn by_number(&self, context: &CheckContext<'_>, run: &VeleroRun<'_>, sure: bool) -> Holding {
        let inventory = context.inventory;
        let (for_sure, for_all) = run.has_enough(inventory);
        let enough = if sure { for_sure } else { for_all };
        if enough {
            return Holding::Held;
        }
        // A claim without a volume has no data, and a backup that counts on it would be a guess.
        if !sure && self.facts.volume.is_none() {
            return Holding::Missing(
                "has no copy of this claim, which is not bound to a volume".to_owned(),
            );
        }
        Holding::Undecided(format!(
            "took {} volume snapshots, fewer than the claims that it covers, and does not say of which",
            run.backup.volumes.snapshots()
        ))
    }
}

impl Copied {
    /// None when it is known to be of another claim, or not known to be of this one.
    fn of(copy: &VeleroVolumeCopy, slot: Slot, claim: &ClaimFacts) -> Option<Self> {
        let same = match (&copy.uid, &claim.uid) {
            (Some(copied), Some(uid)) => Some(copied == uid),
            _ => None,
        };
        if copy.claim.is_none() && same != Some(true) {
            return None;
        }
        Some(match (same, copy.outcome) {
            (Some(false), _) => Self::Earlier,
            (_, RunOutcome::Failed | RunOutcome::Unfinished) => Self::Unsuccessful(slot),
            (Some(true), _) => Self::This,
            (None, _) => Self::SameName,
        })
    }

    fn holding(self, context: &CheckContext<'_>) -> Holding {
        match self {
            Self::SameName if context.inventory.source == ObjectSource::Manifests => Holding::Undecided(
                "holds a claim of this name; its uid or that of this claim is not in these files, so it may be an earlier one".to_owned(),
            ),
            Self::This | Self::SameName => Holding::Held,
            Self::Earlier => {
                Holding::Missing("holds an earlier claim of this name: its uid is another".to_owned())
            }
            Self::Unsuccessful(slot) => Holding::Missing(format!(
                "has no copy of this claim: {} has not completed",
                crate::checks::backup::evidence::name(context.inventory, slot)
            )),
        }
    }
}

impl Disk {
    /// Whether a backup must have taken a snapshot of it; None when that is not known.
    fn gives_snapshots(&self, volumes: Volumes, run: &VeleroRun<'_>) -> Option<bool> {
        match self {
            Self::None | Self::Unknown => None,
            Self::Csi(made) => Some(!run.began_before(*made)),
            Self::Cloud(made) => Some(volumes.native > 0 && !run.began_before(*made)),
            Self::Other(_) => Some(false),
        }
    }

    /// Why no snapshot was taken of it.
    fn reason(&self) -> String {
        match self {
            Self::Other(source) => format!("is of the kind {source}"),
            Self::Cloud(_) => "is not of a CSI driver".to_owned(),
            Self::None | Self::Unknown | Self::Csi(_) => "is younger than the backup".to_owned(),
        }
    }
}

fn disk(inventory: &Inventory, namespace: &str, name: &str, claim: &ClaimFacts) -> Disk {
    let Some(volume) = &claim.volume else {
        let known = inventory.source == ObjectSource::Cluster;
        return if known { Disk::None } else { Disk::Unknown };
    };
    let volume = inventory.lookup("", "PersistentVolume", "", volume);
    let Some(Facts::Volume(volume)) = volume.map(|object| &object.facts) else {
        return Disk::Unknown;
    };
    let bound = volume
        .claim
        .as_ref()
        .is_some_and(|(space, claim)| **space == *namespace && **claim == *name);
    match &volume.source {
        // The volume serves another claim by now.
        _ if !bound => Disk::Unknown,
        VolumeSource::Csi(_) => Disk::Csi(volume.created),
        VolumeSource::InTree(source) if CLOUD_DISKS.contains(source) => Disk::Cloud(volume.created),
        VolumeSource::InTree(source) => Disk::Other(source),
        VolumeSource::Unknown => Disk::Unknown,
    }
}

/// Counts the claims that a backup should have taken snapshots of.
fn count(inventory: &Inventory, run: &VeleroRun<'_>) -> ClaimCount {
    let scope = &run.backup.scope;
    let key = BackupKey::VeleroCopiesOf(run.namespace.clone(), run.name.clone());
    let copied: FxHashSet<_> = inventory
        .backups
        .slots(&key)
        .filter_map(|slot| match backup_at(inventory, slot)? {
            BackupFacts::VeleroCopy(copy) => Some((&copy.namespace, copy.claim.as_ref()?)),
            _ => None,
        })
        .collect();
    let mut count = ClaimCount::default();
    let namespaces = inventory
        .backups
        .claim_namespaces()
        .filter(|name| scope.includes_namespace(name) && !is_left_out(inventory, name));
    for slot in namespaces.flat_map(|name| inventory.backups.claims(name)) {
        let Some(object) = inventory.get(slot) else { continue };
        let Facts::Claim(claim) = &object.facts else { continue };
        let (namespace, name) = (&object.namespace, &object.name);
        if !scope.covers_claim(namespace, &claim.labels)
            // What came later is not in it, and what has a copy needs no snapshot.
            || run.began_before(claim.created)
            || copied.contains(&(namespace, name))
        {
            continue;
        }
        match disk(inventory, namespace, name, claim).gives_snapshots(run.backup.volumes, run) {
            Some(true) => count.certain += 1,
            None => count.uncertain += 1,
            Some(false) => {}
        }
    }
    count
}
