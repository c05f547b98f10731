//! Time-boxed, approved exceptions: which findings they allow, and the state of each of them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::verdict::counted_findings;
use crate::api::{ControlExceptionSpec, ExceptionPhase, ExceptionResource, ResourceRef};

/// An exception with what was judged about it.
#[derive(Debug)]
struct Exception {
    name: String,
    controls: Vec<String>,
    resources: Vec<ExceptionResource>,
    /// It approves that the controls are suspended, and excepts nothing.
    suspends: bool,
    created: Option<Timestamp>,
    expires: Timestamp,
    approval: Approval,
    matched: usize,
}

fn matches(pattern: &ExceptionResource, resource: &ResourceRef) -> bool {
    pattern.kind == resource.kind
        && pattern.name.matches(&resource.name)
        && pattern.namespace.as_ref().is_none_or(|namespace| {
            namespace.matches(resource.namespace.as_deref().unwrap_or_default())
        })
}

/// Whether somebody other than the requester approved an exception, or why it can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Approval {
    Missing,
    Given,
    Refused(String),
}

/// The state of an exception, for its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionState {
    /// The phase that its status shows.
    pub phase: ExceptionPhase,
    /// How many findings it allows now.
    pub matched: usize,
    /// Why it is in this phase, for a person: one sentence.
    pub message: String,
    /// What it names that does not exist, each with its field and the nearest name.
    pub unresolved_names: Vec<String>,
}

/// How far the evaluation of a control is that an exception names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlProgress {
    /// It has no verdict yet.
    Pending,
    /// It could not be judged, so what it would have found is not known.
    Unknown,
    /// It has a verdict.
    Done,
}

/// All exceptions, by name and by number.
#[derive(Debug, Default)]
pub struct Exceptions {
    // The number of an exception is its place in the list. Remembered findings hold numbers, so one is
    // given to another exception only after the first was removed and its findings were judged again.
    by_name: BTreeMap<String, u16>,
    list: Vec<Option<Exception>>,
}

impl Exceptions {
    /// Takes in an exception. `created` is None for one from a file. One more than numbers can tell apart
    /// is not taken in, so that it excepts nothing: an exception must never act for another.
    pub fn upsert(&mut self, name: &str, spec: &ControlExceptionSpec, created: Option<Timestamp>) {
        let exception = Exception {
            name: name.to_owned(),
            controls: spec.controls.clone(),
            resources: spec.resources.clone(),
            suspends: spec.suspends,
            created,
            expires: spec.expires.0,
            approval: approval(spec, created),
            matched: 0,
        };
        // An exception that changes keeps its number, since remembered findings hold it.
        let place = if let Some(place) = self.by_name.get(name) {
            *place
        } else {
            let place = self.list.iter().position(Option::is_none).unwrap_or_else(|| {
                self.list.push(None);
                self.list.len() - 1
            });
            let Ok(place) = u16::try_from(place) else {
                self.list.truncate(usize::from(u16::MAX) + 1);
                return;
            };
            self.by_name.insert(name.to_owned(), place);
            place
        };
        if let Some(slot) = self.list.get_mut(usize::from(place)) {
            *slot = Some(exception);
        }
    }

    /// Removes an exception. Nothing for one that is not known.
    pub fn remove(&mut self, name: &str) {
        if let Some(place) = self.by_name.remove(name)
            && let Some(slot) = self.list.get_mut(usize::from(place))
        {
            *slot = None;
        }
    }

    /// The controls that an exception names. Empty for one that is not known.
    pub fn controls_of(&self, name: &str) -> &[String] {
        self.by_name
            .get(name)
            .and_then(|place| self.get(*place))
            .map_or(&[], |exception| &exception.controls)
    }

    /// The resources that an exception names. Empty for one that is not known.
    pub fn resources_of(&self, name: &str) -> &[ExceptionResource] {
        self.by_name
            .get(name)
            .and_then(|place| self.get(*place))
            .map_or(&[], |exception| &exception.resources)
    }

    /// The exception in force that allows a finding about this resource, by its number. None if none
    /// does.
    pub fn allowing(&self, control: &str, resource: &ResourceRef, now: Timestamp) -> Option<u16> {
        self.in_force(control, resource, now).map(|(place, _)| place).next()
    }

