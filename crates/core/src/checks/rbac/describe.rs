//! From a hit to its finding: the message says what somebody can do, where, and by which path.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    contextual_risks::{ContextualRisk, MAX_ROLES},
    evaluate::{Hit, HitKind, Uncertainty},
    grants::{EffectiveGrant, SubjectGrants},
    named_rights::NamedReach,
    named_targets::NamedTarget,
    risks::{CREATE_ALONE, EVERYTHING, RiskRow},
    strength::Strength,
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
pub(super) const LISTED: &str = "ForbiddenRight";

/// A hit as a finding; None when its object has gone.
pub(super) fn finding(
    context: &CheckContext<'_>,
    grants: &SubjectGrants<'_>,
    mut hit: Hit<'_>,
) -> Option<Finding> {
    // The message names the first few: they must not depend on where objects are kept.
    sort(context.inventory, hit.namespace, &mut hit.by);
    let in_scope = hit.by.iter().all(|grant| grant.in_scope);
    let (rule, severity, mut message) = match &hit.kind {
        HitKind::Risk(row, rights) => (
            row.risk.as_str(),
            Some(row.severity(hit.namespace, *rights)),
            describe_risk(context.inventory, row, *rights, &hit),
        ),
        HitKind::Named(reached) => (
            reached.risk.as_str(),
            reached.strength.as_ref().map(Strength::severity),
            describe_named_right(context.inventory, reached, hit.by.first()),
        ),
        HitKind::Listed(verb, resource) => {
            let paths = paths(context.inventory, &hit.by);
            let place = describe_place(hit.namespace, !resource.is_empty());
            (LISTED, None, format!("can {verb} {resource}{place} through {paths}"))
        }
        HitKind::ContextualRisk(contextual) => (
            contextual.risk().as_str(),
            Some(contextual.severity()),
            describe_contextual_risk(context.inventory, grants, contextual, &hit.by),
        ),
    };
    if hit.uncertainty == Some(Uncertainty::Version) {
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
    Some(Finding {
        rule: rule.into(),
        severity,
        resource: resource(context.inventory, &hit)?,
        subject: Some(grants.node.subject.to_string()),
        message: bounded(message),
    })
}

/// What a `ControlException` would name: the binding, or the object it is about.
fn resource(inventory: &Inventory, hit: &Hit<'_>) -> Option<ResourceRef> {
    match &hit.kind {
        HitKind::ContextualRisk(ContextualRisk::Cloud(_, slot)) => reference(inventory, *slot),
        HitKind::ContextualRisk(ContextualRisk::WeakPod { workload, .. }) => {
            reference(inventory, *workload)
        }
        _ => {
            // An exception for a binding of a group would excuse everybody in it.
            let own = hit.by.iter().find(|grant| grant.group.is_none());
            reference(inventory, own.or(hit.by.first())?.source.binding)
        }
    }
}

fn describe_risk(inventory: &Inventory, row: &RiskRow, rights: Rights, hit: &Hit<'_>) -> String {
    let mut text = describe_ability(row, rights, hit.namespace);
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
                .map(|grant| {
                    let examples = parenthesised(&examples(row, rights, grant));
                    format!("{}{examples}", path(inventory, grant))
                })
                .collect();
            push_remaining(&mut named, several.len());
            let _ = write!(text, " through several bindings together: {}", named.join("; "));
        }
    }
    text
}

/// `can read every Secret in namespace prod`.
pub(super) fn describe_ability(row: &RiskRow, rights: Rights, namespace: Option<&str>) -> String {
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
    text.push_str(&describe_place(namespace, row.applies(Some("any"))));
    text
}

