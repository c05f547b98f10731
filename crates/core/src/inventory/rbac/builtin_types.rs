//! The resource types that every API server serves, by all the names that kubectl takes.
//!
//! Discovery tells more, but manifests bring none, and RBAC rules name resources of clusters that
//! nobody asked.

/// A resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinType {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural.
    pub plural: &'static str,
    /// Kind; the singular is the kind in lower case.
    pub kind: &'static str,
    /// Short names.
    pub short: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

const fn row(
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
) -> BuiltinType {
    BuiltinType { group, plural, kind, short, namespaced }
}

/// Every such type, the core group first.
pub const BUILTIN_TYPES: &[BuiltinType] = &[
    row("", "bindings", "Binding", &[], true),
    row("", "componentstatuses", "ComponentStatus", &["cs"], false),
    row("", "configmaps", "ConfigMap", &["cm"], true),
    row("", "endpoints", "Endpoints", &["ep"], true),
    row("", "events", "Event", &["ev"], true),
    row("", "limitranges", "LimitRange", &["limits"], true),
    row("", "namespaces", "Namespace", &["ns"], false),
    row("", "nodes", "Node", &["no"], false),
    row("", "persistentvolumeclaims", "PersistentVolumeClaim", &["pvc"], true),
    row("", "persistentvolumes", "PersistentVolume", &["pv"], false),
    row("", "pods", "Pod", &["po"], true),
    row("", "podtemplates", "PodTemplate", &[], true),
    row("", "replicationcontrollers", "ReplicationController", &["rc"], true),
    row("", "resourcequotas", "ResourceQuota", &["quota"], true),
    row("", "secrets", "Secret", &[], true),
    row("", "serviceaccounts", "ServiceAccount", &["sa"], true),
    row("", "services", "Service", &["svc"], true),
    // Not objects, but what impersonation is authorised for.
    row("", "users", "User", &[], false),
    row("", "groups", "Group", &[], false),
    row("authentication.k8s.io", "users", "User", &[], false),
    row("authentication.k8s.io", "groups", "Group", &[], false),
    row("authentication.k8s.io", "serviceaccounts", "ServiceAccount", &[], true),
    row("authentication.k8s.io", "nodes", "Node", &[], false),
    row("authentication.k8s.io", "uids", "Uid", &[], false),
    row("authentication.k8s.io", "userextras", "UserExtra", &[], false),
    row(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        &[],
        false,
    ),
    row(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        &[],
        false,
    ),
    row(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        &[],
        false,
    ),
    row(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        &[],
        false,
    ),
    row(
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies",
        "MutatingAdmissionPolicy",
        &[],
        false,
    ),
    row(
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        "MutatingAdmissionPolicyBinding",
        &[],
        false,
    ),
    row(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        &["crd", "crds"],
        false,
    ),
    row("apiregistration.k8s.io", "apiservices", "APIService", &[], false),
    row("apps", "controllerrevisions", "ControllerRevision", &[], true),
    row("apps", "daemonsets", "DaemonSet", &["ds"], true),
    row("apps", "deployments", "Deployment", &["deploy"], true),
    row("apps", "replicasets", "ReplicaSet", &["rs"], true),
    row("apps", "statefulsets", "StatefulSet", &["sts"], true),
    row("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", &[], false),
    row("authentication.k8s.io", "tokenreviews", "TokenReview", &[], false),
    row("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", &[], true),
    row("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", &[], false),
    row("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", &[], false),
    row("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", &[], false),
    row("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", &["hpa"], true),
    row("batch", "cronjobs", "CronJob", &["cj"], true),
    row("batch", "jobs", "Job", &[], true),
    row(
        "certificates.k8s.io",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        &["csr"],
        false,
    ),
    row("certificates.k8s.io", "clustertrustbundles", "ClusterTrustBundle", &[], false),
    row("certificates.k8s.io", "podcertificaterequests", "PodCertificateRequest", &[], true),
    row("certificates.k8s.io", "signers", "Signer", &[], false),
    row("coordination.k8s.io", "leasecandidates", "LeaseCandidate", &[], true),
    row("coordination.k8s.io", "leases", "Lease", &[], true),
    row("discovery.k8s.io", "endpointslices", "EndpointSlice", &[], true),
    row("events.k8s.io", "events", "Event", &["ev"], true),
    row("flowcontrol.apiserver.k8s.io", "flowschemas", "FlowSchema", &[], false),
    row(
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
        "PriorityLevelConfiguration",
        &[],
        false,
    ),
    row("internal.apiserver.k8s.io", "storageversions", "StorageVersion", &[], false),
    row("networking.k8s.io", "ingressclasses", "IngressClass", &[], false),
    row("networking.k8s.io", "ingresses", "Ingress", &["ing"], true),
    row("networking.k8s.io", "ipaddresses", "IPAddress", &["ip"], false),
    row("networking.k8s.io", "networkpolicies", "NetworkPolicy", &["netpol"], true),
    row("networking.k8s.io", "servicecidrs", "ServiceCIDR", &[], false),
    row("node.k8s.io", "runtimeclasses", "RuntimeClass", &[], false),
    row("policy", "poddisruptionbudgets", "PodDisruptionBudget", &["pdb"], true),
    row("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", &[], false),
    row("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", &[], false),
    row("rbac.authorization.k8s.io", "rolebindings", "RoleBinding", &[], true),
    row("rbac.authorization.k8s.io", "roles", "Role", &[], true),
    row("resource.k8s.io", "deviceclasses", "DeviceClass", &[], false),
    row("resource.k8s.io", "devicetaintrules", "DeviceTaintRule", &[], false),
    row("resource.k8s.io", "resourceclaims", "ResourceClaim", &[], true),
    row("resource.k8s.io", "resourceclaimtemplates", "ResourceClaimTemplate", &[], true),
    row("resource.k8s.io", "resourcepoolstatusrequests", "ResourcePoolStatusRequest", &[], false),
    row("resource.k8s.io", "resourceslices", "ResourceSlice", &[], false),
    row("scheduling.k8s.io", "podgroups", "PodGroup", &[], true),
    row("scheduling.k8s.io", "priorityclasses", "PriorityClass", &["pc"], false),
    row("scheduling.k8s.io", "workloads", "Workload", &[], true),
    row("storage.k8s.io", "csidrivers", "CSIDriver", &[], false),
    row("storage.k8s.io", "csinodes", "CSINode", &[], false),
    row("storage.k8s.io", "csistoragecapacities", "CSIStorageCapacity", &[], true),
    row("storage.k8s.io", "storageclasses", "StorageClass", &["sc"], false),
    row("storage.k8s.io", "volumeattachments", "VolumeAttachment", &[], false),
    row("storage.k8s.io", "volumeattributesclasses", "VolumeAttributesClass", &["vac"], false),
    row(
        "storagemigration.k8s.io",
        "storageversionmigrations",
        "StorageVersionMigration",
        &[],
        false,
    ),
];

