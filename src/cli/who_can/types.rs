//! The resource types that a query can be about, by all names that kubectl accepts.

use std::collections::BTreeMap;

use kube::core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery};
use serde_json::Value;

use comptroller_core::inventory::{
    Catalog, ResourceType, catalog,
    kinds::{self, KnownKind, subresources, subresources_for_authorizers},
};
use comptroller_core::nearest::either;

/// The subresource that the admission plugin `OwnerReferencesPermissionEnforcement` asks authorizers for, on
/// objects of every type.
const OF_EVERY_TYPE: &str = "finalizers";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KnownType {
    pub group: String,
    pub plural: String,
    pub namespaced: bool,
    /// The singular, the kind in lower case, and the short names.
    pub aliases: Vec<String>,
    pub subresources: Vec<String>,
    /// Whether only its name is known, so that it may have a status and a scale.
    pub vague: bool,
}

impl KnownType {
    /// Its name as in kubectl, such as `pods` or `deployments.apps`.
    pub fn name(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    fn is_named(&self, lower: &str) -> bool {
        self.plural == lower || self.aliases.iter().any(|alias| alias == lower)
    }

    /// Whether it has this subresource.
    pub fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|known| known == subresource)
            || subresource == OF_EVERY_TYPE
            || (self.vague && matches!(subresource, "status" | "scale"))
            // It has a subresource for each extra key of an identity, and those can be anything.
            || (self.group == "authentication.k8s.io" && self.plural == "userextras")
    }

    fn add_subresources<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            if !self.subresources.iter().any(|known| known == name) {
                self.subresources.push(name.to_owned());
            }
        }
    }
}

/// All known types, sorted by group and plural. The core group, which has no name, comes first.
#[derive(Clone, Debug, Default)]
pub(super) struct QueryTypes {
    rows: BTreeMap<(String, String), KnownType>,
    /// Groups whose resources are unknown, since their aggregated API server does not answer.
    pub silent: Vec<String>,
    /// Whether the types are those of manifests, which may lack CRDs.
    excerpt: bool,
}

impl QueryTypes {
    /// The types that are known without a cluster.
    pub fn builtin() -> Self {
        let mut types = Self { excerpt: true, ..Self::default() };
        for row in kinds::builtin() {
            types.add_builtin(row);
        }
        // Types of common operators, so that a query about them needs no CRD among the manifests.
        for row in Catalog::builtin().iter() {
            types.add_vague(&row.resource);
        }
        types
    }

    /// The types that a cluster serves, and those that only authorizers are asked about.
    pub fn discovered(groups: &[APIGroupDiscovery]) -> Self {
        let mut types = Self::default();
        for group in groups {
            let name = group.metadata.as_ref().and_then(|metadata| metadata.name.clone());
            let name = name.unwrap_or_default();
            for version in &group.versions {
                // The API server marks what it remembers of an aggregated server that does not answer.
                if version.freshness.as_deref() == Some("Stale") && !types.silent.contains(&name) {
                    types.silent.push(name.clone());
                }
                for resource in &version.resources {
                    types.add_discovered(&name, resource);
                }
            }
        }
        kinds::builtin()
            .filter(|row| row.is_only_authorized())
            .for_each(|row| types.add_builtin(row));
        // Discovery lists no subresource that only authorizers are asked about.
        for known in types.rows.values_mut() {
            known.add_subresources(
                subresources_for_authorizers(&known.group, &known.plural).iter().copied(),
            );
        }
        types
    }

