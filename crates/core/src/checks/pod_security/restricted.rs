//! Controls that the restricted level adds: current practice of hardening.
//!
//! Windows pods are exempt from what only Linux has; a pod in a user namespace may be root there.

use super::{
    baseline::{USER_NAMESPACES, capabilities_beyond, profiles, setters, unmasked_proc},
    levels::{FindViolation, PodSecurityRule},
};
use crate::{
    api::test_spec::PodSecurityLevel,
    checks::workload::describe::{containers, list, named, sentence},
    inventory::{KubernetesVersion, workload::PodFacts},
};

const fn rule(
    name: &'static str,
    since: u32,
    replaces: Option<&'static str>,
    judge: FindViolation,
) -> PodSecurityRule {
    PodSecurityRule { name, level: PodSecurityLevel::Restricted, since, replaces, judge }
}

/// The level, without what it takes over from baseline. The `/proc` of baseline is as strict as
/// that of restricted before 1.35.
pub(super) const RULES: &[PodSecurityRule] = &[
    rule("VolumeTypes", 0, Some("HostPathVolumes"), |pod, _| volume_types(pod)),
    rule("PrivilegeEscalation", 8, None, privilege_escalation),
    rule("RunAsNonRoot", 0, None, run_as_non_root),
    rule("RunAsUser", 23, None, run_as_user),
    rule("Seccomp", 19, Some("Seccomp"), seccomp),
    rule("Capabilities", 22, Some("Capabilities"), capabilities),
    rule("ProcMount", 0, Some("ProcMount"), |pod, _| unmasked_proc(pod)),
];

/// Before this minor, Windows pods were held to what only Linux has.
const WINDOWS: u32 = 25;

fn exempt_windows(pod: &PodFacts, version: KubernetesVersion) -> bool {
    pod.windows && version.minor >= WINDOWS
}

fn in_user_namespace(pod: &PodFacts, version: KubernetesVersion) -> bool {
    pod.user_namespace && version.minor >= USER_NAMESPACES
}

fn volume_types(pod: &PodFacts) -> Option<String> {
    let which = named("volume", pod.volumes.iter().map(|volume| volume.name.as_str()))?;
    let mut kinds: Vec<&str> = pod.volumes.iter().map(|volume| volume.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Some(format!("{which}: replace {}", list(&kinds)))
}

fn privilege_escalation(pod: &PodFacts, version: KubernetesVersion) -> Option<String> {
    if exempt_windows(pod, version) {
        return None;
    }
    containers(pod, |container| container.confinement.privilege_escalation != Some(false))
        .map(|who| format!("{who}: set securityContext.allowPrivilegeEscalation: false"))
}

/// The pod must not say false, even where every container says true.
fn run_as_non_root(pod: &PodFacts, version: KubernetesVersion) -> Option<String> {
    if in_user_namespace(pod, version) {
        return None;
    }
    // The pod's own field counts even where no container uses it, as in the admission of the API server.
    let non_root = |container| pod.effective(container, |context| context.run_as_non_root);
    let containers = containers(pod, |container| non_root(container) != Some(true));
    setters(pod.security.run_as_non_root == Some(false), containers)
        .map(|who| format!("{who}: set securityContext.runAsNonRoot: true"))
}

fn run_as_user(pod: &PodFacts, version: KubernetesVersion) -> Option<String> {
    if in_user_namespace(pod, version) {
        return None;
    }
    let containers = containers(pod, |container| container.security.run_as_user == Some(0));
    setters(pod.security.run_as_user == Some(0), containers)
        .map(|who| format!("{who}: set securityContext.runAsUser to a user other than 0"))
}

fn seccomp(pod: &PodFacts, version: KubernetesVersion) -> Option<String> {
    if exempt_windows(pod, version) {
        return None;
    }
    let own = |container| pod.effective(container, |context| context.seccomp.as_ref());
    let missing = containers(pod, |container| own(container).is_none())
        .map(|who| format!("{who}: set securityContext.seccompProfile.type: RuntimeDefault"));
    sentence([profiles(pod, "seccompProfile", |context| context.seccomp.as_ref()), missing])
}

fn capabilities(pod: &PodFacts, version: KubernetesVersion) -> Option<String> {
    if exempt_windows(pod, version) {
        return None;
    }
    let kept = containers(pod, |container| !container.confinement.drops_all)
        .map(|who| format!("{who}: set securityContext.capabilities.drop: [\"ALL\"]"));
    sentence([kept, capabilities_beyond(pod, &["NET_BIND_SERVICE"])])
}