/// Group, plural, subresources.
type Subresources = (&'static str, &'static str, &'static [&'static str]);

const STATUS: &[&str] = &["status"];
const SCALE: &[&str] = &["scale", "status"];

/// What API servers serve below their types.
const SERVED: &[Subresources] = &[
    ("", "namespaces", &["finalize", "status"]),
    ("", "nodes", &["proxy", "status"]),
    ("", "persistentvolumeclaims", STATUS),
    ("", "persistentvolumes", STATUS),
    (
        "",
        "pods",
        &[
            "attach",
            "binding",
            "ephemeralcontainers",
            "eviction",
            "exec",
            "log",
            "portforward",
            "proxy",
            "resize",
            "status",
        ],
    ),
    ("", "replicationcontrollers", SCALE),
    ("", "resourcequotas", STATUS),
    ("", "serviceaccounts", &["token"]),
    ("", "services", &["proxy", "status"]),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies", STATUS),
    ("apiextensions.k8s.io", "customresourcedefinitions", STATUS),
    ("apiregistration.k8s.io", "apiservices", STATUS),
    ("apps", "daemonsets", STATUS),
    ("apps", "deployments", SCALE),
    ("apps", "replicasets", SCALE),
    ("apps", "statefulsets", SCALE),
    ("autoscaling", "horizontalpodautoscalers", STATUS),
    ("batch", "cronjobs", STATUS),
    ("batch", "jobs", STATUS),
    ("certificates.k8s.io", "certificatesigningrequests", &["approval", "status"]),
    ("certificates.k8s.io", "podcertificaterequests", STATUS),
    ("flowcontrol.apiserver.k8s.io", "flowschemas", STATUS),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", STATUS),
    ("internal.apiserver.k8s.io", "storageversions", STATUS),
    ("networking.k8s.io", "ingresses", STATUS),
    ("networking.k8s.io", "servicecidrs", STATUS),
    ("policy", "poddisruptionbudgets", STATUS),
    ("resource.k8s.io", "devicetaintrules", STATUS),
    ("resource.k8s.io", "resourceclaims", STATUS),
    ("resource.k8s.io", "resourcepoolstatusrequests", STATUS),
    ("scheduling.k8s.io", "podgroups", STATUS),
    ("storage.k8s.io", "volumeattachments", STATUS),
    ("storagemigration.k8s.io", "storageversionmigrations", STATUS),
];

