//! `CloudNativePG` (`postgresql.cnpg.io/v1`) and its object store plugin (`barmancloud.cnpg.io/v1`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackupFacts, RunOutcome, backup_facts, parse_time};
use crate::inventory::{
    facts::{Facts, Labels, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

/// The label that `CloudNativePG` puts on the claims of a cluster.
pub const CLUSTER_LABEL: &str = "cnpg.io/cluster";
/// The plugin that keeps backups in object stores.
const BARMAN_PLUGIN: &str = "barman-cloud.cloudnative-pg.io";

/// What checks read of a Cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CnpgCluster {
    /// All labels: controls select by them.
    pub labels: Labels,
    /// When it was created: an earlier backup is of another cluster with its name. None in a manifest.
    pub created: Option<Timestamp>,
    /// The server name under which its backups are stored.
    pub server: Symbol,
    /// The `ObjectStore` that its plugin uses, in its namespace. None without a plugin.
    pub store: Option<Symbol>,
    /// `status.lastSuccessfulBackup`. None if a plugin makes the backups: the field is deprecated, and stale
    /// from then on.
    pub last_success: Option<Timestamp>,
    /// The backup that it was recovered from. None if it was not, or is not ready yet.
    pub recovered: Option<CnpgRecovery>,
}

/// The recovery of a cluster that started from a backup and became ready: a restore that worked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CnpgRecovery {
    /// The backup that it was recovered from.
    pub source: RecoverySource,
    /// When the cluster was created.
    pub at: Timestamp,
}

/// What a cluster was recovered from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RecoverySource {
    /// A Backup object in its namespace.
    Backup(Symbol),
    /// The backups that are stored under this server name.
    Server(Symbol),
}

/// What checks read of a Backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CnpgBackup {
    /// The name of the cluster that is backed up, in its namespace.
    pub cluster: Symbol,
    /// How it ended, and when.
    pub outcome: RunOutcome,
}

/// What checks read of a `ScheduledBackup`. Its schedule, which has six fields with seconds first, is not
/// evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CnpgScheduledBackup {
    /// The name of the cluster that is backed up, in its namespace.
    pub cluster: Symbol,
    /// Whether it makes no backups at present (`spec.suspend`).
    pub suspended: bool,
}

/// What checks read of an `ObjectStore`: the newest backup that it has of each server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CnpgObjectStore {
    /// Server name, and when its newest backup succeeded.
    pub newest: Box<[(Symbol, Timestamp)]>,
}

