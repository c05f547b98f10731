//! Copies that Velero made of single volumes: `PodVolumeBackup` (`velero.io/v1`) has the files of a volume
//! that a pod mounts, `DataUpload` (`velero.io/v2alpha1`) a CSI snapshot that was moved.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackupFacts, RunOutcome, backup_facts, parse_time};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

/// Labels and annotations that Velero writes.
const BACKUP: &str = "velero.io/backup-name";
const CLAIM_UID: &str = "velero.io/pvc-uid";
const CLAIM_NAME: &str = "velero.io/pvc-name";

/// What checks read of a copy of one volume, which is part of a Backup in its namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VeleroVolumeCopy {
    /// The name of the Backup.
    pub backup: Symbol,
    /// The namespace of the claim.
    pub namespace: Symbol,
    /// The name of the claim. None if the copy does not say.
    pub claim: Option<Symbol>,
    /// The uid of the claim, since names are reused. None if the copy does not say.
    pub uid: Option<Symbol>,
    /// How it ended, and when.
    pub outcome: RunOutcome,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CopyObject {
    metadata: ObjectMetadata,
    spec: CopySpec,
    status: Option<CopyStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CopySpec {
    pod: Option<Pod>,
    tags: Option<std::collections::BTreeMap<String, String>>,
    #[serde(rename = "sourcePVC")]
    source_pvc: Option<String>,
    source_namespace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    namespace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CopyStatus {
    phase: Option<String>,
    completion_timestamp: Option<String>,
}

/// Projects a `PodVolumeBackup` or a `DataUpload`.
pub fn project(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let CopyObject { metadata, spec, status } = CopyObject::deserialize(object)?;
    let label = |key| metadata.labels.as_ref().and_then(|labels| labels.get(key));
    let tag = |key| spec.tags.as_ref().and_then(|tags| tags.get(key));
    let annotated = metadata.annotations.as_ref().and_then(|map| map.get(CLAIM_NAME));
    let name = |text: Option<&String>| {
        text.filter(|text| !text.is_empty()).map(|text| interner.intern(text))
    };
    let pod = spec.pod.as_ref().and_then(|pod| pod.namespace.as_ref());
    // A DataUpload has the namespace, a PodVolumeBackup that of its pod, early ones only a tag.
    let namespace = spec.source_namespace.as_ref().or(pod).or(tag("ns"));
    Ok(backup_facts(BackupFacts::VeleroCopy(VeleroVolumeCopy {
        backup: name(label(BACKUP).or(tag("backup"))).unwrap_or_else(|| interner.intern("")),
        namespace: interner.intern(namespace.map_or("", String::as_str)),
        // By name where it is given; the uid below tells claims of one name apart.
        claim: name(spec.source_pvc.as_ref().or(annotated)),
        uid: name(label(CLAIM_UID).or(tag("pvc-uid"))),
        outcome: outcome(metadata.deletion_timestamp.is_some(), &status.unwrap_or_default())?,
    })))
}

fn outcome(deleted: bool, status: &CopyStatus) -> Result<RunOutcome, ProjectionError> {
    let completed =
        parse_time("status.completionTimestamp", status.completion_timestamp.as_deref())?;
    Ok(match (status.phase.as_deref(), completed) {
        _ if deleted => RunOutcome::Failed,
        (Some("Completed"), Some(at)) => RunOutcome::Succeeded(at),
        (Some("Failed" | "Canceling" | "Canceled"), _) => RunOutcome::Failed,
        _ => RunOutcome::Unfinished,
    })
}
