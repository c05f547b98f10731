//! Why one item of a control passes or fails.

use jiff::Timestamp;

use super::{Engine, JudgedItem, memory::FindingState, population, verdict::ObservedFinding};
use crate::checks::Item;

/// What was found about one item. Nothing at all: it passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemFindings {
    pub failing: Vec<ObservedFinding>,
    /// What an exception allows.
    pub excepted: Vec<ObservedFinding>,
    /// What could not be judged.
    pub unknown: Vec<ObservedFinding>,
}

impl Engine {
    /// The items that a control judged, in no order. Empty while it is blocked.
    pub fn items(&self, control: &str) -> Vec<(Item, JudgedItem)> {
        let tracked = self.controls.get(control);
        tracked.map(|tracked| tracked.items(&self.inventory)).unwrap_or_default()
    }

    /// Everybody who holds a right, whether some control judges them or not.
    pub fn subjects(&self) -> impl Iterator<Item = JudgedItem> {
        let subjects = self.inventory.rights.subjects();
        subjects.filter_map(|(id, _)| population::named(&self.inventory, Item::Subject(id)))
    }

    /// What was found about an item of a control.
    pub fn findings_about(&self, control: &str, item: Item, now: Timestamp) -> ItemFindings {
        let Some(tracked) = self.controls.get(control) else { return ItemFindings::default() };
        let of = |which: fn(FindingState) -> bool| {
            tracked.findings_about(&self.inventory, &self.exceptions, now, item, which)
        };
        ItemFindings {
            failing: of(|standing| standing == FindingState::Failing),
            excepted: of(|standing| matches!(standing, FindingState::Excepted(_))),
            unknown: of(|standing| standing == FindingState::Unknown),
        }
    }
}
