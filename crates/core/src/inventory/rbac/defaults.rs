//! The RBAC defaults of every cluster: the roles and bindings that the API server, the controller
//! manager and kubeadm create.
//!
//! They are recognized by content, not by labels, which anybody can write: a grant is a default only
//! while its binding, subject and role are the default ones, and only as far as the rules of the role
//! go no further than the default rules. `defaults.jsonl` is the union over the minors 1.31 to 1.36
//! with all feature gates, one object per line, without fields that change no right. A fresh cluster of
//! a later minor that brings more fails a test in `tests/who_can_sar.rs`.
//!
//! In a cluster, defaults count where they are found. Manifests never contain them, so those of the API
//! server and the controller manager are assumed there ([`is_of_every_cluster`]). Those of kubeadm are
//! not, since most managed clusters lack them.

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::{
    read::{BindingFacts, PROJECTIONS, RoleFacts},
    roles::RoleKey,
    rule::{PolicyRule, Words},
    subject::Subject,
};
use crate::inventory::{
    Interner, Symbol,
    facts::{Facts, ProjectionError},
};

const DATA: &str = include_str!("defaults.jsonl");

/// A rule with more combinations of verb, group, resource and name is not compared one by one: no default
/// rule has as many, so it goes further anyway.
const MAX_COMBINATIONS: usize = 4096;

/// Namespace (empty for a cluster-scoped object) and name.
type NamespacedName = (Symbol, Symbol);

/// The default roles and bindings.
#[derive(Debug, Default)]
pub(super) struct DefaultRbac {
    roles: FxHashMap<NamespacedName, Arc<RoleFacts>>,
    bindings: FxHashMap<NamespacedName, Arc<BindingFacts>>,
}

static DEFAULTS: LazyLock<DefaultRbac> = LazyLock::new(|| {
    let mut defaults = DefaultRbac::default();
    // A line that can't be read is skipped here, and fails a test.
    for line in DATA.lines() {
        let _ = defaults.add(line);
    }
    defaults
});

/// The defaults, read when first needed.
pub(super) fn defaults() -> &'static DefaultRbac {
    &DEFAULTS
}

impl DefaultRbac {
    fn add(&mut self, line: &str) -> Result<(), ProjectionError> {
        let object: Value = serde_json::from_str(line)?;
        let kind = object.get("kind").and_then(Value::as_str);
        let row = PROJECTIONS
            .iter()
            .find(|row| Some(row.kind) == kind)
            .ok_or_else(|| ProjectionError("kind".into()))?;
        let text = |field: &str| {
            let metadata = object.get("metadata")?;
            metadata.get(field)?.as_str().map(Symbol::from)
        };
        let key = (
            text("namespace").unwrap_or_else(|| "".into()),
            text("name").ok_or_else(|| ProjectionError("metadata.name".into()))?,
        );
        match (row.project)(&object, &Interner::default())? {
            Facts::Role(facts) => drop(self.roles.insert(key, facts)),
            Facts::Binding(facts) => drop(self.bindings.insert(key, facts)),
            _ => return Err(ProjectionError("kind".into())),
        }
        Ok(())
    }

    /// The keys of the default roles that are in every cluster.
    pub(super) fn roles_of_every_cluster(&self) -> impl Iterator<Item = RoleKey> {
        let keys =
            self.roles.keys().filter(|(namespace, name)| is_of_every_cluster(namespace, name));
        keys.map(|(namespace, name)| RoleKey { namespace: namespace.clone(), name: name.clone() })
    }

    /// The default bindings that are in every cluster, each with its namespace, which is empty for a
    /// `ClusterRoleBinding`.
    pub(super) fn bindings_of_every_cluster(
        &self,
    ) -> impl Iterator<Item = (&Symbol, &Arc<BindingFacts>)> {
        let default = self.bindings.iter();
        default
            .filter(|((namespace, name), _)| is_of_every_cluster(namespace, name))
            .map(|((namespace, _), facts)| (namespace, facts))
    }

    /// The default role of this name. None if no cluster has one by default.
    pub(super) fn role(&self, key: &RoleKey) -> Option<&Arc<RoleFacts>> {
        self.roles.get(&(key.namespace.clone(), key.name.clone()))
    }

    /// Whether a binding of this name gives this role to this subject by default.
    pub(super) fn grants(
        &self,
        namespace: &Symbol,
        name: &Symbol,
        binding: &BindingFacts,
        subject: &Subject,
    ) -> bool {
        self.bindings.get(&(namespace.clone(), name.clone())).is_some_and(|default| {
            default.role == binding.role && default.subjects.contains(subject)
        })
    }
}

/// Whether every cluster has the default role or binding of this name, whatever installed it. The others
/// are made by kubeadm.
pub(super) fn is_of_every_cluster(namespace: &str, name: &str) -> bool {
    let addon = matches!((namespace, name), ("kube-system", "kube-proxy") | ("", "system:coredns"));
    !name.starts_with("kubeadm:") && !addon
}

/// Whether the controller manager makes this service account in every cluster. It is not the account
/// named `default` of a namespace.
pub fn is_account_of_every_cluster(subject: &Subject) -> bool {
    let account = matches!(subject, Subject::ServiceAccount { .. });
    account
        && defaults()
            .bindings_of_every_cluster()
            .any(|(_, default)| default.subjects.contains(subject))
}

