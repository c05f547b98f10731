//! Which of the risks made of rights a subject carries, and by which grants.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    circumstances::Circumstance,
    holder::{Held, Holder, in_effect, sum},
    named::Reached,
    risks::{Carried, EVERYTHING, ROWS, Row, Zones, row_of},
};
use crate::{
    api::Risk,
    inventory::{Slot, rbac::Rights},
};

/// One thing found about a subject.
#[derive(Debug)]
pub(super) struct Hit<'a> {
    pub what: What<'a>,
    /// Where; none in the whole cluster.
    pub namespace: Option<&'a str>,
    /// The grants that give it: one that suffices alone, or several that do so together. Empty
    /// where it lies in no grant.
    pub by: Vec<Held<'a>>,
    /// Why nobody can tell whether it is so.
    pub doubt: Option<Doubt>,
}

impl Hit<'_> {
    /// Whether it is known to be one: its namespaces are in scope, and nothing else is in doubt.
    pub fn is_certain(&self) -> bool {
        self.doubt.is_none() && self.by.iter().all(|held| held.in_scope)
    }
}

/// Why it is not known whether a hit is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It depends on the version of the API server, which is not known.
    Version,
    /// It depends on a role or identity that no file shows.
    Unseen,
}

/// What a visit of a subject's risks looks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'c> {
    /// The risks that are asked for.
    pub forbid: &'c [Risk],
    /// Whether another control says who holds cluster-admin: that and what it implies is left out.
    pub leaves_cluster_admin: bool,
}

/// What was found.
#[derive(Debug)]
pub(super) enum What<'a> {
    /// A risk made of rights, and all rights held in that place.
    Risk(&'static Row, Rights),
    /// A right over those whom its rule names.
    Named(Reached<'a>),
    /// A right that the control lists: verb and resource.
    Listed(String, String),
    /// A risk of who holds something, or how.
    Circumstance(Circumstance<'a>),
}

/// Takes hits, until it has seen enough.
pub(super) type Visit<'v, 'a> = dyn FnMut(Hit<'a>) -> ControlFlow<()> + 'v;

/// The bindings through which a subject is found to be able to do everything: that says it all,
/// so what else they give is not told.
pub(super) type Told = BTreeSet<Slot>;

/// Visits every risk made of rights that is asked for and that the subject carries. Returns the
/// bindings of which all is told, here or by another control.
pub(super) fn visit_risks<'a>(
    holder: &Holder<'a>,
    wanted: Wanted<'_>,
    visit: &mut Visit<'_, 'a>,
) -> ControlFlow<(), Told> {
    let mut told = if wanted.leaves_cluster_admin { admin_bindings(holder) } else { Told::new() };
    let Wanted { forbid, .. } = wanted;
    for row in ROWS.iter().filter(|row| forbid.contains(&row.risk)) {
        let covered = row.risk == Risk::NamespaceAdmin && forbid.contains(&Risk::ClusterAdmin);
        for held in holder.novel().filter(|held| row.applies(held.namespace())) {
            let skip = told.contains(&held.grant.binding)
                || (covered && held.namespace().is_none())
                || is_told_by_another(row, holder, held.namespace(), forbid);
            let bounded = row.risk == Risk::Exhaust && !holder.lacks_quota(held.namespace());
            if let Some(carried) = row.carried(held.novel, holder.server())
                && !skip
                && !bounded
            {
                if tells_all(row) {
                    told.insert(held.grant.binding);
                }
                let doubt = (carried == Carried::IfOld).then_some(Doubt::Version);
                visit(Hit { doubt, ..risk(row, holder, held.namespace(), vec![*held]) })?;
            }
        }
        if row.is_compound() {
            visit_unions(row, holder, covered, &mut told, visit)?;
        }
        if row.risk == Risk::ClusterAdmin {
            told.extend(admin_bindings(holder));
        }
    }
    ControlFlow::Continue(told)
}

/// The bindings that make a cluster administrator, those among them that give a part of everything;
/// none for anybody else.
pub(super) fn admin_bindings(holder: &Holder<'_>) -> Told {
    let wide = || holder.novel().filter(|held| held.namespace().is_none());
    let row = row_of(Risk::ClusterAdmin);
    if !wide().any(|held| row.is_some_and(|row| row.matches(held.novel))) {
        return Told::new();
    }
    let part = wide().filter(|held| held.novel.intersects(EVERYTHING));
    part.map(|held| held.grant.binding).collect()
}

/// Whether any of these risks is carried through one grant alone.
pub(super) fn carried_by(
    holder: &Holder<'_>,
    held: &Held<'_>,
    mut asked: impl FnMut(Risk) -> bool,
) -> Option<&'static Row> {
    let carries = |row: &&Row| row.carried(held.novel, holder.server()) == Some(Carried::Yes);
    ROWS.iter().filter(|row| asked(row.risk) && row.applies(held.namespace())).find(carries)
}

fn tells_all(row: &Row) -> bool {
    matches!(row.risk, Risk::ClusterAdmin | Risk::NamespaceAdmin)
}

fn is_told_by_another(
    row: &Row,
    holder: &Holder<'_>,
    namespace: Option<&str>,
    forbid: &[Risk],
) -> bool {
    row.unless
        .filter(|risk| forbid.contains(risk))
        .and_then(row_of)
        .is_some_and(|other| other.applies(namespace) && other.matches(holder.rights_at(namespace)))
}

fn risk<'a>(
    row: &'static Row,
    holder: &Holder<'a>,
    namespace: Option<&'a str>,
    by: Vec<Held<'a>>,
) -> Hit<'a> {
    let rights = holder.rights_at(namespace);
    Hit { what: What::Risk(row, rights), namespace, by, doubt: None }
}

