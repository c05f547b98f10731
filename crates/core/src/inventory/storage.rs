//! Persistent volume claims, volumes and storage classes.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    backup::k8up::K8upIntent,
    facts::{Facts, Labels, ObjectMetadata, Projection, ProjectionError, read},
    intern::{Interner, Symbol},
    known_word::{KnownWord, from_table},
};

/// What checks read of a `PersistentVolumeClaim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimFacts {
    /// All labels: backups select by them.
    pub labels: Labels,
    /// `spec.storageClassName`. Empty asks for a volume without a class; None for the default class.
    pub storage_class: Option<Symbol>,
    /// `spec.volumeName`: the volume that the claim is bound to. None until it is.
    pub volume: Option<Symbol>,
    /// Whether `status.phase` is `Bound`: the claim has a volume, and data may be on it.
    pub bound: bool,
    /// `metadata.uid`. None in a manifest that was never applied.
    pub uid: Option<Symbol>,
    /// When it was created. None in a manifest that was never applied.
    pub created: Option<Timestamp>,
    /// Whether K8up is to back it up, by its annotation and access modes.
    pub k8up: K8upIntent,
}

/// What checks read of a `PersistentVolume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersistentVolumeFacts {
    /// `spec.storageClassName`. None if no class made it: absent and empty mean the same here.
    pub storage_class: Option<Symbol>,
    /// Where its data is stored.
    pub source: VolumeSource,
    /// Namespace and name of the claim that it is bound to, or reserved for. None if there is none.
    pub claim: Option<(Symbol, Symbol)>,
    /// The provisioner that made it (`pv.kubernetes.io/provisioned-by`). None if a person did.
    pub provisioned_by: Option<Symbol>,
    /// When it was created. None in a manifest that was never applied.
    pub created: Option<Timestamp>,
}

/// Where the data of a volume is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeSource {
    /// A CSI driver's volume.
    Csi(CsiSource),
    /// A source built into Kubernetes, by its field in `spec`: `hostPath`, `local`, `nfs`.
    InTree(#[serde(deserialize_with = "in_tree")] KnownWord),
    /// No source that is known here.
    Unknown,
}

/// `spec.csi` of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsiSource {
    /// The name of the CSI driver, such as `ebs.csi.aws.com`.
    pub driver: Symbol,
    /// The name that the driver gave the volume.
    pub handle: Symbol,
    /// The parameters about encryption that the driver copied from the class.
    pub attributes: Parameters,
}

/// What checks read of a `StorageClass`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageClassFacts {
    /// What makes the volumes: the name of a CSI driver, or `kubernetes.io/...`.
    pub provisioner: Symbol,
    /// The parameters about encryption. They cannot change (storage.k8s.io/v1), but a class may be deleted
    /// and recreated with others.
    pub parameters: Parameters,
    /// When it was created. None in a manifest that was never applied.
    pub created: Option<Timestamp>,
}

/// Parameters about encryption, as they are written: some drivers ignore the case of a name, and some
/// don't. All others are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters(Box<[(Symbol, Symbol)]>);

/// The names of parameters that drivers read, in lower case.
const PARAMETER_KEYS: &[&str] = &[
    "encrypted",
    "kmskeyid",
    "linodebs.csi.linode.com/encrypted",
    "linodebs.csi.linode.com/luks-encrypted",
    PASSPHRASE,
    "secure",
];

/// A secret in a class: only that it is there is kept, not its value.
const PASSPHRASE: &str = "passphrase";

impl Parameters {
    /// The value of the parameter with exactly this name. None if it is absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.as_str() == key).map(|(_, value)| value.as_str())
    }

    /// Name and value of each parameter of this name in any case.
    pub fn any_case<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(key))
            .map(|(known, value)| (known.as_str(), value.as_str()))
    }

    fn project(map: Option<&TextMap>, interner: &Interner) -> Self {
        // Anything else may be a secret, and no check reads it.
        let known = |(key, value): (&String, &Option<String>)| {
            let lower = key.to_ascii_lowercase();
            PARAMETER_KEYS.contains(&lower.as_str()).then(|| {
                let value = match value.as_deref().unwrap_or_default() {
                    // The status and the log must never show it.
                    secret if lower == PASSPHRASE && !secret.is_empty() => "(hidden)",
                    value => value,
                };
                (interner.intern(key), interner.intern(value))
            })
        };
        Self(map.into_iter().flatten().filter_map(known).collect())
    }
}

