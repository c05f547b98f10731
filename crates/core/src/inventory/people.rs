//! People, by the user names that they are known by and by whom they report to.
//!
//! Of a `Person` only what identifies and dates somebody is kept: no display name and no address.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{Timestamp, civil::Date};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    IndexUpdate, Object,
    facts::{Facts, Projection, ProjectionError, read},
    intern::{Interner, Symbol},
};
use crate::api::{
    GROUP, PersonSpec, VERSION,
    person::{begin_of, end_of, parse_day},
};

/// What checks read of a `Person`, and what is recorded of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonFacts {
    /// The user names that the cluster knows them by.
    pub usernames: Box<[Symbol]>,
    /// The groups that their identity provider puts them into.
    pub groups: Box<[Symbol]>,
    /// The department that they work in. None if the Person has none.
    pub department: Option<Symbol>,
    /// What they do.
    pub roles: Box<[Symbol]>,
    /// The name of the Person that they report to. None for who reports to nobody.
    pub manager: Option<Symbol>,
    /// Their first day, from midnight UTC. None: they have started already.
    pub starts: Option<Date>,
    /// Their last day, until midnight UTC. None: they stay.
    pub ends: Option<Date>,
}

/// The projection of people.
pub const PROJECTIONS: &[Projection] =
    &[Projection { group: GROUP, kind: "Person", versions: &[VERSION], project }];

#[derive(Deserialize)]
struct PersonObject {
    spec: PersonSpec,
}

fn project(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let spec = read::<PersonObject>(object)?.spec;
    Ok(Facts::Person(Arc::new(PersonFacts::of(&spec, interner)?)))
}

impl PersonFacts {
    /// The facts of a spec. The error names a field that is not a day.
    pub fn of(spec: &PersonSpec, interner: &Interner) -> Result<Self, ProjectionError> {
        let day = |field: &str, text: &Option<String>| match text {
            None => Ok(None),
            // The text itself may tell who it is.
            Some(text) => parse_day(text).map(Some).ok_or_else(|| {
                ProjectionError(format!("spec.{field} is not a day: write it as YYYY-MM-DD"))
            }),
        };
        let intern = |texts: &[String]| texts.iter().map(|text| interner.intern(text)).collect();
        Ok(Self {
            usernames: intern(&spec.identities.usernames),
            groups: intern(&spec.identities.groups),
            department: spec.department.as_deref().map(|text| interner.intern(text)),
            roles: intern(&spec.roles),
            manager: spec.manager.as_deref().map(|text| interner.intern(text)),
            starts: day("startDate", &spec.start_date)?,
            ends: day("endDate", &spec.end_date)?,
        })
    }

    /// When they start. None: they have.
    fn begins_at(&self) -> Option<Timestamp> {
        self.starts.map(begin_of)
    }

    /// When they are gone. None: never.
    fn ends_at(&self) -> Option<Timestamp> {
        self.ends.map(end_of)
    }

    fn has_begun(&self, now: Timestamp) -> bool {
        self.begins_at().is_none_or(|begins| begins <= now)
    }

    fn has_ended(&self, now: Timestamp) -> bool {
        self.ends_at().is_some_and(|ends| ends <= now)
    }

    /// Whether they work here at this time.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.has_begun(now) && !self.has_ended(now)
    }

    /// Whether two people work here on at least one same day.
    fn overlaps(&self, other: &Self) -> bool {
        let before =
            |a: &Self, b: &Self| a.ends.zip(b.starts).is_some_and(|(end, start)| end < start);
        !before(self, other) && !before(other, self)
    }
}

/// Whose a user name is at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Exactly one Person has it who works here.
    Current,
    /// No Person has it.
    Unknown,
    /// Whoever had it has left; the newest last day.
    Former(Date),
    /// Whoever has it has not started; the earliest first day.
    NotStarted(Date),
    /// This many people who work here have it.
    Shared(usize),
}

/// What is wrong with a Person beside the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonProblem {
    /// There is no Person of the manager's name.
    NoManager(Symbol),
    /// The managers lead back to the Person: everybody on the way, who begins and ends it.
    ManagerCycle(Vec<Symbol>),
    /// Others have the user name while the Person works here.
    SharedIdentity {
        /// The user name.
        username: Symbol,
        /// The names of the other Person objects, sorted.
        others: Vec<Symbol>,
    },
}

/// People by name, by user name, and by whom they report to.
#[derive(Debug, Default)]
pub struct PeopleIndex {
    people: BTreeMap<Symbol, Arc<PersonFacts>>,
    by_username: FxHashMap<Symbol, BTreeSet<Symbol>>,
    by_manager: FxHashMap<Symbol, BTreeSet<Symbol>>,
    /// Who came last where nobody was, and who went last and left nobody.
    first: Option<Symbol>,
    last: Option<Symbol>,
}

impl PeopleIndex {
    /// How many people are known.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Whether this person made the first of all people, or left none: then something else is known of
    /// everybody. It holds until that happens again, however many came in the same batch.
    pub fn is_turning_point(&self, name: &Symbol) -> bool {
        self.first.as_ref() == Some(name) || self.last.as_ref() == Some(name)
    }

    /// A person by the name of the object; None if there is none.
    pub fn get(&self, name: &str) -> Option<&Arc<PersonFacts>> {
        self.people.get(name)
    }

    /// Everybody, by the name of the object.
    pub fn iter(&self) -> impl Iterator<Item = (&Symbol, &Arc<PersonFacts>)> {
        self.people.iter()
    }

