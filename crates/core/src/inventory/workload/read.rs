//! From a pod or a pod template to [`PodFacts`].

use super::{
    fields::{FieldResult, Fields},
    pod::{
        Amounts, Confinement, ContainerFacts, ContainerProbes, ContainerRole, HostNamespaces,
        PodFacts, PodVolume, Resources, SeLinux, SecurityContext, SecurityProfile,
    },
};
use crate::inventory::intern::{Interner, Symbol};

/// The kinds of volumes that the restricted level admits.
const CONTAINED_VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Parts of the addresses of API servers as issuers of tokens: in the cluster itself, and on EKS, GKE and
/// AKS.
const ISSUERS: &[&str] = &[
    "kubernetes.default",
    "://oidc.eks.",
    "://container.googleapis.com/",
    ".azmk8s.io",
    ".oic.prod-aks.azure.com",
];

/// The annotation for `AppArmor` profiles before Kubernetes 1.30 (KEP-24).
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The annotation of a mirror pod: the object that stands for a static pod, which the kubelet runs from a
/// file.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// Where the spec of a pod comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpecOrigin {
    /// A pod, to which the API server may have added something.
    Pod,
    /// The template of a workload, which is as somebody wrote it.
    Template,
}

/// Reads a pod, or the `template` of a workload: both have `metadata` and `spec`.
pub(super) fn pod(
    pod: &Fields<'_, '_>,
    written: SpecOrigin,
    interner: &Interner,
) -> FieldResult<PodFacts> {
    let metadata = pod.object("metadata")?;
    let annotations = metadata.object("annotations")?;
    let spec = pod.object("spec")?;
    if !spec.is_present() {
        return Err(pod.missing("spec", "give the pod at least one container"));
    }
    let context = spec.object("securityContext")?;
    let security = security_context(&context, interner)?;
    let reader = Containers {
        interner,
        annotations,
        host_network: spec.flag("hostNetwork")?,
        windows: spec.object("os")?.text("name")? == Some("windows"),
        pod_app_armor: security.app_armor.as_ref(),
    };
    let containers = reader.read(&spec)?;
    Ok(PodFacts {
        service_account: service_account(&spec, &reader.annotations, interner)?,
        automount: spec.bool("automountServiceAccountToken")?,
        host: HostNamespaces {
            network: reader.host_network,
            pid: spec.flag("hostPID")?,
            ipc: spec.flag("hostIPC")?,
        },
        user_namespace: spec.bool("hostUsers")? == Some(false),
        windows: reader.windows,
        long_running: matches!(spec.text("restartPolicy")?, None | Some("Always")),
        sysctls: sysctls(&context, interner)?,
        token_volumes: token_volumes(&spec, written, interner)?,
        volumes: volumes(&spec, interner)?,
        resources: pod_resources(&spec.object("resources")?, &containers)?,
        containers,
        security,
    })
}

fn service_account(
    spec: &Fields<'_, '_>,
    annotations: &Fields<'_, '_>,
    interner: &Interner,
) -> FieldResult<Option<Symbol>> {
    // The kubelet runs it without the API server, so it gets no token, whatever the file says.
    if annotations.has(MIRROR_ANNOTATION) {
        return Ok(None);
    }
    let name = match spec.text("serviceAccountName")? {
        Some(name) => name,
        None => spec.text("serviceAccount")?.unwrap_or("default"),
    };
    Ok(Some(interner.intern(name)))
}

fn security_context(context: &Fields<'_, '_>, interner: &Interner) -> FieldResult<SecurityContext> {
    let windows = context.object("windowsOptions")?;
    Ok(SecurityContext {
        run_as_non_root: context.bool("runAsNonRoot")?,
        run_as_user: context.integer("runAsUser")?,
        seccomp: profile(context, "seccompProfile", interner)?,
        app_armor: profile(context, "appArmorProfile", interner)?,
        se_linux: se_linux(&context.object("seLinuxOptions")?, interner)?,
        host_process: windows.flag("hostProcess")?,
        administrator: windows
            .text("runAsUserName")?
            .map(|user| user.eq_ignore_ascii_case("ContainerAdministrator")),
    })
}

