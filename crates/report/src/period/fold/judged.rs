//! What a verdict and a heartbeat both say of the items that were judged.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::period::model::ReportedItem;
use comptroller_core::api::{ResourceRef, State};
use comptroller_evidence::data::{
    Heartbeat, PopulationCause, PopulationChange, PopulationList, VerdictData,
};

/// The uids of the objects that are in some population, as far as entries have them.
#[derive(Clone, Debug, Default)]
pub(super) struct Uids(BTreeMap<ResourceRef, String>);

impl Uids {
    pub(super) fn note(&mut self, entered: &[PopulationChange], left: &[PopulationChange]) {
        let known = entered
            .iter()
            .chain(left)
            .filter_map(|change| change.uid.as_ref().map(|uid| (change.item.clone(), uid.clone())));
        self.0.extend(known);
    }

    /// An object that was deleted may come back under another uid.
    pub(super) fn forget(&mut self, left: &[PopulationChange]) {
        for change in left.iter().filter(|change| change.why == PopulationCause::Object) {
            self.0.remove(&change.item);
        }
    }

    pub(super) fn item(&self, resource: &ResourceRef) -> ReportedItem {
        ReportedItem { resource: resource.clone(), uid: self.0.get(resource).cloned() }
    }
}

/// What an entry says of the items that were judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged<'a> {
    pub(super) index: u64,
    pub(super) at: Timestamp,
    pub(super) state: State,
    pub(super) generation: i64,
    pub(super) population: u64,
    /// How many items could not be judged.
    pub(super) unknown: u64,
    pub(super) digest: Option<&'a String>,
    pub(super) list: Option<&'a PopulationList>,
    pub(super) entered: &'a [PopulationChange],
    pub(super) left: &'a [PopulationChange],
}

impl<'a> Judged<'a> {
    pub(super) fn verdict(index: u64, at: Timestamp, data: &'a VerdictData) -> Self {
        Self {
            index,
            at,
            state: data.state,
            generation: data.generation,
            population: data.population,
            unknown: data.unknown,
            digest: data.population_digest.as_ref(),
            list: data.population_list.as_ref(),
            entered: &data.entered,
            left: &data.left,
        }
    }

    pub(super) fn heartbeat(index: u64, at: Timestamp, data: &'a Heartbeat) -> Self {
        Self {
            index,
            at,
            state: data.state,
            generation: data.generation,
            population: data.population,
            unknown: data.unknown,
            digest: data.population_digest.as_ref(),
            list: data.population_list.as_ref(),
            entered: &data.entered,
            left: &data.left,
        }
    }

    /// Whether the item came into the population by this entry, so that it was looked at again.
    pub(super) fn has_entered(&self, resource: &ResourceRef) -> bool {
        self.entered.iter().any(|change| change.item == *resource)
    }
}
