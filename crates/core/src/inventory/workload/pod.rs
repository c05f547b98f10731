//! What checks read of the spec of a pod.
//!
//! A template and the pod that the API server makes from it give equal facts: what admission and
//! defaulting add is either left out or filled in here in the same way. Anything else that changed the
//! pod on its way, such as a mutating webhook, shows because the facts differ.

use serde::{Deserialize, Serialize};

use crate::inventory::intern::Symbol;

/// The spec of a pod, shared by all its replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodFacts {
    /// `serviceAccountName`; `default` if it is absent, as the API server sets it. None for a mirror pod,
    /// which can't have a service account.
    pub service_account: Option<Symbol>,
    /// `automountServiceAccountToken`. None leaves it to the service account.
    pub automount: Option<bool>,
    /// The namespaces of the node that the pod shares.
    pub host: HostNamespaces,
    /// Whether it has a user namespace (`hostUsers: false`): root inside is nobody outside (KEP-127).
    pub user_namespace: bool,
    /// Whether it runs on Windows (`os.name`).
    pub windows: bool,
    /// Whether it runs until it is stopped (`restartPolicy: Always`), unlike a pod of a Job.
    pub long_running: bool,
    /// The `securityContext` of the pod.
    pub security: SecurityContext,
    /// The names of `securityContext.sysctls`, sorted.
    pub sysctls: Box<[Symbol]>,
    /// The names of the projected volumes with a token that the API server accepts, sorted, without the one
    /// that the API server itself adds to a pod.
    pub token_volumes: Box<[Symbol]>,
    /// The volumes that reach beyond the pod. Kinds that the restricted level admits are left out, since the
    /// API server and controllers add some (tokens, claims of a `StatefulSet`).
    pub volumes: Box<[PodVolume]>,
    /// The `resources` of the pod as a whole (KEP-2837).
    pub resources: Resources,
    /// All containers: init containers, then ordinary, then ephemeral ones.
    pub containers: Box<[ContainerFacts]>,
}

/// Which namespaces of the node a pod shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostNamespaces {
    /// `hostNetwork`: the network interfaces of the node.
    pub network: bool,
    /// `hostPID`: the processes of the node.
    pub pid: bool,
    /// `hostIPC`: the shared memory and semaphores of the node.
    pub ipc: bool,
}

/// A volume of a kind that the restricted level does not admit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodVolume {
    pub name: Symbol,
    /// The field that makes its kind: `hostPath`, `nfs`.
    pub kind: Symbol,
}

/// What checks read of a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerFacts {
    pub name: Symbol,
    /// Whether it is an init container, a sidecar, or another.
    pub role: ContainerRole,
    /// The image reference as written; empty if it is absent.
    pub image: Symbol,
    /// The part of its security context that a pod has as well.
    pub security: SecurityContext,
    /// The part of its security context that only containers have.
    pub confinement: Confinement,
    /// Which requests and limits it has.
    pub resources: Resources,
    /// Which probes it has.
    pub probes: ContainerProbes,
    /// The host ports, sorted. In the network of the node every container port is one.
    pub host_ports: Box<[i64]>,
    /// The `host` of probes and lifecycle handlers, sorted: the kubelet connects to them from the node.
    pub handler_hosts: Box<[Symbol]>,
}

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerRole {
    /// It runs before the others, and ends.
    Init,
    /// An init container with `restartPolicy: Always`: it runs beside the others, all the time.
    Sidecar,
    /// It runs as the pod's main work, with others of its kind.
    App,
    /// It was added to a running pod, for debugging.
    Ephemeral,
}

