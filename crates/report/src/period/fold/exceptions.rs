//! Exceptions: what each is for, when it was in force, and what it covered.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Window,
    authors::{Lapses, RecordKind},
    timeline::push,
};
use crate::period::model::{
    ControlReport, CoveredFinding, ExceptionReport, Interval, WaivedOccurrence,
};
use comptroller_core::api::{ExceptionPhase, State};
use comptroller_evidence::data::{ChangeKind, ObjectChange};

/// One exception, as far as the entries go.
#[derive(Clone, Debug)]
pub(super) struct ExceptionFold {
    window: Window,
    spec: Value,
    in_force: Vec<Interval>,
    /// The phase that it is in, and since when; None while it is not in force.
    phase: Option<(ExceptionPhase, Timestamp)>,
    entries: Vec<(Timestamp, u64)>,
    asked_at: Timestamp,
    /// When the API server created it; None in entries of older versions.
    created_at: Option<Timestamp>,
    /// Whether who asked was bound, as the entries about the exception say.
    author_bound: Option<bool>,
    approved_at: Option<Timestamp>,
    /// Whether who approved was bound, as the entries about the exception say.
    approver_bound: Option<bool>,
    /// The newest phase, by name; empty while no entry has one.
    newest_phase: String,
    /// When it was deleted; None while it exists.
    gone_at: Option<Timestamp>,
}

impl ExceptionFold {
    pub(super) fn new(window: Window, asked_at: Timestamp) -> Self {
        Self {
            window,
            spec: Value::Null,
            in_force: Vec::new(),
            phase: None,
            entries: Vec::new(),
            asked_at,
            created_at: None,
            author_bound: None,
            approved_at: None,
            approver_bound: None,
            newest_phase: String::new(),
            gone_at: None,
        }
    }

    /// Whether a change is about another exception of the name, which hides nothing of this one.
    pub(super) fn is_followed_by(&self, data: &ObjectChange) -> bool {
        self.gone_at.is_some() && data.change != ChangeKind::Deleted
    }

    pub(super) fn change(&mut self, index: u64, at: Timestamp, data: &ObjectChange) {
        // Of what came before the period only the newest entry says how it began.
        if at < self.window.from {
            self.entries.clear();
        }
        self.entries.push((at, index));
        let deleted = data.change == ChangeKind::Deleted;
        if deleted {
            self.gone_at.get_or_insert(at);
        }
        let phase = match (&data.phase, self.phase) {
            _ if deleted => None,
            (Some(name), _) => in_force(name),
            (None, current) => current.map(|(phase, _)| phase),
        };
        if phase != self.phase.map(|(phase, _)| phase) {
            self.close(at);
            self.phase = phase.map(|phase| (phase, at));
        }
        if let Some(spec) = &data.spec {
            self.spec.clone_from(spec);
        }
        if let Some(phase) = &data.phase {
            self.newest_phase.clone_from(phase);
        }
        self.created_at = self.created_at.or(data.created_at);
        let was_approved = self.approved_at.is_some();
        if self.approved_by().is_some() {
            self.approved_at.get_or_insert(at);
        }
        self.note_authors(data, was_approved);
    }

    /// Each spec that is written says whether its author was bound; that they were not may turn out later,
    /// and is then said of the spec that was written last.
    fn note_authors(&mut self, data: &ObjectChange, was_approved: bool) {
        let is_approved = self.approved_at.is_some();
        if data.spec.is_none() {
            if data.author_bound == Some(false) {
                let turned_out =
                    if is_approved { &mut self.approver_bound } else { &mut self.author_bound };
                *turned_out = Some(false);
            }
            return;
        }
        if data.change == ChangeKind::Created {
            self.author_bound = data.author_bound;
        }
        if is_approved && !was_approved {
            self.approver_bound = data.author_bound;
        }
    }

    /// Whether who asked was bound, by all that the entries show, and the entry that shows that they were
    /// not, if it is one about the guards.
    fn asker_bound(&self, lapses: &Lapses) -> (Option<bool>, Option<u64>) {
        let kind = RecordKind::Exception;
        let shown = match self.created_at {
            Some(created) => lapses.at(kind, created),
            None => lapses.seen_at(kind, self.asked_at),
        };
        marked(self.author_bound, shown)
    }

    /// The same of who approved.
    pub(super) fn approval_bound(&self, lapses: &Lapses) -> (Option<bool>, Option<u64>) {
        let seen = self.approved_at.map(|at| lapses.seen_at(RecordKind::Exception, at));
        marked(self.approver_bound, seen.flatten())
    }

    fn text(&self, field: &str) -> Option<String> {
        self.spec.get(field).and_then(Value::as_str).map(str::to_owned)
    }

