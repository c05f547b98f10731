//! Findings that were open: since when, until when, and how they ended. A finding that is gone is
//! over only when somebody saw its item mended, deleted or excepted. What left the scope, or is no
//! longer asked for, stays open until the same rule judges the item again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Window,
    judged::{Judged, Uids},
};
use crate::period::model::{Deviation, DeviationPattern, Ending, ExceptedFinding};
use comptroller_core::api::State;
use comptroller_evidence::{
    data::{EntryFinding, FindingEnding, VerdictData},
    fold::FindingKey,
};

/// What the check of human controls calls an occurrence that is due and not attested, and one that
/// nobody attested in time.
pub(super) const OVERDUE: &str = "Overdue";
pub(super) const MISSED: &str = "Missed";

/// A deviation of which nobody saw the end.
#[derive(Clone, Debug)]
struct OpenDeviation {
    deviation: Deviation,
    /// The scope and the test by which it was found.
    rule: String,
    /// It is no longer listed, though nobody saw it end; None while it is.
    unseen: Option<Unseen>,
}

/// Why a deviation is no longer listed.
#[derive(Clone, Debug)]
struct Unseen {
    /// Open of one that a verdict of Unknown no longer lists: nobody could look.
    why: Ending,
    at: Timestamp,
    entry: u64,
    detail: String,
}

/// The deviations of one control.
#[derive(Clone, Debug, Default)]
pub(super) struct DeviationsFold {
    open: BTreeMap<FindingKey, OpenDeviation>,
    /// Findings that an exception allows: no deviations while it lasts.
    excepted: BTreeMap<FindingKey, ExceptedFinding>,
    closed: Vec<Deviation>,
    no_longer_excepted: Vec<ExceptedFinding>,
    generation: Option<i64>,
}

/// How a deviation is closed.
struct Closing<'a> {
    index: u64,
    at: Timestamp,
    ending: Ending,
    detail: &'a str,
    exception: Option<&'a String>,
}

impl DeviationsFold {
    /// Takes in a verdict. `rule` stands for the scope and the test by which it was judged.
    pub(super) fn verdict(
        &mut self,
        judged: &Judged<'_>,
        data: &VerdictData,
        rule: &str,
        uids: &Uids,
        window: Window,
    ) {
        let (index, at) = (judged.index, judged.at);
        let is_edited = self.generation.is_some_and(|known| known != judged.generation);
        self.generation = Some(judged.generation);
        let mut gone: BTreeMap<FindingKey, &EntryFinding> =
            data.removed.iter().map(|finding| (FindingKey::of(finding), finding)).collect();
        for finding in &data.added {
            let key = FindingKey::of(finding);
            // Listed both as gone and as new, it only changed its exception.
            gone.remove(&key);
            match &finding.exception {
                Some(exception) => {
                    let detail = "";
                    let ending = Ending::Excepted;
                    let closing = Closing { index, at, ending, detail, exception: Some(exception) };
                    self.close(&key, &closing, window);
                    self.allow(key, judged, finding, exception, uids, window);
                }
                None => self.open(key, judged, finding, rule, is_edited, uids, window),
            }
        }
        for (key, finding) in gone {
            // Gone while it was excepted: that closes no deviation, since there was none.
            self.disallow(&key, at, window);
            if !self.became_missed(&key) {
                self.is_gone(&key, judged, finding, is_edited, window);
            }
        }
        self.looked_again(judged, rule, window);
    }