/// The part of a security context that pods and containers share. The value of a container takes
/// precedence; None leaves it to the pod, or to the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    /// `runAsNonRoot`: the kubelet refuses to run it as root.
    pub run_as_non_root: Option<bool>,
    /// `runAsUser`: the uid that it runs as.
    pub run_as_user: Option<i64>,
    /// `seccompProfile.type`: the filter for system calls.
    pub seccomp: Option<SecurityProfile>,
    /// `appArmorProfile.type`. For a container, its annotation and the value of the pod are considered, too,
    /// since the API server copies between these places.
    pub app_armor: Option<SecurityProfile>,
    /// `seLinuxOptions`. None if none of the three is set.
    pub se_linux: Option<Box<SeLinux>>,
    /// `windowsOptions.hostProcess`: it runs on the host itself.
    pub host_process: bool,
    /// Whether `windowsOptions.runAsUserName` is the administrator of the container. None if it is not set.
    pub administrator: Option<bool>,
}

/// The part of a security context that only containers have.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a field of the API, or what one comes to"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confinement {
    /// `privileged`: it has all capabilities and devices of the node.
    pub privileged: bool,
    /// `readOnlyRootFilesystem`: it can't change its own files.
    pub read_only_root: bool,
    /// Whether `capabilities.drop` has `ALL`, in capitals.
    pub drops_all: bool,
    /// Whether `capabilities.drop` has `ALL` in any case: container runtimes make no difference, but Pod
    /// Security does.
    pub runtime_drops_all: bool,
    /// `allowPrivilegeEscalation`. None means that the kubelet allows it.
    pub privilege_escalation: Option<bool>,
    /// The capabilities that are added, sorted.
    pub added: Box<[Symbol]>,
    /// `procMount`. None if it is absent or `Default`.
    pub proc_mount: Option<Symbol>,
}

/// The type of a seccomp or `AppArmor` profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SecurityProfile {
    /// The profile that the container runtime ships.
    RuntimeDefault,
    /// A profile that is a file on the node.
    Localhost,
    /// No profile: nothing is confined.
    Unconfined,
    /// A type that Kubernetes does not know.
    Other(Symbol),
}

impl SecurityProfile {
    /// The type as manifests write it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RuntimeDefault => "RuntimeDefault",
            Self::Localhost => "Localhost",
            Self::Unconfined => "Unconfined",
            Self::Other(name) => name,
        }
    }

    /// Whether it confines the container. False for an unknown type.
    pub fn confines(&self) -> bool {
        matches!(self, Self::RuntimeDefault | Self::Localhost)
    }
}

/// The `SELinux` options that the Pod Security Standards restrict; the level is free. None: not set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SeLinux {
    /// The field `type` of `seLinuxOptions`.
    pub kind: Option<Symbol>,
    pub user: Option<Symbol>,
    pub role: Option<Symbol>,
}

/// Which probes a container has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerProbes {
    pub readiness: bool,
    pub liveness: bool,
    pub startup: bool,
}

/// Which requests and limits there are. A quantity of zero limits nothing and counts as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resources {
    /// The resources with a request. What has a limit has a request, as the API server sets it.
    pub requests: Amounts,
    /// The resources with a limit.
    pub limits: Amounts,
}

/// Whether there is an amount of CPU, and one of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Amounts {
    pub cpu: bool,
    pub memory: bool,
}

impl Amounts {
    /// The amounts that at least one of them has.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { cpu: self.cpu || other.cpu, memory: self.memory || other.memory }
    }

    /// The amounts that both of them have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { cpu: self.cpu && other.cpu, memory: self.memory && other.memory }
    }

    /// Whether there is an amount of both.
    pub fn complete(self) -> bool {
        self.cpu && self.memory
    }
}

impl PodFacts {
    /// Whether the pod is given a token for the API server. `account_automounts` is what its service account
    /// says, for a pod that does not say itself. A mirror pod has no account and no token.
    pub fn is_given_token(&self, account_automounts: bool) -> bool {
        self.service_account.is_some()
            && (self.automount.unwrap_or(account_automounts) || !self.token_volumes.is_empty())
    }

    /// The value of a container, or else that of the pod, as the kubelet resolves it.
    pub fn effective<'a, T>(
        &'a self,
        container: &'a ContainerFacts,
        field: impl Fn(&'a SecurityContext) -> Option<T>,
    ) -> Option<T> {
        field(&container.security).or_else(|| field(&self.security))
    }
}
