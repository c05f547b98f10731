//! What each requirement asks of a pod. Each function says what to change, or nothing when the
//! pod does what is asked.
//!
//! A container's own value wins over the pod's, as the kubelet resolves it. Windows pods are
//! exempt from what only Linux has, as in the Pod Security Standards.

use super::{
    image::{ImageRef, RegistryPattern},
    wording::{containers, list, named, sentence, short},
};
use crate::{
    api::test_spec::Requirement,
    inventory::{
        Symbol,
        workload::{Amounts, ContainerFacts, PodFacts, Profile, Resources, Role},
    },
};

/// What is wrong with a pod, where a requirement can be judged by the pod alone.
pub(super) fn judge(requirement: Requirement, pod: &PodFacts) -> Option<String> {
    match requirement {
        Requirement::RunAsNonRoot => run_as_non_root(pod),
        Requirement::NoPrivileged => no_privileged(pod),
        Requirement::NoPrivilegeEscalation => no_privilege_escalation(pod),
        Requirement::NoHostAccess => no_host_access(pod),
        Requirement::ReadOnlyRootFilesystem => read_only_root(pod),
        Requirement::DropAllCapabilities => drop_all_capabilities(pod),
        Requirement::SeccompRuntimeDefault => seccomp(pod),
        Requirement::ResourceLimits => amounts(pod, "limits", |of| of.limits),
        Requirement::ResourceRequests => amounts(pod, "requests", |of| of.requests),
        Requirement::Probes => probes(pod),
        Requirement::ImageDigest => image_digest(pod),
        Requirement::NoLatestTag => no_latest_tag(pod),
        Requirement::NoDefaultServiceAccount => no_default_service_account(pod),
        // Depends on the service account: see `no_token_automount`.
        Requirement::NoTokenAutomount => None,
    }
}

fn run_as_non_root(pod: &PodFacts) -> Option<String> {
    let user = |container| pod.effective(container, |context| context.run_as_user);
    let non_root = |container| pod.effective(container, |context| context.run_as_non_root);
    let zero = containers(pod, |container| user(container) == Some(0));
    let free = containers(pod, |container| non_root(container) != Some(true));
    sentence([
        free.map(|who| format!("{who}: set securityContext.runAsNonRoot: true")),
        zero.map(|who| format!("{who}: set securityContext.runAsUser to another user than 0")),
    ])
}

fn no_privileged(pod: &PodFacts) -> Option<String> {
    containers(pod, |container| container.confinement.privileged)
        .map(|who| format!("{who}: remove securityContext.privileged"))
}

fn no_privilege_escalation(pod: &PodFacts) -> Option<String> {
    let allowed = |container: &ContainerFacts| {
        container.confinement.privilege_escalation != Some(false) && !pod.windows
    };
    containers(pod, allowed)
        .map(|who| format!("{who}: set securityContext.allowPrivilegeEscalation: false"))
}

fn no_host_access(pod: &PodFacts) -> Option<String> {
    let shared =
        [(pod.host.network, "hostNetwork"), (pod.host.pid, "hostPID"), (pod.host.ipc, "hostIPC")];
    let shared: Vec<&str> =
        shared.into_iter().filter(|(shared, _)| *shared).map(|(_, field)| field).collect();
    let paths = pod.volumes.iter().filter(|volume| *volume.kind == *"hostPath");
    // In the node's network every port is a host port; saying so once is enough.
    let port = |container: &ContainerFacts| !container.host_ports.is_empty() && !pod.host.network;
    let process =
        |container: &ContainerFacts| container.security.host_process || pod.security.host_process;
    sentence([
        (!shared.is_empty()).then(|| format!("remove {} from the pod", shared.join(", "))),
        named("volume", paths.map(|volume| volume.name.as_str()))
            .map(|which| format!("{which}: replace hostPath")),
        containers(pod, port).map(|who| format!("{who}: remove hostPort")),
        containers(pod, process)
            .map(|who| format!("{who}: remove securityContext.windowsOptions.hostProcess")),
    ])
}

fn read_only_root(pod: &PodFacts) -> Option<String> {
    containers(pod, |container| !container.confinement.read_only_root && !pod.windows)
        .map(|who| format!("{who}: set securityContext.readOnlyRootFilesystem: true"))
}

