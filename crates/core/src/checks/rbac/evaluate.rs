//! Which of the risks made of rights a subject carries, and by which grants.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    contextual_risks::ContextualRisk,
    grants::{EffectiveGrant, SubjectGrants, in_effect, sum},
    named_rights::NamedReach,
    risks::{Carried, EVERYTHING, ROWS, RiskRow, Zones, risk_row},
};
use crate::{
    api::Risk,
    inventory::{Slot, rbac::Rights},
};

/// One thing found about a subject.
#[derive(Debug)]
pub(super) struct Hit<'a> {
    pub kind: HitKind<'a>,
    /// Where it is held; None in the whole cluster.
    pub namespace: Option<&'a str>,
    /// The grants that give it: one that suffices alone, or several that do so together. Empty
    /// where it lies in no grant.
    pub by: Vec<EffectiveGrant<'a>>,
    /// Why it is not known whether it is so; None when it is certain, as far as scope goes.
    pub uncertainty: Option<Uncertainty>,
}

impl Hit<'_> {
    /// Whether it is known to be one: its namespaces are in scope, and nothing else is uncertain.
    pub fn certainty(&self) -> Certainty {
        if self.uncertainty.is_none() && self.by.iter().all(|grant| grant.in_scope) {
            Certainty::Certain
        } else {
            Certainty::Uncertain
        }
    }
}

/// Whether a hit fails its subject, or leaves it unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    Certain,
    Uncertain,
}

/// Why it is not known whether a hit is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uncertainty {
    /// It depends on the version of the API server, which is not known.
    Version,
    /// It depends on a role or identity that no file shows.
    NotInFiles,
}

/// What to look for in a subject's grants.
#[derive(Clone, Copy, Debug)]
pub(super) struct RiskQuery<'c> {
    /// The risks that the control forbids.
    pub forbid: &'c [Risk],
    /// Whether another control says who holds cluster-admin: that and what it implies is left out.
    pub defers_cluster_admin: bool,
}

/// What a hit is, by how it was found.
#[derive(Debug)]
pub(super) enum HitKind<'a> {
    /// A risk made of rights, and all rights held in that place.
    Risk(&'static RiskRow, Rights),
    /// A right over those whom its rule names.
    Named(NamedReach<'a>),
    /// A right that the control lists: verb and resource.
    Listed(String, String),
    /// A contextual risk, which lies in who holds the grant or how.
    ContextualRisk(ContextualRisk<'a>),
}

/// Takes hits until it returns `Break`, when it has seen enough.
pub(super) type HitVisitor<'v, 'a> = dyn FnMut(Hit<'a>) -> ControlFlow<()> + 'v;

/// The bindings through which a subject is found to be able to do everything: that says it all, so
/// what else they give is not reported again.
pub(super) type ReportedBindings = BTreeSet<Slot>;

/// Visits every risk made of rights that is asked for and that the subject carries. Returns the
/// bindings about which everything is reported, here or by another control.
pub(super) fn visit_risks<'a>(
    grants: &SubjectGrants<'a>,
    query: RiskQuery<'_>,
    visit: &mut HitVisitor<'_, 'a>,
) -> ControlFlow<(), ReportedBindings> {
    let mut reported =
        if query.defers_cluster_admin { admin_bindings(grants) } else { ReportedBindings::new() };
    let RiskQuery { forbid, .. } = query;
    for row in ROWS.iter().filter(|row| forbid.contains(&row.risk)) {
        let covered = row.risk == Risk::NamespaceAdmin && forbid.contains(&Risk::ClusterAdmin);
        for grant in grants.added().filter(|grant| row.applies(grant.namespace())) {
            // Each reason to skip keeps one cause from making two findings.
            let skip = reported.contains(&grant.source.binding)
                || (covered && grant.namespace().is_none())
                || is_reported_by_another(row, grants, grant.namespace(), forbid);
            // A quota bounds what can be created, and so what can be exhausted.
            let bounded = row.risk == Risk::Exhaust && !grants.lacks_quota(grant.namespace());
            if let Some(carried) = row.carried(grant.added, grants.server())
                && !skip
                && !bounded
            {
                if reports_everything(row) {
                    reported.insert(grant.source.binding);
                }
                let uncertainty =
                    (carried == Carried::IfBeforeCreateAlone).then_some(Uncertainty::Version);
                visit(Hit { uncertainty, ..risk(row, grants, grant.namespace(), vec![*grant]) })?;
            }
        }
        if row.is_compound() {
            visit_unions(row, grants, covered, &mut reported, visit)?;
        }
        // The rows are in the order of the risks, so cluster-admin comes before all that it implies.
        if row.risk == Risk::ClusterAdmin {
            reported.extend(admin_bindings(grants));
        }
    }
    ControlFlow::Continue(reported)
}

/// The bindings that make a cluster administrator of a subject, those that give only a part of
/// everything among them. Empty for anybody else.
pub(super) fn admin_bindings(grants: &SubjectGrants<'_>) -> ReportedBindings {
    let wide = || grants.added().filter(|grant| grant.namespace().is_none());
    let row = risk_row(Risk::ClusterAdmin);
    if !wide().any(|grant| row.is_some_and(|row| row.matches(grant.added))) {
        return ReportedBindings::new();
    }
    let part = wide().filter(|grant| grant.added.intersects(EVERYTHING));
    part.map(|grant| grant.source.binding).collect()
}

/// The first of the risks asked about that one grant alone carries for certain; None when it carries
/// none of them.
pub(super) fn carried_by(
    grants: &SubjectGrants<'_>,
    grant: &EffectiveGrant<'_>,
    mut is_asked: impl FnMut(Risk) -> bool,
) -> Option<&'static RiskRow> {
    let carries = |row: &&RiskRow| row.carried(grant.added, grants.server()) == Some(Carried::Yes);
    ROWS.iter().filter(|row| is_asked(row.risk) && row.applies(grant.namespace())).find(carries)
}

/// Whether what a row says leaves nothing to add about its bindings.
fn reports_everything(row: &RiskRow) -> bool {
    matches!(row.risk, Risk::ClusterAdmin | Risk::NamespaceAdmin)
}

/// Whether a row that says the same and more is asked for and met: one cause is one finding.
fn is_reported_by_another(
    row: &RiskRow,
    grants: &SubjectGrants<'_>,
    namespace: Option<&str>,
    forbid: &[Risk],
) -> bool {
    row.unless
        .filter(|risk| forbid.contains(risk))
        .and_then(risk_row)
        .is_some_and(|other| other.applies(namespace) && other.matches(grants.rights_at(namespace)))
}

fn risk<'a>(
    row: &'static RiskRow,
    grants: &SubjectGrants<'a>,
    namespace: Option<&'a str>,
    by: Vec<EffectiveGrant<'a>>,
) -> Hit<'a> {
    let rights = grants.rights_at(namespace);
    Hit { kind: HitKind::Risk(row, rights), namespace, by, uncertainty: None }
}

