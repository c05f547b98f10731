//! Exceptions: when each was in force.

use jiff::Timestamp;
use serde_json::Value;

use super::{Window, timeline::push};
use crate::period::model::{ExceptionReport, Interval};
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
}

impl ExceptionFold {
    pub(super) fn new(window: Window) -> Self {
        Self { window, spec: Value::Null, in_force: Vec::new(), phase: None, entries: Vec::new() }
    }

    pub(super) fn change(&mut self, index: u64, at: Timestamp, data: &ObjectChange) {
        // Of what came before the period only the newest entry says how it began.
        if at < self.window.from {
            self.entries.clear();
        }
        self.entries.push((at, index));
        let deleted = data.change == ChangeKind::Deleted;
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

    /// The exception as the report lists it, if it was in force in the window.
    pub(super) fn report(&self, name: &str, window: Window) -> Option<ExceptionReport> {
        let expires = self.expires();
        let mut active = self.in_force.clone();
        if let Some((phase, since)) = self.phase {
            push_phase(&mut active, phase, since, expires.unwrap_or(Timestamp::MAX));
        }
        active.retain(|interval| window.touches(interval.from, Some(interval.to)));
        for interval in &mut active {
            interval.to = interval.to.min(window.to);
            if !window.instant {
                interval.from = interval.from.max(window.from);
            }
        }
        // One that was only asked for, or refused, allowed nothing.
        if active.is_empty() {
            return None;
        }
        let text = |field: &str| self.spec.get(field).and_then(Value::as_str).map(str::to_owned);
        let controls = self.spec.get("controls").and_then(Value::as_array);
        Some(ExceptionReport {
            name: name.to_owned(),
            controls: controls
                .into_iter()
                .flatten()
                .filter_map(|control| control.as_str().map(str::to_owned))
                .collect(),
            reason: text("reason").unwrap_or_default(),
            requested_by: text("requestedBy").unwrap_or_default(),
            approved_by: text("approvedBy"),
            expires: expires.unwrap_or(Timestamp::MAX),
            active,
            entries: self.entries.iter().map(|(_, entry)| *entry).collect(),
        })
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