    fn is_gone(
        &mut self,
        key: &FindingKey,
        judged: &Judged<'_>,
        finding: &EntryFinding,
        is_edited: bool,
        window: Window,
    ) {
        // What was missed stays so: nobody can perform it in time any more.
        if key.rule == MISSED {
            return;
        }
        let ending = match finding.ending {
            Some(FindingEnding::Mended) => Ending::Mended,
            Some(FindingEnding::ObjectGone) => Ending::ObjectGone,
            Some(FindingEnding::LeftScope) => Ending::LeftScope,
            Some(FindingEnding::RuleChanged) => Ending::RuleChanged,
            Some(FindingEnding::Excepted) => Ending::Excepted,
            Some(FindingEnding::Suspended) => Ending::Suspended,
            // Nobody could judge the item.
            None if judged.state == State::Unknown || !finding.ending_detail.is_empty() => {
                Ending::Open
            }
            // Entries of older versions.
            None if is_edited => Ending::RuleChanged,
            None => Ending::NotRecorded,
        };
        let (index, at) = (judged.index, judged.at);
        let detail = finding.ending_detail.as_str();
        match ending {
            Ending::Mended | Ending::ObjectGone | Ending::Excepted | Ending::NotRecorded => {
                let exception = finding.exception.as_ref();
                self.close(key, &Closing { index, at, ending, detail, exception }, window);
            }
            why => {
                if let Some(open) = self.open.get_mut(key) {
                    let detail = detail.to_owned();
                    open.unseen.get_or_insert(Unseen { why, at, entry: index, detail });
                }
            }
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
            deviation.from = overdue.deviation.from;
            deviation.opened_entry = overdue.deviation.opened_entry;
        }
        true
    }

    /// Somebody could look again: what is not found of the items that the same rule judges is mended.
    pub(super) fn looked_again(&mut self, judged: &Judged<'_>, rule: &str, window: Window) {
        // Whoever could not judge could not see either that something was mended.
        if judged.state == State::Unknown {
            return;
        }
        let mut mended: Vec<(FindingKey, String)> = Vec::new();
        for (key, open) in &mut self.open {
            let Some(unseen) = &mut open.unseen else { continue };
            let resource = &open.deviation.item.resource;
            // One that left by this very entry has not been looked at since.
            let has_entered = unseen.entry != judged.index && judged.has_entered(resource);
            let is_judged = match unseen.why {
                Ending::LeftScope => has_entered,
                // It may be one of those that can't be judged.
                Ending::Open if judged.unknown > 0 => false,
                _ => has_entered || (open.rule == rule && unseen.entry != judged.index),
            };
            if is_judged {
                mended.push((key.clone(), unseen.detail.clone()));
            } else if unseen.why == Ending::Open && open.rule != rule {
                unseen.why = Ending::RuleChanged;
            }
        }
        let (index, at) = (judged.index, judged.at);
        for (key, detail) in mended {
            let (ending, exception) = (Ending::Mended, None);
            let closing = Closing { index, at, ending, detail: &detail, exception };
            self.close(&key, &closing, window);
        }
    }

