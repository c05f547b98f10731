//! What each requirement asks of a pod. Each function says what to change, or None when the pod meets the
//! requirement.
//!
//! A container's own value wins over the pod's, as the kubelet resolves it. Windows pods are
//! exempt from what only Linux has, as in the Pod Security Standards.

use super::{
    describe::{containers, named, sentence, short},
    image::{ImageRef, ImageSourcePattern},
};
use crate::{
    api::test_spec::Requirement,
    inventory::{
        Symbol,
        workload::{Amounts, ContainerFacts, ContainerRole, PodFacts, Resources, SecurityProfile},
    },
};

/// What to change in a pod to meet a requirement; None when it does, and for a requirement that the pod
/// alone does not decide.
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
        // Depends on the service account: see `no_token`.
        Requirement::NoTokenAutomount => None,
    }
}

/// A user above 0 is not root, whatever the image says. Without one, the kubelet looks at the image
/// if it is told to, and does not start what would run as root.
fn run_as_non_root(pod: &PodFacts) -> Option<String> {
    if pod.windows {
        return run_as_no_administrator(pod);
    }
    let user = |container| pod.effective(container, |context| context.run_as_user);
    let non_root = |container| pod.effective(container, |context| context.run_as_non_root);
    // Nothing decides, so the image does, and most images run as root.
    let free = |container| user(container).is_none() && non_root(container) != Some(true);
    sentence([
        containers(pod, free).map(|who| {
            format!(
                "{who}: set securityContext.runAsNonRoot: true, or runAsUser to a user other than 0"
            )
        }),
        containers(pod, |container| user(container) == Some(0))
            .map(|who| format!("{who}: set securityContext.runAsUser to a user other than 0")),
    ])
}