/// What `rules` allow beyond the default rules: one rule per verb and resource, so that what goes further
/// is named and nothing else.
pub(super) fn rules_beyond<'a>(
    default: &[PolicyRule],
    rules: impl Iterator<Item = &'a PolicyRule>,
) -> Box<[PolicyRule]> {
    let mut beyond = Vec::new();
    for rule in rules {
        // The common case, without taking the rule apart.
        if default.contains(rule) {
            continue;
        }
        // A hostile rule of 100 words in each list would be a million rules.
        if combinations(rule) > MAX_COMBINATIONS {
            beyond.push(rule.clone());
            continue;
        }
        let singles = singles(rule);
        beyond.extend(
            singles
                .into_iter()
                .filter(|single| !default.iter().any(|default| covers(default, single))),
        );
    }
    beyond.into_boxed_slice()
}

fn combinations(rule: &PolicyRule) -> usize {
    [&rule.groups, &rule.resources, &rule.names]
        .into_iter()
        .map(|words| words.len().max(1))
        .chain([rule.verbs.len(), rule.urls.len().max(1)])
        .fold(1, usize::saturating_mul)
}

/// A rule, split into rules with one verb on one resource or path.
fn singles(rule: &PolicyRule) -> Vec<PolicyRule> {
    let one = |word: &Symbol| -> Words { Box::from([word.clone()]) };
    let mut singles = Vec::new();
    for verb in &rule.verbs {
        for url in &rule.urls {
            singles.push(PolicyRule { verbs: one(verb), urls: one(url), ..PolicyRule::default() });
        }
        for group in &rule.groups {
            for resource in &rule.resources {
                let single = PolicyRule {
                    verbs: one(verb),
                    groups: one(group),
                    resources: one(resource),
                    ..PolicyRule::default()
                };
                if rule.names.is_empty() {
                    singles.push(single);
                } else {
                    singles.extend(
                        rule.names
                            .iter()
                            .map(|name| PolicyRule { names: one(name), ..single.clone() }),
                    );
                }
            }
        }
    }
    singles
}

/// Whether a default rule allows everything that a rule with one word per field allows.
fn covers(default: &PolicyRule, single: &PolicyRule) -> bool {
    let first = |words: &Words| words.first().cloned();
    let Some(verb) = first(&single.verbs) else {
        return true;
    };
    if !default.has_verb(&verb) {
        return false;
    }
    if let Some(url) = first(&single.urls) {
        let star = |word: &Symbol| word.strip_suffix('*').is_some_and(|head| url.starts_with(head));
        return default.urls.iter().any(|word| *word == url || star(word));
    }
    let (Some(group), Some(resource)) = (first(&single.groups), first(&single.resources)) else {
        return true;
    };
    let (parent, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
    let names = match first(&single.names) {
        Some(name) => default.has_name(&name),
        None => default.names.is_empty(),
    };
    names && default.has_group(&group) && default.has_resource(parent, subresource)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(rules: Value) -> Box<[PolicyRule]> {
        let row = PROJECTIONS.iter().find(|row| row.kind == "Role").unwrap();
        match (row.project)(&json!({"rules": rules}), &Interner::default()).unwrap() {
            Facts::Role(facts) => facts.rules.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_line_can_be_read() {
        let mut defaults = DefaultRbac::default();
        for line in DATA.lines() {
            defaults.add(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        assert_eq!(defaults.roles.len() + defaults.bindings.len(), DATA.lines().count());
        assert!(defaults.roles.len() > 70);
    }

    #[test]
    fn what_kubeadm_makes_is_not_in_every_cluster() {
        let roles: Vec<String> = defaults()
            .roles_of_every_cluster()
            .filter(|key| !key.namespace.is_empty())
            .map(|key| key.to_string())
            .collect();
        assert_eq!(roles.len(), 7, "{roles:?}");
        assert!(roles.contains(&"Role/kube-public/system:controller:bootstrap-signer".to_owned()));
        for (namespace, name) in [
            ("", "kubeadm:get-nodes"),
            ("", "system:coredns"),
            ("kube-system", "kube-proxy"),
            ("kube-system", "kubeadm:nodes-kubeadm-config"),
        ] {
            assert!(!is_of_every_cluster(namespace, name), "{namespace}/{name}");
        }
        let account = |name: &str| Subject::account("kube-system", name, &Interner::default());
        assert!(is_account_of_every_cluster(&account("token-cleaner")));
        assert!(!is_account_of_every_cluster(&account("coredns")));
        assert!(!is_account_of_every_cluster(&Subject::User("system:kube-scheduler".into())));
    }

    #[test]
    fn only_what_goes_further_is_excess() {
        let default = rules(json!([
            {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get"]},
            {"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["*"]},
            {"nonResourceURLs": ["/healthz/*"], "verbs": ["get"]},
        ]));
        for (written, beyond) in [
            (json!([{"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}]), 0),
            (json!([{"apiGroups": [""], "resources": ["services"], "verbs": ["get", "patch"]}]), 1),
            (json!([{"apiGroups": ["", "apps"], "resources": ["services"], "verbs": ["get"]}]), 1),
            (json!([{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}]), 1),
            (json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]), 1),
            (
                json!([{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a", "b"], "verbs": ["get"]}]),
                1,
            ),
            (
                json!([{"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["update"]}]),
                0,
            ),
            (
                json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["update"]}]),
                1,
            ),
            (json!([{"nonResourceURLs": ["/healthz/etcd", "/metrics"], "verbs": ["get"]}]), 1),
            (json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]), 1),
        ] {
            let beyond_default = rules_beyond(&default, rules(written.clone()).iter());
            assert_eq!(beyond_default.len(), beyond, "{written}: {beyond_default:?}");
        }
    }

    #[test]
    fn a_rule_of_many_words_is_not_taken_apart() {
        let words: Vec<String> = (0..100).map(|at| format!("w{at}")).collect();
        let huge = rules(json!([{"apiGroups": words, "resources": words, "verbs": words}]));
        assert_eq!(rules_beyond(&[], huge.iter()).len(), 1);
    }
}
