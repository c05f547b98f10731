//! The resource types that a scan of files knows without a cluster to ask.

mod type_mistake;

use serde_json::Value;

pub use self::type_mistake::{TypeMistake, find_type_mistake, is_kubernetes_group};
use super::{
    kinds,
    resource::{Catalog, ResourceType, ServedResource},
};

impl Catalog {
    /// What a scan knows before it reads anything. A kind that is in no file is empty, not unknown: the files
    /// are all there is.
    pub fn builtin() -> Self {
        let rows = kinds::stored().map(|known| ServedResource {
            resource: ResourceType {
                group: known.group.to_owned(),
                version: known.versions().first().copied().unwrap_or_default().to_owned(),
                kind: known.kind.to_owned(),
                plural: known.plural.to_owned(),
                namespaced: known.namespaced,
            },
            versions: known.versions().iter().map(|version| (*version).to_owned()).collect(),
        });
        Self::new(rows.collect())
    }
}

/// What a `CustomResourceDefinition` adds to a catalog. None if it does not have the form of one, or
/// serves no version.
pub fn from_crd(definition: &Value) -> Option<ServedResource> {
    let spec = definition.get("spec")?;
    let names = spec.get("names")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut versions: Vec<(bool, String)> = spec
        .get("versions")?
        .as_array()?
        .iter()
        .filter(|version| version.get("served").and_then(Value::as_bool) == Some(true))
        .filter_map(|version| {
            let stored = version.get("storage").and_then(Value::as_bool) == Some(true);
            Some((stored, text(version.get("name"))?))
        })
        .collect();
    // Discovery prefers by stability; what is stored comes close and needs no parsing of names.
    versions.sort_by_key(|(stored, _)| !stored);
    let versions: Vec<String> = versions.into_iter().map(|(_, name)| name).collect();
    Some(ServedResource {
        resource: ResourceType {
            group: text(spec.get("group"))?,
            version: versions.first()?.clone(),
            kind: text(names.get("kind"))?,
            plural: text(names.get("plural"))?,
            namespaced: spec.get("scope").and_then(Value::as_str) == Some("Namespaced"),
        },
        versions,
    })
}

/// A type that no definition describes: its plural by the rules of English, and namespaced if the object
/// at hand has a namespace.
pub fn guess_type(group: &str, version: &str, kind: &str, namespaced: bool) -> ServedResource {
    ServedResource {
        resource: ResourceType {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural(kind),
            namespaced,
        },
        versions: vec![version.to_owned()],
    }
}

/// The plural by the rules of English, as generators of definitions form it.
fn plural(kind: &str) -> String {
    let singular = kind.to_lowercase();
    // `Ingress` becomes `ingresses`, `Mailbox` `mailboxes`.
    let sibilant = ["s", "x", "z", "ch", "sh"].iter().any(|end| singular.ends_with(end));
    if sibilant {
        return format!("{singular}es");
    }
    match singular.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{singular}s"),
    }
}

/// Whether objects of this type are configuration files of tools, which no API server takes.
pub fn is_tool_config(group: &str, kind: &str) -> bool {
    const SUFFIXES: &[&str] = &[".config.k8s.io"];
    const GROUPS: &[&str] = &[
        "audit.k8s.io",
        "client.authentication.k8s.io",
        "ctlptl.dev",
        "imagepolicy.k8s.io",
        "kind.x-k8s.io",
        "krew.googlecontainertools.github.com",
        "kubeadm.k8s.io",
        "kustomize.config.k8s.io",
        "skaffold",
    ];
    GROUPS.contains(&group)
        || SUFFIXES.iter().any(|suffix| group.ends_with(suffix))
        || (group.is_empty() && kind == "Config")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::facts;

    #[test]
    fn every_kind_with_facts_is_known_in_a_version_that_is_understood() {
        let catalog = Catalog::builtin();
        let missing: Vec<String> = facts::projections()
            .filter(|projection| {
                let row = catalog.find_kind(projection.group, projection.kind);
                !row.is_some_and(|row| {
                    projection
                        .versions
                        .iter()
                        .any(|version| row.versions.contains(&(*version).to_owned()))
                })
            })
            .map(|row| format!("{}/{} {:?}", row.group, row.kind, row.versions))
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn a_definition_adds_its_kind() {
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "spec": {
                "group": "example.com", "scope": "Cluster",
                "names": {"kind": "Widget", "plural": "widgetz"},
                "versions": [
                    {"name": "v1alpha1", "served": false, "storage": false},
                    {"name": "v1beta1", "served": true, "storage": false},
                    {"name": "v1", "served": true, "storage": true},
                ],
            },
        });
        let row = from_crd(&definition).expect("a row");
        assert_eq!(row.resource.to_string(), "widgetz.example.com");
        assert_eq!(row.resource.version, "v1");
        assert_eq!(row.versions, ["v1", "v1beta1"]);
        assert!(!row.resource.namespaced);
        assert_eq!(from_crd(&json!({"spec": {"names": {}}})), None);
    }

    #[test]
    fn plurals_are_guessed_by_the_rules_of_english() {
        for (kind, expected) in [
            ("Widget", "widgets"),
            ("Policy", "policies"),
            ("Gateway", "gateways"),
            ("Ingress", "ingresses"),
            ("Mailbox", "mailboxes"),
            ("Branch", "branches"),
        ] {
            assert_eq!(plural(kind), expected);
        }
    }
}
