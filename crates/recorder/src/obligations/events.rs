//! Which events entries tell of.

use jiff::Timestamp;
use serde_json::Value;

use super::{CONTROL, EXCEPTION};
use comptroller_core::{
    api::{
        ExceptionPhase, ResourceRef, State,
        test_spec::{BarredPerson, EventKind},
    },
    engine::{EventRule, EventRules},
};
use comptroller_evidence::{
    data::{ChangeKind, EntryFinding, ObjectChange, OccurrenceEvent, VerdictData},
    entry::{Data, EntrySubject},
    fold::{CONTROL_FAILING, EVIDENCE_GAP, FailingSince, FindingKey, GapState, LogState},
};

pub(super) type Event = OccurrenceEvent;

/// Where an entry stands that is on its way into the log.
pub(super) struct Written<'a> {
    /// What the log says before the append.
    pub state: &'a LogState,
    /// The entries of the append before it.
    pub before: &'a [(EntrySubject, Data)],
    /// Its number.
    pub index: u64,
    /// When it is written.
    pub at: Timestamp,
}

/// The events of a rule that one entry tells of, each of them one.
pub(super) fn of_entry(
    written: &Written<'_>,
    rules: &EventRules,
    rule: &EventRule,
    subject: &EntrySubject,
    data: &Data,
) -> Vec<Event> {
    let Some(kind) = rule.on.event else { return Vec::new() };
    match (kind, data) {
        (EventKind::ControlChanged, Data::ControlChanged(change)) => {
            // A control that is new is no change of one.
            let is_event = change.change == ChangeKind::Updated;
            is_event.then(|| written.event(kind.as_str(), subject)).into_iter().collect()
        }
        (EventKind::ControlDeleted, Data::ControlChanged(change)) => {
            let is_event = change.change == ChangeKind::Deleted;
            is_event.then(|| written.event(kind.as_str(), subject)).into_iter().collect()
        }
        (EventKind::ExceptionGranted, Data::Exception(change)) => {
            granted(written, rule, subject, change).into_iter().collect()
        }
        (EventKind::DeviationOpened, Data::Verdict(verdict))
            if !rules.exempt.contains(&subject.name) =>
        {
            let deviations = deviations(written, rule, subject, verdict);
            let named = |finding: &EntryFinding| Event {
                item: Some(item_of(finding)),
                ..written.event(kind.as_str(), subject)
            };
            deviations.map(named).collect()
        }
        _ => Vec::new(),
    }
}

/// A time in which nobody could look.
pub(super) fn of_gap(gap: &GapState) -> Event {
    Event {
        event: EVIDENCE_GAP.to_owned(),
        kind: gap.subject.kind.clone(),
        name: gap.subject.name.clone(),
        item: Some(format!("{} to {}", gap.data.from, gap.data.to)),
        entry: gap.entry,
        at: gap.at,
        not_by: Vec::new(),
    }
}

/// A control that fails.
pub(super) fn of_failing(control: &str, since: FailingSince) -> Event {
    Event {
        event: CONTROL_FAILING.to_owned(),
        kind: CONTROL.to_owned(),
        name: control.to_owned(),
        item: None,
        entry: since.entry,
        at: since.at,
        not_by: Vec::new(),
    }
}

impl Written<'_> {
    fn event(&self, event: &str, subject: &EntrySubject) -> Event {
        Event {
            event: event.to_owned(),
            kind: subject.kind.clone(),
            name: subject.name.clone(),
            item: None,
            entry: self.index,
            at: self.at,
            not_by: Vec::new(),
        }
    }

    /// The changes of an exception in the append before this entry, the newest first.
    fn changes_before<'a>(
        &'a self,
        subject: &'a EntrySubject,
    ) -> impl Iterator<Item = &'a ObjectChange> {
        self.before.iter().rev().filter_map(move |(about, data)| match data {
            Data::Exception(change) if about == subject => Some(&**change),
            _ => None,
        })
    }
}

