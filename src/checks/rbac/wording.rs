//! What is said of a hit: the finding.

use std::fmt::Write as _;

use super::{
    circumstances::{Circumstance, MAX_ROLES},
    evaluate::{Hit, What},
    holder::{Held, Holder},
    risks::Row,
};
use crate::{
    api::ResourceRef,
    checks::{Context, Finding, reference},
    inventory::{
        Inventory,
        rbac::{AUTHENTICATED, Rights, Subject},
    },
};

/// Longest message, in characters.
const MAX_MESSAGE: usize = 512;
/// How many of several bindings a message names.
const SHOWN: usize = 4;
/// The rule of a right that the control lists.
const LISTED: &str = "ForbiddenRight";

/// A hit as a finding, and whether it is certain: a binding in a namespace that may be out of
/// scope can't be told.
pub(super) fn finding(
    context: &Context<'_>,
    holder: &Holder<'_>,
    mut hit: Hit<'_>,
) -> Option<(Finding, bool)> {
    sort(context.inventory, hit.namespace, &mut hit.by);
    let certain = hit.by.iter().all(|held| held.in_scope);
    let (rule, severity, mut message) = match &hit.what {
        What::Risk(row, rights) => (
            row.risk.as_str(),
            Some(row.severity(hit.namespace, *rights)),
            risk(context.inventory, row, *rights, &hit),
        ),
        What::Listed(verb, resource) => {
            let paths = paths(context.inventory, &hit.by);
            let place = place(hit.namespace, !resource.is_empty());
            (LISTED, None, format!("can {verb} {resource}{place} through {paths}"))
        }
        What::Circumstance(circumstance) => (
            circumstance.risk().as_str(),
            Some(circumstance.severity()),
            circumstance_text(context.inventory, holder, circumstance, &hit.by),
        ),
    };
    if !certain {
        message = format!(
            "the labels of namespace {} are not known, so it may be out of scope: {message}",
            hit.namespace.unwrap_or_default()
        );
    }
    let finding = Finding {
        rule: rule.into(),
        severity,
        resource: resource(context.inventory, &hit)?,
        subject: Some(holder.node.subject.to_string()),
        message: bounded(message),
    };
    Some((finding, certain))
}

/// What a `ControlException` would name: the binding, or the object it is about.
fn resource(inventory: &Inventory, hit: &Hit<'_>) -> Option<ResourceRef> {
    match &hit.what {
        What::Circumstance(Circumstance::Cloud(_, slot)) => reference(inventory, *slot),
        What::Circumstance(Circumstance::WeakPod { workload, .. }) => {
            reference(inventory, *workload)
        }
        _ => {
            let own = hit.by.iter().find(|held| held.group.is_none());
            reference(inventory, own.or(hit.by.first())?.grant.binding)
        }
    }
}

fn risk(inventory: &Inventory, row: &Row, rights: Rights, hit: &Hit<'_>) -> String {
    let mut text = row.can.to_owned();
    if let Some(worse) = row.worse.filter(|worse| rights.intersects(worse.with)) {
        let _ = write!(text, " {}", worse.says);
    }
    let everywhere = row.applies(Some("any"));
    let _ = write!(text, "{}", place(hit.namespace, everywhere));
    match hit.by.as_slice() {
        [alone] => {
            let _ = write!(
                text,
                "{} through {}",
                parenthesised(&examples(row, alone)),
                path(inventory, alone)
            );
        }
        several => {
            let mut named: Vec<String> = several
                .iter()
                .take(SHOWN)
                .map(|held| {
                    let examples = parenthesised(&examples(row, held));
                    format!("{}{examples}", path(inventory, held))
                })
                .collect();
            more(&mut named, several.len());
            let _ = write!(text, " through several bindings together: {}", named.join("; "));
        }
    }
    text
}

fn place(namespace: Option<&str>, everywhere: bool) -> String {
    match namespace {
        Some(namespace) => format!(" in namespace {namespace}"),
        None if everywhere => " in all namespaces".to_owned(),
        None => String::new(),
    }
}

