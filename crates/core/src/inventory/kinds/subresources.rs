//! Subresources of the kinds of Kubernetes. A rule of RBAC names them as `pods/exec`.

/// API group, plural, names of subresources.
type Subresources = (&'static str, &'static str, &'static [&'static str]);

const STATUS: &[&str] = &["status"];
const SCALE: &[&str] = &["scale", "status"];

/// What API servers serve below their kinds.
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

/// What authorizers are asked about and no discovery shows: by kubelets, and by the controllers and
/// admission plugins of the API server itself.
const AUTHORIZED: &[Subresources] = &[
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

/// The subresources that API servers serve below a kind of Kubernetes; empty for any other.
pub fn subresources(group: &str, plural: &str) -> &'static [&'static str] {
    find(SERVED, group, plural)
}

/// The subresources of a kind of Kubernetes that only authorizers hear of.
pub fn subresources_for_authorizers(group: &str, plural: &str) -> &'static [&'static str] {
    find(AUTHORIZED, group, plural)
}

fn find(table: &[Subresources], group: &str, plural: &str) -> &'static [&'static str] {
    let row = table.iter().find(|(of, parent, _)| *of == group && *parent == plural);
    row.map_or(&[], |(_, _, subresources)| subresources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::kinds::builtin;

    #[test]
    fn subresources_are_of_kinds_that_are_listed() {
        for (group, plural, _) in SERVED.iter().chain(AUTHORIZED) {
            let known = builtin().any(|row| row.group == *group && row.plural == *plural);
            assert!(known, "{plural}.{group}");
        }
    }
}
