//! Facts: what checks read of an object, and nothing else.
//!
//! An object is projected once, when it arrives, and dropped. Facts equal to the stored ones
//! change nothing, which filters out nearly all churn of a busy cluster.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    intern::{Interner, Symbol},
    network, people, rbac, records, storage,
    time::parse_time,
    workload,
};

/// The facts of one object. Boxed, since of 50,000 objects most are pods and the enum is as large as its
/// largest variant; shared where an index holds the same facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Facts {
    /// The object exists, and no projection reads more: only CEL judges its kind.
    Exists,
    /// The object does not have the form of its kind; the text says where. Judged as unknown.
    Malformed(Box<str>),
    Namespace(Box<NamespaceFacts>),
    /// A pod, or anything with a pod template.
    Workload(Box<workload::WorkloadFacts>),
    ServiceAccount(Box<rbac::ServiceAccountFacts>),
    /// A `Role` or `ClusterRole`.
    Role(Arc<rbac::RoleFacts>),
    /// A `RoleBinding` or `ClusterRoleBinding`.
    Binding(Arc<rbac::BindingFacts>),
    /// A `ResourceQuota` exists; what it limits is not read.
    Quota,
    Claim(Arc<storage::ClaimFacts>),
    Volume(Box<storage::PersistentVolumeFacts>),
    StorageClass(Box<storage::StorageClassFacts>),
    /// What carries traffic: Ingress, Gateway, routes, certificates, mesh policies.
    Network(Box<network::NetworkFacts>),
    /// Backups, snapshots, schedules, restores and where they are stored.
    Backup(Arc<super::backup::BackupFacts>),
    Attestation(Arc<records::AttestationFacts>),
    Person(Arc<people::PersonFacts>),
    /// A policy that this version ships, or its binding.
    Guard(Box<super::guards::GuardFacts>),
}

/// Why an object could not be projected: a sentence with the path of the field and what is there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProjectionError(pub String);

impl From<serde_json::Error> for ProjectionError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads what a projection needs of an object. The error has the path of the field, such as
/// `spec.tls[0].hosts: ...`.
pub fn read<T: serde::de::DeserializeOwned>(object: &Value) -> Result<T, ProjectionError> {
    serde_path_to_error::deserialize(object).map_err(|error| ProjectionError(error.to_string()))
}

/// The longest text that identifies something, in bytes. The API server sets no limit to names of people
/// and images.
pub const MAX_TEXT: usize = 2048;

/// Refuses a text longer than [`MAX_TEXT`]: if it were cut, it could be taken for another.
pub fn bounded_text<'t>(
    at: &dyn std::fmt::Display,
    text: &'t str,
) -> Result<&'t str, ProjectionError> {
    if text.len() <= MAX_TEXT {
        return Ok(text);
    }
    let length = text.len();
    Err(ProjectionError(format!(
        "{at} has {length} bytes, more than the {MAX_TEXT} that are supported: write a shorter one"
    )))
}

/// Reads the facts of one object of a kind. Pure: equal objects give equal facts.
pub type Project = fn(&Value, &Interner) -> Result<Facts, ProjectionError>;

/// A kind with facts, and what reads them.
#[derive(Debug)]
pub struct Projection {
    /// API group; empty for the core group.
    pub group: &'static str,
    pub kind: &'static str,
    /// The versions that `project` can read, best first.
    pub versions: &'static [&'static str],
    /// Reads an object of any of these versions.
    pub project: Project,
}

/// Every kind with facts. A new one is one line in the table of its family.
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
        .chain(people::PROJECTIONS)
        .chain(super::guards::PROJECTIONS)
}

/// The projection of a kind. None for a kind that only CEL judges.
pub fn projection(group: &str, kind: &str) -> Option<&'static Projection> {
    projections().find(|row| row.group == group && row.kind == kind)
}

/// Labels, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Labels(Box<[(Symbol, Symbol)]>);

impl Labels {
    /// The value of a label. None if the label is absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        // Sorted by key, since the map that they come from is.
        let at = self.0.binary_search_by(|(known, _)| known.as_str().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value.as_str())
    }

    /// All labels, by key.
    pub fn iter(&self) -> impl Iterator<Item = &(Symbol, Symbol)> {
        self.0.iter()
    }

    /// Labels with interned keys and values, since both repeat over thousands of objects.
    pub fn intern(map: &std::collections::BTreeMap<String, String>, interner: &Interner) -> Self {
        Self(
            map.iter().map(|(key, value)| (interner.intern(key), interner.intern(value))).collect(),
        )
    }
}

/// A namespace. Scopes select by its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceFacts {
    /// All labels: controls select by any of them.
    pub labels: Labels,
    /// The mesh that its pods join. None if they join none.
    pub mesh: Option<network::MeshMembership>,
    /// When it was created. None in a manifest that was never applied.
    pub created: Option<Timestamp>,
}

/// The part of `metadata` that projections read; `null` and absent are the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectMetadata {
    pub name: Option<String>,
    pub namespace: Option<String>,
    /// Set by the API server; distinguishes an object from a later one with the same name.
    pub uid: Option<String>,
    pub labels: Option<std::collections::BTreeMap<String, String>>,
    pub annotations: Option<std::collections::BTreeMap<String, String>>,
    pub owner_references: Option<Vec<OwnerReference>>,
    /// In RFC 3339 form.
    pub creation_timestamp: Option<String>,
    /// In RFC 3339 form; set while the object is being deleted.
    pub deletion_timestamp: Option<String>,
}

impl ObjectMetadata {
    /// The owner that controls the object. None if no owner does.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
    }

    /// When the object was created. None in a manifest that was never applied.
    pub fn created(&self) -> Result<Option<Timestamp>, ProjectionError> {
        parse_time("metadata.creationTimestamp", self.creation_timestamp.as_deref())
    }

    /// The labels as facts keep them.
    pub fn interned_labels(&self, interner: &Interner) -> Labels {
        self.labels.as_ref().map_or_else(Labels::default, |map| Labels::intern(map, interner))
    }
}

/// An entry of `metadata.ownerReferences`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version, such as `apps/v1`.
    pub api_version: String,
    pub kind: String,
    pub name: String,
    /// Empty in a manifest.
    pub uid: String,
    /// Whether this owner manages the object. Absent means false.
    pub controller: Option<bool>,
}

/// An object of any kind, of which only the metadata is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MetadataOnly {
    pub metadata: ObjectMetadata,
}

const NAMESPACES: &[Projection] =
    &[Projection { group: "", kind: "Namespace", versions: &["v1"], project: project_namespace }];

fn project_namespace(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    // The spec and the status of a namespace say nothing that a check reads.
    let object = MetadataOnly::deserialize(object)?;
    Ok(Facts::Namespace(Box::new(NamespaceFacts {
        labels: object.metadata.interned_labels(interner),
        mesh: network::MeshMembership::of_namespace(&object.metadata),
        created: object.metadata.created()?,
    })))
}
