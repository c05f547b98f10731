//! What checks read of a pod's spec.
//!
//! A template and the pod that the API server makes of it yield equal facts: what admission and
//! defaulting add is either left out or filled in here in the same way. Whoever changed a pod on
//! its way, such as a mutating webhook, is seen because the facts then differ.

use crate::inventory::intern::Symbol;

/// The shape of a pod, shared by all its replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodFacts {
    /// `serviceAccountName`; `default` when absent, as the API server sets it. None for a mirror
    /// pod, which can have no service account.
    pub service_account: Option<Symbol>,
    /// `automountServiceAccountToken`: absent leaves it to the service account.
    pub automount: Option<bool>,
    /// Namespaces of the node that the pod shares.
    pub host: HostNamespaces,
    /// `hostUsers: false`: root inside is nobody outside (KEP-127).
    pub user_namespace: bool,
    /// `os.name: windows`.
    pub windows: bool,
    /// `restartPolicy: Always`: the pod serves until it is stopped. A pod of a Job does not.
    pub long_running: bool,
    /// `securityContext` of the pod.
    pub security: SecurityContext,
    /// Names of `securityContext.sysctls`, sorted.
    pub sysctls: Box<[Symbol]>,
    /// Names of the projected volumes with a token that the API server takes, sorted, without the
    /// one that the API server adds to a pod by itself.
    pub token_volumes: Box<[Symbol]>,
    /// Volumes that reach beyond the pod; the kinds that the restricted level admits are left
    /// out, since the API server and controllers add such (tokens, claims of a `StatefulSet`).
    pub volumes: Box<[PodVolume]>,
    /// `resources` of the pod as a whole (KEP-2837).
    pub resources: Resources,
    /// All containers: init containers, then ordinary, then ephemeral ones.
    pub containers: Box<[ContainerFacts]>,
}

/// Namespaces of the node that a pod shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostNamespaces {
    /// `hostNetwork`.
    pub network: bool,
    /// `hostPID`.
    pub pid: bool,
    /// `hostIPC`.
    pub ipc: bool,
}

/// A volume of a kind that the restricted level does not admit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodVolume {
    /// Its name.
    pub name: Symbol,
    /// The field that makes its kind: `hostPath`, `nfs`.
    pub kind: Symbol,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerFacts {
    /// Its name.
    pub name: Symbol,
    /// When it runs.
    pub role: ContainerRole,
    /// The image reference as written; empty when absent.
    pub image: Symbol,
    /// What a pod's security context also has.
    pub security: SecurityContext,
    /// What only containers have.
    pub confinement: Confinement,
    /// Which requests and limits it has.
    pub resources: Resources,
    /// Which probes it has.
    pub probes: ContainerProbes,
    /// Host ports, sorted. In the node's network every container port is one.
    pub host_ports: Box<[i64]>,
    /// `host` of probes and lifecycle handlers, sorted: connections made from the node.
    pub handler_hosts: Box<[Symbol]>,
}

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerRole {
    /// Before the others, until it ends.
    Init,
    /// An init container with `restartPolicy: Always`: beside the others, all the time.
    Sidecar,
    /// An ordinary container.
    App,
    /// Added to a running pod, for debugging.
    Ephemeral,
}

/// The part of a security context that pods and containers share. A container's value wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecurityContext {
    /// `runAsNonRoot`.
    pub run_as_non_root: Option<bool>,
    /// `runAsUser`.
    pub run_as_user: Option<i64>,
    /// `seccompProfile.type`.
    pub seccomp: Option<SecurityProfile>,
    /// `appArmorProfile.type`. Of a container: after its annotation and what the pod has, since
    /// the API server copies between these places.
    pub app_armor: Option<SecurityProfile>,
    /// `seLinuxOptions`, where any of the three is set.
    pub se_linux: Option<Box<SeLinux>>,
    /// `windowsOptions.hostProcess`.
    pub host_process: bool,
    /// Whether `windowsOptions.runAsUserName` is the administrator of the container; None where it
    /// is not set.
    pub administrator: Option<bool>,
}

/// The part of a security context that only containers have.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a field of the API, or what one comes to"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Confinement {
    /// `privileged`.
    pub privileged: bool,
    /// `readOnlyRootFilesystem`.
    pub read_only_root: bool,
    /// Whether `capabilities.drop` holds `ALL`.
    pub drops_all: bool,
    /// Whether it holds `ALL` in any case: container runtimes do not tell them apart.
    pub runtime_drops_all: bool,
    /// `allowPrivilegeEscalation`; the kubelet allows it when absent.
    pub privilege_escalation: Option<bool>,
    /// `capabilities.add`, sorted.
    pub added: Box<[Symbol]>,
    /// `procMount`, where it is not `Default`.
    pub proc_mount: Option<Symbol>,
}

/// The type of a seccomp or `AppArmor` profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecurityProfile {
    /// What the container runtime ships.
    RuntimeDefault,
    /// One on the node.
    Localhost,
    /// None at all.
    Unconfined,
    /// Not a type that Kubernetes knows.
    Other(Symbol),
}

impl SecurityProfile {
    /// The type as manifests name it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RuntimeDefault => "RuntimeDefault",
            Self::Localhost => "Localhost",
            Self::Unconfined => "Unconfined",
            Self::Other(name) => name,
        }
    }

    /// Whether it confines.
    pub fn confines(&self) -> bool {
        matches!(self, Self::RuntimeDefault | Self::Localhost)
    }
}

/// `SELinux` options that the standards restrict; the level is free.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeLinux {
    /// `type`.
    pub kind: Option<Symbol>,
    /// `user`.
    pub user: Option<Symbol>,
    /// `role`.
    pub role: Option<Symbol>,
}

/// Which probes a container has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContainerProbes {
    /// `readinessProbe`.
    pub readiness: bool,
    /// `livenessProbe`.
    pub liveness: bool,
    /// `startupProbe`.
    pub startup: bool,
}

/// Which requests and limits there are; a quantity of zero bounds nothing and counts as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resources {
    /// `requests`; what has a limit has a request, as the API server sets it.
    pub requests: Amounts,
    /// `limits`.
    pub limits: Amounts,
}

/// Of CPU and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    /// `cpu`.
    pub cpu: bool,
    /// `memory`.
    pub memory: bool,
}

impl Amounts {
    /// What either has.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { cpu: self.cpu || other.cpu, memory: self.memory || other.memory }
    }

    /// What both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { cpu: self.cpu && other.cpu, memory: self.memory && other.memory }
    }

    /// Both of them.
    pub fn complete(self) -> bool {
        self.cpu && self.memory
    }
}

impl PodFacts {
    /// Whether the pod is given a token for the API server, where its account says whether to do so
    /// by default. A mirror pod has no account, and can have no token.
    pub fn is_given_token(&self, account_automounts: bool) -> bool {
        self.service_account.is_some()
            && (self.automount.unwrap_or(account_automounts) || !self.token_volumes.is_empty())
    }

    /// A container's value where it has one, else the pod's, as the kubelet resolves it.
    pub fn effective<'a, T>(
        &'a self,
        container: &'a ContainerFacts,
        field: impl Fn(&'a SecurityContext) -> Option<T>,
    ) -> Option<T> {
        field(&container.security).or_else(|| field(&self.security))
    }
}