/// What is asked of authorizers and that no discovery shows: by kubelets, and by the controllers and
/// plugins of the API server itself.
const ASKED: &[Subresources] = &[
    (
        "",
        "nodes",
        &["checkpoint", "configz", "healthz", "log", "metrics", "pods", "spec", "stats", "statusz"],
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        &["nodeclient", "selfnodeclient", "selfnodeserver"],
    ),
];

/// The subresources that API servers serve below a builtin type.
pub fn subresources(group: &str, plural: &str) -> &'static [&'static str] {
    of(SERVED, group, plural)
}

/// The subresources of a builtin type that only authorizers hear of.
pub fn subresources_for_authorizers(group: &str, plural: &str) -> &'static [&'static str] {
    of(ASKED, group, plural)
}

fn of(table: &[Subresources], group: &str, plural: &str) -> &'static [&'static str] {
    let row = table.iter().find(|(of, parent, _)| *of == group && *parent == plural);
    row.map_or(&[], |(_, _, subresources)| subresources)
}

impl BuiltinType {
    /// Whether no API server serves it: what impersonation and signing are authorised for.
    pub fn is_only_authorized(&self) -> bool {
        matches!(
            (self.group, self.plural),
            ("", "users" | "groups")
                | ("certificates.k8s.io", "signers")
                | (
                    "authentication.k8s.io",
                    "users" | "groups" | "serviceaccounts" | "nodes" | "uids" | "userextras"
                )
        )
    }
}

/// Whether a resource is known to have no namespace.
pub fn is_cluster_scoped(group: &str, plural: &str) -> bool {
    BUILTIN_TYPES.iter().any(|row| !row.namespaced && row.group == group && row.plural == plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_and_short_names_are_unambiguous_within_a_group() {
        let mut names: Vec<(&str, &str)> = BUILTIN_TYPES
            .iter()
            .flat_map(|row| {
                let names = row.short.iter().chain([&row.plural]);
                names.map(|name| (row.group, *name))
            })
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn scopes() {
        assert!(is_cluster_scoped("", "nodes"));
        assert!(is_cluster_scoped("rbac.authorization.k8s.io", "clusterroles"));
        assert!(!is_cluster_scoped("", "pods"));
        assert!(!is_cluster_scoped("example.com", "nodes"));
    }

    #[test]
    fn subresources_are_of_types_that_are_listed() {
        for (group, plural, _) in SERVED.iter().chain(ASKED) {
            let known = |row: &BuiltinType| row.group == *group && row.plural == *plural;
            assert!(BUILTIN_TYPES.iter().any(known), "{plural}.{group}");
        }
    }
}
