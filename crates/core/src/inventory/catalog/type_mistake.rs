//! Types that no API server takes: a kind that is mistyped, a group or a version that is not there.

use crate::inventory::{
    kinds::{self, KnownKind, Served},
    resource::Catalog,
};

/// What is wrong with the type of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeMistake {
    /// What is wrong and what to write instead.
    pub message: String,
    /// Group and kind of what was probably meant, the likeliest first.
    pub meant: Vec<(String, String)>,
}

/// How many kinds are proposed at most: more than these help nobody to choose.
const SUGGESTIONS: usize = 4;

/// Bodies of requests to subresources, and of answers. Nothing stores them, and no resource is called
/// like them.
const REQUEST_BODIES: &[(&str, &str)] = &[
    ("", "Status"),
    ("authentication.k8s.io", "TokenRequest"),
    ("autoscaling", "Scale"),
    ("policy", "Eviction"),
];

/// Kinds that no supported API server has any more, with what to do instead.
const GONE: &[(&str, &str, &str)] = &[
    ("extensions", "PodSecurityPolicy", "use Pod Security Admission, by namespace labels"),
    ("policy", "PodSecurityPolicy", "use Pod Security Admission, by namespace labels"),
    ("settings.k8s.io", "PodPreset", "set what it added in the pods themselves"),
];

/// Groups below `k8s.io` whose kinds come with a CRD or an API server of their own.
const ADD_ONS: &[&str] = &[
    "about.k8s.io",
    "app.k8s.io",
    "autoscaling.k8s.io",
    "cbt.storage.k8s.io",
    "certmanager.k8s.io",
    "custom.metrics.k8s.io",
    "external.metrics.k8s.io",
    "gateway.networking.k8s.io",
    "groupsnapshot.storage.k8s.io",
    "inference.networking.k8s.io",
    "kops.k8s.io",
    "metacontroller.k8s.io",
    "metrics.k8s.io",
    "objectstorage.k8s.io",
    "policy.networking.k8s.io",
    "populator.storage.k8s.io",
    "scheduling.sigs.k8s.io",
    "servicecatalog.k8s.io",
    "snapshot.storage.k8s.io",
    "sparkoperator.k8s.io",
    "topology.node.k8s.io",
];

/// Why no API server takes objects of this type. None where one does, or where nobody can say: a
/// custom resource may have its definition elsewhere.
pub fn find_type_mistake(
    catalog: &Catalog,
    group: &str,
    version: &str,
    kind: &str,
) -> Option<TypeMistake> {
    let api_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    // Kinds of other groups come with CRDs, which may be anywhere: only a near miss is a mistake there.
    let own = is_kubernetes_group(group);
    if let Some(row) = catalog.find_kind(group, kind) {
        let served = row.versions.iter().any(|served| served == version);
        return (own && !served).then(|| TypeMistake {
            message: format!(
                "no supported API server has {kind} in {api_version}: write `apiVersion: {}`",
                row.resource.api_version()
            ),
            meant: vec![(group.to_owned(), kind.to_owned())],
        });
    }
    if is_never_stored(group, kind) {
        return None;
    }
    if let Some((_, _, instead)) = GONE.iter().find(|row| (row.0, row.1) == (group, kind)) {
        let message = format!("no supported API server has {kind} in {api_version}: {instead}");
        return Some(TypeMistake { message, meant: Vec::new() });
    }
    let meant = if own { similar(group, kind) } else { slip(group, kind) };
    if meant.is_empty() && !own {
        return None;
    }
    let instead = suggestion(&meant, group, &api_version, kind);
    Some(TypeMistake {
        message: format!("no API server has a kind {kind} in {api_version}: {instead}"),
        meant: meant
            .into_iter()
            .map(|known| (known.group.to_owned(), known.kind.to_owned()))
            .collect(),
    })
}

/// Whether API servers answer requests with such an object and never store one.
fn is_never_stored(group: &str, kind: &str) -> bool {
    REQUEST_BODIES.contains(&(group, kind))
        || kinds::builtin().any(|known| {
            known.served == Served::NotStored && known.group == group && known.kind == kind
        })
}

