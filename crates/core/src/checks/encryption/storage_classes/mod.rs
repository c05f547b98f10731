//! `storageClasses`: storage classes encrypt the volumes made from them, and the volumes that exist are
//! encrypted.
//!
//! What proves encryption is a parameter that the driver obeys, or a driver that can't do
//! otherwise: Google and Azure encrypt every disk, and offer no way to turn it off. A default of
//! the account (AWS) or of the layer below (Ceph) is invisible here and makes it unknown.

mod drivers;
#[cfg(test)]
mod tests;

pub use self::drivers::parse_bool;
use self::drivers::{Encryption, canonical, driver};
use super::{
    Check, CheckContext, Dependency, Item, Judgement, both_sides, finding, is_kind, malformed,
    object_of, reference,
};
use crate::{
    checks::{visit_changed, visit_kinds},
    inventory::{
        Change, Facts, Inventory, Symbol,
        storage::{Parameters, PersistentVolumeFacts, StorageClassFacts, VolumeSource},
    },
};

const CLASS: (&str, &str) = ("storage.k8s.io", "StorageClass");
const VOLUME: (&str, &str) = ("", "PersistentVolume");

/// The `storageClasses` part of an `encryption` test, compiled.
#[derive(Debug)]
pub struct StorageClassesCheck;

impl Check for StorageClassesCheck {
    fn reads(&self) -> Vec<Dependency> {
        vec![Dependency::optional(CLASS.0, CLASS.1), Dependency::required(VOLUME.0, VOLUME.1)]
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        visit_kinds(context.inventory, &[CLASS, VOLUME], visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        visit_changed(change, visit);
        let inventory = context.inventory;
        // A class that comes, changes or goes is what its volumes are judged by.
        for class in both_sides(inventory, change)
            .filter(|object| is_kind(inventory, object, CLASS.0, CLASS.1))
        {
            for (slot, volume) in inventory.objects_of(VOLUME.0, VOLUME.1) {
                if let Facts::Volume(facts) = &volume.facts
                    && facts.storage_class.as_ref() == Some(&class.name)
                {
                    visit(Item::Object(slot));
                }
            }
        }
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let (slot, object) = object_of(context, item, CLASS.0, CLASS.1)
            .or_else(|| object_of(context, item, VOLUME.0, VOLUME.1))?;
        let resource = reference(context.inventory, slot)?;
        let (rule, encryption) = match &object.facts {
            Facts::StorageClass(class) => ("UnencryptedStorageClass", of_class(class)),
            Facts::Volume(volume) => {
                ("UnencryptedVolume", of_volume(context.inventory, volume).with_claim(volume))
            }
            Facts::Malformed(text) => return Some(malformed(resource, text)),
            _ => return None,
        };
        let mut judgement = Judgement::default();
        match encryption {
            Encryption::On => {}
            Encryption::Off(why) => judgement.failing.push(finding(rule, resource, why)),
            Encryption::NotShown(why) => {
                judgement.unknown.push(finding("EncryptionNotShown", resource, why));
            }
        }
        Some(judgement)
    }
}

impl Encryption {
    /// Adds the claim that a volume serves, which is the name that its owner knows.
    fn with_claim(self, volume: &PersistentVolumeFacts) -> Self {
        let Some((namespace, name)) = &volume.claim else {
            return self;
        };
        let add = |why: String| format!("{why} (the volume of claim {namespace}/{name})");
        match self {
            Self::On => Self::On,
            Self::Off(why) => Self::Off(add(why)),
            Self::NotShown(why) => Self::NotShown(add(why)),
        }
    }
}

fn of_class(class: &StorageClassFacts) -> Encryption {
    match driver(&class.provisioner) {
        Some(driver) => driver.of_class(&class.parameters),
        None if &*class.provisioner == "kubernetes.io/no-provisioner" => Encryption::NotShown(
            "volumes of this class are made by hand, so the class says nothing about them: attest how their disks are encrypted".to_owned(),
        ),
        None => Encryption::NotShown(format!(
            "how the provisioner {} encrypts is not known here: attest it",
            class.provisioner
        )),
    }
}

/// Whether a volume is encrypted. What the driver copied into it proves most; next the class, if it is the
/// one that made it.
fn of_volume(inventory: &Inventory, volume: &PersistentVolumeFacts) -> Encryption {
    let none = Parameters::default();
    let (name, attributes) = match &volume.source {
        VolumeSource::Csi(csi) => (&*csi.driver, &csi.attributes),
        VolumeSource::InTree(field) => match in_tree_driver(field) {
            Some(driver) => (driver, &none),
            None => return on_a_node_or_elsewhere(field),
        },
        VolumeSource::Unknown => {
            return Encryption::NotShown("spec names no source that is known here".to_owned());
        }
    };
    let Some(driver) = driver(name) else {
        return Encryption::NotShown(format!(
            "how the driver {name} encrypts is not known here: attest it"
        ));
    };
    // Attributes of a volume that somebody wrote by hand are a claim, not what a driver did.
    let made = volume.provisioned_by.as_deref().is_some_and(|by| canonical(by) == canonical(name));
    if let Some(stated) = driver.of_attributes(attributes, made) {
        return stated;
    }
    match class_that_made(inventory, volume) {
        Ok(class) => driver.of_class(&class.parameters),
        Err(why) => Encryption::NotShown(format!(
            "{why}: recreate the volume from a class that encrypts, or attest it"
        )),
    }
}

/// Why it is not known which class made a volume.
#[derive(Debug, thiserror::Error)]
enum UnknownMaker {
    #[error(
        "no StorageClass made the volume, and the volume does not show whether it is encrypted"
    )]
    NoClass,
    #[error("the StorageClass {0} can't be read")]
    Malformed(Symbol),
    #[error("the StorageClass {0}, which made the volume, is gone")]
    Gone(Symbol),
    #[error("the volume names the StorageClass {0}, but was not made by its provisioner")]
    OtherProvisioner(Symbol),
    /// A class can't be changed, but it can be replaced by another of its name.
    #[error("the StorageClass {0} is younger than the volume, so another of that name made it")]
    Younger(Symbol),
    #[error(
        "metadata.creationTimestamp is missing, so it is not known whether the StorageClass {0} made the volume"
    )]
    NoTimestamp(Symbol),
}

