//! What a Velero backup, schedule or restore covers: namespaces, resources and labels.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use super::selectors::Selectors;
use crate::inventory::{
    facts::{Labels, ProjectionError},
    intern::{Interner, Symbol},
};

/// Objects and namespaces with this label and the value `true` are left out of every backup.
pub const EXCLUDE_LABEL: &str = "velero.io/exclude-from-backup";

/// The names by which Velero's discovery knows claims and pods.
const CLAIMS: &[&str] = &["persistentvolumeclaims", "persistentvolumeclaim", "pvc"];
const PODS: &[&str] = &["pods", "pod", "po"];
const VOLUMES: &[&str] = &["persistentvolumes", "persistentvolume", "pv"];

/// Kinds that people write and without which a namespace could not be restored to what it was. Others are
/// made from these, or belong to one tool.
const ESSENTIAL: &[&[&str]] = &[
    &["configmaps", "configmap", "cm"],
    &["cronjobs", "cronjob", "cj"],
    &["daemonsets", "daemonset", "ds"],
    &["deployments", "deployment", "deploy"],
    &["ingresses", "ingress", "ing"],
    &["rolebindings", "rolebinding"],
    &["roles", "role"],
    &["secrets", "secret"],
    &["serviceaccounts", "serviceaccount", "sa"],
    &["services", "service", "svc"],
    &["statefulsets", "statefulset", "sts"],
];

/// The filters of a Velero spec, shared by all backups of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VeleroScope {
    included_namespaces: Box<[Symbol]>,
    excluded_namespaces: Box<[Symbol]>,
    included_resources: Box<[Symbol]>,
    excluded_resources: Box<[Symbol]>,
    /// Whether volumes are left out: by `includeClusterResources: false`, or by a filter of cluster-scoped
    /// kinds.
    no_volumes: bool,
    selectors: Selectors,
}

/// The fields that backups, schedule templates and restores share.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ScopeFields {
    included_namespaces: Option<Vec<String>>,
    excluded_namespaces: Option<Vec<String>>,
    included_resources: Option<Vec<String>>,
    excluded_resources: Option<Vec<String>>,
    included_namespace_scoped_resources: Option<Vec<String>>,
    excluded_namespace_scoped_resources: Option<Vec<String>>,
    excluded_cluster_scoped_resources: Option<Vec<String>>,
    include_cluster_resources: Option<bool>,
    label_selector: Option<LabelSelector>,
    or_label_selectors: Option<Vec<LabelSelector>>,
}

impl ScopeFields {
    pub(super) fn compile(&self, interner: &Interner) -> Result<VeleroScope, ProjectionError> {
        let names = |lists: [&Option<Vec<String>>; 2]| {
            lists.into_iter().flatten().flatten().map(|name| interner.intern(name)).collect()
        };
        let selectors = self.label_selector.iter().chain(self.or_label_selectors.iter().flatten());
        Ok(VeleroScope {
            included_namespaces: names([&self.included_namespaces, &None]),
            excluded_namespaces: names([&self.excluded_namespaces, &None]),
            // Velero has two generations of these fields, and refuses a mixture of them.
            included_resources: names([
                &self.included_resources,
                &self.included_namespace_scoped_resources,
            ]),
            excluded_resources: names([
                &self.excluded_resources,
                &self.excluded_namespace_scoped_resources,
            ]),
            no_volumes: self.include_cluster_resources == Some(false)
                || self
                    .excluded_cluster_scoped_resources
                    .iter()
                    .flatten()
                    .any(|name| is_all(name) || is_one_of(name, VOLUMES)),
            selectors: Selectors::compile(selectors)?,
        })
    }
}

impl VeleroScope {
    /// Whether anything in a namespace is included.
    pub fn includes_namespace(&self, namespace: &str) -> bool {
        // Exclusions win over inclusions in Velero.
        let excluded = self.excluded_namespaces.iter().any(|pattern| may_match(pattern, namespace));
        !excluded
            && (self.included_namespaces.is_empty()
                || self
                    .included_namespaces
                    .iter()
                    .any(|pattern| surely_matches(pattern, namespace)))
    }

    /// Whether the namespace is listed by its own name.
    pub fn names_namespace(&self, namespace: &str) -> bool {
        self.included_namespaces.iter().any(|name| name.as_str() == namespace)
    }

    /// Whether a claim with these labels is included.
    pub fn covers_claim(&self, namespace: &str, labels: &Labels) -> bool {
        self.admits_claim(namespace, labels) && self.selectors.include(labels)
    }

    /// Whether a claim with these labels is included as part of a pod that is: label selectors exclude
    /// neither the claims of a pod nor their data.
    pub fn admits_claim(&self, namespace: &str, labels: &Labels) -> bool {
        labels.get(EXCLUDE_LABEL) != Some("true")
            && self.includes_namespace(namespace)
            && self.includes_resource(CLAIMS)
    }

    /// Whether a namespace is included as a whole: all objects of all kinds, except kinds that are
    /// recreated from others.
    pub fn covers_namespace(&self, namespace: &str) -> bool {
        self.includes_namespace(namespace)
            && self.selectors.is_all()
            && (self.included_resources.is_empty()
                || self.included_resources.iter().any(|name| is_all(name)))
            && !self.excluded_resources.iter().any(|name| is_all(name))
    }

    /// The first kind by name that is left out though a namespace needs it. None if none is.
    pub fn lacks(&self) -> Option<&'static str> {
        let is_out = |names: &&&[&'static str]| {
            self.excluded_resources.iter().any(|excluded| is_one_of(excluded, names))
        };
        ESSENTIAL.iter().find(is_out).and_then(|names| names.first()).copied()
    }

    /// Whether `PersistentVolume`s are included: plugins take the snapshot of a disk when they get to its
    /// volume.
    pub fn includes_volumes(&self) -> bool {
        !self.no_volumes && self.includes_resource(VOLUMES)
    }

    /// Whether claims are among the resources.
    pub fn includes_claims(&self) -> bool {
        self.includes_resource(CLAIMS)
    }

    /// Whether pods are among the resources: file system backups go by the pods that mount volumes.
    pub fn includes_pods(&self) -> bool {
        self.includes_resource(PODS)
    }

    fn includes_resource(&self, names: &[&str]) -> bool {
        let listed =
            |list: &[Symbol]| list.iter().any(|entry| is_all(entry) || is_one_of(entry, names));
        !listed(&self.excluded_resources)
            && (self.included_resources.is_empty() || listed(&self.included_resources))
    }
}

/// Whether an entry names a resource: Velero takes plurals, singulars and short names in any case, with or
/// without a group.
fn is_one_of(entry: &str, names: &[&str]) -> bool {
    let entry = entry.to_lowercase();
    let plural = entry.split_once('.').map_or(entry.as_str(), |(plural, _)| plural);
    names.contains(&plural)
}

fn is_all(name: &str) -> bool {
    name == "*"
}

/// Whether a pattern has character classes or alternatives, which are not evaluated here. Such an exclusion
/// is taken to match and such an inclusion not to, so that neither claims that something is backed up.
fn is_complex(pattern: &str) -> bool {
    pattern.contains(['[', '{', '\\'])
}

fn may_match(pattern: &str, namespace: &str) -> bool {
    is_complex(pattern) || WildMatch::new(pattern).matches(namespace)
}

fn surely_matches(pattern: &str, namespace: &str) -> bool {
    !is_complex(pattern) && WildMatch::new(pattern).matches(namespace)
}
