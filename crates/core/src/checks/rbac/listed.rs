//! The rights that a control lists, against the rules of roles.

use crate::{
    api::{Risk, test_spec::AccessRule},
    inventory::{kinds::is_cluster_scoped, rbac::PolicyRule},
};

use super::{grants::EffectiveGrant, risks::risk_row};

/// The first right that a control lists and a grant gives: verb and resource, as listed or, where the
/// control lists `*`, as the role has it. None when it gives none of them.
///
/// A listed `*` stands for any. A listing of nothing but stars asks for the right to everything,
/// since everybody holds some right. Names narrow both sides: the grant counts when it reaches
/// any object that the control means.
pub(super) fn matched_right<'a>(
    access: &'a AccessRule,
    grant: &EffectiveGrant<'a>,
) -> Option<(&'a str, &'a str)> {
    let role = grant.role?;
    let stars = |words: &[String]| words.iter().any(|word| word == "*");
    if stars(&access.verbs) && stars(&access.resources) && stars(&access.api_groups) {
        let admin = [Risk::ClusterAdmin, Risk::NamespaceAdmin].into_iter().filter_map(risk_row);
        let everything =
            admin.filter(|row| row.applies(grant.namespace())).any(|row| row.matches(grant.added));
        return everything.then_some(("*", "*"));
    }
    // The default rules of a default role are nobody's decision, and every cluster has them.
    if grant.source.is_default {
        role.added_rules().find_map(|rule| overlap(access, rule, grant.source.in_cluster()))
    } else {
        role.rules().find_map(|rule| overlap(access, rule, grant.source.in_cluster()))
    }
}

fn overlap<'a>(
    access: &'a AccessRule,
    rule: &'a PolicyRule,
    in_cluster: bool,
) -> Option<(&'a str, &'a str)> {
    if !names_overlap(access, rule) {
        return None;
    }
    access.api_groups.iter().filter(|group| has_group(rule, group)).find_map(|group| {
        let resources = access.resources.iter().filter_map(|listed| resource(rule, listed));
        resources.filter(|resource| in_cluster || !inert(group, resource)).find_map(|resource| {
            let verb = access.verbs.iter().find_map(|listed| verb(rule, listed, resource))?;
            Some((verb, resource))
        })
    })
}

fn names_overlap(access: &AccessRule, rule: &PolicyRule) -> bool {
    let listed = &access.resource_names;
    listed.is_empty()
        || rule.names.is_empty()
        || rule.names.iter().any(|name| listed.iter().any(|listed| **listed == **name))
}

fn has_group(rule: &PolicyRule, listed: &str) -> bool {
    listed == "*" && !rule.groups.is_empty() || rule.has_group(listed)
}

/// In a namespace, rights on what has no namespace have no effect. A Namespace is looked up in
/// itself.
fn inert(group: &str, resource: &str) -> bool {
    let parent = resource.split_once('/').map_or(resource, |(parent, _)| parent);
    is_cluster_scoped(group, parent) && parent != "namespaces"
}

fn resource<'a>(rule: &'a PolicyRule, listed: &'a str) -> Option<&'a str> {
    let (parent, subresource) = listed.split_once('/').unwrap_or((listed, ""));
    match (parent, subresource) {
        ("*", "") => rule.resources.first().map(|word| &**word),
        ("*", query) => rule
            .resources
            .iter()
            .find(|word| {
                ***word == *"*" || word.split_once('/').is_some_and(|(_, sub)| sub == query)
            })
            .map(|_| listed),
        _ => rule.has_resource(parent, subresource).then_some(listed),
    }
}

/// A rule with names allows no request that names no object.
fn verb<'a>(rule: &'a PolicyRule, listed: &'a str, resource: &str) -> Option<&'a str> {
    let effective = |verb: &str| {
        rule.names.is_empty()
            || resource.contains('/')
            || !matches!(verb, "create" | "deletecollection")
    };
    if listed == "*" {
        return rule.verbs.iter().map(|word| &**word).find(|word| effective(word));
    }
    (rule.has_verb(listed) && effective(listed)).then_some(listed)
}