    fn list(&self, field: &str) -> &[Value] {
        self.spec.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    fn controls(&self) -> Vec<String> {
        self.list("controls").iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// Who approved it, as a pseudonym.
    pub(super) fn approved_by(&self) -> Option<String> {
        self.text("approvedBy")
    }

    /// Whether it approves that a control is suspended.
    pub(super) fn suspends(&self, control: &str) -> bool {
        self.is_for_suspension() && self.controls().iter().any(|name| name == control)
    }

    fn is_for_suspension(&self) -> bool {
        self.spec.get("suspends").and_then(Value::as_bool).unwrap_or_default()
    }

    /// When it was in force, by time.
    pub(super) fn times_in_force(&self) -> Vec<(Timestamp, Timestamp)> {
        self.phases_in_force().into_iter().map(|interval| (interval.from, interval.to)).collect()
    }

    fn phases_in_force(&self) -> Vec<Interval> {
        let mut active = self.in_force.clone();
        if let Some((phase, since)) = self.phase {
            push_phase(&mut active, phase, since, self.expires().unwrap_or(Timestamp::MAX));
        }
        active
    }

    fn expires(&self) -> Option<Timestamp> {
        self.spec.get("expires")?.as_str()?.parse().ok()
    }

    fn close(&mut self, at: Timestamp) {
        let expires = self.expires();
        let Some((phase, since)) = self.phase.take() else { return };
        // It ends by itself at its expiry, also if the entry that says so was written later.
        let to = expires.map_or(at, |end| end.min(at));
        // What ended before the period is of no use to its report.
        if to > self.window.from {
            push_phase(&mut self.in_force, phase, since, to);
        }
    }

    /// The exception as the report lists it, if it was in force in the window, or something was asked
    /// or decided about it then.
    pub(super) fn report(
        &self,
        name: &str,
        window: Window,
        controls: &[ControlReport],
        lapses: &Lapses,
    ) -> Option<ExceptionReport> {
        let mut active = self.phases_in_force();
        active.retain(|interval| window.touches(interval.from, Some(interval.to)));
        for interval in &mut active {
            interval.to = interval.to.min(window.to);
            if !window.instant {
                interval.from = interval.from.max(window.from);
            }
        }
        let is_decided_now = self.entries.iter().any(|(at, _)| *at >= window.from);
        if active.is_empty() && !is_decided_now {
            return None;
        }
        let was_a_deviation = |control: &ControlReport| {
            control.deviations.iter().any(|one| one.exception.as_deref() == Some(name))
        };
        let mut covered = covered(name, controls);
        // Of those of one name, each covered what was found while it existed.
        covered.retain(|one| {
            self.gone_at.is_none_or(|gone| one.from < gone)
                && one.to.is_none_or(|to| to >= self.asked_at)
        });
        let asked = self.created_at.unwrap_or(self.asked_at);
        let (author_bound, by_asking) = self.asker_bound(lapses);
        let (approver_bound, by_approving) = self.approval_bound(lapses);
        Some(ExceptionReport {
            name: name.to_owned(),
            controls: self.controls(),
            resources: self.list("resources").iter().map(described).collect(),
            suspends: self.is_for_suspension(),
            reason: self.text("reason").unwrap_or_default(),
            ticket: self.text("ticket"),
            compensating_control: self.text("compensatingControl"),
            created_at: self.created_at,
            asked_at: self.asked_at,
            requested_by: self.text("requestedBy").unwrap_or_default(),
            recorded_by: self.text("recordedBy"),
            approved_at: self.approved_at,
            approved_by: self.approved_by(),
            author_bound,
            approver_bound,
            unbound_entry: by_asking.or(by_approving),
            phase: self.newest_phase.clone(),
            expires: self.expires(),
            active,
            late: covered.iter().any(|one| one.since < asked),
            covered,
            waived: waived(name, controls),
            wildcard: self.list("resources").iter().any(is_wildcard),
            after_the_fact: controls.iter().any(was_a_deviation),
            entries: self.entries.iter().map(|(_, entry)| *entry).collect(),
        })
    }
}

/// Such as `Deployment shop/*`.
fn described(resource: &Value) -> String {
    let text = |field: &str| resource.get(field).and_then(Value::as_str);
    let place = text("namespace").map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let (kind, name) = (text("kind").unwrap_or("*"), text("name").unwrap_or("*"));
    format!("{kind} {place}{name}")
}

fn is_wildcard(resource: &Value) -> bool {
    let pattern = |field: &str| resource.get(field).and_then(Value::as_str);
    let has_wildcard = |pattern: &str| pattern.contains(['*', '?']);
    pattern("name").is_none_or(has_wildcard) || pattern("namespace").is_some_and(has_wildcard)
}

fn covered(exception: &str, controls: &[ControlReport]) -> Vec<CoveredFinding> {
    let mut all = Vec::new();
    for control in controls {
        for one in control.excepted_findings.iter().filter(|one| one.exception == exception) {
            all.push(CoveredFinding {
                control: control.name.clone(),
                item: one.item.clone(),
                since: one.since,
                from: one.from,
                to: one.to,
            });
        }
    }
    all
}

fn waived(exception: &str, controls: &[ControlReport]) -> Vec<WaivedOccurrence> {
    let occurrences = controls.iter().flat_map(|control| {
        control.occurrences.iter().map(move |occurrence| (control, occurrence))
    });
    occurrences
        .filter(|(_, occurrence)| occurrence.waived_by.as_deref() == Some(exception))
        .map(|(control, occurrence)| WaivedOccurrence {
            control: control.name.clone(),
            period: occurrence.period.clone(),
            entry: occurrence.entry,
        })
        .collect()
}

/// What an entry about a record said of its author, unless an entry about the guards shows otherwise.
fn marked(said: Option<bool>, shown: Option<u64>) -> (Option<bool>, Option<u64>) {
    match (said, shown) {
        (Some(false), _) => (Some(false), None),
        (_, Some(_)) => (Some(false), shown),
        _ => (said, None),
    }
}

/// The phases in which an exception is approved and not over.
fn in_force(phase: &str) -> Option<ExceptionPhase> {
    [ExceptionPhase::Active, ExceptionPhase::Unused]
        .into_iter()
        .find(|known| known.as_str() == phase)
}

fn push_phase(active: &mut Vec<Interval>, phase: ExceptionPhase, from: Timestamp, to: Timestamp) {
    push(active, from, to, Some(State::Excepted), phase.as_str());
}