/// What to write instead: only what differs.
fn suggestion(meant: &[&'static KnownKind], group: &str, api_version: &str, kind: &str) -> String {
    let instead: Vec<String> = meant
        .iter()
        .map(|known| {
            let (of, versions) = (known.group, known.versions());
            let version = versions.first().copied().unwrap_or_default();
            let right = if of.is_empty() { version.to_owned() } else { format!("{of}/{version}") };
            let same_group = of == group && versions.iter().any(|it| api_version.ends_with(it));
            match (same_group, known.kind == kind) {
                (true, _) => format!("`kind: {}`", known.kind),
                (_, true) => format!("`apiVersion: {right}`"),
                _ => format!("`apiVersion: {right}` and `kind: {}`", known.kind),
            }
        })
        .collect();
    let write = match instead.as_slice() {
        [] => "correct apiVersion and kind".to_owned(),
        instead => format!("write {}", instead.join(" or ")),
    };
    // A definition can add a kind to any group but those of Kubernetes.
    let served = kinds::stored().any(|known| known.group == group);
    if !group.contains('.') || (is_kubernetes_group(group) && served) {
        return write;
    }
    format!("{write}, or scan the CustomResourceDefinition that adds it as well")
}

/// Whether only API servers of Kubernetes themselves have kinds in a group: the group of a CRD has
/// a dot, and those of add-ons below `k8s.io` are known.
pub fn is_kubernetes_group(group: &str) -> bool {
    (!group.contains('.') || group.ends_with(".k8s.io")) && !ADD_ONS.contains(&group)
}

/// What a kind in a group of Kubernetes may have meant: the kinds of the most similar name, those of
/// the most similar group first.
fn similar(group: &str, kind: &str) -> Vec<&'static KnownKind> {
    let mut found: Vec<(usize, usize, &'static KnownKind)> = kinds::stored()
        .filter_map(|known| {
            Some((kind_distance(kind, known.kind)?, distance(group, known.group), known))
        })
        .collect();
    found.sort_by_key(|(by_kind, by_group, _)| (*by_kind, *by_group));
    let nearest = found.first().map(|(by_kind, _, _)| *by_kind);
    // A name that is right is enough of a hint; of a mistyped one the nearest group says more.
    let same_group =
        found.iter().any(|(by_kind, by_group, _)| Some(*by_kind) == nearest && *by_group == 0);
    found
        .into_iter()
        .filter(|(by_kind, by_group, _)| {
            Some(*by_kind) == nearest && (!same_group || *by_group == 0)
        })
        .map(|(_, _, known)| known)
        .take(SUGGESTIONS)
        .collect()
}

/// A slip in the name of a custom resource: only what can hardly be another kind, since nobody knows
/// all of them.
fn slip(group: &str, kind: &str) -> Vec<&'static KnownKind> {
    kinds::stored()
        .filter(|known| {
            if known.group == group {
                known.kind != kind && kind_distance(kind, known.kind).is_some_and(|off| off <= 1)
            } else {
                group.len() > 6
                    && distance(group, known.group) <= 2
                    && kind.eq_ignore_ascii_case(known.kind)
            }
        })
        .take(SUGGESTIONS)
        .collect()
}

/// How far a kind is from a known one: 0 for another case or number, None for too far.
fn kind_distance(kind: &str, known: &str) -> Option<usize> {
    let (kind, known) = (kind.to_lowercase(), known.to_lowercase());
    if kind == known || kind == super::plural(&known) {
        return Some(0);
    }
    // A long name has room for two slips, a short one for one: `Job` and `Pod` differ by two.
    let room = if known.len() >= 8 { 2 } else { usize::from(known.len() >= 3) };
    Some(distance(&kind, &known)).filter(|off| *off <= room)
}

