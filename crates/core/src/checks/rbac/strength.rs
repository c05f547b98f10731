//! How strong it makes somebody to become another subject or to hold another role.

use std::collections::BTreeSet;

use super::{
    holder::{Held, in_effect, sum},
    named::{Known, NotKnown, Reached, reach, risks},
    risks::{Carried, PRIVILEGED_NAMESPACES, ROWS, Row, is_powerful},
    whom::{Given, NODES, is_excerpt},
    wording::sort,
};
use crate::{
    api::Severity,
    checks::CheckContext,
    inventory::rbac::{MASTERS, Rights, RoleKey, Subject},
};

/// What is held there. Only what leads far is worth a finding.
#[derive(Debug)]
pub(super) enum Strength<'a> {
    /// It belongs to the group that passes every authorizer.
    Masters,
    /// It is a node, which may read the Secrets of its pods and request their tokens.
    Node,
    /// It carries a risk in a place, by grants; a role alone has none.
    Carries { row: &'static Row, rights: Rights, namespace: Option<&'a str>, by: Vec<Held<'a>> },
    /// A role whose rights can be written at will: the writer holds it, or how many others do.
    Written { severity: Severity, own: bool, holders: usize },
    /// It leads on to another.
    Leads(Box<Reached<'a>>),
}

impl Strength<'_> {
    /// How bad it is that somebody comes to it.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Masters => Severity::Critical,
            Self::Node => Severity::High,
            Self::Carries { row, rights, namespace, .. } => row.severity(*namespace, *rights),
            Self::Written { severity, .. } => *severity,
            Self::Leads(reached) => {
                reached.strength.as_ref().map_or(Severity::Medium, Strength::severity)
            }
        }
    }
}

/// What is known to be held; Ok(None) where it leads nowhere.
type Found<'a> = Result<Option<Strength<'a>>, NotKnown>;

/// What a subject holds, with the groups that it belongs to by its kind.
pub(super) fn strength_of_subject<'a>(
    context: &CheckContext<'a>,
    subject: &Subject,
    known: &mut Known,
) -> Found<'a> {
    if matches!(subject, Subject::Group(name) if **name == *MASTERS) {
        return Ok(Some(Strength::Masters));
    }
    if matches!(subject, Subject::Group(name) if **name == *NODES) {
        return Ok(Some(Strength::Node));
    }
    let graph = &context.inventory.rights;
    let node = graph.find(subject).and_then(|id| graph.subject(id));
    if node.is_none() && is_excerpt(context) && !subject.is_implied_group() {
        return Err(NotKnown);
    }
    let own = node.into_iter().flat_map(|node| &node.grants);
    let own = own.filter_map(|grant| Held::new(grant, None, context));
    let groups = graph.implied_groups(subject).flat_map(|group| {
        let grants = group.grants.iter();
        grants.filter_map(|grant| Held::new(grant, Some(&group.subject), context))
    });
    let mut held: Vec<Held<'a>> = own.chain(groups).collect();
    sort(context.inventory, None, &mut held);
    let mut places: BTreeSet<Option<&str>> = BTreeSet::from([None]);
    places.extend(held.iter().map(Held::namespace));
    let mut best = None;
    for place in places {
        let there = || held.iter().filter(|held| in_effect(held, place));
        let rights = sum(there(), |held| held.all);
        if let Some(row) = strongest(context, rights, place) {
            let way = row.way(rights).unwrap_or_default();
            let helps = |held: &&Held<'a>| way.iter().any(|any_of| held.all.intersects(*any_of));
            let by = there().filter(helps).copied().collect();
            keep(&mut best, Strength::Carries { row, rights, namespace: place, by });
        }
    }
    let all: Vec<Given<'a>> = held.iter().filter_map(Given::of).collect();
    further(context, &all, &mut best, known)?;
    let untold = |held: &Held<'_>| held.role.is_none_or(|role| !role.exists());
    if best.is_none() && is_excerpt(context) && held.iter().any(untold) {
        return Err(NotKnown);
    }
    Ok(best)
}

/// What a role gives where it is bound.
pub(super) fn strength_of_role<'a>(
    context: &CheckContext<'a>,
    key: &RoleKey,
    in_cluster: bool,
    namespace: Option<&'a str>,
    known: &mut Known,
) -> Found<'a> {
    let Some(role) = context.inventory.rights.find_role(key) else {
        return if is_excerpt(context) { Err(NotKnown) } else { Ok(None) };
    };
    let rights = role.reach().at(in_cluster);
    let row = strongest(context, rights, namespace);
    let mut best = row.map(|row| Strength::Carries { row, rights, namespace, by: Vec::new() });
    if in_cluster || namespace.is_some() {
        let given = Given { role, namespace, novel: false };
        further(context, &[given], &mut best, known)?;
    }
    Ok(best)
}

/// What it means to write any right into a role: its holders get it. Whoever may write a
/// `ClusterRole` may also label it so that other roles aggregate it, so one without holders is
/// not harmless either.
pub(super) fn strength_of_writing<'a>(
    context: &CheckContext<'a>,
    key: &RoleKey,
    all: &[Given<'a>],
) -> Found<'a> {
    let graph = &context.inventory.rights;
    let Some(role) = graph.find_role(key) else {
        return if is_excerpt(context) { Err(NotKnown) } else { Ok(None) };
    };
    let mut own = all.iter().filter(|given| given.role.key() == key).peekable();
    let is_own = own.peek().is_some();
    let in_cluster = own.any(|given| given.namespace.is_none());
    let holders: BTreeSet<_> = graph.bound(role).collect();
    let privileged = PRIVILEGED_NAMESPACES.contains(&&*key.namespace);
    let severity = match (is_own, holders.is_empty()) {
        (true, _) if in_cluster || privileged => Severity::Critical,
        (false, true) => Severity::Medium,
        _ => Severity::High,
    };
    Ok(Some(Strength::Written { severity, own: is_own, holders: holders.len() }))
}

/// The worst risk that rights carry in a place; the first of the worst says most.
fn strongest(
    context: &CheckContext<'_>,
    rights: Rights,
    namespace: Option<&str>,
) -> Option<&'static Row> {
    let server = context.inventory.kubernetes;
    let strong = |row: &&Row| {
        is_powerful(row.risk)
            && row.applies(namespace)
            && row.carried(rights, server) == Some(Carried::Yes)
            && row.severity(namespace, rights) >= Severity::High
    };
    let rows = ROWS.iter().filter(strong);
    rows.rev().max_by_key(|row| row.severity(namespace, rights))
}

fn keep<'a>(best: &mut Option<Strength<'a>>, found: Strength<'a>) {
    if best.as_ref().is_none_or(|best| best.severity() < found.severity()) {
        *best = Some(found);
    }
}

/// Where the names in these rules lead in turn.
fn further<'a>(
    context: &CheckContext<'a>,
    all: &[Given<'a>],
    best: &mut Option<Strength<'a>>,
    known: &mut Known,
) -> Result<(), NotKnown> {
    let is_worst = |best: &Option<Strength<'a>>| {
        best.as_ref().is_some_and(|best| best.severity() == Severity::Critical)
    };
    let mut unseen = false;
    for given in all {
        for (risk, names) in risks() {
            if is_worst(best) {
                return Ok(());
            }
            match reach(context, *given, all, risk, names, known) {
                Some(reached) if reached.strength.is_some() => {
                    keep(best, Strength::Leads(Box::new(reached)));
                }
                Some(_) => unseen = true,
                None => {}
            }
        }
    }
    if unseen && best.is_none() { Err(NotKnown) } else { Ok(()) }
}
