//! Facts: what checks read of an object, and nothing else.
//!
//! An object is projected once, when it arrives, and dropped. Facts equal to the stored ones
//! change nothing, which filters out nearly all churn of a busy cluster.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    intern::{Interner, Symbol},
    network, rbac, records, storage,
    time::parse_time,
    workload,
};

/// The facts of one object. Boxed, since most of 50,000 objects are pods; shared where an index holds them too.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts {
    /// Known to exist; only CEL reads this kind.
    Exists,
    /// The object has not the shape of its kind; the text says where. Judged as unknown.
    Malformed(Box<str>),
    /// A namespace.
    Namespace(Box<NamespaceFacts>),
    /// A pod, or anything with a pod template.
    Workload(Box<workload::WorkloadFacts>),
    /// A service account.
    ServiceAccount(Box<rbac::ServiceAccountFacts>),
    /// A `Role` or `ClusterRole`.
    Role(Arc<rbac::RoleFacts>),
    /// A `RoleBinding` or `ClusterRoleBinding`.
    Binding(Arc<rbac::BindingFacts>),
    /// A `ResourceQuota`: that it is there.
    Quota,
    /// A `PersistentVolumeClaim`.
    Claim(Arc<storage::ClaimFacts>),
    /// A `PersistentVolume`.
    Volume(Box<storage::PersistentVolumeFacts>),
    /// A `StorageClass`.
    StorageClass(Box<storage::StorageClassFacts>),
    /// What carries traffic: Ingress, Gateway, routes, certificates, mesh policies.
    Network(Box<network::NetworkFacts>),
    /// Backups, snapshots, schedules, restores and where they are stored.
    Backup(Arc<super::backup::BackupFacts>),
    /// An `Attestation`.
    Attestation(Arc<records::AttestationFacts>),
}

/// Why an object could not be projected: the path and what is there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProjectionError(pub String);

impl From<serde_json::Error> for ProjectionError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads what a projection needs of an object. The error names the field: `spec.tls[0].hosts: ...`.
pub fn read<T: serde::de::DeserializeOwned>(object: &Value) -> Result<T, ProjectionError> {
    serde_path_to_error::deserialize(object).map_err(|error| ProjectionError(error.to_string()))
}

/// How long a text may be that identifies something, in bytes: names of people and images have no
/// limit of the API server's.
pub const MAX_TEXT: usize = 2048;

/// Refuses a text that is longer: shortened it could be taken for another.
pub fn bounded_text<'t>(
    at: &dyn std::fmt::Display,
    text: &'t str,
) -> Result<&'t str, ProjectionError> {
    if text.len() <= MAX_TEXT {
        return Ok(text);
    }
    let length = text.len();
    Err(ProjectionError(format!(
        "{at} has {length} bytes, and at most {MAX_TEXT} are looked at: write a shorter one"
    )))
}

/// Reads facts from one object of a kind.
pub type Project = fn(&Value, &Interner) -> Result<Facts, ProjectionError>;

/// A kind that has facts.
#[derive(Debug)]
pub struct Projection {
    /// API group.
    pub group: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Versions whose shape `project` understands, best first.
    pub versions: &'static [&'static str],
    /// The reader.
    pub project: Project,
}

/// Every kind that has facts; a new one is one line in its family's table.
pub fn projections() -> impl Iterator<Item = &'static Projection> {
    NAMESPACES
        .iter()
        .chain(workload::PROJECTIONS)
        .chain(rbac::PROJECTIONS)
        .chain(storage::PROJECTIONS)
        .chain(network::PROJECTIONS)
        .chain(super::backup::PROJECTIONS)
        .chain(super::backup::others::PROJECTIONS)
        .chain(records::PROJECTIONS)
}

/// The projection of a kind, where it has one.
pub fn projection(group: &str, kind: &str) -> Option<&'static Projection> {
    projections().find(|row| row.group == group && row.kind == kind)
}

/// Labels, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Box<[(Symbol, Symbol)]>);

impl Labels {
    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(known, _)| known.as_str().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value.as_str())
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = &(Symbol, Symbol)> {
        self.0.iter()
    }

    /// Interns a map of labels.
    pub fn intern(map: &std::collections::BTreeMap<String, String>, interner: &Interner) -> Self {
        Self(
            map.iter().map(|(key, value)| (interner.intern(key), interner.intern(value))).collect(),
        )
    }
}

/// A namespace: checks select by its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// All labels.
    pub labels: Labels,
    /// The mesh that its pods join.
    pub mesh: Option<network::MeshMembership>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// The part of `metadata` that projections read; `null` and absent are the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectMetadata {
    /// Name.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Written by the API server; tells an object from a later one of its name.
    pub uid: Option<String>,
    /// Labels.
    pub labels: Option<std::collections::BTreeMap<String, String>>,
    /// Annotations.
    pub annotations: Option<std::collections::BTreeMap<String, String>>,
    /// Owners.
    pub owner_references: Option<Vec<OwnerReference>>,
    /// RFC 3339.
    pub creation_timestamp: Option<String>,
    /// RFC 3339; set while the object is being deleted.
    pub deletion_timestamp: Option<String>,
}

impl ObjectMetadata {
    /// The owner that controls the object.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
    }

    /// When the object was made; absent in a manifest that was never applied.
    pub fn created(&self) -> Result<Option<Timestamp>, ProjectionError> {
        parse_time("metadata.creationTimestamp", self.creation_timestamp.as_deref())
    }

    /// The labels, interned.
    pub fn interned_labels(&self, interner: &Interner) -> Labels {
        self.labels.as_ref().map_or_else(Labels::default, |map| Labels::intern(map, interner))
    }
}

/// One owner reference.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    /// `apps/v1`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Whether this owner manages the object.
    pub controller: Option<bool>,
}

/// An object with only its metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MetadataOnly {
    /// Its metadata.
    pub metadata: ObjectMetadata,
}

const NAMESPACES: &[Projection] =
    &[Projection { group: "", kind: "Namespace", versions: &["v1"], project: project_namespace }];

fn project_namespace(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let object = MetadataOnly::deserialize(object)?;
    Ok(Facts::Namespace(Box::new(NamespaceFacts {
        labels: object.metadata.interned_labels(interner),
        mesh: network::MeshMembership::of_namespace(&object.metadata),
        created: object.metadata.created()?,
    })))
}
