//! The reconciler of `Person`: what is wrong with one beside the others goes into its status.
//!
//! What it says of somebody stays in that object. Neither the evidence log nor the process's own log
//! is told: the former has people as pseudonyms, the latter not at all.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tokio::sync::mpsc;

use super::{
    kinds::Guarded,
    refusal::COMPLETE,
    unreadable,
    writer::{QUIET_WINDOW, WriteError, Writer},
};
use crate::{source::own_kinds::ObjectEvent, telemetry::ReconcileOutcome};
use comptroller_core::{
    api::{
        Person, PersonStatus,
        condition::{ConditionStatus, READY, condition, set_condition},
    },
    inventory::{
        Interner, Symbol,
        people::{PeopleIndex, PersonFacts, PersonProblem},
    },
};
use comptroller_recorder::{Evidence, Writing};

/// How many other people a message names.
const NAMED: usize = 5;

/// What the reconciler needs.
pub struct PersonContext {
    /// Statuses are written through it.
    pub api: Api<Person>,
    /// Whether this process may write at all.
    pub evidence: Evidence,
    /// The statuses that were written.
    pub writer: Writer<PersonStatus>,
    /// People whose status may have changed because another Person did.
    pub related: mpsc::UnboundedSender<ObjectRef<Guarded<Person>>>,
    /// Everybody, as the watch knows them.
    pub directory: Directory,
}

/// Everybody, shared by all reconciles.
#[derive(Debug, Default)]
pub struct Directory {
    people: Mutex<PeopleIndex>,
    interner: Interner,
}

impl Directory {
    /// Takes in an event of the watch. Returns the names of the others of whom something else may be
    /// wrong now.
    fn observe(&self, event: &ObjectEvent<Guarded<Person>>) -> BTreeSet<Symbol> {
        match event {
            ObjectEvent::Applied(DeserializeGuard(Ok(person))) => {
                let facts = PersonFacts::of(&person.spec, &self.interner).unwrap_or_default();
                self.put(&person.name_any(), Some(Arc::new(facts)))
            }
            // It is there, so nobody reports to a Person who does not exist.
            ObjectEvent::Applied(DeserializeGuard(Err(invalid))) => {
                let name = invalid.metadata.name.as_deref().unwrap_or_default();
                self.put(name, Some(Arc::default()))
            }
            ObjectEvent::Deleted(name) => self.put(name, None),
            ObjectEvent::Listed(names) => {
                let known: Vec<Symbol> =
                    self.people().iter().map(|(name, _)| name.clone()).collect();
                let gone = known.iter().filter(|name| !names.contains(name.as_str()));
                gone.flat_map(|name| self.put(name, None)).collect()
            }
            ObjectEvent::Confirmed | ObjectEvent::Failing(_) => BTreeSet::new(),
        }
    }

    fn put(&self, name: &str, facts: Option<Arc<PersonFacts>>) -> BTreeSet<Symbol> {
        self.people().put(&self.interner.intern(name), facts)
    }

    fn problems(&self, name: &str) -> Vec<PersonProblem> {
        self.people().problems(&Symbol::from(name))
    }