/// Visits a risk where no grant gives it alone and several do together: the subject's own, or its
/// own with those of the groups its kind belongs to.
fn visit_unions<'a>(
    row: &'static Row,
    holder: &Holder<'a>,
    covered: bool,
    told: &mut Told,
    visit: &mut Visit<'_, 'a>,
) -> ControlFlow<()> {
    let server = holder.server();
    let is_newer = row.since.is_some_and(|since| server.is_some_and(|server| server < since));
    if is_newer || !holder.own.iter().any(|held| row.touches(held.all)) {
        return ControlFlow::Continue(());
    }
    let mut places: BTreeSet<Option<&str>> = BTreeSet::from([None]);
    if row.zones != Zones::Cluster {
        let everywhere = holder.own.iter().chain(holder.groups());
        places.extend(everywhere.map(Held::namespace).filter(|place| row.applies(*place)));
    }
    for place in places {
        if covered && place.is_none() {
            continue;
        }
        let Some(by) = union_at(row, holder, place) else {
            continue;
        };
        let own = by.iter().filter(|held| held.group.is_none());
        if own.clone().all(|held| told.contains(&held.grant.binding)) {
            continue;
        }
        if tells_all(row) {
            told.extend(own.map(|held| held.grant.binding));
        }
        visit(risk(row, holder, place, by))?;
    }
    ControlFlow::Continue(())
}

/// The grants that only together give the risk in a place.
fn union_at<'a>(row: &Row, holder: &Holder<'a>, place: Option<&str>) -> Option<Vec<Held<'a>>> {
    let own: Vec<Held<'a>> =
        holder.own.iter().filter(|held| in_effect(held, place)).copied().collect();
    let groups: Vec<Held<'a>> =
        holder.groups().iter().filter(|held| in_effect(held, place)).copied().collect();
    let alone = own.iter().chain(&groups).any(|held| row.matches(held.novel));
    let born = |held: &Held<'_>| held.all.without(held.novel);
    let own_rights = sum(own.iter(), |held| held.all);
    let own_born = sum(own.iter(), born);
    let group_rights = sum(groups.iter(), |held| held.all);
    let together = if row.matches(own_rights) { own_rights } else { own_rights | group_rights };
    // What the groups and the born grants give is told of the groups, or of nobody.
    if alone || !row.matches(together) || row.matches(own_born | group_rights) {
        return None;
    }
    // In a namespace, what the cluster-wide grants give was told of the cluster.
    let wide = |held: &&Held<'_>| held.namespace().is_none();
    if place.is_some() {
        let wide = sum(own.iter().chain(&groups).filter(wide), |held| held.all);
        if row.matches(wide) {
            return None;
        }
    }
    let way = row.way(together)?;
    let helps = |held: &Held<'a>| way.iter().any(|any_of| held.all.intersects(*any_of));
    let with_groups = !row.matches(own_rights);
    let mut by: Vec<Held<'a>> = own.into_iter().filter(helps).collect();
    if with_groups {
        by.extend(groups.into_iter().filter(helps));
    }
    Some(by)
}