fn profile(
    context: &Fields<'_, '_>,
    field: &str,
    interner: &Interner,
) -> FieldResult<Option<SecurityProfile>> {
    let profile = context.object(field)?;
    if !profile.is_present() {
        return Ok(None);
    }
    Ok(Some(match profile.text("type")?.unwrap_or_default() {
        "RuntimeDefault" => SecurityProfile::RuntimeDefault,
        "Localhost" => SecurityProfile::Localhost,
        "Unconfined" => SecurityProfile::Unconfined,
        other => SecurityProfile::Other(interner.intern(other)),
    }))
}

fn se_linux(options: &Fields<'_, '_>, interner: &Interner) -> FieldResult<Option<Box<SeLinux>>> {
    let text = |name| -> FieldResult<Option<Symbol>> {
        Ok(options.text(name)?.map(|text| interner.intern(text)))
    };
    let options = SeLinux { kind: text("type")?, user: text("user")?, role: text("role")? };
    let set = options.kind.is_some() || options.user.is_some() || options.role.is_some();
    Ok(set.then(|| Box::new(options)))
}

fn sysctls(context: &Fields<'_, '_>, interner: &Interner) -> FieldResult<Box<[Symbol]>> {
    let mut names = Vec::new();
    context.each("sysctls", |sysctl| {
        names.push(interner.intern(sysctl.text("name")?.unwrap_or_default()));
        Ok(())
    })?;
    Ok(sorted(names))
}

fn volumes(spec: &Fields<'_, '_>, interner: &Interner) -> FieldResult<Box<[PodVolume]>> {
    let mut volumes = Vec::new();
    spec.each("volumes", |volume| {
        if volume.names().any(|field| CONTAINED_VOLUMES.contains(&field)) {
            return Ok(());
        }
        // A volume of no kind is an emptyDir by default.
        if let Some(kind) = volume.names().find(|field| *field != "name") {
            volumes.push(PodVolume {
                name: interner.intern(volume.text("name")?.unwrap_or_default()),
                kind: interner.intern(kind),
            });
        }
        Ok(())
    })?;
    Ok(volumes.into())
}

/// The names of the volumes with a token that a manifest asks for, without the one that the API server adds
/// to a pod: that one follows from `automountServiceAccountToken`, and the template does not have it.
fn token_volumes(
    spec: &Fields<'_, '_>,
    written: SpecOrigin,
    interner: &Interner,
) -> FieldResult<Box<[Symbol]>> {
    let adds_one =
        written == SpecOrigin::Pod && spec.bool("automountServiceAccountToken")? != Some(false);
    let mut names = Vec::new();
    spec.each("volumes", |volume| {
        let name = volume.text("name")?.unwrap_or_default();
        let mut has_token = false;
        volume.object("projected")?.each("sources", |source| {
            let token = source.object("serviceAccountToken")?;
            has_token |= token.is_present() && is_for_api_server(token.text("audience")?);
            Ok(())
        })?;
        if has_token && !(adds_one && is_added(name)) {
            names.push(interner.intern(name));
        }
        Ok(())
    })?;
    Ok(sorted(names))
}

/// Whether the API server added the volume: `kube-api-access-` and five random characters.
fn is_added(volume: &str) -> bool {
    volume.strip_prefix("kube-api-access-").is_some_and(|suffix| suffix.len() == 5)
}

/// Whether a token for this audience is accepted by the API server. None is its own; it also accepts those
/// for its issuer, which is an address in the cluster or one of a provider of managed clusters.
fn is_for_api_server(audience: Option<&str>) -> bool {
    audience.is_none_or(|audience| {
        ISSUERS.iter().any(|part| audience.to_ascii_lowercase().contains(part))
    })
}