    fn people(&self) -> MutexGuard<'_, PeopleIndex> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes in an event of the watch, and queues everybody of whom something else may be wrong now.
pub fn observe(context: &PersonContext, event: &ObjectEvent<Guarded<Person>>) {
    for name in context.directory.observe(event) {
        // The reconciler is gone only while shutting down.
        let _ = context.related.send(ObjectRef::new(&name));
    }
}

/// Brings the status of a Person in line with how it stands beside the others.
pub async fn reconcile(
    object: &DeserializeGuard<Person>,
    context: &PersonContext,
) -> Result<(Action, ReconcileOutcome), WriteError> {
    // Only the process that leads writes.
    let Writing::Open(_) = context.evidence.writing() else {
        return Ok((Action::await_change(), ReconcileOutcome::Unchanged));
    };
    let name = object.name_any();
    let judged = match &object.0 {
        Ok(_) => judge(&context.directory.problems(&name)),
        Err(invalid) => {
            let problems = unreadable::explain(&context.api, &name, invalid).await;
            (ConditionStatus::False, "Invalid", problems)
        }
    };
    let status = object.0.as_ref().ok().and_then(|person| person.status.as_ref());
    let previous = context.writer.newest(object, status);
    let known = previous.clone().unwrap_or_default();
    let generation = object.meta().generation.unwrap_or_default();
    let now = context.evidence.clock().now();
    let desired = desired(&known, judged, generation, now);
    let again = || context.writer.recheck(&name).map_or_else(Action::await_change, Action::requeue);
    if previous.as_ref() == Some(&desired) {
        return Ok((again(), ReconcileOutcome::Unchanged));
    }
    if let Some(left) = context.writer.hold(&name, QUIET_WINDOW) {
        return Ok((Action::requeue(left), ReconcileOutcome::Unchanged));
    }
    context.writer.write(&context.api, &name, desired, now).await?;
    Ok((again(), ReconcileOutcome::Written))
}

/// Whether a Person agrees with the others, in one word and in sentences.
fn judge(problems: &[PersonProblem]) -> (ConditionStatus, &'static str, String) {
    let reason = match problems.first() {
        None => {
            let message = "it agrees with every other Person".to_owned();
            return (ConditionStatus::True, "Judged", message);
        }
        Some(PersonProblem::NoManager(_)) => "ManagerNotFound",
        Some(PersonProblem::ManagerCycle(_)) => "ManagerCycle",
        Some(PersonProblem::SharedIdentity { .. }) => "SharedIdentity",
    };
    let texts: Vec<String> = problems.iter().map(describe).collect();
    (ConditionStatus::False, reason, texts.join("; "))
}

fn describe(problem: &PersonProblem) -> String {
    match problem {
        PersonProblem::NoManager(manager) => format!(
            "spec.manager names {manager}, and there is no Person of that name: apply that Person, or correct the name"
        ),
        PersonProblem::ManagerCycle(way) => {
            format!("spec.manager leads back here ({}): correct one of them", listed(way, " -> "))
        }
        PersonProblem::SharedIdentity { username, others } => format!(
            "the user name {username} is also an identity of {}, at the same time: remove it from all but one",
            listed(others, ", ")
        ),
    }
}

fn listed(names: &[Symbol], between: &str) -> String {
    let mut texts: Vec<String> = names.iter().take(NAMED).map(ToString::to_string).collect();
    if names.len() > NAMED {
        texts.push(format!("and {} more", names.len() - NAMED));
    }
    texts.join(between)
}

fn desired(
    previous: &PersonStatus,
    (status, reason, message): (ConditionStatus, &str, String),
    generation: i64,
    now: Timestamp,
) -> PersonStatus {
    let mut conditions = previous.conditions.clone();
    conditions.retain(|known| known.type_ != COMPLETE);
    set_condition(&mut conditions, condition(READY, status, reason, &message, generation, now));
    PersonStatus { observed_generation: generation, conditions }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use serde_json::json;

    use super::*;

    fn applied(name: &str, username: &str, manager: Option<&str>) -> ObjectEvent<Guarded<Person>> {
        let person = serde_json::from_value(json!({
            "apiVersion": "comptroller.dev/v1alpha1", "kind": "Person",
            "metadata": {"name": name},
            "spec": {"displayName": name, "identities": {"usernames": [username]}, "manager": manager},
        }));
        ObjectEvent::Applied(person.unwrap())
    }

    fn reason(directory: &Directory, name: &str) -> &'static str {
        judge(&directory.problems(name)).1
    }

    #[test]
    fn a_person_is_judged_beside_the_others() {
        let directory = Directory::default();
        let names = |event| -> Vec<String> {
            directory.observe(&event).iter().map(ToString::to_string).collect()
        };
        assert!(names(applied("sam", "sam", None)).is_empty());
        assert!(names(applied("jane", "jane", Some("ann"))).is_empty());
        assert_eq!(reason(&directory, "sam"), "Judged");
        assert_eq!(reason(&directory, "jane"), "ManagerNotFound");
        assert_eq!(names(applied("ann", "sam", Some("jane"))), ["jane", "sam"]);
        assert_eq!(reason(&directory, "sam"), "SharedIdentity");
        assert_eq!(reason(&directory, "jane"), "ManagerCycle");
        let (_, _, message) = judge(&directory.problems("ann"));
        assert!(message.contains("ann -> jane -> ann") && message.contains("sam"), "{message}");
        // A list without somebody says that they are gone.
        let listed = ObjectEvent::Listed(["jane", "sam"].map(str::to_owned).into());
        assert_eq!(names(listed), ["jane", "sam"]);
        assert_eq!(reason(&directory, "sam"), "Judged");
        assert_eq!(reason(&directory, "jane"), "ManagerNotFound");
    }

    #[test]
    fn a_status_is_written_once() {
        let now = Timestamp::from_str("2026-11-30T12:00:00.5Z").unwrap();
        let first = desired(&PersonStatus::default(), judge(&[]), 3, now);
        let later = now + jiff::SignedDuration::from_hours(1);
        assert_eq!(desired(&first, judge(&[]), 3, later), first);
        let others: Vec<Symbol> = (0..9).map(|one| format!("p{one}").as_str().into()).collect();
        let shared = PersonProblem::SharedIdentity { username: "root".into(), others };
        let status = desired(&first, judge(&[shared]), 3, later);
        assert_ne!(
            status.conditions[0].last_transition_time,
            first.conditions[0].last_transition_time
        );
        assert!(status.conditions[0].message.contains("p4, and 4 more"), "{status:?}");
    }
}
