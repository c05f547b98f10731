//! Objects on their way into the inventory: what they change marks the items to judge again.

use jiff::Timestamp;

use super::{Engine, namespaces};
use crate::inventory::{
    ApiServer, Availability, Catalog, Change, KindId, ProgramId, ProjectedObject, ResourceType,
};

impl Engine {
    /// Takes in which kinds the cluster serves now. Kinds that are gone lose their objects.
    pub fn set_catalog(&mut self, catalog: Catalog, now: Timestamp) {
        if self.inventory.kubernetes != catalog.kubernetes {
            self.inventory.kubernetes = catalog.kubernetes;
            self.mark(&[Change::ApiServer], now);
        }
        self.recount |= self.catalog != catalog;
        self.catalog = catalog;
        // A group that does not answer proves nothing about its kinds, so their objects stay.
        let gone: Vec<KindId> = self
            .inventory
            .kinds()
            .filter(|(_, state)| {
                let resource = &state.resource;
                self.catalog.find_kind(&resource.group, &resource.kind).is_none()
                    && !self.catalog.unreachable_groups.contains(&resource.group)
                    && state.availability != Availability::NotServed
            })
            .map(|(id, _)| id)
            .collect();
        for id in gone {
            self.set_availability(id, Availability::NotServed, now);
        }
    }

    /// The id of a kind in the inventory, which is registered if it is new.
    pub fn kind(&mut self, resource: &ResourceType) -> KindId {
        self.inventory.kind(resource)
    }

    /// Starts a list of a kind: see [`Inventory::begin`](crate::inventory::Inventory::begin).
    pub fn begin(&mut self, kind: KindId) {
        self.inventory.begin(kind);
    }

    /// Adds an object to the list of its kind that was started.
    pub fn stage(&mut self, kind: KindId, object: ProjectedObject) {
        self.inventory.stage(kind, object);
    }

    /// The list is complete and takes effect; `programs` judged its objects.
    pub fn commit(&mut self, kind: KindId, programs: Vec<ProgramId>, now: Timestamp) {
        let known = self.inventory.kind_state(kind).map(|state| &state.availability);
        let was_complete = known == Some(&Availability::Complete);
        let changes = self.inventory.commit(kind, programs);
        for change in &changes {
            self.registers.note(&self.inventory, change, was_complete.then_some(now));
        }
        self.mark_controls(&changes, now);
    }

    /// An object appeared or changed. False if its facts are the same as before.
    pub fn apply(&mut self, kind: KindId, object: ProjectedObject, now: Timestamp) -> bool {
        let change = self.inventory.apply(kind, object);
        self.mark(change.as_slice(), now);
        change.is_some()
    }

    /// An object was deleted. Nothing for one that is not known.
    pub fn remove(&mut self, kind: KindId, namespace: &str, name: &str, now: Timestamp) {
        let change = self.inventory.remove(kind, namespace, name);
        self.mark(change.as_slice(), now);
    }

    /// Notes whether a kind can be read: see [`Availability`].
    pub fn set_availability(&mut self, kind: KindId, availability: Availability, now: Timestamp) {
        let changes = self.inventory.set_availability(kind, availability);
        self.mark(&changes, now);
    }

    /// No control needs a kind any more: removes its objects, which would only grow stale.
    pub fn release(&mut self, kind: KindId, now: Timestamp) {
        let changes = self.inventory.release(kind);
        // What is no longer read is not gone: registers keep it as it was, and say that it is not read.
        self.mark_controls(&changes, now);
    }

    /// Takes in what the API server says about itself.
    pub fn observe_api_server(&mut self, api_server: ApiServer, now: Timestamp) {
        let change = self.inventory.observe_api_server(api_server);
        self.mark(change.as_slice(), now);
    }

    /// Marks the items that the changes can affect, in every control and register.
    fn mark(&mut self, changes: &[Change], now: Timestamp) {
        for change in changes {
            self.registers.note(&self.inventory, change, Some(now));
        }
        self.mark_controls(changes, now);
    }

    fn mark_controls(&mut self, changes: &[Change], now: Timestamp) {
        for change in changes {
            if self.lapse_counter.on {
                self.recent.note(&self.inventory, change);
                self.namespaces_version += u64::from(namespaces::concerns(&self.inventory, change));
            }
            // Each control marks its own items; none is judged before the batch is complete.
            for tracked in self.controls.values_mut() {
                tracked.mark(&self.inventory, change, now);
            }
        }
    }
}
