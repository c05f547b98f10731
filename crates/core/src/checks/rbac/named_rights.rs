//! Rights that a rule narrows to names: as strong as what the named role or identity holds.
//!
//! No name is harmless or harmful by itself: the graph says what its bearer holds. A user or group
//! that no binding names holds nothing, since impersonation brings along no groups but those of
//! everybody. In files that is not known, nor what a role gives that no file shows.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    evaluate::{Hit, HitKind, HitVisitor, ReportedBindings, RiskQuery, Uncertainty},
    grants::{EffectiveGrant, SubjectGrants},
    named_targets::{BoundRole, NamedTarget, named_targets},
    risks::risk_row,
    strength::{Strength, strength_of_role, strength_of_subject, strength_of_writing},
};
use crate::{
    api::Risk,
    checks::CheckContext,
    inventory::rbac::{NamedRight, Right, Rights, RoleKey, Subject},
};

/// The risks that a right over a named role or identity can be.
const RISKS: &[(Risk, &[NamedRight])] = &[
    (Risk::Escalate, &[NamedRight::EscalateClusterRole, NamedRight::EscalateRole]),
    (
        Risk::Bind,
        &[
            NamedRight::BindClusterRole,
            NamedRight::BindRole,
            NamedRight::JoinClusterBinding,
            NamedRight::JoinRoleBinding,
        ],
    ),
    (Risk::Impersonate, &[NamedRight::User, NamedRight::Group, NamedRight::Account]),
    (
        Risk::ConstrainedImpersonate,
        &[
            NamedRight::ConstrainedUser,
            NamedRight::ConstrainedGroup,
            NamedRight::ConstrainedAccount,
        ],
    ),
    (Risk::MintTokens, &[NamedRight::Token]),
];

/// Whether a risk can lie in a right over a named role or identity.
pub(super) fn may_be_named(risk: Risk) -> bool {
    RISKS.iter().any(|(known, _)| *known == risk)
}

/// What a right over a name leads to.
#[derive(Debug)]
pub(super) struct NamedReach<'a> {
    pub risk: Risk,
    pub named: NamedRight,
    pub target: NamedTarget<'a>,
    /// What the target holds; None when it is not known.
    pub strength: Option<Strength<'a>>,
    /// How many more targets the same binding leads to.
    pub others: usize,
}

/// Visits the rights over names that are asked for and that lead on, the strongest of each binding.
pub(super) fn visit_named_rights<'a>(
    context: &CheckContext<'a>,
    grants: &SubjectGrants<'a>,
    query: RiskQuery<'_>,
    reported: &ReportedBindings,
    visit: &mut HitVisitor<'_, 'a>,
) -> ControlFlow<()> {
    let has_names = |grant: &&EffectiveGrant<'a>| grant.added.contains(Rights::of(&[Right::Named]));
    let mut everything = None;
    for grant in grants.added().filter(has_names) {
        let Some(bound) =
            BoundRole::of(grant).filter(|_| !reported.contains(&grant.source.binding))
        else {
            continue;
        };
        let bound = BoundRole { added_only: grant.source.is_default, ..bound };
        let all = everything.get_or_insert_with(|| {
            grants.own.iter().chain(grants.groups()).filter_map(BoundRole::of).collect::<Vec<_>>()
        });
        for (risk, names) in RISKS.iter().filter(|(risk, _)| query.forbid.contains(risk)) {
            let place = grant.namespace();
            // Whoever may do so with everybody has that reported, by the row of the risk.
            if risk_row(*risk).is_some_and(|row| row.matches(grants.rights_at(place))) {
                continue;
            }
            // A fresh one for each binding and risk: what one path saw must not cut another short.
            let mut visited = Visited::of(&grants.node.subject);
            let Some(reached) = reach(context, bound, all, *risk, names, &mut visited) else {
                continue;
            };
            let uncertainty = reached.strength.is_none().then_some(Uncertainty::NotInFiles);
            let kind = HitKind::Named(reached);
            visit(Hit { kind, namespace: place, by: vec![*grant], uncertainty })?;
        }
    }
    ControlFlow::Continue(())
}

/// How many steps of a path (A may become B, who may bind C, ...) are followed. Paths that lead
/// anywhere are far shorter; the limit bounds the recursion.
const MAX_STEPS: usize = 16;

/// What was looked at on the way here: nobody gains by becoming themself, and circles end.
#[derive(Clone, Debug, Default)]
pub(super) struct Visited {
    steps: usize,
    subjects: BTreeSet<Subject>,
    roles: BTreeSet<RoleKey>,
    written: BTreeSet<RoleKey>,
}

impl Visited {
    /// At the start: a subject, and the groups it belongs to anyway.
    fn of(subject: &Subject) -> Self {
        let groups = subject.implied_groups().into_iter().map(Subject::Group);
        Self { subjects: groups.chain([subject.clone()]).collect(), ..Self::default() }
    }

    fn add(&mut self, target: &NamedTarget<'_>) -> bool {
        match target {
            NamedTarget::Subject(subject) => self.subjects.insert(subject.clone()),
            NamedTarget::Role { key, .. } => self.roles.insert(key.clone()),
            NamedTarget::Rewritten(key) => self.written.insert(key.clone()),
        }
    }
}

/// The strongest of the targets that the rules of a role name; None when none leads anywhere. `all`
/// are the roles that the holder has, since taking a target often needs a second right.
pub(super) fn reach<'a>(
    context: &CheckContext<'a>,
    bound: BoundRole<'a>,
    all: &[BoundRole<'a>],
    risk: Risk,
    names: &[NamedRight],
    visited: &mut Visited,
) -> Option<NamedReach<'a>> {
    if visited.steps == MAX_STEPS {
        return None;
    }
    visited.steps += 1;
    let mut best: Option<NamedReach<'a>> = None;
    let mut unseen: Option<NamedReach<'a>> = None;
    let mut others = 0;
    for (named, target) in named_targets(context, bound, all, names) {
        // Seen on this path: it was judged there, or it is where the path started.
        if !visited.add(&target) {
            continue;
        }
        let strength = match &target {
            NamedTarget::Subject(subject) => strength_of_subject(context, subject, visited),
            NamedTarget::Role { key, in_cluster, namespace } => {
                strength_of_role(context, key, *in_cluster, *namespace, visited)
            }
            NamedTarget::Rewritten(key) => strength_of_writing(context, key, all),
        };
        let reached = |strength| NamedReach { risk, named, target, strength, others: 0 };
        match strength {
            Ok(None) => {}
            Ok(Some(strength)) => {
                // All but the strongest are only counted: a rule may name a hundred roles.
                others += usize::from(best.is_some());
                let weaker = |best: &NamedReach<'_>| {
                    best.strength
                        .as_ref()
                        .is_some_and(|best| best.severity() >= strength.severity())
                };
                if !best.as_ref().is_some_and(weaker) {
                    best = Some(reached(Some(strength)));
                }
            }
            // Kept for the case that nothing stronger is known.
            Err(NotInFiles) => unseen = unseen.or_else(|| Some(reached(None))),
        }
    }
    visited.steps -= 1;
    best.map(|best| NamedReach { others, ..best }).or(unseen)
}

/// The files do not show what a role gives or a subject holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotInFiles;

/// The risks that can lie in a right over a name, each with those rights.
pub(super) fn risks() -> impl Iterator<Item = (Risk, &'static [NamedRight])> {
    RISKS.iter().copied()
}