/// A map of texts, in which the API server takes `null` for the empty text.
type TextMap = BTreeMap<String, Option<String>>;

/// The kinds of storage that have facts.
pub const PROJECTIONS: &[Projection] = &[
    Projection {
        group: "",
        kind: "PersistentVolumeClaim",
        versions: &["v1"],
        project: project_claim,
    },
    Projection { group: "", kind: "PersistentVolume", versions: &["v1"], project: project_volume },
    Projection {
        group: "storage.k8s.io",
        kind: "StorageClass",
        versions: &["v1"],
        project: project_class,
    },
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ClaimObject {
    metadata: ObjectMetadata,
    spec: Option<ClaimSpec>,
    status: Option<ClaimStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimSpec {
    storage_class_name: Option<String>,
    volume_name: Option<String>,
    access_modes: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ClaimStatus {
    phase: Option<String>,
}

fn project_claim(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let claim = read::<ClaimObject>(object)?;
    let spec = claim.spec.unwrap_or_default();
    let phase = claim.status.unwrap_or_default().phase;
    Ok(Facts::Claim(Arc::new(ClaimFacts {
        labels: claim.metadata.interned_labels(interner),
        storage_class: spec.storage_class_name.map(|name| interner.intern(&name)),
        volume: named(spec.volume_name, interner),
        bound: phase.as_deref() == Some("Bound"),
        k8up: K8upIntent::of_claim(&claim.metadata, spec.access_modes.as_deref()),
        created: claim.metadata.created()?,
        uid: named(claim.metadata.uid, interner),
    })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PersistentVolumeObject {
    metadata: ObjectMetadata,
    spec: Option<VolumeSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeSpec {
    storage_class_name: Option<String>,
    claim_ref: Option<ClaimRef>,
    csi: Option<Csi>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ClaimRef {
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Csi {
    driver: String,
    volume_handle: String,
    volume_attributes: Option<TextMap>,
}

/// Fields of `PersistentVolumeSpec` that name a source other than CSI (core/v1).
const IN_TREE_SOURCES: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

fn project_volume(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let volume = read::<PersistentVolumeObject>(object)?;
    let provisioner = volume
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get("pv.kubernetes.io/provisioned-by"));
    let spec = volume.spec.unwrap_or_default();
    // A claimRef may be there before the claim is: then it reserves the volume.
    let claim = spec.claim_ref.unwrap_or_default();
    Ok(Facts::Volume(Box::new(PersistentVolumeFacts {
        storage_class: named(spec.storage_class_name, interner),
        source: match spec.csi {
            Some(csi) => VolumeSource::Csi(CsiSource {
                driver: interner.intern(&csi.driver),
                handle: interner.intern(&csi.volume_handle),
                attributes: Parameters::project(csi.volume_attributes.as_ref(), interner),
            }),
            None => in_tree_source(object),
        },
        claim: named(claim.namespace, interner).zip(named(claim.name, interner)),
        provisioned_by: named(provisioner.cloned(), interner),
        created: volume.metadata.created()?,
    })))
}

fn in_tree<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KnownWord, D::Error> {
    from_table(deserializer, IN_TREE_SOURCES)
}

fn in_tree_source(object: &Value) -> VolumeSource {
    IN_TREE_SOURCES
        .iter()
        // A volume has one source; the API server refuses several.
        .find(|field| !object["spec"][**field].is_null())
        .map_or(VolumeSource::Unknown, |field| VolumeSource::InTree(field))
}

#[derive(Debug, Deserialize)]
struct Class {
    #[serde(default)]
    metadata: ObjectMetadata,
    provisioner: String,
    parameters: Option<TextMap>,
}

fn project_class(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let class = read::<Class>(object)?;
    Ok(Facts::StorageClass(Box::new(StorageClassFacts {
        provisioner: interner.intern(&class.provisioner),
        parameters: Parameters::project(class.parameters.as_ref(), interner),
        created: class.metadata.created()?,
    })))
}

/// The name in a reference. None if it is absent or empty, which mean the same in the API.
fn named(name: Option<String>, interner: &Interner) -> Option<Symbol> {
    name.filter(|name| !name.is_empty()).map(|name| interner.intern(&name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn project(kind: &str, object: &Value) -> Result<Facts, ProjectionError> {
        let row = PROJECTIONS.iter().find(|row| row.kind == kind).unwrap();
        (row.project)(object, &Interner::default())
    }

    #[test]
    fn a_claim_keeps_its_labels_class_and_volume() {
        let object = json!({
            "metadata": {"name": "data", "namespace": "prod", "labels": {"app": "db"}},
            "spec": {"storageClassName": "", "volumeName": "pv-1"},
            "status": {"phase": "Bound"},
        });
        let Facts::Claim(claim) = project("PersistentVolumeClaim", &object).unwrap() else {
            panic!("not a claim");
        };
        assert_eq!(claim.labels.get("app"), Some("db"));
        assert_eq!(claim.storage_class.as_deref(), Some(""));
        assert_eq!(claim.volume.as_deref(), Some("pv-1"));
        assert!(claim.bound);

        let pending =
            json!({"metadata": {"name": "data"}, "spec": {"volumeName": ""}, "status": null});
        let Facts::Claim(claim) = project("PersistentVolumeClaim", &pending).unwrap() else {
            panic!("not a claim");
        };
        assert_eq!((claim.storage_class.as_deref(), claim.volume.as_deref()), (None, None));
        assert!(!claim.bound);
    }

    #[test]
    fn a_volume_keeps_its_source_and_claim() {
        let source = |spec: Value| match project("PersistentVolume", &json!({"spec": spec})) {
            Ok(Facts::Volume(volume)) => volume.source,
            other => panic!("{other:?}"),
        };
        let csi = json!({"csi": {
            "driver": "rbd.csi.ceph.com",
            "volumeHandle": "0001",
            "volumeAttributes": {"encrypted": "true", "pool": "replicapool"},
        }});
        let VolumeSource::Csi(csi) = source(csi) else {
            panic!("not CSI");
        };
        assert_eq!((&*csi.driver, &*csi.handle), ("rbd.csi.ceph.com", "0001"));
        assert_eq!(csi.attributes.get("encrypted"), Some("true"));
        assert_eq!(csi.attributes.get("pool"), None);
        let host_path = json!({"hostPath": {"path": "/data"}, "nfs": null});
        assert_eq!(source(host_path), VolumeSource::InTree("hostPath"));
        assert_eq!(source(json!({})), VolumeSource::Unknown);
    }

    #[test]
    fn a_class_keeps_only_what_speaks_of_encryption() {
        let object = json!({
            "provisioner": "ebs.csi.aws.com",
            "parameters": {
                "type": "gp3", "kmsKeyId": "alias/data", "ENCRYPTED": "true", "secure": null,
                "passphrase": "correct horse",
            },
        });
        let Facts::StorageClass(class) = project("StorageClass", &object).unwrap() else {
            panic!("not a class");
        };
        let parameters = &class.parameters;
        assert_eq!(parameters.get("encrypted"), None);
        assert_eq!(parameters.any_case("encrypted").collect::<Vec<_>>(), [("ENCRYPTED", "true")]);
        assert_eq!(parameters.get("kmsKeyId"), Some("alias/data"));
        assert_eq!(parameters.get("secure"), Some(""));
        assert_eq!(parameters.get("type"), None);
        assert!(!format!("{class:?}").contains("horse"));
    }

    #[test]
    fn wrong_shapes_are_errors() {
        for (kind, object) in [
            ("PersistentVolumeClaim", json!({"spec": {"storageClassName": 3}})),
            ("PersistentVolume", json!({"spec": {"csi": {"driver": "x"}}})),
            ("PersistentVolume", json!({"spec": 3})),
            ("StorageClass", json!({"provisioner": "x", "parameters": {"encrypted": true}})),
            ("StorageClass", json!({"parameters": {}})),
        ] {
            assert!(project(kind, &object).is_err(), "{kind} {object}");
        }
    }
}
