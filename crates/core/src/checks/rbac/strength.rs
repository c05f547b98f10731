//! How much somebody gains by becoming another subject or by holding another role.

use std::collections::BTreeSet;

use super::{
    describe::sort,
    grants::{EffectiveGrant, in_effect, sum},
    named_rights::{NamedReach, NotInFiles, Visited, reach, risks},
    named_targets::{BoundRole, NODES, is_excerpt},
    risks::{Carried, PRIVILEGED_NAMESPACES, ROWS, RiskRow, is_powerful},
};
use crate::{
    api::Severity,
    checks::CheckContext,
    inventory::rbac::{MASTERS, Rights, RoleKey, Subject},
};

/// What a target holds that is worth a finding: something that leads beyond the holder's own rights.
#[derive(Debug)]
pub(super) enum Strength<'a> {
    /// It belongs to the group that passes every authorizer.
    Masters,
    /// It is a node, which may read the Secrets of its pods and request their tokens.
    Node,
    /// It carries a risk in a place, by grants; a role alone has none.
    Carries {
        row: &'static RiskRow,
        rights: Rights,
        namespace: Option<&'a str>,
        by: Vec<EffectiveGrant<'a>>,
    },
    /// A role whose rights can be written at will: the writer holds it, or how many others do.
    Written { severity: Severity, own: bool, holders: usize },
    /// It leads on to another target.
    LeadsTo(Box<NamedReach<'a>>),
}

impl Strength<'_> {
    /// How bad it is that somebody can take the target.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Masters => Severity::Critical,
            Self::Node => Severity::High,
            Self::Carries { row, rights, namespace, .. } => row.severity(*namespace, *rights),
            Self::Written { severity, .. } => *severity,
            Self::LeadsTo(reached) => {
                reached.strength.as_ref().map_or(Severity::Medium, Strength::severity)
            }
        }
    }
}

/// What a target is known to hold; Ok(None) where that leads nowhere.
type StrengthResult<'a> = Result<Option<Strength<'a>>, NotInFiles>;

/// What a subject holds, with the groups that it belongs to by its kind.
pub(super) fn strength_of_subject<'a>(
    context: &CheckContext<'a>,
    subject: &Subject,
    visited: &mut Visited,
) -> StrengthResult<'a> {
    if matches!(subject, Subject::Group(name) if **name == *MASTERS) {
        return Ok(Some(Strength::Masters));
    }
    if matches!(subject, Subject::Group(name) if **name == *NODES) {
        return Ok(Some(Strength::Node));
    }
    let graph = &context.inventory.rights;
    let node = graph.find(subject).and_then(|id| graph.subject(id));
    // In a cluster, a subject that no binding names holds nothing. In files its bindings may be elsewhere.
    if node.is_none() && is_excerpt(context) && !subject.is_implied_group() {
        return Err(NotInFiles);
    }
    let own = node.into_iter().flat_map(|node| &node.grants);
    let own = own.filter_map(|grant| EffectiveGrant::new(grant, None, context));
    let groups = graph.implied_groups(subject).flat_map(|group| {
        let grants = group.grants.iter();
        grants.filter_map(|grant| EffectiveGrant::new(grant, Some(&group.subject), context))
    });
    let mut grant: Vec<EffectiveGrant<'a>> = own.chain(groups).collect();
    // The first of equally strong ways is kept, so their order must not depend on slots.
    sort(context.inventory, None, &mut grant);
    let mut places: BTreeSet<Option<&str>> = BTreeSet::from([None]);
    places.extend(grant.iter().map(EffectiveGrant::namespace));
    let mut best = None;
    for place in places {
        let there = || grant.iter().filter(|grant| in_effect(grant, place));
        let rights = sum(there(), |grant| grant.all);
        if let Some(row) = strongest(context, rights, place) {
            let way = row.way(rights).unwrap_or_default();
            let helps = |grant: &&EffectiveGrant<'a>| {
                way.iter().any(|any_of| grant.all.intersects(*any_of))
            };
            let by = there().filter(helps).copied().collect();
            keep(&mut best, Strength::Carries { row, rights, namespace: place, by });
        }
    }
    let all: Vec<BoundRole<'a>> = grant.iter().filter_map(BoundRole::of).collect();
    further(context, &all, &mut best, visited)?;
    let missing_manifests =
        |grant: &EffectiveGrant<'_>| grant.role.is_none_or(|role| !role.exists());
    if best.is_none() && is_excerpt(context) && grant.iter().any(missing_manifests) {
        return Err(NotInFiles);
    }
    Ok(best)
}

