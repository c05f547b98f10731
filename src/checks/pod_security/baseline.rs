//! Controls of the baseline level: known ways out of a container.

use super::levels::Rule;
use crate::{
    checks::workload::wording::{containers, list, named},
    inventory::{
        Symbol,
        workload::{ContainerFacts, PodFacts, Profile, SeLinux, SecurityContext},
    },
};

const fn rule(name: &'static str, judge: fn(&PodFacts) -> Option<String>) -> Rule {
    Rule { name, replaces: None, judge }
}

/// The level.
pub(super) const RULES: &[Rule] = &[
    rule("HostNamespaces", host_namespaces),
    rule("PrivilegedContainers", privileged_containers),
    rule("Capabilities", capabilities),
    rule("HostPathVolumes", host_path_volumes),
    rule("HostPorts", host_ports),
    rule("HostProbesAndLifecycle", host_probes_and_lifecycle),
    rule("AppArmor", app_armor),
    rule("SELinux", se_linux),
    rule("ProcMount", proc_mount),
    rule("Seccomp", seccomp),
    rule("Sysctls", sysctls),
    rule("HostProcess", host_process),
];

/// What container runtimes grant by default, without `NET_RAW`.
const DEFAULT_CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const SE_LINUX_TYPES: &[&str] =
    &["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// Sysctls whose effect stays within the pod.
const SAFE_SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

fn host_namespaces(pod: &PodFacts) -> Option<String> {
    let fields =
        [(pod.host.network, "hostNetwork"), (pod.host.pid, "hostPID"), (pod.host.ipc, "hostIPC")];
    let set: Vec<&str> = fields.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    (!set.is_empty()).then(|| format!("remove {} from the pod", set.join(", ")))
}

fn privileged_containers(pod: &PodFacts) -> Option<String> {
    containers(pod, |container| container.confinement.privileged)
        .map(|who| format!("{who}: remove securityContext.privileged"))
}

fn capabilities(pod: &PodFacts) -> Option<String> {
    capabilities_beyond(pod, DEFAULT_CAPABILITIES)
}

/// Containers that add what is not allowed.
pub(super) fn capabilities_beyond(pod: &PodFacts, allowed: &[&str]) -> Option<String> {
    let forbidden = |name: &&Symbol| !allowed.contains(&name.as_str());
    let who =
        containers(pod, |container| container.confinement.added.iter().any(|n| forbidden(&n)))?;
    let mut added: Vec<&str> = pod
        .containers
        .iter()
        .flat_map(|container| &container.confinement.added)
        .filter(forbidden)
        .map(Symbol::as_str)
        .collect();
    added.sort_unstable();
    added.dedup();
    Some(format!("{who}: remove {} from securityContext.capabilities.add", list(&added)))
}

fn host_path_volumes(pod: &PodFacts) -> Option<String> {
    let paths = pod.volumes.iter().filter(|volume| *volume.kind == *"hostPath");
    named("volume", paths.map(|volume| volume.name.as_str()))
        .map(|which| format!("{which}: replace hostPath"))
}

fn host_ports(pod: &PodFacts) -> Option<String> {
    containers(pod, |container| !container.host_ports.is_empty())
        .map(|who| format!("{who}: remove hostPort"))
}

fn host_probes_and_lifecycle(pod: &PodFacts) -> Option<String> {
    containers(pod, |container| !container.handler_hosts.is_empty())
        .map(|who| format!("{who}: remove host from its probes and lifecycle handlers"))
}

fn app_armor(pod: &PodFacts) -> Option<String> {
    profiles(pod, "appArmorProfile", |context| context.app_armor.as_ref())
}

fn seccomp(pod: &PodFacts) -> Option<String> {
    profiles(pod, "seccompProfile", |context| context.seccomp.as_ref())
}

/// A profile that is set must confine, also on a pod whose containers all have their own.
pub(super) fn profiles<'a>(
    pod: &'a PodFacts,
    field: &str,
    profile: impl Fn(&'a SecurityContext) -> Option<&'a Profile>,
) -> Option<String> {
    let unconfined =
        |context: &'a SecurityContext| profile(context).is_some_and(|profile| !profile.confines());
    let of_containers = pod.containers.iter().filter(|one| unconfined(&one.security));
    let containers = named("container", of_containers.map(|one| one.name.as_str()));
    setters(unconfined(&pod.security), containers).map(|who| {
        format!("{who}: set securityContext.{field}.type to RuntimeDefault or Localhost")
    })
}

/// `pod and container app`: where a field of both is set wrongly.
pub(super) fn setters(pod: bool, containers: Option<String>) -> Option<String> {
    match (pod, containers) {
        (true, Some(containers)) => Some(format!("pod and {containers}")),
        (true, None) => Some("pod".to_owned()),
        (false, containers) => containers,
    }
}

fn se_linux(pod: &PodFacts) -> Option<String> {
    let forbidden = |context: &SecurityContext| {
        context.se_linux.as_deref().is_some_and(|SeLinux { kind, user, role }| {
            let kind = kind.as_deref();
            user.is_some()
                || role.is_some()
                || kind.is_some_and(|kind| !SE_LINUX_TYPES.contains(&kind))
        })
    };
    let containers = containers(pod, |container| forbidden(&container.security));
    setters(forbidden(&pod.security), containers).map(|who| {
        format!(
            "{who}: remove user and role from securityContext.seLinuxOptions, and a type other than {}",
            list(SE_LINUX_TYPES)
        )
    })
}

/// Within a user namespace `/proc` may be unmasked.
fn proc_mount(pod: &PodFacts) -> Option<String> {
    if pod.user_namespace { None } else { unmasked_proc(pod) }
}

/// Containers that see an unmasked `/proc`.
pub(super) fn unmasked_proc(pod: &PodFacts) -> Option<String> {
    containers(pod, |container| container.confinement.proc_mount.is_some())
        .map(|who| format!("{who}: remove securityContext.procMount"))
}

fn sysctls(pod: &PodFacts) -> Option<String> {
    let unsafe_ones = pod.sysctls.iter().map(Symbol::as_str);
    named("sysctl", unsafe_ones.filter(|name| !SAFE_SYSCTLS.contains(name)))
        .map(|which| format!("{which}: remove from the pod's securityContext.sysctls"))
}

fn host_process(pod: &PodFacts) -> Option<String> {
    let set = |container: &ContainerFacts| container.security.host_process;
    setters(pod.security.host_process, containers(pod, set))
        .map(|who| format!("{who}: remove securityContext.windowsOptions.hostProcess"))
}
