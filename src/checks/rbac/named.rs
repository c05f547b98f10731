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
};
use crate::{
    api::Risk,
    checks::Context,
    inventory::{
        Source, Symbol,
        rbac::{MASTERS, Named, Request, Right, Rights, Role, RoleKey, Rule, Subject, Target},
    },
};

const RBAC: &str = super::GROUP;

/// The risks that a right over a named role or identity can be.
const RISKS: &[(Risk, &[Named])] = &[
    (Risk::Escalate, &[Named::EscalateClusterRole, Named::EscalateRole]),
    (Risk::Bind, &[Named::BindClusterRole, Named::BindRole]),
    (Risk::Impersonate, &[Named::User, Named::Group, Named::Account]),
    (
        Risk::ConstrainedImpersonate,
        &[Named::ConstrainedUser, Named::ConstrainedGroup, Named::ConstrainedAccount],
    ),
    (Risk::MintTokens, &[Named::Token]),
];

/// Whether a risk can lie in a right over a named role or identity.
pub(super) fn is_one(risk: Risk) -> bool {
    RISKS.iter().any(|(known, _)| *known == risk)
}

/// Somebody or something that a rule names and that its holder can become, or take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom<'a> {
    /// An identity to act as, or to hold a token of.
    Subject(Subject),
    /// A role to bind: in the cluster, or in the namespaces where bindings can be written, which
    /// are all of them when there is none.
    Role { key: RoleKey, in_cluster: bool, namespace: Option<&'a str> },
    /// A role to write any right into.
    Rewritten(RoleKey),
}

/// What a right over a name leads to.
#[derive(Debug)]
pub(super) struct Reached<'a> {
    pub risk: Risk,
    pub named: Named,
    pub whom: Whom<'a>,
    /// What that holds; None when it is not known.
    pub strength: Option<Strength<'a>>,
    /// How many more it leads to by the same binding.
    pub others: usize,
}

/// The rules of a role where they are in effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub role: &'a Role,
    /// None in the whole cluster.
    pub namespace: Option<&'a str>,
    /// Whether only the rules count that no cluster is born with.
    pub novel: bool,
}

impl<'a> Given<'a> {
    pub fn of(held: &Held<'a>) -> Option<Self> {
        Some(Self { role: held.role?, namespace: held.namespace(), novel: false })
    }

    fn rules(&self) -> Box<dyn Iterator<Item = &'a Rule> + 'a> {
        if self.novel { self.role.novel_rules() } else { Box::new(self.role.rules()) }
    }

    fn rights(&self) -> Rights {
        self.role.reach().at(self.namespace.is_none())
    }

    fn in_effect(&self, namespace: Option<&str>) -> bool {
        self.namespace.is_none_or(|own| Some(own) == namespace)
    }
}

/// Visits the rights over names that are asked for and that lead on, the strongest of each binding.
pub(super) fn visit_leads<'a>(
    context: &Context<'a>,
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
        let given = Given { novel: held.grant.baseline, ..given };
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

/// Who was looked at on the way here: nobody gains by becoming themself, and circles end.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    subjects: BTreeSet<Subject>,
    roles: BTreeSet<RoleKey>,
}

impl Known {
    /// At the start: a subject, and the groups it belongs to anyway.
    fn of(subject: &Subject) -> Self {
        let groups = subject.implied_groups().into_iter().map(Subject::Group);
        Self { subjects: groups.chain([subject.clone()]).collect(), roles: BTreeSet::new() }
    }

    fn add(&mut self, whom: &Whom<'_>) -> bool {
        match whom {
            Whom::Subject(subject) => self.subjects.insert(subject.clone()),
            Whom::Role { key, .. } => self.roles.insert(key.clone()),
            Whom::Rewritten(_) => true,
        }
    }
}

/// The strongest of those that the rules name.
pub(super) fn reach<'a>(
    context: &Context<'a>,
    given: Given<'a>,
    all: &[Given<'a>],
    risk: Risk,
    names: &[Named],
    known: &mut Known,
) -> Option<Reached<'a>> {
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
    best.map(|best| Reached { others, ..best }).or(unseen)
}

/// What a role gives or a subject holds is in none of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotKnown;

/// The risks and rights over names, for whoever looks further along a path.
pub(super) fn risks() -> impl Iterator<Item = (Risk, &'static [Named])> {
    RISKS.iter().copied()
}

fn whom<'a>(
    context: &Context<'a>,
    given: Given<'a>,
    all: &[Given<'a>],
    names: &[Named],
) -> Vec<(Named, Whom<'a>)> {
    let mut found = Vec::new();
    for rule in given.rules() {
        let of_rule = Named::of(rule).filter(|named| names.contains(named));
        for named in of_rule {
            if given.namespace.is_some() && named.is_cluster_scoped() {
                continue;
            }
            for name in &rule.names {
                let whom = one(context, given, all, named, name);
                found.extend(whom.into_iter().map(|whom| (named, whom)));
            }
        }
    }
    found
}

