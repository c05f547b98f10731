//! Controls of the baseline level: known ways out of a container.

use super::levels::{FindViolation, PodSecurityRule};
use crate::{
    api::test_spec::PodSecurityLevel,
    checks::workload::describe::{containers, list, named},
    inventory::{
        KubernetesVersion, Symbol,
        workload::{ContainerFacts, PodFacts, SeLinux, SecurityContext, SecurityProfile},
    },
};

const fn rule(name: &'static str, since: u32, judge: FindViolation) -> PodSecurityRule {
    PodSecurityRule { name, level: PodSecurityLevel::Baseline, since, replaces: None, judge }
}

/// The level. Seccomp was an annotation before 1.19, which no Kubernetes reads any more.
pub(super) const RULES: &[PodSecurityRule] = &[
    rule("HostNamespaces", 0, |pod, _| host_namespaces(pod)),
    rule("PrivilegedContainers", 0, |pod, _| privileged_containers(pod)),
    rule("Capabilities", 0, |pod, _| capabilities(pod)),
    rule("HostPathVolumes", 0, |pod, _| host_path_volumes(pod)),
    rule("HostPorts", 0, |pod, _| host_ports(pod)),
    rule("HostProbesAndLifecycle", 34, |pod, _| host_probes_and_lifecycle(pod)),
    rule("AppArmor", 0, |pod, _| app_armor(pod)),
    rule("SELinux", 0, se_linux),
    rule("ProcMount", 0, proc_mount),
    rule("Seccomp", 19, |pod, _| seccomp(pod)),
    rule("Sysctls", 0, sysctls),
    rule("HostProcess", 0, |pod, _| host_process(pod)),
];

/// From this minor on a pod in a user namespace may do what is harmless there (KEP-127).
pub(super) const USER_NAMESPACES: u32 = 35;

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

/// Types that confine, with the first minor that admits them.
const SE_LINUX_TYPES: &[(&str, u32)] = &[
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

/// Sysctls whose effect stays within the pod, with the first minor that admits them.
const SAFE_SYSCTLS: &[(&str, u32)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_notsent_lowat", 37),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_slow_start_after_idle", 37),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.tcp_wmem", 32),
];

/// The names of a table that a version admits.
fn admitted(
    names: &'static [(&str, u32)],
    version: KubernetesVersion,
) -> impl Iterator<Item = &'static str> {
    names.iter().filter(move |(_, since)| *since <= version.minor).map(|(name, _)| *name)
}

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

/// The containers that add capabilities other than these, and what to remove.
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
    // Two lists instead of pairs: a message that repeated the capability for each container would be cut.
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
    profile: impl Fn(&'a SecurityContext) -> Option<&'a SecurityProfile>,
) -> Option<String> {
    let unconfined =
        |context: &'a SecurityContext| profile(context).is_some_and(|profile| !profile.confines());
    // A container that sets nothing takes the pod's, which is judged itself.
    let of_containers = pod.containers.iter().filter(|one| unconfined(&one.security));
    let containers = named("container", of_containers.map(|one| one.name.as_str()));
    setters(unconfined(&pod.security), containers).map(|who| {
        format!("{who}: set securityContext.{field}.type to RuntimeDefault or Localhost")
    })
}

/// Where a field that pod and containers have is set wrongly: `pod and container app`. None when nowhere.
pub(super) fn setters(pod: bool, containers: Option<String>) -> Option<String> {
    match (pod, containers) {
        (true, Some(containers)) => Some(format!("pod and {containers}")),
        (true, None) => Some("pod".to_owned()),
        (false, containers) => containers,
    }
}

fn se_linux(pod: &PodFacts, version: KubernetesVersion) -> Option<String> {
    let types: Vec<&str> = admitted(SE_LINUX_TYPES, version).collect();
    let forbidden = |context: &SecurityContext| {
        context.se_linux.as_deref().is_some_and(|SeLinux { kind, user, role }| {
            let kind = kind.as_deref();
            // Only the type may be chosen, from a list: user and role could lift what it confines.
            user.is_some() || role.is_some() || kind.is_some_and(|kind| !types.contains(&kind))
        })
    };
    let containers = containers(pod, |container| forbidden(&container.security));
    setters(forbidden(&pod.security), containers).map(|who| {
        format!(
            "{who}: remove user and role from securityContext.seLinuxOptions, and a type other than {}",
            list(&types)
        )
    })
}

/// Within a user namespace `/proc` may be unmasked.
fn proc_mount(pod: &PodFacts, version: KubernetesVersion) -> Option<String> {
    if pod.user_namespace && version.minor >= USER_NAMESPACES { None } else { unmasked_proc(pod) }
}

/// The containers that see an unmasked `/proc`, and what to remove.
pub(super) fn unmasked_proc(pod: &PodFacts) -> Option<String> {
    containers(pod, |container| container.confinement.proc_mount.is_some())
        .map(|who| format!("{who}: remove securityContext.procMount"))
}

fn sysctls(pod: &PodFacts, version: KubernetesVersion) -> Option<String> {
    let is_safe = |name: &str| admitted(SAFE_SYSCTLS, version).any(|safe| safe == name);
    named("sysctl", pod.sysctls.iter().map(Symbol::as_str).filter(|name| !is_safe(name)))
        .map(|which| format!("{which}: remove from the pod's securityContext.sysctls"))
}

fn host_process(pod: &PodFacts) -> Option<String> {
    let set = |container: &ContainerFacts| container.security.host_process;
    setters(pod.security.host_process, containers(pod, set))
        .map(|who| format!("{who}: remove securityContext.windowsOptions.hostProcess"))
}
