//! What was in a population over the window: its lists, what came and went, and what left though it
//! exists.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Window,
    judged::{Judged, Uids},
};
use crate::period::model::{
    OutOfScope, PopulationMove, ReportedItem, ReportedPopulation, WindowPopulation,
};
use comptroller_core::api::{ResourceRef, State};
use comptroller_evidence::data::{PopulationCause, PopulationChange, PopulationList};

/// How many items may leave at once before entries no longer tell each of them.
const MANY: u64 = 500;

/// The population of one control.
#[derive(Clone, Debug, Default)]
pub(super) struct PopulationFold {
    /// The first time in the window at which many items left and no entry tells which, and how many.
    untold: Option<(Timestamp, u64)>,
    list: Option<PopulationList>,
    /// The newest count of before the window, and until when its entry vouches for it.
    before: Option<(ReportedPopulation, Timestamp)>,
    first: Option<ReportedPopulation>,
    last: Option<ReportedPopulation>,
    lists: Vec<ReportedPopulation>,
    moves: Vec<PopulationMove>,
    out: BTreeMap<ResourceRef, OutOfScope>,
    back: Vec<OutOfScope>,
}

impl PopulationFold {
    /// Takes in an entry that vouches until a time.
    pub(super) fn judged(
        &mut self,
        judged: &Judged<'_>,
        vouched_until: Timestamp,
        uids: &Uids,
        window: Window,
    ) {
        self.changes(judged, uids, window);
        if let Some(list) = judged.list {
            self.list = Some(list.clone());
        }
        // Its count is of what could be judged, and would pass for the whole population.
        if judged.state == State::Unknown {
            return;
        }
        let population = ReportedPopulation {
            at: judged.at,
            count: judged.population,
            digest: judged.digest.cloned(),
            list: self.list.clone(),
            entry: judged.index,
        };
        self.note_untold(judged, window);
        if judged.list.is_some() {
            self.listed(&population, window);
        }
        if judged.at <= window.from {
            self.before = Some((population.clone(), vouched_until));
        } else if self.first.is_none() {
            self.first = Some(population.clone());
        }
        self.last = Some(population);
    }

    fn note_untold(&mut self, judged: &Judged<'_>, window: Window) {
        let Some(before) = self.last.as_ref().filter(|_| judged.at >= window.from) else { return };
        let left = before.count.saturating_sub(judged.population);
        // Entries of older versions have no digests, and tell of none that leaves.
        if judged.digest.is_some() && judged.left.is_empty() && left >= MANY {
            self.untold.get_or_insert((judged.at, left));
        }
    }

    /// When many items left and no entry tells which, and how many; None where all are told.
    pub(super) fn untold(&self) -> Option<(Timestamp, u64)> {
        self.untold
    }

    /// Each list once; of those before the window, the newest.
    fn listed(&mut self, population: &ReportedPopulation, window: Window) {
        if population.at <= window.from {
            self.lists.clear();
        }
        let is_known = |known: &ReportedPopulation| known.list == population.list;
        if !self.lists.iter().any(is_known) {
            self.lists.push(population.clone());
        }
    }

    fn changes(&mut self, judged: &Judged<'_>, uids: &Uids, window: Window) {
        let left = judged.left.iter().map(|change| (change, false));
        let entered = judged.entered.iter().map(|change| (change, true));
        let mut changes: Vec<(&PopulationChange, bool)> = left.chain(entered).collect();
        // Within one entry an item may leave and come back.
        changes.sort_by_key(|(change, entered)| (change.at, *entered));
        for (change, entered) in changes {
            let item = ReportedItem {
                uid: change.uid.clone().or_else(|| uids.item(&change.item).uid),
                resource: change.item.clone(),
            };
            // What came before the window is in the list of its start, or in the first after it.
            if change.at >= window.from {
                self.moves.push(PopulationMove {
                    at: change.at,
                    item: item.clone(),
                    entered,
                    why: change.why,
                    detail: change.detail.clone(),
                    entry: judged.index,
                });
            }
            if entered {
                self.is_back(change, judged.index, window);
            } else {
                self.is_out(change, item, judged.index);
            }
        }
    }

    fn is_out(&mut self, change: &PopulationChange, item: ReportedItem, entry: u64) {
        // What no longer exists is in no scope; a control that is gone or suspended has none.
        if matches!(change.why, PopulationCause::Object | PopulationCause::Control) {
            return;
        }
        let why = if change.detail.is_empty() {
            change.why.meaning().to_owned()
        } else {
            change.detail.clone()
        };
        let (from, cause) = (change.at, change.why);
        let out = OutOfScope { item, from, to: None, why, cause, entry, return_entry: None };
        self.out.entry(change.item.clone()).or_insert(out);
    }

    fn is_back(&mut self, change: &PopulationChange, entry: u64, window: Window) {
        let Some(out) = self.out.remove(&change.item) else { return };
        let to = change.at.max(out.from);
        if window.touches(out.from, Some(to)) {
            self.back.push(OutOfScope { to: Some(to), return_entry: Some(entry), ..out });
        }
    }

    /// The control is gone: what is declared anew in the window did not begin with this population.
    pub(super) fn end(&mut self, at: Timestamp, window: Window) {
        self.before = self.before.take().filter(|_| at > window.from);
    }

    /// What was known when the window began, if it still held then; or the first after it.
    pub(super) fn start(&self, window: Window) -> Option<ReportedPopulation> {
        let known = self.before.as_ref().filter(|(_, until)| *until > window.from);
        known.map(|(population, _)| population.clone()).or_else(|| self.first.clone())
    }

    /// The newest of a time in which the control existed.
    pub(super) fn last_since(
        &self,
        began: impl Fn(Timestamp) -> bool,
    ) -> Option<ReportedPopulation> {
        self.last.clone().filter(|last| began(last.at))
    }

    pub(super) fn window(&self) -> WindowPopulation {
        WindowPopulation { lists: self.lists.clone(), moves: self.moves.clone() }
    }

    /// What was out of scope in the window, by time.
    pub(super) fn out_of_scope(&self, window: Window) -> Vec<OutOfScope> {
        let mut all: Vec<OutOfScope> = self
            .back
            .iter()
            .chain(self.out.values())
            .filter(|out| window.touches(out.from, out.to))
            .cloned()
            .collect();
        all.sort_by(|a, b| (a.from, a.entry, &a.item).cmp(&(b.from, b.entry, &b.item)));
        all
    }
}