    fn add_discovered(&mut self, group: &str, resource: &APIResourceDiscovery) {
        let Some(plural) = resource.resource.clone() else {
            return;
        };
        let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.clone());
        let names = resource.singular_resource.iter().chain(&kind).chain(&resource.short_names);
        let known = self.row(group, &plural);
        known.namespaced = resource.scope.as_deref() == Some("Namespaced");
        known.aliases.extend(names.map(|name| name.to_ascii_lowercase()));
        known.add_subresources(
            resource.subresources.iter().filter_map(|below| below.subresource.as_deref()),
        );
    }

    fn add_builtin(&mut self, row: &KnownKind) {
        let known = self.row(row.group, row.plural);
        known.namespaced = row.namespaced;
        known.aliases.push(row.kind.to_ascii_lowercase());
        known.aliases.extend(row.short.iter().map(ToString::to_string));
        let below = [subresources, subresources_for_authorizers];
        known.add_subresources(below.iter().flat_map(|of| of(row.group, row.plural)).copied());
    }

    /// Adds a type of which only the name is known, unless it is known already.
    pub fn add_vague(&mut self, resource: &ResourceType) {
        let key = (resource.group.clone(), resource.plural.clone());
        self.rows.entry(key).or_insert_with(|| KnownType {
            group: resource.group.clone(),
            plural: resource.plural.clone(),
            namespaced: resource.namespaced,
            aliases: vec![resource.kind.to_ascii_lowercase()],
            subresources: Vec::new(),
            vague: true,
        });
    }

    /// Adds the type of a `CustomResourceDefinition`. Ignores a malformed one, which is reported elsewhere.
    pub fn add_definition(&mut self, definition: &Value) {
        let Some(row) = catalog::from_crd(definition) else {
            return;
        };
        let texts = |path: &str| -> Vec<String> {
            let value = definition.pointer(path);
            let listed = value.and_then(Value::as_array).into_iter().flatten();
            listed.chain(value).filter_map(Value::as_str).map(str::to_ascii_lowercase).collect()
        };
        let known = self.row(&row.resource.group, &row.resource.plural);
        // The definition lists the subresources, so none needs to be assumed.
        known.vague = false;
        known.namespaced = row.resource.namespaced;
        known.aliases.push(row.resource.kind.to_ascii_lowercase());
        known.aliases.extend(texts("/spec/names/singular"));
        known.aliases.extend(texts("/spec/names/shortNames"));
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        for version in versions.into_iter().flatten() {
            let below = version.get("subresources").and_then(Value::as_object);
            known.add_subresources(below.into_iter().flatten().map(|(name, _)| name.as_str()));
        }
    }

    fn row(&mut self, group: &str, plural: &str) -> &mut KnownType {
        let key = (group.to_owned(), plural.to_owned());
        self.rows.entry(key).or_insert_with(|| KnownType {
            group: group.to_owned(),
            plural: plural.to_owned(),
            ..KnownType::default()
        })
    }

    /// What to do about an unknown resource; empty if there is nothing to add.
    pub fn hint(&self) -> String {
        match self.silent.as_slice() {
            [] if self.excerpt => {
                "; a custom one needs its CustomResourceDefinition among the manifests".to_owned()
            }
            [] => String::new(),
            silent => format!(
                "; {} does not answer, so write its resources with the group",
                either(silent)
            ),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &KnownType> {
        self.rows.values()
    }

    /// The types with this plural, singular, kind or short name.
    pub fn find(&self, name: &str, group: Option<&str>) -> Vec<&KnownType> {
        // Plurals and aliases are kept in lower case; kubectl accepts Pod and POD as well.
        let lower = name.to_ascii_lowercase();
        let in_group =
            |known: &str| group.is_none_or(|group| group == known || is_versioned(group, known));
        self.iter().filter(|known| in_group(&known.group) && known.is_named(&lower)).collect()
    }
}

/// kubectl also takes `deployments.v1.apps`, and `pods.v1.` for the core group.
fn is_versioned(written: &str, group: &str) -> bool {
    written.split_once('.').is_some_and(|(version, rest)| {
        let digits = version.strip_prefix('v').unwrap_or_default();
        digits.starts_with(|c: char| c.is_ascii_digit()) && rest == group
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_tells_names_scope_and_subresources() {
        let mut types = QueryTypes::builtin();
        types.add_definition(&json!({"spec": {
            "group": "example.com", "scope": "Cluster",
            "names": {"kind": "Widget", "plural": "widgetz", "singular": "widget", "shortNames": ["wi"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            }],
        }}));
        for name in ["widgetz", "widget", "Widget", "wi"] {
            let found = types.find(name, None);
            assert_eq!(found.len(), 1, "{name}");
            assert!(!found[0].namespaced && found[0].has("status") && !found[0].has("scale"));
        }
        types.add_definition(&json!({"spec": {"names": []}}));
    }

    #[test]
    fn discovery_tells_what_is_served_and_who_does_not_answer() {
        let groups: Vec<APIGroupDiscovery> = serde_json::from_value(json!([
            {"metadata": {}, "versions": [{"version": "v1", "resources": [{
                "resource": "pods", "responseKind": {"group": "", "version": "v1", "kind": "Pod"},
                "scope": "Namespaced", "singularResource": "pod", "verbs": ["get"],
                "shortNames": ["po"], "subresources": [{"subresource": "log", "verbs": ["get"]}],
            }]}]},
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [
                {"version": "v1beta1", "freshness": "Stale"},
            ]},
        ]))
        .unwrap();
        let types = QueryTypes::discovered(&groups);
        let pods = types.find("po", None)[0];
        assert!(pods.has("log") && pods.has("finalizers") && !pods.has("exec"));
        assert!(types.find("deployments", None).is_empty());
        assert_eq!(types.silent, ["metrics.k8s.io"]);
        // What no API server serves and every authorizer is asked about.
        assert_eq!(types.find("signers", None).len(), 1);
        assert!(types.find("userextras", None)[0].has("scopes"));
    }
}