/// Windows has no numbers for users, and its root is the administrator of the container.
fn run_as_no_administrator(pod: &PodFacts) -> Option<String> {
    let administrator = |container| pod.effective(container, |context| context.administrator);
    let non_root = |container| pod.effective(container, |context| context.run_as_non_root);
    let free = |container| administrator(container).is_none() && non_root(container) != Some(true);
    sentence([
        containers(pod, free).map(|who| {
            format!(
                "{who}: set securityContext.runAsNonRoot: true, or windowsOptions.runAsUserName to a user other than ContainerAdministrator"
            )
        }),
        containers(pod, |container| administrator(container) == Some(true)).map(|who| {
            format!(
                "{who}: set securityContext.windowsOptions.runAsUserName to a user other than ContainerAdministrator"
            )
        }),
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
    // In the node's network every port is a host port: reported once, as hostNetwork.
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

/// As the restricted level has it: `NET_BIND_SERVICE` may be added back, nothing else. Names count
/// as container runtimes read them, and a privileged container keeps all, whatever it drops.
fn drop_all_capabilities(pod: &PodFacts) -> Option<String> {
    if pod.windows {
        return None;
    }
    let privileged = |container: &ContainerFacts| container.confinement.privileged;
    let added = |container: &ContainerFacts| {
        container.confinement.added.iter().any(|name| !is_net_bind_service(name))
    };
    let kept = |container: &ContainerFacts| !container.confinement.runtime_drops_all;
    sentence([
        containers(pod, privileged).map(|who| {
            format!("{who}: remove securityContext.privileged, which grants every capability")
        }),
        containers(pod, |container| kept(container) && !privileged(container))
            .map(|who| format!("{who}: set securityContext.capabilities.drop: [\"ALL\"]")),
        containers(pod, added).map(|who| {
            format!(
                "{who}: add no capability other than NET_BIND_SERVICE in securityContext.capabilities.add"
            )
        }),
    ])
}

fn is_net_bind_service(capability: &str) -> bool {
    let name = capability.strip_prefix("CAP_").unwrap_or(capability);
    name.eq_ignore_ascii_case("NET_BIND_SERVICE")
}

/// The filter of the runtime, not one of the node's own (`Localhost`): what that lets through is
/// not in the manifest. A privileged container runs under none.
fn seccomp(pod: &PodFacts) -> Option<String> {
    if pod.windows {
        return None;
    }
    let privileged = |container: &ContainerFacts| container.confinement.privileged;
    let is = |container: &ContainerFacts, wanted: &SecurityProfile| {
        (container.security.seccomp.as_ref().or(pod.security.seccomp.as_ref())) == Some(wanted)
    };
    let local = |container: &ContainerFacts| is(container, &SecurityProfile::Localhost);
    let set = |container: &ContainerFacts| is(container, &SecurityProfile::RuntimeDefault);
    let remedy = "set securityContext.seccompProfile.type: RuntimeDefault";
    sentence([
        containers(pod, privileged)
            .map(|who| format!("{who}: remove securityContext.privileged, which lifts the filter")),
        containers(pod, |one| !privileged(one) && !set(one) && !local(one))
            .map(|who| format!("{who}: {remedy}")),
        containers(pod, |one| !privileged(one) && local(one)).map(|who| {
            format!("{who}: {remedy} instead of Localhost, whose profile is a file of the node")
        }),
    ])
}

/// Bounds of the pod as a whole count for its containers. Ephemeral containers can have none.
fn amounts(pod: &PodFacts, field: &str, amounts: impl Fn(&Resources) -> Amounts) -> Option<String> {
    let missing = |container: &ContainerFacts| {
        // Since Kubernetes 1.32 a pod may have bounds of its own (KEP-2837).
        let has = amounts(&container.resources).or(amounts(&pod.resources));
        let counts = container.role != ContainerRole::Ephemeral;
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

/// A container that serves must say when it can. A liveness probe is not asked for: one that fails under load
/// turns a slow service into an outage. What runs to its end needs neither, nor does what only
/// accompanies the others, such as a sidecar among the init containers.
fn probes(pod: &PodFacts) -> Option<String> {
    let serves = |container: &ContainerFacts| {
        pod.long_running && container.role == ContainerRole::App && !container.probes.readiness
    };
    containers(pod, serves).map(|who| format!("{who}: set readinessProbe"))
}

fn image_digest(pod: &PodFacts) -> Option<String> {
    images(
        pod,
        |image| image.digest.is_none(),
        "name the image by digest, such as app:1.2@sha256:...",
    )
}

fn no_latest_tag(pod: &PodFacts) -> Option<String> {
    images(pod, |image| !image.names_a_version(), "name a version instead of latest")
}

/// Images must come from the registries of a control.
pub(super) fn registries(pod: &PodFacts, patterns: &[ImageSourcePattern]) -> Option<String> {
    if patterns.is_empty() {
        return None;
    }
    let elsewhere = |image: &ImageRef<'_>| !patterns.iter().any(|pattern| pattern.admits(image));
    images(pod, elsewhere, "use an image from a registry that the control lists")
}

/// `container app (nginx:1.27): ...` for each container whose image is meant, and what to write
/// where the text names no image: no requirement on images can be met by it.
fn images(pod: &PodFacts, meant: impl Fn(&ImageRef<'_>) -> bool, remedy: &str) -> Option<String> {
    let (mut wrong, mut invalid) = (Vec::new(), Vec::new());
    for container in &pod.containers {
        let list = match ImageRef::parse(&container.image) {
            None => &mut invalid,
            Some(image) if meant(&image) => &mut wrong,
            Some(_) => continue,
        };
        let image = if container.image.is_empty() { "no image" } else { &container.image };
        list.push(format!("{} ({})", short(&container.name), short(image)));
    }
    let part = |names: &[String], remedy| {
        named("container", names.iter().map(String::as_str)).map(|who| format!("{who}: {remedy}"))
    };
    let grammar = "write a reference that container runtimes accept: lower-case names, a tag, a digest of 64 lower-case hexadecimal digits after @sha256:";
    sentence([part(&wrong, remedy), part(&invalid, grammar)])
}

fn no_default_service_account(pod: &PodFacts) -> Option<String> {
    (pod.service_account.as_deref() == Some("default"))
        .then(|| "set serviceAccountName to a service account of the workload's own".to_owned())
}

/// `account_automounts` is what the service account says where the pod is silent; None when the
/// account is not known. Silence of both mounts.
pub(super) fn no_token(pod: &PodFacts, account_automounts: Option<bool>) -> Option<String> {
    let account = pod.service_account.as_ref()?;
    // As the admission of the API server resolves it: the pod wins over the account.
    let mounts = pod.automount.or(account_automounts).unwrap_or(true);
    let volumes = named("volume", pod.token_volumes.iter().map(Symbol::as_str));
    sentence([
        mounts.then(|| {
            format!(
                "set automountServiceAccountToken: false on the pod or on service account {}",
                short(account)
            )
        }),
        volumes.map(|which| {
            format!("{which}: remove the projected serviceAccountToken, or give it the audience of another service")
        }),
    ])
}
