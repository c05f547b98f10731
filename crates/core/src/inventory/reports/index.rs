//! What reports are about, under small numbers.

use std::collections::{BTreeSet, VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{ReportedResource, entries_of};
use crate::inventory::{IndexUpdate, Object, Slot, Symbol};

/// The number of a resource that reports are about. It stays while there is a report, and for long after,
/// so that a control that judged the resource can still learn that there is none any more.
pub type ReportedId = u32;

/// How many resources without a report keep their number. Far more than lose their last report between
/// two evaluations.
const MAX_RETIRED: usize = 65_536;

/// Finds the reports about a resource, of whatever test.
#[derive(Debug, Default)]
pub struct ReportIndex {
    nodes: Vec<Option<Node>>,
    ids: FxHashMap<ReportedResource, ReportedId>,
    places: FxHashMap<Symbol, FxHashSet<ReportedId>>,
    free: Vec<ReportedId>,
    retired: VecDeque<ReportedId>,
}

#[derive(Debug)]
struct Node {
    resource: ReportedResource,
    reports: FxHashSet<Slot>,
    retired: bool,
}

impl ReportIndex {
    pub(in crate::inventory) fn update(&mut self, update: &IndexUpdate<'_>) {
        let named = |object: Option<&Object>| -> BTreeSet<ReportedResource> {
            object.into_iter().flat_map(entries_of).map(|entry| entry.resource.clone()).collect()
        };
        let (before, after) = (named(update.before), named(update.after));
        for resource in before.difference(&after) {
            self.lose(resource, update.slot);
        }
        for resource in after.difference(&before) {
            self.gain(resource, update.slot);
        }
    }

    /// The number of a resource. None if no report is or lately was about it.
    pub fn find(&self, resource: &ReportedResource) -> Option<ReportedId> {
        self.ids.get(resource).copied()
    }

    /// The resource that has or last had this number. None if it is long forgotten.
    pub fn resource(&self, id: ReportedId) -> Option<&ReportedResource> {
        self.node(id).map(|node| &node.resource)
    }

    /// The reports about a resource, in no order.
    pub fn reports(&self, id: ReportedId) -> impl Iterator<Item = Slot> {
        self.node(id).into_iter().flat_map(|node| &node.reports).copied()
    }

    /// Every resource with a report.
    pub fn iter(&self) -> impl Iterator<Item = ReportedId> {
        let live = |node: &Option<Node>| node.as_ref().is_some_and(|node| !node.reports.is_empty());
        let live = self.nodes.iter().enumerate().filter(move |(_, node)| live(node));
        live.filter_map(|(at, _)| ReportedId::try_from(at).ok())
    }

    /// The resources with a report that lie in a namespace, and the namespace itself, in no order.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = ReportedId> {
        self.places.get(namespace).into_iter().flatten().copied()
    }

    fn node(&self, id: ReportedId) -> Option<&Node> {
        self.nodes.get(id as usize).and_then(Option::as_ref)
    }

    fn node_mut(&mut self, id: ReportedId) -> Option<&mut Node> {
        self.nodes.get_mut(id as usize).and_then(Option::as_mut)
    }

    fn gain(&mut self, resource: &ReportedResource, report: Slot) {
        let Some(id) = self.number(resource) else { return };
        if let Some(node) = self.node_mut(id) {
            node.reports.insert(report);
        }
        self.places.entry(resource.place().clone()).or_default().insert(id);
    }

    fn lose(&mut self, resource: &ReportedResource, report: Slot) {
        let Some(id) = self.find(resource) else { return };
        let Some(node) = self.node_mut(id) else { return };
        node.reports.remove(&report);
        if !node.reports.is_empty() {
            return;
        }
        let waits = std::mem::replace(&mut node.retired, true);
        if let Some(ids) = self.places.get_mut(resource.place()) {
            ids.remove(&id);
            if ids.is_empty() {
                self.places.remove(resource.place());
            }
        }
        if !waits {
            self.retired.push_back(id);
        }
        // The longest retired goes first: whoever had to learn of it has been told long ago.
        while self.retired.len() > MAX_RETIRED {
            let Some(id) = self.retired.pop_front() else { return };
            self.forget(id);
        }
    }

    fn forget(&mut self, id: ReportedId) {
        let Some(place) = self.nodes.get_mut(id as usize) else { return };
        if let Some(node) = place
            && !node.reports.is_empty()
        {
            // It has a report again since it was retired.
            node.retired = false;
            return;
        }
        if let Some(node) = place.take() {
            self.ids.remove(&node.resource);
            self.free.push(id);
        }
    }

    /// The number of a resource, which gets one if it has none. None if there are 4 billion: two under one
    /// number would be judged as one.
    fn number(&mut self, resource: &ReportedResource) -> Option<ReportedId> {
        if let Some(id) = self.find(resource) {
            return Some(id);
        }
        let id = match self.free.pop() {
            Some(free) => free,
            None => {
                let id = ReportedId::try_from(self.nodes.len()).ok()?;
                self.nodes.push(None);
                id
            }
        };
        if let Some(place) = self.nodes.get_mut(id as usize) {
            let node =
                Node { resource: resource.clone(), reports: FxHashSet::default(), retired: false };
            *place = Some(node);
        }
        self.ids.insert(resource.clone(), id);
        Some(id)
    }
}