    /// The exceptions in force for a resource of a control, by name, so that of two that match it is
    /// always the same one that counts the finding.
    fn in_force<'e>(
        &'e self,
        control: &'e str,
        resource: &'e ResourceRef,
        now: Timestamp,
    ) -> impl Iterator<Item = (u16, &'e Exception)> {
        self.by_name
            .values()
            .filter_map(move |place| self.get(*place).map(|exception| (*place, exception)))
            .filter(move |(_, exception)| {
                exception.approval == Approval::Given
                    && now < exception.expires
                    && exception.controls.iter().any(|named| named == control)
                    && exception.resources.iter().any(|pattern| matches(pattern, resource))
            })
    }

    /// The exception that waives what is due at `due`: approved by now, written before it was due, and in
    /// force until then. None if none does.
    pub fn waiving<'e>(
        &'e self,
        control: &'e str,
        resource: &'e ResourceRef,
        due: Timestamp,
        now: Timestamp,
    ) -> Option<&'e str> {
        // One that expires before the due date must not hide another that lasts until then.
        self.in_force(control, resource, now)
            .map(|(_, exception)| exception)
            .filter(|exception| exception.created.is_some_and(|created| created <= due))
            .find(|exception| now <= due && exception.expires >= due)
            .map(|exception| exception.name.as_str())
    }

    /// The number of an exception. None for one that is not known.
    pub fn place(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).copied()
    }

    /// The name of the exception with this number. None if there is none.
    pub fn name(&self, place: u16) -> Option<&str> {
        self.get(place).map(|exception| exception.name.as_str())
    }

    /// Sets how many findings each exception allows, by number; 0 for those that are not in the map.
    pub fn set_matched(&mut self, matched: &BTreeMap<u16, usize>) {
        for (place, exception) in self.list.iter_mut().enumerate() {
            if let Some(exception) = exception {
                exception.matched = u16::try_from(place)
                    .ok()
                    .and_then(|place| matched.get(&place).copied())
                    .unwrap_or_default();
            }
        }
    }

    /// The controls that are named by exceptions which expired after `before` and by `now`.
    pub fn expired_between(&self, before: Timestamp, now: Timestamp) -> impl Iterator<Item = &str> {
        self.all()
            .filter(move |exception| before < exception.expires && exception.expires <= now)
            .flat_map(|exception| exception.controls.iter().map(String::as_str))
    }

    /// When the next exception expires. None if none will.
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        self.all().map(|exception| exception.expires).filter(|at| *at > now).min()
    }

    /// The state of an exception. `judged` says how far a control is, None if there is no such control.
    /// None for an exception that is not known, and while it can't be said what it will match.
    pub fn standing(
        &self,
        name: &str,
        now: Timestamp,
        judged: impl Fn(&str) -> Option<ControlProgress>,
    ) -> Option<ExceptionState> {
        let exception = self.by_name.get(name).and_then(|place| self.get(*place))?;
        let (phase, message) = match &exception.approval {
            Approval::Refused(why) => (ExceptionPhase::Rejected, why.clone()),
            _ if exception.expires <= now => (
                ExceptionPhase::Expired,
                format!("expired at {} and excepts nothing any more: fix what it names, or request a new exception", exception.expires),
            ),
            Approval::Missing => (
                ExceptionPhase::Pending,
                "waits for approval: somebody other than the requester must set spec.approvedBy".to_owned(),
            ),
            Approval::Given if exception.suspends => (
                ExceptionPhase::Active,
                format!("approves until {} that what it names is suspended", exception.expires),
            ),
            // What will match once the control is judged is not known. Saying Unused now would be wrong a
            // second later.
            Approval::Given
                if exception.matched == 0
                    && exception.controls.iter().any(|name| judged(name) == Some(ControlProgress::Pending)) =>
            {
                return None;
            }
            Approval::Given
                if exception.matched == 0
                    && exception.controls.iter().all(|name| judged(name) != Some(ControlProgress::Unknown)) => (
                ExceptionPhase::Unused,
                "approved, but matches no finding: delete it, or correct spec.controls and spec.resources in a new one".to_owned(),
            ),
            Approval::Given => (
                ExceptionPhase::Active,
                format!(
                    "allows {} until {}",
                    counted_findings(exception.matched),
                    exception.expires
                ),
            ),
        };
        // What it matched while it was in force is history once it is not.
        let matched = if phase == ExceptionPhase::Active { exception.matched } else { 0 };
        Some(ExceptionState { phase, matched, message, unresolved_names: Vec::new() })
    }

    /// The names of all exceptions, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    fn get(&self, place: u16) -> Option<&Exception> {
        self.list.get(usize::from(place)).and_then(Option::as_ref)
    }

    fn all(&self) -> impl Iterator<Item = &Exception> {
        self.list.iter().flatten()
    }
}