impl CnpgObjectStore {
    /// When the newest backup of a server succeeded. None if it has none.
    pub fn newest(&self, server: &str) -> Option<Timestamp> {
        self.newest.iter().find(|(known, _)| **known == *server).map(|(_, at)| *at)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ClusterObject {
    metadata: ObjectMetadata,
    spec: ClusterSpec,
    status: Option<ClusterStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClusterSpec {
    backup: Option<BackupConfiguration>,
    bootstrap: Option<Bootstrap>,
    external_clusters: Option<Vec<ExternalCluster>>,
    plugins: Option<Vec<Plugin>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BackupConfiguration {
    barman_object_store: Option<BarmanObjectStore>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BarmanObjectStore {
    server_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Bootstrap {
    recovery: Option<BootstrapRecovery>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BootstrapRecovery {
    backup: Option<CnpgReference>,
    source: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CnpgReference {
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExternalCluster {
    name: String,
    barman_object_store: Option<BarmanObjectStore>,
    plugin: Option<Plugin>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Plugin {
    name: String,
    enabled: Option<bool>,
    parameters: Option<BTreeMap<String, String>>,
}

impl Plugin {
    fn keeps_backups(&self) -> bool {
        self.enabled != Some(false) && self.name == BARMAN_PLUGIN
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.parameters.as_ref()?.get(name)?;
        (!value.is_empty()).then_some(value)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClusterStatus {
    last_successful_backup: Option<String>,
    conditions: Option<Vec<CnpgCondition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CnpgCondition {
    r#type: String,
    status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CnpgBackupObject {
    metadata: ObjectMetadata,
    spec: CnpgBackupSpec,
    status: Option<CnpgBackupStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CnpgBackupSpec {
    cluster: CnpgReference,
    suspend: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CnpgBackupStatus {
    phase: Option<String>,
    stopped_at: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StoreObject {
    status: Option<StoreStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StoreStatus {
    server_recovery_window: Option<BTreeMap<String, RecoveryWindow>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RecoveryWindow {
    last_successful_backup_time: Option<String>,
    /// Early releases of the plugin write only this spelling, later ones both.
    #[serde(rename = "lastSuccussfulBackupTime")]
    misspelt: Option<String>,
}

pub fn project_cluster(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let ClusterObject { metadata, spec, status } = ClusterObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let plugin = spec.plugins.iter().flatten().find(|plugin| plugin.keeps_backups());
    let in_tree = spec.backup.as_ref().and_then(|backup| backup.barman_object_store.as_ref());
    // A plugin replaces the object store in the spec, and without either the name is that of the cluster.
    let server = plugin
        .and_then(|plugin| plugin.parameter("serverName"))
        .or_else(|| in_tree.and_then(|store| store.server_name.as_deref()))
        .or(metadata.name.as_deref());
    let deprecated =
        parse_time("status.lastSuccessfulBackup", status.last_successful_backup.as_deref())?;
    Ok(backup_facts(BackupFacts::CnpgCluster(Box::new(CnpgCluster {
        labels: metadata.interned_labels(interner),
        created: parse_time("metadata.creationTimestamp", metadata.creation_timestamp.as_deref())?,
        server: interner.intern(server.unwrap_or_default()),
        store: plugin
            .and_then(|plugin| plugin.parameter("barmanObjectName"))
            .map(|name| interner.intern(name)),
        last_success: deprecated.filter(|_| plugin.is_none()),
        recovered: recovery(&metadata, &spec, &status, interner)?,
    }))))
}

fn recovery(
    metadata: &ObjectMetadata,
    spec: &ClusterSpec,
    status: &ClusterStatus,
    interner: &Interner,
) -> Result<Option<CnpgRecovery>, ProjectionError> {
    // A cluster that started from a backup and never became ready has restored nothing.
    let ready = status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.r#type == "Ready" && condition.status == "True");
    let recovery = spec.bootstrap.as_ref().and_then(|bootstrap| bootstrap.recovery.as_ref());
    let source = recovery.filter(|_| ready).and_then(|recovery| {
        let backup = recovery.backup.as_ref();
        match backup.and_then(|backup| backup.name.as_deref()) {
            Some(name) => Some(RecoverySource::Backup(interner.intern(name))),
            None => recovery
                .source
                .as_deref()
                .map(|source| RecoverySource::Server(interner.intern(server_of(spec, source)))),
        }
    });
    let created = parse_time("metadata.creationTimestamp", metadata.creation_timestamp.as_deref())?;
    Ok(source.zip(created).map(|(source, at)| CnpgRecovery { source, at }))
}

/// The server name of an external cluster: the one that it gives, or else its own name.
fn server_of<'a>(spec: &'a ClusterSpec, source: &'a str) -> &'a str {
    let external = spec.external_clusters.iter().flatten().find(|external| external.name == source);
    external
        .and_then(|external| {
            let in_tree = external.barman_object_store.as_ref();
            let plugin = external.plugin.as_ref();
            plugin
                .and_then(|plugin| plugin.parameter("serverName"))
                .or_else(|| in_tree.and_then(|store| store.server_name.as_deref()))
        })
        .unwrap_or(source)
}

pub fn project_backup(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let CnpgBackupObject { metadata, spec, status } = CnpgBackupObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let stopped = parse_time("status.stoppedAt", status.stopped_at.as_deref())?;
    let outcome = match (status.phase.as_deref(), stopped) {
        // Deleting the object deletes the backup, so it must not count while that is under way.
        _ if metadata.deletion_timestamp.is_some() => RunOutcome::Failed,
        (Some("completed"), Some(at)) => RunOutcome::Succeeded(at),
        (Some("failed" | "walArchivingFailing" | "invalid backup definition"), _) => {
            RunOutcome::Failed
        }
        _ => RunOutcome::Unfinished,
    };
    Ok(backup_facts(BackupFacts::CnpgBackup(CnpgBackup {
        cluster: interner.intern(spec.cluster.name.as_deref().unwrap_or_default()),
        outcome,
    })))
}

pub fn project_scheduled_backup(
    object: &Value,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    let spec = CnpgBackupObject::deserialize(object)?.spec;
    Ok(backup_facts(BackupFacts::CnpgScheduledBackup(CnpgScheduledBackup {
        cluster: interner.intern(spec.cluster.name.as_deref().unwrap_or_default()),
        suspended: spec.suspend == Some(true),
    })))
}

pub fn project_object_store(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let status = StoreObject::deserialize(object)?.status.unwrap_or_default();
    let mut newest = Vec::new();
    for (server, window) in status.server_recovery_window.iter().flatten() {
        // The right spelling first: an old object may keep both after an upgrade.
        let text = window.last_successful_backup_time.as_deref().or(window.misspelt.as_deref());
        if let Some(at) = parse_time("status.serverRecoveryWindow", text)? {
            newest.push((interner.intern(server), at));
        }
    }
    Ok(backup_facts(BackupFacts::CnpgObjectStore(CnpgObjectStore { newest: newest.into() })))
}