/// What a role gives where it is bound.
pub(super) fn strength_of_role<'a>(
    context: &CheckContext<'a>,
    key: &RoleKey,
    in_cluster: bool,
    namespace: Option<&'a str>,
    visited: &mut Visited,
) -> StrengthResult<'a> {
    let Some(role) = context.inventory.rights.find_role(key) else {
        return if is_excerpt(context) { Err(NotInFiles) } else { Ok(None) };
    };
    let rights = role.reach().at(in_cluster);
    let row = strongest(context, rights, namespace);
    let mut best = row.map(|row| Strength::Carries { row, rights, namespace, by: Vec::new() });
    // Where neither is given, the holder chooses a namespace, and what follows there is not looked at.
    if in_cluster || namespace.is_some() {
        let bound = BoundRole { role, namespace, added_only: false };
        further(context, &[bound], &mut best, visited)?;
    }
    Ok(best)
}

/// What it means to write any right into a role: its holders get it. Whoever may write a
/// `ClusterRole` may also label it so that other roles aggregate it, so one without holders is
/// not harmless either.
pub(super) fn strength_of_writing<'a>(
    context: &CheckContext<'a>,
    key: &RoleKey,
    all: &[BoundRole<'a>],
) -> StrengthResult<'a> {
    let graph = &context.inventory.rights;
    let Some(role) = graph.find_role(key) else {
        return if is_excerpt(context) { Err(NotInFiles) } else { Ok(None) };
    };
    let mut own = all.iter().filter(|bound| bound.role.key() == key).peekable();
    let is_own = own.peek().is_some();
    let in_cluster = own.any(|bound| bound.namespace.is_none());
    let holders: BTreeSet<_> = graph.bound(role).collect();
    let privileged = PRIVILEGED_NAMESPACES.contains(&&*key.namespace);
    let severity = match (is_own, holders.is_empty()) {
        (true, _) if in_cluster || privileged => Severity::Critical,
        (false, true) => Severity::Medium,
        _ => Severity::High,
    };
    Ok(Some(Strength::Written { severity, own: is_own, holders: holders.len() }))
}

/// The worst risk that rights carry in a place, and of several the first of the table, which says most.
/// None when nothing they carry is worth a finding.
fn strongest(
    context: &CheckContext<'_>,
    rights: Rights,
    namespace: Option<&str>,
) -> Option<&'static RiskRow> {
    let server = context.inventory.kubernetes;
    let strong = |row: &&RiskRow| {
        is_powerful(row.risk)
            && row.applies(namespace)
            && row.carried(rights, server) == Some(Carried::Yes)
            && row.severity(namespace, rights) >= Severity::High
    };
    // `max_by_key` keeps the last of equals, so the table is walked from its end.
    let rows = ROWS.iter().filter(strong);
    rows.rev().max_by_key(|row| row.severity(namespace, rights))
}

fn keep<'a>(best: &mut Option<Strength<'a>>, found: Strength<'a>) {
    if best.as_ref().is_none_or(|best| best.severity() < found.severity()) {
        *best = Some(found);
    }
}

/// Follows the names in these rules further. An error only when nothing is known and something is not
/// shown.
fn further<'a>(
    context: &CheckContext<'a>,
    all: &[BoundRole<'a>],
    best: &mut Option<Strength<'a>>,
    visited: &mut Visited,
) -> Result<(), NotInFiles> {
    let is_worst = |best: &Option<Strength<'a>>| {
        best.as_ref().is_some_and(|best| best.severity() == Severity::Critical)
    };
    let mut unseen = false;
    for bound in all {
        for (risk, names) in risks() {
            // Nothing can be worse, and each further step may branch.
            if is_worst(best) {
                return Ok(());
            }
            match reach(context, *bound, all, risk, names, visited) {
                Some(reached) if reached.strength.is_some() => {
                    keep(best, Strength::LeadsTo(Box::new(reached)));
                }
                Some(_) => unseen = true,
                None => {}
            }
        }
    }
    if unseen && best.is_none() { Err(NotInFiles) } else { Ok(()) }
}