fn parenthesised(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

/// Requests that show what a grant gives towards a risk.
fn examples(row: &Row, held: &Held<'_>) -> String {
    let Some(role) = held.role else {
        return String::new();
    };
    let rules = || {
        if held.grant.baseline { role.novel_rules() } else { Box::new(role.rules()) }
    };
    let mut shown: Vec<String> = Vec::new();
    for needed in row.needs {
        let example = needed.iter().find_map(|right| {
            rules().find_map(|rule| right.example(rule, held.grant.in_cluster()))
        });
        let Some((verb, resource)) = example else {
            continue;
        };
        let example = format!("{} {resource}", verb.trim_end_matches(':'));
        if !shown.contains(&example) {
            shown.push(example);
        }
    }
    if shown.len() == row.needs.len() && shown.len() > SHOWN {
        return "every verb on everything".to_owned();
    }
    if shown.len() > SHOWN {
        let verbs: Vec<&str> = shown.iter().filter_map(|text| text.split(' ').next()).collect();
        return format!("{} everything", verbs.join(", "));
    }
    shown.join(" and ")
}

fn circumstance_text(
    inventory: &Inventory,
    holder: &Holder<'_>,
    circumstance: &Circumstance<'_>,
    by: &[Held<'_>],
) -> String {
    let subject = &holder.node.subject;
    let paths = paths(inventory, by);
    match circumstance {
        Circumstance::Anonymous => {
            format!("holds rights that need no credentials at all, through {paths}")
        }
        Circumstance::Everyone(risk) => format!(
            "holds a powerful role ({risk}) for {}, through {paths}",
            match subject {
                Subject::Group(name) if **name != *AUTHENTICATED =>
                    format!("every service account in {name}"),
                _ => "everybody who can log in".to_owned(),
            }
        ),
        Circumstance::SystemMasters => format!(
            "passes every authorizer and can't be revoked: bind another group instead of naming it in {paths}"
        ),
        Circumstance::DefaultAccount { automount } => format!(
            "gives its rights to every pod of the namespace that names no account{}, through {paths}",
            if *automount { ", and its token is mounted into them" } else { "" }
        ),
        Circumstance::RoleMissing(role) => format!(
            "would hold whatever somebody writes into {role}, which does not exist, through {paths}"
        ),
        Circumstance::AccountMissing => format!(
            "does not exist: whoever may create the account takes its rights, through {paths}"
        ),
        Circumstance::Cloud(identity, _) => format!(
            "is also {} in the cloud (annotation {}): whoever runs as it acts there",
            identity.identity, identity.annotation
        ),
        Circumstance::ManyRoles(roles) => {
            format!("holds {roles} roles, more than the {MAX_ROLES} that can be reviewed: {paths}")
        }
        Circumstance::WeakPod { weakness, risk, .. } => {
            format!(
                "is the account of a pod that violates {weakness} of the baseline level, and carries {risk} through {paths}"
            )
        }
    }
}

fn paths(inventory: &Inventory, by: &[Held<'_>]) -> String {
    let mut named: Vec<String> = by.iter().take(SHOWN).map(|held| path(inventory, held)).collect();
    more(&mut named, by.len());
    named.join("; ")
}

fn more(named: &mut Vec<String>, all: usize) {
    if all > named.len() {
        named.push(format!("and {} more", all - named.len()));
    }
}

/// `RoleBinding/prod/x -> ClusterRole/edit`.
fn path(inventory: &Inventory, held: &Held<'_>) -> String {
    let role = held.role.map(|role| role.key().to_string()).unwrap_or_default();
    let name = inventory.get(held.grant.binding).map_or("", |binding| binding.name.as_str());
    let group = held.group.map_or_else(String::new, |group| format!("{group}: "));
    match held.namespace() {
        Some(namespace) => format!("{group}RoleBinding/{namespace}/{name} -> {role}"),
        None => format!("{group}ClusterRoleBinding/{name} -> {role}"),
    }
}

/// Own before those of groups, those of the place before the cluster's, then by name.
fn sort(inventory: &Inventory, place: Option<&str>, by: &mut [Held<'_>]) {
    by.sort_by_key(|held| {
        let name = inventory.get(held.grant.binding).map(|binding| binding.name.clone());
        (held.group.cloned(), held.namespace() != place, held.grant.namespace.clone(), name)
    });
}

/// Cuts what is too long for a status.
pub(super) fn bounded(text: String) -> String {
    if text.chars().count() <= MAX_MESSAGE {
        return text;
    }
    text.chars().take(MAX_MESSAGE - 1).chain(['…']).collect()
}
