//! What is taken from an event.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::Offset};
use serde::Deserialize;

use comptroller_evidence::usage::{AccessKind, EventCounts, Requester, UsageFacts, UsedRight};
use comptroller_vocabulary::whole_seconds;

use crate::{
    break_glass::BreakGlass,
    event::{AuditEvent, EventUser, ObjectReference},
    facts::Facts,
    seen::Seen,
};

/// The longest text that is kept of an event, in characters: names are far shorter.
const MAX_TEXT: usize = 256;

/// How far an event may be dated ahead of the clock.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// How old an event may be: the API server gives up within minutes.
const OLD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How much is kept at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Facts of each kind.
    pub facts: usize,
    /// Identities by which an event is known to have been heard before.
    pub identities: usize,
}

impl Limits {
    /// Of the operator: some 40 MiB, were they all reached at once.
    pub const OPERATOR: Self = Self { facts: 20_000, identities: 65_536 };
    /// Of a file that somebody reads on their own machine.
    pub const IMPORT: Self = Self { facts: 1_000_000, identities: 1_000_000 };
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    /// It was heard before.
    Duplicate,
    /// The API server refused the request.
    Refused,
    /// Another stage, or no resource.
    Other,
    /// It lacks a user, a verb, a time or a response, or its time can't be.
    Unclear,
}

/// Takes events in, and keeps none.
#[derive(Debug)]
pub struct Reducer {
    break_glass: BreakGlass,
    seen: Seen,
    facts: Facts,
    counts: EventCounts,
    /// Uses that were handed out already, with their day: they are not told again that day.
    told: BTreeMap<(Requester, UsedRight), Date>,
    limits: Limits,
}

impl Reducer {
    /// Nothing was heard yet.
    pub fn new(limits: Limits, break_glass: BreakGlass) -> Self {
        Self {
            break_glass,
            seen: Seen::new(limits.identities),
            facts: Facts::new(limits.facts),
            counts: EventCounts::default(),
            told: BTreeMap::new(),
            limits,
        }
    }

    /// Takes an event in. `now` bounds what times are believed; None believes all.
    pub fn take(&mut self, event: &AuditEvent<'_>, now: Option<Timestamp>) -> Outcome {
        let outcome = self.outcome(event, now);
        let count = match outcome {
            Outcome::Taken => &mut self.counts.taken,
            Outcome::Duplicate => &mut self.counts.duplicates,
            Outcome::Refused => &mut self.counts.refused,
            Outcome::Other => &mut self.counts.other,
            Outcome::Unclear => &mut self.counts.unclear,
        };
        *count = count.saturating_add(1);
        outcome
    }

    fn outcome(&mut self, event: &AuditEvent<'_>, now: Option<Timestamp>) -> Outcome {
        // Of each request one event counts: that of its end. A panic is an end too.
        if !matches!(event.stage.as_ref(), "ResponseComplete" | "Panic") {
            return Outcome::Other;
        }
        let Some((at, code)) = time_and_code(event, now) else { return Outcome::Unclear };
        if !self.seen.is_new(event) {
            return Outcome::Duplicate;
        }
        let Some(object) = event.object_ref.as_ref().filter(|object| !object.resource.is_empty())
        else {
            return Outcome::Other;
        };
        // As all times of the log.
        let at = whole_seconds(at);
        let day = Offset::UTC.to_datetime(at).date();
        let by = requester(event);
        // Who was refused saw the warnings of the policy, and used no right.
        self.note_warnings(event, &by, day);
        if code >= 400 {
            return Outcome::Refused;
        }
        if let Some(rule) = self.break_glass.matched(event) {
            self.facts.add_break_glass(by.clone(), rule.to_owned(), (at, day));
        }
        let right = right(&event.verb, object);
        if let Some(kind) = access_kind(&right) {
            self.facts.add_access(by.clone(), kind, right.namespace.clone(), day, 1);
        }
        if is_change_of_register(&right) {
            self.facts.add_change(by.clone(), right.clone(), short(&object.name), at);
        }
        if let Some(impersonator) = &by.impersonator {
            let real = Requester { user: impersonator.clone(), impersonator: None };
            self.note_use(real, impersonation(&by.user), day);
        }
        self.note_use(by, right, day);
        Outcome::Taken
    }

    fn note_use(&mut self, by: Requester, right: UsedRight, day: Date) {
        let use_ = (by, right);
        if self.told.get(&use_).is_none_or(|told| *told < day) {
            self.facts.add_use(use_.0, use_.1, day);
        }
    }

    fn note_warnings(&mut self, event: &AuditEvent<'_>, by: &Requester, day: Date) {
        let Some(notes) = &event.annotations else { return };
        if notes.validation_failure.is_empty() {
            return;
        }
        // The API server wrote it. What it wrote for a later version says at least that there was one.
        let failures: Vec<ValidationFailure> =
            serde_json::from_str(&notes.validation_failure).unwrap_or_default();
        for failure in failures {
            let (policy, binding) = (short(&failure.policy), short(&failure.binding));
            self.facts.add_warning(by.clone(), policy, binding, day, 1);
        }
    }

