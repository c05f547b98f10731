//! Which of the risks made of rights a subject carries, and by which grants.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    circumstances::Circumstance,
    holder::{Held, Holder, in_effect, sum},
    risks::{ROWS, Row, Zones},
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
}

/// What was found.
#[derive(Debug)]
pub(super) enum What<'a> {
    /// A risk made of rights, and all rights held in that place.
    Risk(&'static Row, Rights),
    /// A right that the control lists: verb and resource.
    Listed(String, String),
    /// A risk of who holds something, or how.
    Circumstance(Circumstance<'a>),
}

/// Takes hits, until it has seen enough.
pub(super) type Visit<'v, 'a> = dyn FnMut(Hit<'a>) -> ControlFlow<()> + 'v;

/// The bindings through which a subject is found to be able to do everything: that says it all,
/// so what else they give is not told.
type Told = BTreeSet<Slot>;

/// Visits every risk made of rights that is asked for and that the subject carries.
pub(super) fn visit_risks<'a>(
    holder: &Holder<'a>,
    forbid: &[Risk],
    visit: &mut Visit<'_, 'a>,
) -> ControlFlow<()> {
    let mut told = Told::new();
    for row in ROWS.iter().filter(|row| forbid.contains(&row.risk)) {
        let covered = row.risk == Risk::NamespaceAdmin && forbid.contains(&Risk::ClusterAdmin);
        for held in holder.novel().filter(|held| row.applies(held.namespace())) {
            let skip = told.contains(&held.grant.binding)
                || (covered && held.namespace().is_none())
                || is_told_by_another(row, holder, held.namespace(), forbid);
            let bounded = row.risk == Risk::Exhaust && !holder.lacks_quota(held.namespace());
            if row.matches(held.novel) && !skip && !bounded {
                if tells_all(row) {
                    told.insert(held.grant.binding);
                }
                visit(risk(row, holder, held.namespace(), vec![*held]))?;
            }
        }
        if row.needs.len() > 1 {
            visit_unions(row, holder, covered, &mut told, visit)?;
        }
    }
    ControlFlow::Continue(())
}

/// Whether any of these risks is carried through one grant alone.
pub(super) fn carried_by(
    held: &Held<'_>,
    mut asked: impl FnMut(Risk) -> bool,
) -> Option<&'static Row> {
    ROWS.iter()
        .find(|row| asked(row.risk) && row.applies(held.namespace()) && row.matches(held.novel))
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
    row.unless.is_some_and(|(risk, rights)| {
        forbid.contains(&risk) && holder.rights_at(namespace).intersects(rights)
    })
}

fn risk<'a>(
    row: &'static Row,
    holder: &Holder<'a>,
    namespace: Option<&'a str>,
    by: Vec<Held<'a>>,
) -> Hit<'a> {
    let rights = holder.rights_at(namespace);
    Hit { what: What::Risk(row, rights), namespace, by }
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
    if !holder.own.iter().any(|held| row.touches(held.all)) {
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
    let with_groups = !row.matches(own_rights);
    let mut by: Vec<Held<'a>> = own.into_iter().filter(|held| row.touches(held.all)).collect();
    if with_groups {
        by.extend(groups.into_iter().filter(|held| row.touches(held.all)));
    }
    Some(by)
}