/// An exception that was approved with this entry.
fn granted(
    written: &Written<'_>,
    rule: &EventRule,
    subject: &EntrySubject,
    change: &ObjectChange,
) -> Option<Event> {
    let known = || written.state.object(EXCEPTION, &subject.name);
    let is_granted = |phase: Option<&str>| {
        let phases = [ExceptionPhase::Active, ExceptionPhase::Unused];
        phases.iter().any(|granted| phase == Some(granted.as_str()))
    };
    let mut before = written.changes_before(subject);
    let was = before.find_map(|change| change.phase.clone().or_else(|| gone(change)));
    let was = was.or_else(|| known().and_then(|known| known.phase.clone()));
    if !is_granted(change.phase.as_deref()) || is_granted(was.as_deref()) {
        return None;
    }
    // An entry of a phase has no spec.
    let spec_of =
        |change: &ObjectChange| change.spec.clone().filter(|_| change.change != ChangeKind::Phase);
    let spec = spec_of(change)
        .or_else(|| written.changes_before(subject).find_map(spec_of))
        .or_else(|| known().and_then(|known| known.spec.clone()));
    let person = |field| {
        let spec = spec.as_ref()?;
        spec.get(field).and_then(Value::as_str).map(str::to_owned)
    };
    let barred = rule.not_by.iter().filter_map(|part| match part {
        BarredPerson::Requester => person("requestedBy"),
        BarredPerson::Granter => person("approvedBy"),
        BarredPerson::Subject => None,
    });
    let mut event = written.event(EventKind::ExceptionGranted.as_str(), subject);
    event.not_by = barred.collect();
    Some(event)
}

/// A phase that no exception has: the object was deleted.
fn gone(change: &ObjectChange) -> Option<String> {
    (change.change == ChangeKind::Deleted).then(String::new)
}

/// The items that began to fail with a verdict, and that no exception allows. What fails when a
/// control is first judged began before, at a time that nobody knows.
fn deviations<'a>(
    written: &'a Written<'_>,
    rule: &'a EventRule,
    subject: &'a EntrySubject,
    verdict: &'a VerdictData,
) -> impl Iterator<Item = &'a EntryFinding> {
    let Known { judged, blind_since } = written.known(subject);
    verdict.added.iter().filter(move |finding| {
        judged
            && finding.exception.is_none()
            && rule.on.severity.is_none_or(|lowest| finding.severity >= lowest)
            // What failed before nobody could look fails on: a verdict of Unknown lists nothing.
            && blind_since.is_none_or(|blind| finding.since >= blind)
    })
}

/// What is known of a control before an entry.
struct Known {
    /// Whether it was ever judged since it was declared.
    judged: bool,
    /// Since when it can't be judged. None while it can.
    blind_since: Option<Timestamp>,
}

impl Written<'_> {
    fn known(&self, subject: &EntrySubject) -> Known {
        let control = self.state.control(&subject.name);
        let verdict = control.and_then(|control| control.verdict.as_ref());
        let mut known = Known {
            judged: control.is_some_and(|control| control.judged),
            blind_since: verdict.and_then(|known| blind(known.state, known.since)),
        };
        for (_, data) in self.before.iter().filter(|(about, _)| about == subject) {
            match data {
                Data::Verdict(verdict) => {
                    known.judged |= verdict.state != State::Unknown;
                    known.blind_since = blind(verdict.state, verdict.since);
                }
                Data::ControlChanged(change) if change.change == ChangeKind::Deleted => {
                    known = Known { judged: false, blind_since: None };
                }
                _ => {}
            }
        }
        known
    }
}

fn blind(state: State, since: Timestamp) -> Option<Timestamp> {
    (state == State::Unknown).then_some(since)
}

/// An item as a sentence names it: `ClusterRoleBinding legacy-ci (ClusterAdmin)`.
fn item_of(finding: &EntryFinding) -> String {
    let FindingKey { rule, resource, subject } = FindingKey::of(finding);
    let ResourceRef { kind, namespace, name, .. } = resource;
    let place = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let subject = subject.map(|subject| format!(", {subject}")).unwrap_or_default();
    let text = format!("{kind} {place}{name} ({rule}{subject})");
    // As much as the status may hold.
    text.chars().take(MAX_ITEM).collect()
}

/// The longest name of an item, in characters.
const MAX_ITEM: usize = 1024;
