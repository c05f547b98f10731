//! Rights that a rule narrows to names: as strong as what the named role or identity holds.
//!
//! Nobody's name is known to be harmless or harmful by itself: the graph says what it holds. A user
//! or group that no binding names holds nothing, since impersonation brings no groups along but
//! those of everybody. In files that is not known, nor what a role gives that no file shows.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    evaluate::{Doubt, Hit, Told, Visit, Wanted, What},
    holder::{Held, Holder},
    risks::row_of,
    strength::{Strength, strength_of_role, strength_of_subject, strength_of_writing},
    whom::{Given, Whom, whom},
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
pub(super) fn is_one(risk: Risk) -> bool {
    RISKS.iter().any(|(known, _)| *known == risk)
}

/// What a right over a name leads to.
#[derive(Debug)]
pub(super) struct Reached<'a> {
    pub risk: Risk,
    pub named: NamedRight,
    pub whom: Whom<'a>,
    /// What that holds; None when it is not known.
    pub strength: Option<Strength<'a>>,
    /// How many more it leads to by the same binding.
    pub others: usize,
}

/// Visits the rights over names that are asked for and that lead on, the strongest of each binding.
pub(super) fn visit_leads<'a>(
    context: &CheckContext<'a>,
    holder: &Holder<'a>,
    wanted: Wanted<'_>,
    told: &Told,
    visit: &mut Visit<'_, 'a>,
) -> ControlFlow<()> {
    let has_names = |held: &&Held<'a>| held.novel.contains(Rights::of(&[Right::Named]));
    let mut everything = None;
    for held in holder.novel().filter(has_names) {
        let Some(given) = Given::of(held).filter(|_| !told.contains(&held.grant.binding)) else {
            continue;
        };
        let given = Given { novel: held.grant.is_default, ..given };
        let all = everything.get_or_insert_with(|| {
            holder.own.iter().chain(holder.groups()).filter_map(Given::of).collect::<Vec<_>>()
        });
        for (risk, names) in RISKS.iter().filter(|(risk, _)| wanted.forbid.contains(risk)) {
            let place = held.namespace();
            // Who may do so with everybody is told so.
            if row_of(*risk).is_some_and(|row| row.matches(holder.rights_at(place))) {
                continue;
            }
            let mut known = Known::of(&holder.node.subject);
            let Some(reached) = reach(context, given, all, *risk, names, &mut known) else {
                continue;
            };
            let doubt = reached.strength.is_none().then_some(Doubt::Unseen);
            let what = What::Named(reached);
            visit(Hit { what, namespace: place, by: vec![*held], doubt })?;
        }
    }
    ControlFlow::Continue(())
}

/// How many steps are followed.
const MAX_STEPS: usize = 16;

/// Who was looked at on the way here: nobody gains by becoming themself, and circles end.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    steps: usize,
    subjects: BTreeSet<Subject>,
    roles: BTreeSet<RoleKey>,
    written: BTreeSet<RoleKey>,
}

impl Known {
    /// At the start: a subject, and the groups it belongs to anyway.
    fn of(subject: &Subject) -> Self {
        let groups = subject.implied_groups().into_iter().map(Subject::Group);
        Self { subjects: groups.chain([subject.clone()]).collect(), ..Self::default() }
    }

    fn add(&mut self, whom: &Whom<'_>) -> bool {
        match whom {
            Whom::Subject(subject) => self.subjects.insert(subject.clone()),
            Whom::Role { key, .. } => self.roles.insert(key.clone()),
            Whom::Rewritten(key) => self.written.insert(key.clone()),
        }
    }
}

/// The strongest of those that the rules name.
pub(super) fn reach<'a>(
    context: &CheckContext<'a>,
    given: Given<'a>,
    all: &[Given<'a>],
    risk: Risk,
    names: &[NamedRight],
    known: &mut Known,
) -> Option<Reached<'a>> {
    if known.steps == MAX_STEPS {
        return None;
    }
    known.steps += 1;
    let mut best: Option<Reached<'a>> = None;
    let mut unseen: Option<Reached<'a>> = None;
    let mut others = 0;
    for (named, whom) in whom(context, given, all, names) {
        if !known.add(&whom) {
            continue;
        }
        let strength = match &whom {
            Whom::Subject(subject) => strength_of_subject(context, subject, known),
            Whom::Role { key, in_cluster, namespace } => {
                strength_of_role(context, key, *in_cluster, *namespace, known)
            }
            Whom::Rewritten(key) => strength_of_writing(context, key, all),
        };
        let reached = |strength| Reached { risk, named, whom, strength, others: 0 };
        match strength {
            Ok(None) => {}
            Ok(Some(strength)) => {
                others += usize::from(best.is_some());
                let weaker = |best: &Reached<'_>| {
                    best.strength
                        .as_ref()
                        .is_some_and(|best| best.severity() >= strength.severity())
                };
                if !best.as_ref().is_some_and(weaker) {
                    best = Some(reached(Some(strength)));
                }
            }
            Err(NotKnown) => unseen = unseen.or_else(|| Some(reached(None))),
        }
    }
    known.steps -= 1;
    best.map(|best| Reached { others, ..best }).or(unseen)
}

/// What a role gives or a subject holds is in none of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotKnown;

/// The risks and rights over names, for whoever looks further along a path.
pub(super) fn risks() -> impl Iterator<Item = (Risk, &'static [NamedRight])> {
    RISKS.iter().copied()
}