    /// What was heard since this was asked last. A use is handed out once a day.
    pub fn take_out(&mut self) -> (UsageFacts, EventCounts) {
        let facts = self.facts.take();
        self.counts.overflow = self.counts.overflow.saturating_add(self.facts.take_overflow());
        (facts, std::mem::take(&mut self.counts))
    }

    /// What was handed out is recorded.
    pub fn recorded(&mut self, facts: &UsageFacts) {
        for fact in &facts.last_uses {
            // A use that is told twice costs a line, and no more is remembered than facts are kept.
            if self.told.len() >= self.limits.facts {
                self.told.clear();
            }
            self.told.insert((fact.by.clone(), fact.right.clone()), fact.day);
        }
    }

    /// What was handed out could not be recorded, and adds up with what was heard since.
    pub fn put_back(&mut self, facts: UsageFacts, counts: EventCounts) {
        self.facts.add(facts);
        self.counts = self.counts.and(counts);
    }

    /// What was handed out and what was heard since are lost, as when another replica leads.
    pub fn forget(&mut self) {
        self.facts = Facts::new(self.limits.facts);
        self.counts = EventCounts::default();
        self.told.clear();
    }
}

/// A failure in the annotation of `ValidatingAdmissionPolicy`.
#[derive(Deserialize)]
struct ValidationFailure {
    #[serde(default)]
    policy: String,
    #[serde(default)]
    binding: String,
}

/// When a request ended and with which code. None if the event lacks what tells a use, or can't be of
/// its time.
fn time_and_code(event: &AuditEvent<'_>, now: Option<Timestamp>) -> Option<(Timestamp, i32)> {
    if event.user.username.is_empty() || event.verb.is_empty() {
        return None;
    }
    if event.impersonated_user.as_ref().is_some_and(|user| user.username.is_empty()) {
        return None;
    }
    let at: Timestamp = event.stage_timestamp.parse().ok()?;
    let is_believed = now.is_none_or(|now| {
        let age = now.duration_since(at);
        age <= OLD && age >= -AHEAD
    });
    let code = event.response_status.as_ref()?.code;
    (is_believed && code > 0).then_some((at, code))
}

fn requester(event: &AuditEvent<'_>) -> Requester {
    let name = |user: &EventUser<'_>| short(&user.username);
    match &event.impersonated_user {
        Some(user) => Requester { user: name(user), impersonator: Some(name(&event.user)) },
        None => Requester { user: name(&event.user), impersonator: None },
    }
}

fn right(verb: &str, object: &ObjectReference<'_>) -> UsedRight {
    let resource = short(&object.resource);
    let resource = match object.subresource.as_ref() {
        "" => resource,
        subresource => format!("{resource}/{}", short(subresource)),
    };
    // The API server gives a Namespace as an object of its own namespace; a rule names it without.
    let is_namespace = object.api_group.is_empty() && object.resource == "namespaces";
    let namespace = if is_namespace { String::new() } else { short(&object.namespace) };
    UsedRight { verb: short(verb), group: short(&object.api_group), resource, namespace }
}

/// The right that a user used who acted as another.
fn impersonation(user: &str) -> UsedRight {
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let (resource, namespace) = match account {
        Some((namespace, _)) => ("serviceaccounts", namespace),
        None => ("users", ""),
    };
    UsedRight {
        verb: "impersonate".to_owned(),
        group: String::new(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
    }
}

fn access_kind(right: &UsedRight) -> Option<AccessKind> {
    if !right.group.is_empty() {
        return None;
    }
    match (right.resource.as_str(), right.verb.as_str()) {
        ("secrets", "get" | "list" | "watch") => Some(AccessKind::SecretRead),
        ("pods/exec", _) => Some(AccessKind::Exec),
        ("pods/attach", _) => Some(AccessKind::Attach),
        ("pods/portforward", _) => Some(AccessKind::PortForward),
        _ => None,
    }
}

/// Whether it changes an object that a register holds.
fn is_change_of_register(right: &UsedRight) -> bool {
    let changes = matches!(
        right.verb.as_str(),
        "create" | "update" | "patch" | "delete" | "deletecollection"
    );
    changes
        && match (right.group.as_str(), right.resource.as_str()) {
            ("", resource) => matches!(
                resource,
                "namespaces" | "persistentvolumeclaims" | "serviceaccounts" | "services"
            ),
            ("apps", resource) => matches!(
                resource,
                "daemonsets"
                    | "deployments"
                    | "deployments/scale"
                    | "statefulsets"
                    | "statefulsets/scale"
            ),
            ("batch", resource) => matches!(resource, "cronjobs" | "jobs"),
            // All of these are written by people and their tools.
            (
                "rbac.authorization.k8s.io"
                | "networking.k8s.io"
                | "gateway.networking.k8s.io"
                | "admissionregistration.k8s.io"
                | "apiextensions.k8s.io"
                | "apiregistration.k8s.io"
                | "postgresql.cnpg.io"
                | "comptroller.dev",
                resource,
            ) => !resource.contains('/'),
            _ => false,
        }
}

/// A text of an event, cut where it is longer than any name.
fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