/// As the restricted level has it: `NET_BIND_SERVICE` may be added back, nothing else.
fn drop_all_capabilities(pod: &PodFacts) -> Option<String> {
    if pod.windows {
        return None;
    }
    let added = |container: &ContainerFacts| {
        container.confinement.added.iter().any(|name| **name != *"NET_BIND_SERVICE")
    };
    sentence([
        containers(pod, |container| !container.confinement.drops_all)
            .map(|who| format!("{who}: set securityContext.capabilities.drop: [\"ALL\"]")),
        containers(pod, added).map(|who| {
            format!(
                "{who}: add no capability but NET_BIND_SERVICE in securityContext.capabilities.add"
            )
        }),
    ])
}

/// A profile of one's own (`Localhost`) confines as well.
fn seccomp(pod: &PodFacts) -> Option<String> {
    let confined = |container| {
        pod.effective(container, |context| context.seccomp.as_ref()).is_some_and(Profile::confines)
    };
    containers(pod, |container| !confined(container) && !pod.windows)
        .map(|who| format!("{who}: set securityContext.seccompProfile.type: RuntimeDefault"))
}

/// Bounds of the pod as a whole count for its containers. Ephemeral containers can have none.
fn amounts(pod: &PodFacts, field: &str, amounts: impl Fn(&Resources) -> Amounts) -> Option<String> {
    let missing = |container: &ContainerFacts| {
        let has = amounts(&container.resources).or(amounts(&pod.resources));
        let counts = container.role != Role::Ephemeral;
        (counts && !has.cpu, counts && !has.memory)
    };
    let part = |which: (bool, bool), words: &str| {
        containers(pod, |container| missing(container) == which)
            .map(|who| format!("{who}: set {}", words.replace('?', field)))
    };
    sentence([
        part((true, true), "resources.?.cpu and resources.?.memory"),
        part((true, false), "resources.?.cpu"),
        part((false, true), "resources.?.memory"),
    ])
}

/// What serves must say when it can. A liveness probe is not asked for: one that fails under load
/// turns a slow service into an outage. What runs to its end needs neither.
fn probes(pod: &PodFacts) -> Option<String> {
    let serves = |container: &ContainerFacts| {
        pod.long_running && container.role == Role::App && !container.probes.readiness
    };
    containers(pod, serves).map(|who| format!("{who}: set readinessProbe"))
}

fn image_digest(pod: &PodFacts) -> Option<String> {
    images(pod, |image| image.digest.is_none())
        .map(|which| format!("{which}: name the image by digest, such as app:1.2@sha256:..."))
}

fn no_latest_tag(pod: &PodFacts) -> Option<String> {
    images(pod, |image| !image.names_a_version())
        .map(|which| format!("{which}: name a version instead of latest"))
}

/// Images must come from the registries of a control.
pub(super) fn registries(pod: &PodFacts, patterns: &[RegistryPattern]) -> Option<String> {
    if patterns.is_empty() {
        return None;
    }
    images(pod, |image| !patterns.iter().any(|pattern| pattern.admits(image)))
        .map(|which| format!("{which}: use an image of a registry that the control lists"))
}

/// `container app (nginx:1.27)` for each container whose image is meant.
fn images(pod: &PodFacts, meant: impl Fn(&ImageRef<'_>) -> bool) -> Option<String> {
    let meant: Vec<String> = pod
        .containers
        .iter()
        .filter(|container| meant(&ImageRef::parse(&container.image)))
        .map(|container| {
            let image = if container.image.is_empty() { "no image" } else { &container.image };
            format!("{} ({})", short(&container.name), short(image))
        })
        .collect();
    let names: Vec<&str> = meant.iter().map(String::as_str).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    (!names.is_empty()).then(|| format!("container{plural} {}", list(&names)))
}

fn no_default_service_account(pod: &PodFacts) -> Option<String> {
    (pod.service_account.as_deref() == Some("default"))
        .then(|| "set serviceAccountName to a service account of its own".to_owned())
}

/// `of_account` is what the service account says; the pod's word wins, and silence mounts.
pub(super) fn no_token_automount(
    pod: &PodFacts,
    of_account: impl Fn(&Symbol) -> Option<bool>,
) -> Option<String> {
    let account = pod.service_account.as_ref()?;
    let mounts = pod.automount.or_else(|| of_account(account)).unwrap_or(true);
    mounts.then(|| {
        format!(
            "set automountServiceAccountToken: false on the pod or on service account {}",
            short(account)
        )
    })
}