/// `can impersonate User jane (impersonate users through ..), who can read every Secret ..`.
fn describe_named_right(
    inventory: &Inventory,
    reached: &NamedReach<'_>,
    grant: Option<&EffectiveGrant<'_>>,
) -> String {
    let target = match &reached.target {
        NamedTarget::Subject(subject) => subject.to_string(),
        NamedTarget::Role { key, .. } | NamedTarget::Rewritten(key) => key.to_string(),
    };
    let mut text = match reached.named {
        NamedRight::EscalateClusterRole | NamedRight::EscalateRole => {
            format!("can write any right into {target}")
        }
        NamedRight::BindClusterRole | NamedRight::BindRole => format!("can bind {target}"),
        NamedRight::JoinClusterBinding | NamedRight::JoinRoleBinding => {
            format!("can put anybody into a binding of {target}")
        }
        NamedRight::User | NamedRight::Account => format!("can impersonate {target}"),
        NamedRight::Group => format!("can act as a member of {target}"),
        NamedRight::Token => format!("can request a token of {target}"),
        NamedRight::ConstrainedUser | NamedRight::ConstrainedAccount => {
            format!("can impersonate {target} for some requests")
        }
        NamedRight::ConstrainedGroup => {
            format!("can act as a member of {target} for some requests")
        }
    };
    if let Some(grant) = grant {
        let example = reached.named.example();
        let _ = write!(text, " ({example} through {})", path(inventory, grant));
    }
    let _ = write!(text, ", {}", describe_strength(inventory, reached));
    if reached.others > 0 {
        let _ = write!(text, "; and {} more through the same binding", reached.others);
    }
    text
}

/// What is held by those whom a rule names: `who can read every Secret through ..`.
fn describe_strength(inventory: &Inventory, reached: &NamedReach<'_>) -> String {
    let is_role = !matches!(reached.target, NamedTarget::Subject(_));
    match &reached.strength {
        None if is_role => "and no file shows what that role gives".to_owned(),
        None => "and no file shows what that identity holds".to_owned(),
        Some(Strength::Masters) => "which passes every authorizer".to_owned(),
        Some(Strength::Node) => {
            "so be a node, which reads the Secrets of its pods and requests their tokens".to_owned()
        }
        Some(Strength::Carries { row, rights, namespace, by }) => {
            let can = describe_ability(row, *rights, *namespace);
            if is_role {
                return format!("whose holder {can}");
            }
            let mut by = by.clone();
            sort(inventory, *namespace, &mut by);
            format!("who {can} through {}", paths(inventory, &by))
        }
        Some(Strength::Written { own: true, .. }) => "which it holds itself".to_owned(),
        Some(Strength::Written { holders: 0, .. }) => {
            "which nobody holds yet, but any role may aggregate".to_owned()
        }
        Some(Strength::Written { holders: 1, .. }) => "which one other subject holds".to_owned(),
        Some(Strength::Written { holders, .. }) => format!("which {holders} subjects hold"),
        Some(Strength::LeadsTo(next)) => {
            let next = describe_named_right(inventory, next, None);
            if is_role { format!("whose holder {next}") } else { format!("who {next}") }
        }
    }
}

