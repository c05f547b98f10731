//! What is said of a hit: the finding.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    circumstances::{Circumstance, MAX_ROLES},
    evaluate::{Doubt, Hit, What},
    holder::{Held, Holder},
    named::Reached,
    risks::{CREATE_ALONE, EVERYTHING, Row},
    strength::Strength,
    whom::Whom,
};
use crate::{
    api::{ResourceRef, Risk},
    checks::{CheckContext, Finding, reference},
    inventory::{
        Inventory,
        rbac::{AUTHENTICATED, NamedRight, PolicyRule, Rights, Subject},
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
    context: &CheckContext<'_>,
    holder: &Holder<'_>,
    mut hit: Hit<'_>,
) -> Option<(Finding, bool)> {
    sort(context.inventory, hit.namespace, &mut hit.by);
    let certain = hit.is_certain();
    let in_scope = hit.by.iter().all(|held| held.in_scope);
    let (rule, severity, mut message) = match &hit.what {
        What::Risk(row, rights) => (
            row.risk.as_str(),
            Some(row.severity(hit.namespace, *rights)),
            risk(context.inventory, row, *rights, &hit),
        ),
        What::Named(reached) => (
            reached.risk.as_str(),
            reached.strength.as_ref().map(Strength::severity),
            named(context.inventory, reached, hit.by.first()),
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
    if hit.doubt == Some(Doubt::Version) {
        message = format!(
            "the version of the API server is not known, and before {CREATE_ALONE} get was enough: {message}"
        );
    }
    if !in_scope {
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
    let mut text = can(row, rights, hit.namespace);
    match hit.by.as_slice() {
        [alone] => {
            let _ = write!(
                text,
                "{} through {}",
                parenthesised(&examples(row, rights, alone)),
                path(inventory, alone)
            );
        }
        several => {
            let mut named: Vec<String> = several
                .iter()
                .take(SHOWN)
                .map(|held| {
                    let examples = parenthesised(&examples(row, rights, held));
                    format!("{}{examples}", path(inventory, held))
                })
                .collect();
            more(&mut named, several.len());
            let _ = write!(text, " through several bindings together: {}", named.join("; "));
        }
    }
    text
}

/// `can read every Secret in namespace prod`.
fn can(row: &Row, rights: Rights, namespace: Option<&str>) -> String {
    let all = rights.contains(EVERYTHING);
    let mut text = match (row.risk, namespace) {
        (Risk::ClusterAdmin, None) if all => "can do everything in the cluster",
        (Risk::ClusterAdmin, Some(_)) if all => "can do everything, and so become cluster-admin,",
        (Risk::NamespaceAdmin, _) if all => "can do everything",
        _ => row.can,
    }
    .to_owned();
    if let Some(worse) = row.worse.filter(|worse| rights.intersects(worse.with)) {
        let _ = write!(text, " {}", worse.says);
    }
    text.push_str(&place(namespace, row.applies(Some("any"))));
    text
}

/// `can impersonate User jane (impersonate users through ..), who can read every Secret ..`.
fn named(inventory: &Inventory, reached: &Reached<'_>, held: Option<&Held<'_>>) -> String {
    let whom = match &reached.whom {
        Whom::Subject(subject) => subject.to_string(),
        Whom::Role { key, .. } | Whom::Rewritten(key) => key.to_string(),
    };
    let mut text = match reached.named {
        NamedRight::EscalateClusterRole | NamedRight::EscalateRole => {
            format!("can write any right into {whom}")
        }
        NamedRight::BindClusterRole | NamedRight::BindRole => format!("can bind {whom}"),
        NamedRight::JoinClusterBinding | NamedRight::JoinRoleBinding => {
            format!("can put anybody into a binding of {whom}")
        }
        NamedRight::User | NamedRight::Account => format!("can impersonate {whom}"),
        NamedRight::Group => format!("can act as a member of {whom}"),
        NamedRight::Token => format!("can request a token of {whom}"),
        NamedRight::ConstrainedUser | NamedRight::ConstrainedAccount => {
            format!("can impersonate {whom} for some requests")
        }
        NamedRight::ConstrainedGroup => format!("can act as a member of {whom} for some requests"),
    };
    if let Some(held) = held {
        let example = reached.named.example();
        let _ = write!(text, " ({example} through {})", path(inventory, held));
    }
    let _ = write!(text, ", {}", holds(inventory, reached));
    if reached.others > 0 {
        let _ = write!(text, "; and {} more by the same binding", reached.others);
    }
    text
}

/// What is held by those whom a rule names: `who can read every Secret through ..`.
fn holds(inventory: &Inventory, reached: &Reached<'_>) -> String {
    let is_role = !matches!(reached.whom, Whom::Subject(_));
    match &reached.strength {
        None if is_role => "and no file shows what that role gives".to_owned(),
        None => "and no file shows what that identity holds".to_owned(),
        Some(Strength::Masters) => "which passes every authorizer".to_owned(),
        Some(Strength::Node) => {
            "so be a node, which reads the Secrets of its pods and requests their tokens".to_owned()
        }
        Some(Strength::Carries { row, rights, namespace, by }) => {
            let can = can(row, *rights, *namespace);
            if is_role {
                return format!("whose holder {can}");
            }
            let mut by = by.clone();
            sort(inventory, *namespace, &mut by);
            format!("who {can} through {}", paths(inventory, &by))
        }
        Some(Strength::Written { own: true, .. }) => "which it holds itself".to_owned(),
        Some(Strength::Written { holders: 0, .. }) => {
            "which nobody holds yet but any role may aggregate".to_owned()
        }
        Some(Strength::Written { holders: 1, .. }) => "which one other subject holds".to_owned(),
        Some(Strength::Written { holders, .. }) => format!("which {holders} subjects hold"),
        Some(Strength::Leads(next)) => {
            let next = named(inventory, next, None);
            if is_role { format!("whose holder {next}") } else { format!("who {next}") }
        }
    }
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

/// Requests that show what a grant gives towards a risk that these rights open the way to.
fn examples(row: &Row, rights: Rights, held: &Held<'_>) -> String {
    let Some(role) = held.role else {
        return String::new();
    };
    let rules = || {
        if held.grant.is_default { role.added_rules() } else { Box::new(role.rules()) }
    };
    if matches!(row.risk, Risk::ClusterAdmin | Risk::NamespaceAdmin) {
        return over_everything(rules);
    }
    let fallback = [row.all()];
    let way = row.way(held.all).or_else(|| row.way(rights)).unwrap_or(&fallback);
    let mut shown: Vec<String> = Vec::new();
    for needed in way {
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
    shown.join(" and ")
}

/// `every verb on everything`, or the verbs that a role has on everything.
fn over_everything<'a>(
    rules: impl Fn() -> Box<dyn Iterator<Item = &'a PolicyRule> + 'a>,
) -> String {
    let verbs: BTreeSet<&str> = EVERYTHING
        .iter()
        .flat_map(|right| rules().filter(move |rule| right.example(rule, true).is_some()))
        .flat_map(|rule| rule.verbs.iter().map(|verb| &**verb))
        .collect();
    if verbs.contains("*") {
        return "every verb on everything".to_owned();
    }
    let verbs: Vec<&str> = verbs.into_iter().collect();
    format!("{} everything", verbs.join(", "))
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
pub(super) fn sort(inventory: &Inventory, place: Option<&str>, by: &mut [Held<'_>]) {
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
