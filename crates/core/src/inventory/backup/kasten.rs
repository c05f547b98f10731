//! Kasten K10: policies (`config.kio.kasten.io`), and what they did in the namespace of an
//! application (`actions.kio.kasten.io`, `apps.kio.kasten.io`).

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackupFacts, RunOutcome, backup_facts, parse_time, selectors::Selectors};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

/// Labels that a policy can select by in addition to those of the namespace. Their value is the name of the
/// namespace.
pub const NAMESPACE_LABELS: [&str; 2] = ["k10.kasten.io/appNamespace", "k10.kasten.io/appName"];

/// What checks read of a Policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KastenPolicy {
    /// The namespaces that it covers. None if it selects none.
    pub namespaces: Option<Selectors>,
    /// Whether it makes backups.
    pub backup: bool,
    /// Whether it runs by itself, and not only on demand.
    pub scheduled: bool,
    /// Whether it does not run at present (`spec.paused`).
    pub paused: bool,
}

/// What checks read of a `BackupAction`: a namespace was backed up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KastenBackup {
    /// The namespace of the application.
    pub namespace: Symbol,
    /// The `RestorePoint` that it made there. None if it made none yet.
    pub restore_point: Option<Symbol>,
    /// When it began (`status.startTime`). None before that.
    pub began: Option<Timestamp>,
    /// Whether it took only some of the namespace, or went on after a volume failed.
    pub partial: bool,
    /// How it ended, and when.
    pub outcome: RunOutcome,
}

/// What checks read of a `RestoreAction`: a `RestorePoint` of a namespace was restored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KastenRestore {
    /// The namespace that was backed up in the `RestorePoint`.
    pub namespace: Symbol,
    /// How it ended, and when.
    pub outcome: RunOutcome,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PolicyObject {
    spec: PolicySpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PolicySpec {
    frequency: Option<String>,
    preset_ref: Option<Value>,
    paused: Option<bool>,
    actions: Option<Vec<PolicyAction>>,
    selector: Option<LabelSelector>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PolicyAction {
    action: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ActionObject {
    metadata: ObjectMetadata,
    spec: ActionSpec,
    status: Option<ActionStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ActionSpec {
    subject: KastenSubject,
    filters: Option<Value>,
    ignore_exceptions: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KastenSubject {
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ActionStatus {
    state: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    restore_point: Option<KastenSubject>,
}

pub fn project_policy(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    let spec = PolicyObject::deserialize(object)?.spec;
    // Such a policy runs only when somebody asks.
    let on_demand = spec.frequency.as_deref() == Some("@onDemand");
    let namespaces = spec.selector.as_ref();
    Ok(backup_facts(BackupFacts::KastenPolicy(KastenPolicy {
        namespaces: namespaces
            .map(|selector| Selectors::compile(std::iter::once(selector)))
            .transpose()?,
        backup: spec.actions.iter().flatten().any(|action| action.action == "backup"),
        scheduled: !on_demand && (spec.frequency.is_some() || spec.preset_ref.is_some()),
        paused: spec.paused == Some(true),
    })))
}

pub fn project_backup(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let ActionObject { metadata, spec, status } = ActionObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let outcome = outcome(&metadata, &status)?;
    let point = status.restore_point.and_then(|point| point.name);
    let filtered = spec.filters.as_ref().and_then(Value::as_object);
    Ok(backup_facts(BackupFacts::KastenBackup(KastenBackup {
        namespace: namespace(&metadata, &spec.subject, interner),
        restore_point: point.filter(|name| !name.is_empty()).map(|name| interner.intern(&name)),
        began: parse_time("status.startTime", status.start_time.as_deref())?,
        // An action that went on after errors, or took a part, does not show which volumes it has.
        partial: spec.ignore_exceptions == Some(true)
            || filtered.is_some_and(|filters| !filters.is_empty()),
        outcome,
    })))
}

pub fn project_restore(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let ActionObject { metadata, spec, status } = ActionObject::deserialize(object)?;
    Ok(backup_facts(BackupFacts::KastenRestore(KastenRestore {
        namespace: namespace(&metadata, &spec.subject, interner),
        outcome: outcome(&metadata, &status.unwrap_or_default())?,
    })))
}

/// Projects a `RestorePoint`, of which only the existence counts.
#[allow(clippy::unnecessary_wraps, reason = "every projection has this type")]
pub fn project_restore_point(_: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    Ok(backup_facts(BackupFacts::KastenRestorePoint))
}

fn namespace(metadata: &ObjectMetadata, subject: &KastenSubject, interner: &Interner) -> Symbol {
    let name = subject.namespace.as_deref().filter(|name| !name.is_empty());
    interner.intern(name.or(metadata.namespace.as_deref()).unwrap_or_default())
}

fn outcome(
    metadata: &ObjectMetadata,
    status: &ActionStatus,
) -> Result<RunOutcome, ProjectionError> {
    let ended = parse_time("status.endTime", status.end_time.as_deref())?;
    Ok(match (status.state.as_deref(), ended) {
        _ if metadata.deletion_timestamp.is_some() => RunOutcome::Failed,
        (Some("Complete"), Some(at)) => RunOutcome::Succeeded(at),
        (Some("Failed" | "Skipped" | "Cancelled" | "Deleting"), _) => RunOutcome::Failed,
        _ => RunOutcome::Unfinished,
    })
}