/// Where a right is held, for the end of a phrase; empty for what has no namespace at all.
fn describe_place(namespace: Option<&str>, everywhere: bool) -> String {
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
fn examples(row: &RiskRow, rights: Rights, grant: &EffectiveGrant<'_>) -> String {
    let Some(role) = grant.role else {
        return String::new();
    };
    let rules = || {
        if grant.source.is_default { role.added_rules() } else { Box::new(role.rules()) }
    };
    if matches!(row.risk, Risk::ClusterAdmin | Risk::NamespaceAdmin) {
        return over_everything(rules);
    }
    // Before `CREATE_ALONE`, a right that is in no way of the row may carry it: then any of its rights is
    // shown.
    let fallback = [row.all()];
    let way = row.way(grant.all).or_else(|| row.way(rights)).unwrap_or(&fallback);
    let mut shown: Vec<String> = Vec::new();
    for needed in way {
        let example = needed.iter().find_map(|right| {
            rules().find_map(|rule| right.example(rule, grant.source.in_cluster()))
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
    // `*` includes every other verb that is listed with it.
    if verbs.contains("*") {
        return "every verb on everything".to_owned();
    }
    let verbs: Vec<&str> = verbs.into_iter().collect();
    format!("{} everything", verbs.join(", "))
}

fn describe_contextual_risk(
    inventory: &Inventory,
    grants: &SubjectGrants<'_>,
    contextual: &ContextualRisk<'_>,
    by: &[EffectiveGrant<'_>],
) -> String {
    let subject = &grants.node.subject;
    let paths = paths(inventory, by);
    match contextual {
        ContextualRisk::Anonymous => {
            format!("holds rights that need no credentials at all, through {paths}")
        }
        ContextualRisk::Everyone(risk) => format!(
            "holds a powerful role ({risk}) for {}, through {paths}",
            match subject {
                Subject::Group(name) if **name != *AUTHENTICATED =>
                    format!("every service account in {name}"),
                _ => "everybody who can log in".to_owned(),
            }
        ),
        ContextualRisk::SystemMasters => format!(
            "passes every authorizer and can't be revoked: bind another group instead of naming it in {paths}"
        ),
        ContextualRisk::DefaultAccount { automount } => format!(
            "gives its rights to every pod of the namespace that names no account{}, through {paths}",
            if *automount { ", and its token is mounted into them" } else { "" }
        ),
        ContextualRisk::RoleMissing(role) => format!(
            "would hold whatever somebody writes into {role}, which does not exist, through {paths}"
        ),
        ContextualRisk::AccountMissing => format!(
            "does not exist: whoever may create the account takes its rights, through {paths}"
        ),
        ContextualRisk::Cloud(identity, _) => format!(
            "is also {} in the cloud (annotation {}): whoever runs as it acts there",
            identity.identity, identity.annotation
        ),
        ContextualRisk::ManyRoles(roles) => {
            format!("holds {roles} roles, more than the {MAX_ROLES} that can be reviewed: {paths}")
        }
        ContextualRisk::WeakPod { weakness, risk, .. } => {
            format!(
                "is the account of a pod that violates {weakness} of the baseline level, and carries {risk} through {paths}"
            )
        }
    }
}

/// The ways by which something is held, the first few of them.
pub(super) fn paths(inventory: &Inventory, by: &[EffectiveGrant<'_>]) -> String {
    let mut named: Vec<String> =
        by.iter().take(SHOWN).map(|grant| path(inventory, grant)).collect();
    push_remaining(&mut named, by.len());
    named.join("; ")
}

/// Adds how many are not shown, if any.
fn push_remaining(named: &mut Vec<String>, all: usize) {
    if all > named.len() {
        named.push(format!("and {} more", all - named.len()));
    }
}

/// The way by which a right is held: `RoleBinding/prod/x -> ClusterRole/edit`.
fn path(inventory: &Inventory, grant: &EffectiveGrant<'_>) -> String {
    let role = grant.role.map(|role| role.key().to_string()).unwrap_or_default();
    let name = inventory.get(grant.source.binding).map_or("", |binding| binding.name.as_str());
    let group = grant.group.map_or_else(String::new, |group| format!("{group}: "));
    match grant.namespace() {
        Some(namespace) => format!("{group}RoleBinding/{namespace}/{name} -> {role}"),
        None => format!("{group}ClusterRoleBinding/{name} -> {role}"),
    }
}

/// Sorts grants as messages name them: own before those of groups, those of the place before the
/// cluster's, then by name.
pub(super) fn sort(inventory: &Inventory, place: Option<&str>, by: &mut [EffectiveGrant<'_>]) {
    by.sort_by_key(|grant| {
        let name = inventory.get(grant.source.binding).map(|binding| binding.name.clone());
        (grant.group.cloned(), grant.namespace() != place, grant.source.namespace.clone(), name)
    });
}

/// Cuts a message to what a status holds.
pub(super) fn bounded(text: String) -> String {
    if text.chars().count() <= MAX_MESSAGE {
        return text;
    }
    text.chars().take(MAX_MESSAGE - 1).chain(['…']).collect()
}
