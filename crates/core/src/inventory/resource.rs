//! Which resource types a cluster serves.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::KubernetesVersion;

/// A resource type as discovery names it. `version` is the one to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceType {
    /// API group; empty for the core group.
    pub group: String,
    /// The version in which it is read.
    pub version: String,
    /// The kind, as manifests name it.
    pub kind: String,
    /// The plural, as RBAC and admission rules name it.
    pub plural: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl ResourceType {
    /// Group and version as manifests write them: `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// As kubectl writes it: `deployments.apps`, `pods`.
impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plural)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// A type that is served, with all its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedResource {
    /// The type in its preferred version.
    pub resource: ResourceType,
    /// All versions that are served, the preferred one first.
    pub versions: Vec<String>,
}

/// The types of which a cluster, or a set of manifests, can have objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    served: Vec<ServedResource>,
    /// API groups whose discovery failed: that a kind of theirs is not listed proves nothing.
    pub unreachable_groups: Vec<String>,
    /// The version of the API server. None if it did not say, or for files.
    pub kubernetes: Option<KubernetesVersion>,
}

impl Catalog {
    /// A catalog of these types, each once.
    pub fn new(mut served: Vec<ServedResource>) -> Self {
        served.sort_by(|a, b| a.resource.cmp(&b.resource));
        // Discovery may list a type twice while an aggregated API moves.
        served.dedup_by(|a, b| a.resource == b.resource);
        Self { served, ..Self::default() }
    }

    /// Every type, sorted unless some were added later.
    pub fn iter(&self) -> impl Iterator<Item = &ServedResource> {
        self.served.iter()
    }

    /// The type of a kind. None if it is not served.
    pub fn find_kind(&self, group: &str, kind: &str) -> Option<&ServedResource> {
        self.served.iter().find(|row| row.resource.group == group && row.resource.kind == kind)
    }

    /// Adds a type, or its versions if the kind is known already.
    pub fn add(&mut self, row: ServedResource) {
        match self.served.iter_mut().find(|known| {
            known.resource.group == row.resource.group && known.resource.kind == row.resource.kind
        }) {
            Some(known) => {
                for version in row.versions {
                    if !known.versions.contains(&version) {
                        known.versions.push(version);
                    }
                }
            }
            None => self.served.push(row),
        }
    }
}