/// The class that made a volume.
fn class_that_made<'a>(
    inventory: &'a Inventory,
    volume: &PersistentVolumeFacts,
) -> Result<&'a StorageClassFacts, UnknownMaker> {
    let Some(name) = &volume.storage_class else {
        return Err(UnknownMaker::NoClass);
    };
    let class = match inventory.lookup(CLASS.0, CLASS.1, "", name).map(|object| &object.facts) {
        Some(Facts::StorageClass(class)) => class,
        Some(_) => return Err(UnknownMaker::Malformed(name.clone())),
        None => return Err(UnknownMaker::Gone(name.clone())),
    };
    // Anybody may write the name of a class into a volume.
    let by = volume.provisioned_by.as_deref().map(canonical);
    if by != Some(canonical(&class.provisioner)) {
        return Err(UnknownMaker::OtherProvisioner(name.clone()));
    }
    // A class is immutable, so one that is older than the volume is the one that made it.
    match (class.created, volume.created) {
        (Some(class_created), Some(created)) if class_created <= created => Ok(class),
        (Some(_), Some(_)) => Err(UnknownMaker::Younger(name.clone())),
        _ => Err(UnknownMaker::NoTimestamp(name.clone())),
    }
}

/// The driver that serves a source built into Kubernetes; None for sources without one.
fn in_tree_driver(field: &str) -> Option<&'static str> {
    Some(match field {
        "awsElasticBlockStore" => "kubernetes.io/aws-ebs",
        "azureDisk" => "kubernetes.io/azure-disk",
        "azureFile" => "kubernetes.io/azure-file",
        "cinder" => "kubernetes.io/cinder",
        "gcePersistentDisk" => "kubernetes.io/gce-pd",
        "portworxVolume" => "kubernetes.io/portworx-volume",
        "vsphereVolume" => "kubernetes.io/vsphere-volume",
        _ => return None,
    })
}

fn on_a_node_or_elsewhere(field: &str) -> Encryption {
    Encryption::NotShown(match field {
        "hostPath" | "local" => format!(
            "the data is on a node ({field}), and whether the node's disk is encrypted is not visible: attest it"
        ),
        _ => format!(
            "the data is outside the cluster ({field}), and whether it is encrypted there is not visible: attest it"
        ),
    })
}