/// Admission normally refuses what violates a rule; a cluster may lack the policy, and files pass no
/// admission, so it is judged here too.
fn approval(spec: &ControlExceptionSpec, created: Option<Timestamp>) -> Approval {
    if let Err(invalid) = spec.validate(created) {
        return Approval::Refused(invalid.to_string());
    }
    match &spec.approved_by {
        None => Approval::Missing,
        Some(_) => Approval::Given,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_approved_suspension_is_active_and_excepts_nothing() {
        let at = |day: &str| -> Timestamp { format!("2026-{day}T00:00:00Z").parse().unwrap() };
        let mut exceptions = Exceptions::default();
        let mut phase = |approved: Value, now| {
            let mut spec = json!({
                "controls": ["risks"], "suspends": true, "reason": "r", "requestedBy": "sam",
                "expires": at("12-31"),
            });
            if !approved.is_null() {
                spec["approvedBy"] = approved;
            }
            let spec: ControlExceptionSpec = serde_json::from_value(spec).unwrap();
            exceptions.upsert("pause", &spec, Some(at("10-01")));
            let any = ResourceRef {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: None,
                name: "web".to_owned(),
            };
            assert_eq!(exceptions.allowing("risks", &any, now), None);
            exceptions.standing("pause", now, |_| Some(ControlProgress::Done)).unwrap().phase
        };
        assert_eq!(phase(Value::Null, at("11-01")), ExceptionPhase::Pending);
        assert_eq!(phase(json!("sam"), at("11-01")), ExceptionPhase::Rejected);
        assert_eq!(phase(json!("ann"), at("11-01")), ExceptionPhase::Active);
        assert_eq!(phase(json!("ann"), at("12-31")), ExceptionPhase::Expired);
    }

    #[test]
    fn a_waiver_is_written_before_the_due_date_and_good_until_then() {
        let at = |day: &str| -> Timestamp { format!("2026-{day}T00:00:00Z").parse().unwrap() };
        let occurrence = ResourceRef {
            api_version: "comptroller.dev/v1alpha1".to_owned(),
            kind: "Occurrence".to_owned(),
            namespace: None,
            name: "2026-Q4".to_owned(),
        };
        let mut exceptions = Exceptions::default();
        let mut add = |name: &str, created: &str, expires: &str| {
            let spec: ControlExceptionSpec = serde_json::from_value(json!({
                "controls": ["risks"], "resources": [{"kind": "Occurrence", "name": "2026-Q4"}],
                "reason": "r", "requestedBy": "sam", "approvedBy": "ann", "expires": at(expires),
            }))
            .unwrap();
            exceptions.upsert(name, &spec, Some(at(created)));
        };
        add("a-short", "10-01", "11-15");
        add("b-long", "10-01", "12-31");
        add("c-late", "12-02", "12-31");
        let waiving = |due, now| exceptions.waiving("risks", &occurrence, at(due), at(now));
        assert_eq!(waiving("12-01", "11-01"), Some("b-long"));
        assert_eq!(waiving("12-01", "12-01"), Some("b-long"));
        assert_eq!(waiving("12-01", "12-02"), None, "it was due before");
        assert_eq!(waiving("09-30", "09-30"), None, "it was written later");
        assert_eq!(waiving("11-10", "11-01"), Some("a-short"));
    }
}