    /// The control was deleted, and its findings with it. Nobody saw them mended.
    pub(super) fn end(&mut self, index: u64, at: Timestamp, window: Window) {
        for open in self.open.values_mut() {
            let (why, entry) = (Ending::ControlDeleted, index);
            open.unseen.get_or_insert(Unseen { why, at, entry, detail: String::new() });
        }
        let keys: Vec<FindingKey> = self.excepted.keys().cloned().collect();
        for key in keys {
            self.disallow(&key, at, window);
        }
        self.generation = None;
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one finding of one verdict")]
    fn open(
        &mut self,
        key: FindingKey,
        judged: &Judged<'_>,
        finding: &EntryFinding,
        rule: &str,
        is_edited: bool,
        uids: &Uids,
        window: Window,
    ) {
        let at = judged.at;
        let was_excepted = self.disallow(&key, at, window);
        // Found again after a time when nobody could tell: one deviation that lasted, not two.
        if let Some(open) = self.open.get_mut(&key) {
            open.unseen = None;
            return;
        }
        let deviation = Deviation {
            rule: finding.rule.clone(),
            item: uids.item(&finding.resource),
            subject: finding.subject.clone(),
            message: finding.message.clone(),
            severity: finding.severity,
            // While it was excepted it was no deviation, however old it is.
            from: if was_excepted { at } else { finding.since.min(at) },
            to: None,
            ending: Ending::Open,
            ending_detail: String::new(),
            last_found: None,
            exception: None,
            pattern: DeviationPattern::Isolated,
            cause: is_edited
                .then(|| format!("the control was edited and then found it: see its spec of {at}")),
            response: None,
            opened_entry: judged.index,
            closed_entry: None,
        };
        self.open.insert(key, OpenDeviation { deviation, rule: rule.to_owned(), unseen: None });
    }

    fn close(&mut self, key: &FindingKey, closing: &Closing<'_>, window: Window) {
        let Some(OpenDeviation { deviation, .. }) = self.open.remove(key) else { return };
        let to = closing.at.max(deviation.from);
        // What ended before the period is of no use to its report.
        if window.touches(deviation.from, Some(to)) {
            self.closed.push(Deviation {
                to: Some(to),
                ending: closing.ending,
                ending_detail: closing.detail.to_owned(),
                exception: closing.exception.cloned(),
                closed_entry: Some(closing.index),
                ..deviation
            });
        }
    }

    fn allow(
        &mut self,
        key: FindingKey,
        judged: &Judged<'_>,
        finding: &EntryFinding,
        exception: &str,
        uids: &Uids,
        window: Window,
    ) {
        if self.excepted.get(&key).is_some_and(|known| known.exception == exception) {
            return;
        }
        self.disallow(&key, judged.at, window);
        let excepted = ExceptedFinding {
            rule: finding.rule.clone(),
            item: uids.item(&finding.resource),
            since: finding.since.min(judged.at),
            from: judged.at,
            to: None,
            exception: exception.to_owned(),
            entry: judged.index,
        };
        self.excepted.insert(key, excepted);
    }

    /// The exception no longer allows it. Returns whether one did.
    fn disallow(&mut self, key: &FindingKey, at: Timestamp, window: Window) -> bool {
        let Some(excepted) = self.excepted.remove(key) else { return false };
        if window.touches(excepted.from, Some(at)) {
            self.no_longer_excepted.push(ExceptedFinding { to: Some(at), ..excepted });
        }
        true
    }

    /// Those in the window, by time. At an instant, those that are open then.
    pub(super) fn report(&self, window: Window) -> Vec<Deviation> {
        let open = self.open.values().map(|OpenDeviation { deviation, unseen, .. }| match unseen {
            None => deviation.clone(),
            Some(unseen) => Deviation {
                ending: unseen.why,
                ending_detail: unseen.detail.clone(),
                last_found: Some(unseen.at),
                closed_entry: Some(unseen.entry),
                ..deviation.clone()
            },
        });
        let mut all: Vec<Deviation> = self
            .closed
            .iter()
            .cloned()
            .chain(open)
            .filter(|deviation| window.touches(deviation.from, deviation.to))
            .collect();
        sort(&mut all);
        all
    }

    /// What exceptions allowed in the window, by time.
    pub(super) fn excepted(&self, window: Window) -> Vec<ExceptedFinding> {
        let mut all: Vec<ExceptedFinding> = self
            .no_longer_excepted
            .iter()
            .chain(self.excepted.values())
            .filter(|excepted| window.touches(excepted.from, excepted.to))
            .cloned()
            .collect();
        all.sort_by(|a, b| {
            (a.from, a.entry, &a.rule, &a.item, &a.exception).cmp(&(
                b.from,
                b.entry,
                &b.rule,
                &b.item,
                &b.exception,
            ))
        });
        all
    }
}

/// By time, then by entry and by name, so that the order is always the same.
pub(super) fn sort(deviations: &mut [Deviation]) {
    deviations.sort_by(|a, b| {
        (a.from, a.opened_entry, &a.rule, &a.item, &a.subject).cmp(&(
            b.from,
            b.opened_entry,
            &b.rule,
            &b.item,
            &b.subject,
        ))
    });
}
