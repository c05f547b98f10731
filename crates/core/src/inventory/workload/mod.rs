//! Pods, and every kind with a pod template.

mod fields;
mod owners;
mod pod;
mod read;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{fields::Fields, read::SpecOrigin};
pub use self::{
    owners::{OwnerIndex, controllers},
    pod::{
        Amounts, Confinement, ContainerFacts, ContainerProbes, ContainerRole, HostNamespaces,
        PodFacts, PodVolume, Resources, SeLinux, SecurityContext, SecurityProfile,
    },
};
use super::{
    facts::{Facts, Labels, MetadataOnly, ObjectMetadata, Projection, ProjectionError},
    intern::{Interner, Symbol},
};

/// What checks read of a pod, or of an object with a pod template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadFacts {
    /// The owner that controls the object. None if nothing does.
    pub controller: Option<ControllerRef>,
    /// The labels. Empty if an object with a pod template controls this one: then controls select by the
    /// labels of that one.
    pub labels: Labels,
    /// The spec of its pods.
    pub pod: Arc<PodFacts>,
    /// Whether it runs, will run, or never will again.
    pub activity: Activity,
    /// When it was created. None in a manifest that was never applied.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// The flags of the API server, if this is its static pod. None for other pods.
    pub api_server_flags: Option<Box<[Symbol]>>,
    /// What it backs up and when it last did, if this is a `CronJob` that says so. None for others.
    pub cron: Option<Box<super::backup::cron::CronFacts>>,
}

/// Whether an object still stands for something that runs. It changes at most a few times in an
/// object's life, unlike the status it is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// It runs, or will when its time comes.
    #[default]
    Active,
    /// It is scaled to zero.
    Idle,
    /// It never runs again: a pod that ended, or a Job that is complete or failed.
    Finished,
}

/// The owner that controls an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ControllerRef {
    pub group: Symbol,
    pub kind: Symbol,
    /// The name, in the namespace of the object unless it is cluster-scoped, such as a Node.
    pub name: Symbol,
}

/// Pods, and the kinds with a pod template.
pub const PROJECTIONS: &[Projection] = &[
    row("", "Pod", project_pod),
    row("", "ReplicationController", project_scaled),
    row("apps", "Deployment", project_scaled),
    row("apps", "ReplicaSet", project_scaled),
    row("apps", "StatefulSet", project_scaled),
    row("apps", "DaemonSet", project_daemon_set),
    row("batch", "Job", project_job),
    row("batch", "CronJob", project_cron_job),
];

const fn row(
    group: &'static str,
    kind: &'static str,
    project: super::facts::Project,
) -> Projection {
    Projection { group, kind, versions: &["v1"], project }
}

/// The kinds of [`PROJECTIONS`], as group and kind.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROJECTIONS.iter().map(|row| (row.group, row.kind))
}

fn project_pod(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let fields = Fields::root(object)?;
    let metadata = metadata(object)?;
    let flags = api_server_flags(&metadata, &fields, interner)?;
    let phase = fields.object("status")?.text("phase")?;
    let activity = match phase {
        Some("Succeeded" | "Failed") => Activity::Finished,
        _ => Activity::Active,
    };
    let mut facts = workload(&metadata, &fields, SpecOrigin::Pod, activity, interner)?;
    facts.api_server_flags = flags;
    Ok(Facts::Workload(Box::new(facts)))
}

fn project_scaled(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let fields = Fields::root(object)?;
    let spec = fields.object("spec")?;
    let activity = match spec.integer("replicas")? {
        // Absent means 1, as the API server sets it.
        Some(0) => Activity::Idle,
        _ => Activity::Active,
    };
    templated(object, &spec, activity, interner)
}

fn project_daemon_set(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let fields = Fields::root(object)?;
    templated(object, &fields.object("spec")?, Activity::Active, interner)
}

