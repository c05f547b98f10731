//! Controls that the restricted level adds: current practice of hardening.
//!
//! Windows pods are exempt from what only Linux has; a pod in a user namespace may be root there.

use super::{
    baseline::{capabilities_beyond, profiles, setters, unmasked_proc},
    levels::Rule,
};
use crate::{
    checks::workload::wording::{containers, list, named, sentence},
    inventory::workload::PodFacts,
};

/// The level, without what it takes over from baseline.
pub(super) const RULES: &[Rule] = &[
    Rule { name: "VolumeTypes", replaces: Some("HostPathVolumes"), judge: volume_types },
    Rule { name: "PrivilegeEscalation", replaces: None, judge: privilege_escalation },
    Rule { name: "RunAsNonRoot", replaces: None, judge: run_as_non_root },
    Rule { name: "RunAsUser", replaces: None, judge: run_as_user },
    Rule { name: "Seccomp", replaces: Some("Seccomp"), judge: seccomp },
    Rule { name: "Capabilities", replaces: Some("Capabilities"), judge: capabilities },
    Rule { name: "ProcMount", replaces: Some("ProcMount"), judge: unmasked_proc },
];

fn volume_types(pod: &PodFacts) -> Option<String> {
    let which = named("volume", pod.volumes.iter().map(|volume| volume.name.as_str()))?;
    let mut kinds: Vec<&str> = pod.volumes.iter().map(|volume| volume.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Some(format!("{which}: replace {}", list(&kinds)))
}

fn privilege_escalation(pod: &PodFacts) -> Option<String> {
    if pod.windows {
        return None;
    }
    containers(pod, |container| container.confinement.privilege_escalation != Some(false))
        .map(|who| format!("{who}: set securityContext.allowPrivilegeEscalation: false"))
}

/// The pod must not say false, even where every container says true.
fn run_as_non_root(pod: &PodFacts) -> Option<String> {
    if pod.user_namespace {
        return None;
    }
    let non_root = |container| pod.effective(container, |context| context.run_as_non_root);
    let containers = containers(pod, |container| non_root(container) != Some(true));
    setters(pod.security.run_as_non_root == Some(false), containers)
        .map(|who| format!("{who}: set securityContext.runAsNonRoot: true"))
}

fn run_as_user(pod: &PodFacts) -> Option<String> {
    if pod.user_namespace {
        return None;
    }
    let containers = containers(pod, |container| container.security.run_as_user == Some(0));
    setters(pod.security.run_as_user == Some(0), containers)
        .map(|who| format!("{who}: set securityContext.runAsUser to another user than 0"))
}

fn seccomp(pod: &PodFacts) -> Option<String> {
    if pod.windows {
        return None;
    }
    let own = |container| pod.effective(container, |context| context.seccomp.as_ref());
    let missing = containers(pod, |container| own(container).is_none())
        .map(|who| format!("{who}: set securityContext.seccompProfile.type: RuntimeDefault"));
    sentence([profiles(pod, "seccompProfile", |context| context.seccomp.as_ref()), missing])
}

fn capabilities(pod: &PodFacts) -> Option<String> {
    if pod.windows {
        return None;
    }
    let kept = containers(pod, |container| !container.confinement.drops_all)
        .map(|who| format!("{who}: set securityContext.capabilities.drop: [\"ALL\"]"));
    sentence([kept, capabilities_beyond(pod, &["NET_BIND_SERVICE"])])
}