    /// Whose a user name is, and until when that holds; None where time changes nothing.
    pub fn identity(&self, username: &str, now: Timestamp) -> (Identity, Option<Timestamp>) {
        let claims: Vec<&PersonFacts> = self.claims(username).map(|(_, facts)| facts).collect();
        let dates = claims.iter().flat_map(|facts| [facts.begins_at(), facts.ends_at()]);
        // What can't be represented never comes.
        let next = dates.flatten().filter(|at| *at > now && *at < Timestamp::MAX).min();
        let current = claims.iter().filter(|facts| facts.is_current(now)).count();
        let coming = claims.iter().filter(|facts| !facts.has_begun(now));
        let identity = match current {
            1 => Identity::Current,
            0 => match coming.filter_map(|facts| facts.starts).min() {
                Some(starts) => Identity::NotStarted(starts),
                None => claims
                    .iter()
                    .filter_map(|facts| facts.ends)
                    .max()
                    .map_or(Identity::Unknown, Identity::Former),
            },
            several => Identity::Shared(several),
        };
        (identity, next)
    }

    fn claims(&self, username: &str) -> impl Iterator<Item = (&Symbol, &PersonFacts)> {
        let names = self.by_username.get(username).into_iter().flatten();
        names.filter_map(|name| Some((name, &**self.people.get(name)?)))
    }

    /// Replaces what is known of a person; None if the object is gone. Returns the names of the others
    /// of whom something else may be wrong now.
    pub fn put(&mut self, name: &Symbol, facts: Option<Arc<PersonFacts>>) -> BTreeSet<Symbol> {
        if self.people.get(name) == facts.as_ref() {
            return BTreeSet::new();
        }
        let mut related = self.related(name);
        match (&facts, self.people.len()) {
            (Some(_), 0) => self.first = Some(name.clone()),
            (None, 1) => self.last = Some(name.clone()),
            _ => {}
        }
        if let Some(before) = self.people.remove(name) {
            for username in &before.usernames {
                remove(&mut self.by_username, username, name);
            }
            if let Some(manager) = &before.manager {
                remove(&mut self.by_manager, manager, name);
            }
        }
        if let Some(facts) = facts {
            for username in &facts.usernames {
                self.by_username.entry(username.clone()).or_default().insert(name.clone());
            }
            if let Some(manager) = &facts.manager {
                self.by_manager.entry(manager.clone()).or_default().insert(name.clone());
            }
            self.people.insert(name.clone(), facts);
        }
        related.extend(self.related(name));
        related.remove(name);
        related
    }

    /// Who shares a user name with a person, who reports to them, and who is on a way of managers that
    /// leads back to them.
    fn related(&self, name: &Symbol) -> BTreeSet<Symbol> {
        let mut related: BTreeSet<Symbol> =
            self.by_manager.get(name).into_iter().flatten().cloned().collect();
        if let Some(facts) = self.people.get(name) {
            let claims = facts.usernames.iter().filter_map(|one| self.by_username.get(one));
            related.extend(claims.flatten().cloned());
        }
        related.extend(self.manager_cycle(name).into_iter().flatten());
        related
    }

    /// What is wrong with a person beside the others: the manager first, then user names in their
    /// order. Nothing is wrong with a name that nobody has.
    pub fn problems(&self, name: &Symbol) -> Vec<PersonProblem> {
        let Some(facts) = self.people.get(name) else { return Vec::new() };
        let mut problems = Vec::new();
        if let Some(manager) = &facts.manager {
            if !self.people.contains_key(manager) {
                problems.push(PersonProblem::NoManager(manager.clone()));
            } else if let Some(way) = self.manager_cycle(name) {
                problems.push(PersonProblem::ManagerCycle(way));
            }
        }
        for username in &facts.usernames {
            let claims = self.claims(username);
            let others: Vec<Symbol> = claims
                .filter(|(other, claim)| *other != name && facts.overlaps(claim))
                .map(|(other, _)| other.clone())
                .collect();
            if !others.is_empty() {
                problems.push(PersonProblem::SharedIdentity { username: username.clone(), others });
            }
        }
        problems
    }

    /// The way of managers from a person back to the same person. None if it ends, or goes round
    /// somewhere above.
    fn manager_cycle(&self, name: &Symbol) -> Option<Vec<Symbol>> {
        let mut way = vec![name.clone()];
        let mut seen: FxHashSet<&Symbol> = FxHashSet::default();
        let mut at = name;
        while let Some(manager) = self.people.get(at).and_then(|facts| facts.manager.as_ref()) {
            way.push(manager.clone());
            if manager == name {
                return Some(way);
            }
            if !seen.insert(manager) {
                return None;
            }
            at = manager;
        }
        None
    }

    pub(super) fn update(&mut self, update: &IndexUpdate<'_>) {
        let person = |object: &Object| match &object.facts {
            Facts::Person(facts) => Some((object.name.clone(), Arc::clone(facts))),
            _ => None,
        };
        let after = update.after.and_then(person);
        if let Some((name, _)) = update.before.and_then(person)
            && after.as_ref().is_none_or(|(other, _)| *other != name)
        {
            self.put(&name, None);
        }
        if let Some((name, facts)) = after {
            self.put(&name, Some(facts));
        }
    }
}

fn remove(index: &mut FxHashMap<Symbol, BTreeSet<Symbol>>, key: &Symbol, name: &Symbol) {
    if let Some(names) = index.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
