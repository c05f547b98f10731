//! Findings that were open: since when, until when, and how they ended.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Window;
use crate::period::model::{Deviation, Ending};
use comptroller_core::api::State;
use comptroller_evidence::{
    data::{EntryFinding, VerdictData},
    fold::FindingKey,
};

/// What the check of human controls calls an occurrence that is due and not attested, and one that
/// nobody attested in time.
pub(super) const OVERDUE: &str = "Overdue";
pub(super) const MISSED: &str = "Missed";

/// A finding that no verdict has found resolved.
#[derive(Clone, Debug)]
struct OpenDeviation {
    deviation: Deviation,
    /// A verdict of Unknown no longer lists it. Whether it is resolved is not known until somebody can
    /// look again.
    unconfirmed: bool,
}

/// The deviations of one control.
#[derive(Clone, Debug, Default)]
pub(super) struct DeviationsFold {
    open: BTreeMap<FindingKey, OpenDeviation>,
    /// Findings that an exception allows: no deviations while it lasts.
    excepted: BTreeSet<FindingKey>,
    closed: Vec<Deviation>,
}

impl DeviationsFold {
    pub(super) fn verdict(
        &mut self,
        index: u64,
        at: Timestamp,
        data: &VerdictData,
        window: Window,
    ) {
        let unknown = data.state == State::Unknown;
        let mut gone: BTreeSet<FindingKey> = data.removed.iter().map(FindingKey::of).collect();
        for finding in &data.added {
            let key = FindingKey::of(finding);
            // Listed both as gone and as new, it only changed its exception.
            gone.remove(&key);
            match &finding.exception {
                Some(exception) => {
                    self.close(&key, index, at, Ending::Excepted, Some(exception), window);
                    self.excepted.insert(key);
                }
                None => self.open(key, index, at, finding),
            }
        }
        for key in gone {
            // Gone while it was excepted: that closes no deviation, since there was none.
            self.excepted.remove(&key);
            if self.became_missed(&key) {
                continue;
            }
            match self.open.get_mut(&key) {
                Some(open) if unknown => open.unconfirmed = true,
                _ => self.close(&key, index, at, Ending::Resolved, None, window),
            }
        }
        if !unknown {
            self.confirm(index, at, window);
        }
    }

    /// Whether it is an overdue occurrence that was missed in the end. That is one deviation, since
    /// the occurrence was due, and nothing was resolved when it got its last name.
    fn became_missed(&mut self, gone: &FindingKey) -> bool {
        let missed = FindingKey { rule: MISSED.to_owned(), ..gone.clone() };
        if gone.rule != OVERDUE || !self.open.contains_key(&missed) {
            return false;
        }
        let Some(overdue) = self.open.remove(gone) else { return false };
        if let Some(OpenDeviation { deviation, .. }) = self.open.get_mut(&missed) {
            deviation.since = overdue.deviation.since;
            deviation.opened_entry = overdue.deviation.opened_entry;
        }
        true
    }

    /// Somebody could look again: what an Unknown verdict had dropped, and nobody found since, is
    /// resolved.
    pub(super) fn confirm(&mut self, index: u64, at: Timestamp, window: Window) {
        let resolved: Vec<FindingKey> = self
            .open
            .iter()
            .filter(|(_, open)| open.unconfirmed)
            .map(|(key, _)| key.clone())
            .collect();
        for key in resolved {
            self.close(&key, index, at, Ending::Resolved, None, window);
        }
    }

    /// The control was deleted, and its findings with it.
    pub(super) fn end(&mut self, index: u64, at: Timestamp, window: Window) {
        let keys: Vec<FindingKey> = self.open.keys().cloned().collect();
        for key in keys {
            self.close(&key, index, at, Ending::ControlDeleted, None, window);
        }
        self.excepted.clear();
    }

    fn open(&mut self, key: FindingKey, index: u64, at: Timestamp, finding: &EntryFinding) {
        let was_excepted = self.excepted.remove(&key);
        // Found again after a time when nobody could tell: one deviation that lasted, not two.
        if let Some(open) = self.open.get_mut(&key) {
            open.unconfirmed = false;
            return;
        }
        let deviation = Deviation {
            rule: finding.rule.clone(),
            resource: finding.resource.clone(),
            subject: finding.subject.clone(),
            message: finding.message.clone(),
            severity: finding.severity,
            // While it was excepted it was no deviation, however old it is.
            since: if was_excepted { at } else { finding.since.min(at) },
            until: None,
            ending: Ending::Open,
            exception: None,
            opened_entry: index,
            closed_entry: None,
        };
        self.open.insert(key, OpenDeviation { deviation, unconfirmed: false });
    }

    fn close(
        &mut self,
        key: &FindingKey,
        index: u64,
        at: Timestamp,
        ending: Ending,
        exception: Option<&String>,
        window: Window,
    ) {
        let Some(OpenDeviation { deviation, .. }) = self.open.remove(key) else { return };
        let until = at.max(deviation.since);
        // What ended before the period is of no use to its report.
        if window.touches(deviation.since, Some(until)) {
            self.closed.push(Deviation {
                until: Some(until),
                ending,
                exception: exception.cloned(),
                closed_entry: Some(index),
                ..deviation
            });
        }
    }

    /// Those in the window, by time. At an instant, those that are open then.
    pub(super) fn report(&self, window: Window) -> Vec<Deviation> {
        let mut all: Vec<Deviation> = self
            .closed
            .iter()
            .chain(self.open.values().map(|open| &open.deviation))
            .filter(|deviation| window.touches(deviation.since, deviation.until))
            .cloned()
            .collect();
        sort(&mut all);
        all
    }
}

/// By time, then by entry and by name, so that the order is always the same.
pub(super) fn sort(deviations: &mut [Deviation]) {
    deviations.sort_by(|a, b| {
        (a.since, a.opened_entry, &a.rule, &a.resource, &a.subject).cmp(&(
            b.since,
            b.opened_entry,
            &b.rule,
            &b.resource,
            &b.subject,
        ))
    });
}