fn project_job(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let fields = Fields::root(object)?;
    let mut activity = Activity::Active;
    fields.object("status")?.each("conditions", |condition| {
        // Both end a Job for good: it is never started again.
        let ended = matches!(condition.text("type")?, Some("Complete" | "Failed"));
        if ended && condition.text("status")? == Some("True") {
            activity = Activity::Finished;
        }
        Ok(())
    })?;
    let facts = templated(object, &fields.object("spec")?, activity, interner)?;
    Ok(to_completion(facts, interner))
}

/// Marks pods as running to completion, as those of a Job do: no other `restartPolicy` is valid there, but
/// manifests may lack it.
fn to_completion(mut facts: Facts, interner: &Interner) -> Facts {
    if let Facts::Workload(workload) = &mut facts
        && workload.pod.long_running
    {
        let pod = PodFacts { long_running: false, ..workload.pod.as_ref().clone() };
        workload.pod = interner.pods.share(pod);
    }
    facts
}

fn project_cron_job(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let fields = Fields::root(object)?;
    let spec = fields.object("spec")?;
    let job = spec.object("jobTemplate")?;
    let facts = templated(object, &job.object("spec")?, Activity::Active, interner)?;
    let mut facts = to_completion(facts, interner);
    if let Facts::Workload(workload) = &mut facts {
        workload.cron = super::backup::cron::read(object, interner)?;
    }
    Ok(facts)
}

/// Facts of an object whose pod template is at `spec.template`.
fn templated(
    object: &Value,
    spec: &Fields<'_, '_>,
    activity: Activity,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    let template = spec.object("template")?;
    if !template.is_present() {
        return Err(spec.missing("template", "give the pods at least one container"));
    }
    let facts = workload(&metadata(object)?, &template, SpecOrigin::Template, activity, interner)?;
    Ok(Facts::Workload(Box::new(facts)))
}

fn workload(
    metadata: &ObjectMetadata,
    pod: &Fields<'_, '_>,
    written: SpecOrigin,
    activity: Activity,
    interner: &Interner,
) -> Result<WorkloadFacts, ProjectionError> {
    let controller = metadata.controller().map(|owner| ControllerRef {
        group: interner.intern(group_of(&owner.api_version)),
        kind: interner.intern(&owner.kind),
        name: interner.intern(&owner.name),
    });
    // Thousands of pods would otherwise keep labels that nothing reads.
    let labels = if controller.as_ref().is_some_and(ControllerRef::has_template) {
        Labels::default()
    } else {
        metadata.interned_labels(interner)
    };
    Ok(WorkloadFacts {
        controller,
        labels,
        pod: interner.pods.share(read::pod(pod, written, interner)?),
        activity,
        created: metadata.created()?,
        api_server_flags: None,
        cron: None,
    })
}

impl ControllerRef {
    /// Whether it is of a kind with a pod template, so that it is judged in place of what it controls.
    pub fn has_template(&self) -> bool {
        kinds().any(|(group, kind)| *self.group == *group && *self.kind == *kind)
    }
}

fn metadata(object: &Value) -> Result<ObjectMetadata, ProjectionError> {
    Ok(MetadataOnly::deserialize(object)?.metadata)
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The flags of the API server, if this is its static pod as kubeadm and similar tools run it. None for
/// other pods.
fn api_server_flags(
    metadata: &ObjectMetadata,
    pod: &Fields<'_, '_>,
    interner: &Interner,
) -> Result<Option<Box<[Symbol]>>, ProjectionError> {
    let component = metadata.labels.as_ref().and_then(|labels| labels.get("component"));
    // Anybody may put this label on a pod of theirs, but not in kube-system.
    if metadata.namespace.as_deref() != Some("kube-system")
        || component.map(String::as_str) != Some("kube-apiserver")
    {
        return Ok(None);
    }
    let mut flags = Vec::new();
    pod.object("spec")?.each("containers", |container| {
        for list in ["command", "args"] {
            let words = container.texts(list)?.into_iter();
            flags.extend(
                words.filter(|word| word.starts_with("--")).map(|word| interner.intern(word)),
            );
        }
        Ok(())
    })?;
    Ok(Some(flags.into()))
}

#[cfg(test)]
pub(super) mod tests;