/// How many letters have to be added, dropped, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    // Names are short; what is longer is no slip of anything.
    const LONGEST: usize = 64;
    if a.len() > LONGEST || b.len() > LONGEST {
        return LONGEST;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(LONGEST);
            let replaced = at(&last, j) + usize::from(x != y);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(api_version: &str, kind: &str) -> Option<Vec<String>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mistake = find_type_mistake(&Catalog::builtin(), group, version, kind)?;
        Some(mistake.meant.iter().map(|(group, kind)| format!("{kind}.{group}")).collect())
    }

    #[test]
    fn a_type_that_no_api_server_has_names_the_nearest() {
        for (api_version, kind, expected) in [
            ("v1", "pod", "Pod."),
            ("v1", "Pods", "Pod."),
            ("v1", "PersistantVolumeClaim", "PersistentVolumeClaim."),
            ("v2", "Pod", "Pod."),
            ("v1", "Deployment", "Deployment.apps"),
            ("app/v1", "Deployment", "Deployment.apps"),
            ("apps/v2", "Deployment", "Deployment.apps"),
            ("apps/v1beta2", "Deployment", "Deployment.apps"),
            ("apps/v1", "deployment", "Deployment.apps"),
            ("apps/v1", "Deployments", "Deployment.apps"),
            ("apps/v1", "Deploymnet", "Deployment.apps"),
            ("apps/v1", "Statefulset", "StatefulSet.apps"),
            ("apps/v1", "Pod", "Pod."),
            ("batch/v1", "Cronjob", "CronJob.batch"),
            ("batch/v1beta1", "CronJob", "CronJob.batch"),
            ("extensions/v1beta1", "Ingress", "Ingress.networking.k8s.io"),
            ("extensions/v1beta1", "Deployment", "Deployment.apps"),
            ("networking.k8s.io/v1", "Ingresses", "Ingress.networking.k8s.io"),
            ("networking.k8s.io/v1beta9", "Ingress", "Ingress.networking.k8s.io"),
            (
                "rbac.authorization.k8s.io/v1",
                "ClusterRolebinding",
                "ClusterRoleBinding.rbac.authorization.k8s.io",
            ),
            (
                "rbac.authorization.k8.io/v1",
                "ClusterRoleBinding",
                "ClusterRoleBinding.rbac.authorization.k8s.io",
            ),
            ("rbac/v1", "Role", "Role.rbac.authorization.k8s.io"),
            ("authorization.k8s.io/v1", "RoleBinding", "RoleBinding.rbac.authorization.k8s.io"),
            ("cert-manager.io/v1", "Certifcate", "Certificate.cert-manager.io"),
            ("cert-manager.io/v1", "certificate", "Certificate.cert-manager.io"),
            ("certmanager.io/v1", "Certificate", "Certificate.cert-manager.io"),
            ("velero.io/v1", "Schedules", "Schedule.velero.io"),
        ] {
            assert_eq!(
                meant(api_version, kind),
                Some(vec![expected.to_owned()]),
                "{api_version} {kind}"
            );
        }
        for (api_version, kind) in [
            ("policy/v1beta1", "PodSecurityPolicy"),
            ("apps/v1", "Widget"),
            ("example/v1", "Widget"),
            ("nonsense.k8s.io/v1", "Widget"),
            ("v1alpha1", "Widget"),
        ] {
            assert_eq!(meant(api_version, kind), Some(Vec::new()), "{api_version} {kind}");
        }
    }

    #[test]
    fn a_type_that_may_be_elsewhere_is_no_mistake() {
        for (api_version, kind) in [
            ("v1", "Pod"),
            ("autoscaling/v1", "HorizontalPodAutoscaler"),
            ("authorization.k8s.io/v1", "SubjectAccessReview"),
            ("example.com/v1", "Widget"),
            ("example.com/v1", "Pod"),
            ("cert-manager.io/v1alpha2", "Certificate"),
            ("acme.cert-manager.io/v1", "Order"),
            ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler"),
            ("gateway.networking.k8s.io/v1alpha2", "TCPRoute"),
            ("gateway.networking.k8s.io/v1alpha2", "TLSRoute"),
            ("gateway.networking.x-k8s.io/v1alpha1", "XListenerSet"),
            ("cluster.x-k8s.io/v1beta1", "Cluster"),
            ("longhorn.io/v1beta2", "BackupBackingImage"),
            ("velero.io/v1", "PodVolumeBackup"),
            ("velero.io/v1", "BackupRepository"),
            ("postgresql.cnpg.io/v1", "Pooler"),
            ("networking.istio.io/v1", "Sidecar"),
            ("monitoring.coreos.com/v1", "PodMonitor"),
            ("apps.openshift.io/v1", "DeploymentConfig"),
            ("wgpolicyk8s.io/v1alpha2", "PolicyReport"),
        ] {
            assert_eq!(meant(api_version, kind), None, "{api_version} {kind}");
        }
    }

    #[test]
    fn distances_count_slips() {
        for (a, b, expected) in [
            ("", "", 0),
            ("pod", "pod", 0),
            ("", "pod", 3),
            ("pod", "pods", 1),
            ("deploymnet", "deployment", 1),
            ("job", "pod", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
