//! What a Velero backup, schedule or restore is about: its namespaces, resources and labels.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use wildmatch::WildMatch;

use super::selectors::Selectors;
use crate::inventory::{
    facts::{Labels, ProjectionError},
    intern::{Interner, Symbol},
};

/// Items and namespaces with this label and the value `true` are left out of every backup.
pub const EXCLUDE_LABEL: &str = "velero.io/exclude-from-backup";

/// The names by which Velero's discovery knows claims and pods.
const CLAIMS: &[&str] = &["persistentvolumeclaims", "persistentvolumeclaim", "pvc"];
const PODS: &[&str] = &["pods", "pod", "po"];

/// The filters of a Velero spec. One for all backups of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    included_namespaces: Box<[Symbol]>,
    excluded_namespaces: Box<[Symbol]>,
    included_resources: Box<[Symbol]>,
    excluded_resources: Box<[Symbol]>,
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
    label_selector: Option<LabelSelector>,
    or_label_selectors: Option<Vec<LabelSelector>>,
}

impl ScopeFields {
    pub(super) fn compile(&self, interner: &Interner) -> Result<Scope, ProjectionError> {
        let names = |lists: [&Option<Vec<String>>; 2]| {
            lists.into_iter().flatten().flatten().map(|name| interner.intern(name)).collect()
        };
        let selectors = self.label_selector.iter().chain(self.or_label_selectors.iter().flatten());
        Ok(Scope {
            included_namespaces: names([&self.included_namespaces, &None]),
            excluded_namespaces: names([&self.excluded_namespaces, &None]),
            included_resources: names([
                &self.included_resources,
                &self.included_namespace_scoped_resources,
            ]),
            excluded_resources: names([
                &self.excluded_resources,
                &self.excluded_namespace_scoped_resources,
            ]),
            selectors: Selectors::compile(selectors)?,
        })
    }
}

impl Scope {
    /// Whether anything of a namespace is in.
    pub fn includes_namespace(&self, namespace: &str) -> bool {
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

    /// Whether a claim with these labels is in.
    pub fn covers_claim(&self, namespace: &str, labels: &Labels) -> bool {
        labels.get(EXCLUDE_LABEL) != Some("true")
            && self.includes_namespace(namespace)
            && self.includes_resource(CLAIMS)
            && self.selectors.include(labels)
    }

    /// Whether a namespace is in as a whole: all its kinds, all its objects. Kinds that are left
    /// out by name are left out on purpose and don't count against it.
    pub fn covers_namespace(&self, namespace: &str) -> bool {
        self.includes_namespace(namespace)
            && self.selectors.is_all()
            && (self.included_resources.is_empty()
                || self.included_resources.iter().any(|name| is_all(name)))
            && !self.excluded_resources.iter().any(|name| is_all(name))
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
        let listed = |list: &[Symbol]| {
            list.iter().any(|entry| is_all(entry) || names.contains(&entry.to_lowercase().as_str()))
        };
        !listed(&self.excluded_resources)
            && (self.included_resources.is_empty() || listed(&self.included_resources))
    }
}

fn is_all(name: &str) -> bool {
    name == "*"
}

/// Patterns may hold character classes and alternatives, which are not evaluated here: such an
/// exclusion is taken to hit, such an inclusion to miss, so that neither claims coverage.
fn is_complex(pattern: &str) -> bool {
    pattern.contains(['[', '{', '\\'])
}

fn may_match(pattern: &str, namespace: &str) -> bool {
    is_complex(pattern) || WildMatch::new(pattern).matches(namespace)
}

fn surely_matches(pattern: &str, namespace: &str) -> bool {
    !is_complex(pattern) && WildMatch::new(pattern).matches(namespace)
}