/// Reads containers, with what they take from their pod.
struct Containers<'a> {
    interner: &'a Interner,
    annotations: Fields<'a, 'a>,
    host_network: bool,
    windows: bool,
    pod_app_armor: Option<&'a SecurityProfile>,
}

impl Containers<'_> {
    fn read(&self, spec: &Fields<'_, '_>) -> FieldResult<Box<[ContainerFacts]>> {
        let mut containers = Vec::new();
        spec.each("initContainers", |fields| {
            let sidecar = fields.text("restartPolicy")? == Some("Always");
            let role = if sidecar { ContainerRole::Sidecar } else { ContainerRole::Init };
            containers.push(self.container(&fields, role)?);
            Ok(())
        })?;
        // Init containers alone do not make a pod.
        let before = containers.len();
        spec.each("containers", |fields| {
            containers.push(self.container(&fields, ContainerRole::App)?);
            Ok(())
        })?;
        if containers.len() == before {
            // A pod without containers would pass every check.
            return Err(spec.missing("containers", "give the pod at least one container"));
        }
        spec.each("ephemeralContainers", |fields| {
            containers.push(self.container(&fields, ContainerRole::Ephemeral)?);
            Ok(())
        })?;
        Ok(containers.into())
    }

    fn container(
        &self,
        fields: &Fields<'_, '_>,
        role: ContainerRole,
    ) -> FieldResult<ContainerFacts> {
        let Some(name) = fields.text("name")? else {
            return Err(fields.missing("name", "name the container"));
        };
        let context = fields.object("securityContext")?;
        let mut security = security_context(&context, self.interner)?;
        security.app_armor = self.app_armor(name, security.app_armor)?;
        Ok(ContainerFacts {
            name: self.interner.intern(name),
            role,
            image: self.interner.intern(fields.text("image")?.unwrap_or_default()),
            security,
            confinement: self.confinement(&context)?,
            resources: resources(&fields.object("resources")?)?,
            probes: ContainerProbes {
                readiness: fields.has("readinessProbe"),
                liveness: fields.has("livenessProbe"),
                startup: fields.has("startupProbe"),
            },
            host_ports: self.host_ports(fields, role)?,
            handler_hosts: self.handler_hosts(fields)?,
        })
    }

    /// The profile in force. An annotation that does not confine takes precedence over the field: if both
    /// are given they must agree, and the worse one must not hide behind the better one.
    fn app_armor(
        &self,
        container: &str,
        field: Option<SecurityProfile>,
    ) -> FieldResult<Option<SecurityProfile>> {
        let annotation = match self.annotation(container)? {
            Some(_) if self.windows => None,
            Some("runtime/default") => Some(SecurityProfile::RuntimeDefault),
            Some("unconfined") => Some(SecurityProfile::Unconfined),
            Some(local) if local.starts_with("localhost/") => Some(SecurityProfile::Localhost),
            Some(other) => Some(SecurityProfile::Other(self.interner.intern(other))),
            None => None,
        };
        Ok(match annotation {
            Some(profile) if !profile.confines() => Some(profile),
            annotation => field.or(annotation).or(self.pod_app_armor.cloned()),
        })
    }

    fn annotation(&self, container: &str) -> FieldResult<Option<&str>> {
        if !self.annotations.is_present() {
            return Ok(None);
        }
        self.annotations.text(&format!("{APP_ARMOR_ANNOTATION}{container}"))
    }

    fn confinement(&self, context: &Fields<'_, '_>) -> FieldResult<Confinement> {
        let capabilities = context.object("capabilities")?;
        let (added, dropped) = (capabilities.texts("add")?, capabilities.texts("drop")?);
        Ok(Confinement {
            privileged: context.flag("privileged")?,
            read_only_root: context.flag("readOnlyRootFilesystem")?,
            drops_all: dropped.contains(&"ALL"),
            runtime_drops_all: dropped.iter().any(|name| name.eq_ignore_ascii_case("ALL")),
            privilege_escalation: context.bool("allowPrivilegeEscalation")?,
            added: self.intern_all(added),
            proc_mount: context
                .text("procMount")?
                .filter(|kind| *kind != "Default")
                .map(|kind| self.interner.intern(kind)),
        })
    }

    fn host_ports(&self, fields: &Fields<'_, '_>, role: ContainerRole) -> FieldResult<Box<[i64]>> {
        let mut ports = Vec::new();
        fields.each("ports", |port| {
            let mut host_port = port.integer("hostPort")?.unwrap_or(0);
            // The API server does the same for pods, though no longer for templates.
            if host_port == 0 && self.host_network && role != ContainerRole::Ephemeral {
                host_port = port.integer("containerPort")?.unwrap_or(0);
            }
            if host_port != 0 {
                ports.push(host_port);
            }
            Ok(())
        })?;
        Ok(sorted(ports))
    }

    fn handler_hosts(&self, fields: &Fields<'_, '_>) -> FieldResult<Box<[Symbol]>> {
        let mut hosts = Vec::new();
        let lifecycle = fields.object("lifecycle")?;
        for (parent, name) in [
            (fields, "livenessProbe"),
            (fields, "readinessProbe"),
            (fields, "startupProbe"),
            (&lifecycle, "postStart"),
            (&lifecycle, "preStop"),
        ] {
            let handler = parent.object(name)?;
            for action in ["httpGet", "tcpSocket"] {
                hosts.extend(handler.object(action)?.text("host")?);
            }
        }
        Ok(self.intern_all(hosts))
    }

    fn intern_all(&self, texts: Vec<&str>) -> Box<[Symbol]> {
        sorted(texts.into_iter().map(|text| self.interner.intern(text)).collect())
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Box<[T]> {
    // Sorted and unique, so that the order in a manifest changes no facts.
    list.sort_unstable();
    list.dedup();
    list.into()
}

fn resources(resources: &Fields<'_, '_>) -> FieldResult<Resources> {
    let limits = amounts(&resources.object("limits")?)?;
    // As the API server sets them when it stores a pod.
    let requests = amounts(&resources.object("requests")?)?.or(limits);
    Ok(Resources { requests, limits })
}

/// The resources of the pod as a whole. If it has any limit, the API server completes its requests from
/// those of its containers and from its own limits.
fn pod_resources(fields: &Fields<'_, '_>, containers: &[ContainerFacts]) -> FieldResult<Resources> {
    let limited = fields.object("limits")?.names().next().is_some();
    let own = resources(fields)?;
    if !limited {
        return Ok(own);
    }
    let requests =
        containers.iter().fold(own.requests, |sum, container| sum.or(container.resources.requests));
    Ok(Resources { requests, ..own })
}

fn amounts(list: &Fields<'_, '_>) -> FieldResult<Amounts> {
    let some = |name| -> FieldResult<bool> {
        Ok(list.quantity(name)?.is_some_and(|quantity| !is_zero(&quantity)))
    };
    Ok(Amounts { cpu: some("cpu")?, memory: some("memory")? })
}

/// Whether a quantity is zero: all its digits before the exponent or the suffix are. True for one that can't
/// be read, so that it counts as none.
fn is_zero(quantity: &str) -> bool {
    quantity
        .trim_start_matches(['+', '-'])
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .all(|c| matches!(c, '0' | '.'))
}

#[cfg(test)]
mod tests {
    use super::is_zero;

    #[test]
    fn quantities_of_zero_in_any_notation() {
        for zero in ["0", "0m", "0.0", "+0Gi", "0e3", "", "garbage"] {
            assert!(is_zero(zero), "{zero}");
        }
        for some in ["1", "100m", "0.1", "1e-3", "10Gi", ".5"] {
            assert!(!is_zero(some), "{some}");
        }
    }
}