/// Visits a risk where no grant gives it alone and several do together: the subject's own, or its
/// own with those of the groups its kind belongs to.
fn visit_unions<'a>(
    row: &'static RiskRow,
    grants: &SubjectGrants<'a>,
    covered: bool,
    reported: &mut ReportedBindings,
    visit: &mut HitVisitor<'_, 'a>,
) -> ControlFlow<()> {
    let server = grants.server();
    let is_newer = row.since.is_some_and(|since| server.is_some_and(|server| server < since));
    // What takes no right of the subject's own is reported once, of the groups.
    if is_newer || !grants.own.iter().any(|grant| row.touches(grant.all)) {
        return ControlFlow::Continue(());
    }
    // Sorted, the cluster first: findings come in the same order every time.
    let mut places: BTreeSet<Option<&str>> = BTreeSet::from([None]);
    if row.zones != Zones::Cluster {
        let everywhere = grants.own.iter().chain(grants.groups());
        places
            .extend(everywhere.map(EffectiveGrant::namespace).filter(|place| row.applies(*place)));
    }
    for place in places {
        if covered && place.is_none() {
            continue;
        }
        let Some(by) = union_at(row, grants, place) else {
            continue;
        };
        let own = by.iter().filter(|grant| grant.group.is_none());
        // If one of its own bindings is not reported yet, the union says something new.
        if own.clone().all(|grant| reported.contains(&grant.source.binding)) {
            continue;
        }
        if reports_everything(row) {
            reported.extend(own.map(|grant| grant.source.binding));
        }
        visit(risk(row, grants, place, by))?;
    }
    ControlFlow::Continue(())
}

/// The grants that give the risk in a place only together; None when they do not, or when it is
/// reported elsewhere.
fn union_at<'a>(
    row: &RiskRow,
    grants: &SubjectGrants<'a>,
    place: Option<&str>,
) -> Option<Vec<EffectiveGrant<'a>>> {
    let own: Vec<EffectiveGrant<'a>> =
        grants.own.iter().filter(|grant| in_effect(grant, place)).copied().collect();
    let groups: Vec<EffectiveGrant<'a>> =
        grants.groups().iter().filter(|grant| in_effect(grant, place)).copied().collect();
    let alone = own.iter().chain(&groups).any(|grant| row.matches(grant.added));
    let by_default = |grant: &EffectiveGrant<'_>| grant.all.without(grant.added);
    let own_rights = sum(own.iter(), |grant| grant.all);
    let own_default = sum(own.iter(), by_default);
    let group_rights = sum(groups.iter(), |grant| grant.all);
    // The groups are drawn in only where its own grants do not suffice: the finding then names fewer.
    let together = if row.matches(own_rights) { own_rights } else { own_rights | group_rights };
    // What the groups and the default grants give is reported of the groups, or of nobody.
    if alone || !row.matches(together) || row.matches(own_default | group_rights) {
        return None;
    }
    // Cluster-wide grants alone suffice: reported once for the cluster, so not again for each
    // namespace.
    let wide = |grant: &&EffectiveGrant<'_>| grant.namespace().is_none();
    if place.is_some() {
        let wide = sum(own.iter().chain(&groups).filter(wide), |grant| grant.all);
        if row.matches(wide) {
            return None;
        }
    }
    let way = row.way(together)?;
    let helps = |grant: &EffectiveGrant<'a>| way.iter().any(|any_of| grant.all.intersects(*any_of));
    // Grants that contribute nothing to the way would only distract from those to remove.
    let with_groups = !row.matches(own_rights);
    let mut by: Vec<EffectiveGrant<'a>> = own.into_iter().filter(helps).collect();
    if with_groups {
        by.extend(groups.into_iter().filter(helps));
    }
    Some(by)
}