fn one<'a>(
    context: &Context<'a>,
    given: Given<'a>,
    all: &[Given<'a>],
    named: Named,
    name: &Symbol,
) -> Vec<Whom<'a>> {
    let holds = |right| all.iter().any(|given| given.rights().contains(Rights::of(&[right])));
    match named {
        // The user name of a service account is asked for as the account, never as a user.
        Named::User | Named::ConstrainedUser => match Subject::of_user(name) {
            user @ Subject::User(_) if named == Named::User || holds(Right::OnUsers) => {
                vec![Whom::Subject(user)]
            }
            _ => Vec::new(),
        },
        Named::Group if holds(Right::ImpersonateSomebody) => {
            vec![Whom::Subject(Subject::Group(name.clone()))]
        }
        Named::ConstrainedGroup
            if holds(Right::ConstrainedSomebody)
                && holds(Right::OnUsers)
                // Refused under constraint, whatever the rights.
                && **name != *MASTERS =>
        {
            vec![Whom::Subject(Subject::Group(name.clone()))]
        }
        Named::Group | Named::ConstrainedGroup => Vec::new(),
        Named::ConstrainedAccount if !holds(Right::OnAccounts) => Vec::new(),
        Named::Account | Named::Token | Named::ConstrainedAccount => {
            accounts(context, given, name).into_iter().map(Whom::Subject).collect()
        }
        Named::BindClusterRole | Named::BindRole => bindable(context, given, all, named, name),
        Named::EscalateClusterRole | Named::EscalateRole => {
            writable(context, given, all, named, name)
        }
    }
}

/// The service accounts of a name: that of the namespace, or those of all namespaces.
fn accounts(context: &Context<'_>, given: Given<'_>, name: &Symbol) -> Vec<Subject> {
    if let Some(namespace) = given.namespace {
        let account = Subject::ServiceAccount { namespace: namespace.into(), name: name.clone() };
        return vec![account];
    }
    let subjects = context.inventory.rights.subjects().map(|(_, node)| &node.subject);
    let named = subjects.filter(
        |subject| matches!(subject, Subject::ServiceAccount { name: known, .. } if known == name),
    );
    let mut named: Vec<Subject> = named.cloned().collect();
    named.sort_unstable();
    if named.is_empty() && is_excerpt(context) {
        named.push(Subject::ServiceAccount { namespace: "*".into(), name: name.clone() });
    }
    named
}

/// Where a role can be bound: where the holder may write bindings as well.
fn bindable<'a>(
    context: &Context<'a>,
    given: Given<'a>,
    all: &[Given<'a>],
    named: Named,
    name: &Symbol,
) -> Vec<Whom<'a>> {
    let writes = |right: Right| {
        let right = Rights::of(&[right]);
        all.iter().filter(move |given| given.rights().contains(right)).map(|given| given.namespace)
    };
    let cluster_role = named == Named::BindClusterRole;
    if cluster_role
        && given.namespace.is_none()
        && writes(Right::WriteClusterBindings).next().is_some()
    {
        let key = RoleKey::cluster(name.clone());
        return vec![Whom::Role { key, in_cluster: true, namespace: None }];
    }
    let mut places: BTreeSet<Option<&'a str>> = writes(Right::WriteRoleBindings)
        .filter(|place| given.in_effect(*place) || place.is_none())
        .map(|place| place.or(given.namespace))
        .collect();
    if places.contains(&None) {
        places = BTreeSet::from([None]);
    }
    let whom = |place: Option<&'a str>| {
        if cluster_role {
            let key = RoleKey::cluster(name.clone());
            return vec![Whom::Role { key, in_cluster: false, namespace: place }];
        }
        let of_place = |key: &&RoleKey| {
            !key.namespace.is_empty()
                && key.name == *name
                && place.is_none_or(|place| *key.namespace == *place)
        };
        let roles = context.inventory.rights.roles().map(Role::key).filter(of_place);
        let mut keys: Vec<RoleKey> = roles.cloned().collect();
        if let Some(namespace) = place.filter(|_| keys.is_empty()) {
            keys.push(RoleKey { namespace: namespace.into(), name: name.clone() });
        }
        keys.sort_unstable();
        let whom = |key| Whom::Role { key, in_cluster: false, namespace: place };
        keys.into_iter().map(whom).collect()
    };
    places.into_iter().flat_map(whom).collect()
}

/// The roles of a name into which the holder may write anything: escalate waives the check of what
/// is written, and the right to write is asked for all the same.
fn writable<'a>(
    context: &Context<'a>,
    given: Given<'a>,
    all: &[Given<'a>],
    named: Named,
    name: &Symbol,
) -> Vec<Whom<'a>> {
    let may = |verb, resource, namespace: &str| {
        let target = Target::Resource { group: RBAC, resource, subresource: "", namespace, name };
        let request = Request { verb, target };
        let place = (!namespace.is_empty()).then_some(namespace);
        let there = all.iter().filter(|given| given.in_effect(place));
        there.flat_map(|given| given.role.rules()).any(|rule| rule.allows(&request))
    };
    let writes = |resource, namespace: &str| {
        may("update", resource, namespace) || may("patch", resource, namespace)
    };
    if named == Named::EscalateClusterRole {
        let key = RoleKey::cluster(name.clone());
        return if writes("clusterroles", "") { vec![Whom::Rewritten(key)] } else { Vec::new() };
    }
    if let Some(namespace) = given.namespace {
        let key = RoleKey { namespace: namespace.into(), name: name.clone() };
        return if writes("roles", namespace) { vec![Whom::Rewritten(key)] } else { Vec::new() };
    }
    let roles = context.inventory.rights.roles().filter(|role| role.exists()).map(Role::key);
    let written = roles.filter(|key| {
        !key.namespace.is_empty() && key.name == *name && writes("roles", &key.namespace)
    });
    let mut written: Vec<RoleKey> = written.cloned().collect();
    written.sort_unstable();
    written.into_iter().map(Whom::Rewritten).collect()
}

/// Whether what is absent may be elsewhere.
pub(super) fn is_excerpt(context: &Context<'_>) -> bool {
    context.inventory.source == Source::Manifests
}
