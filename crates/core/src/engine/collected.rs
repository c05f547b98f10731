//! All that was read of the cluster, set aside to be recorded: what verdicts were made from.

use std::collections::BTreeMap;

use super::Engine;
use crate::inventory::{ApiServer, Availability, Catalog, Object, ProgramId, ResourceType};

/// Everything that is known at a time. It shares most of its memory with the inventory.
#[derive(Clone, Debug)]
pub struct CollectedInventory {
    /// Each kind that some control reads, sorted.
    pub kinds: Vec<CollectedKind>,
    /// What the API server said about itself.
    pub api_server: ApiServer,
    /// The types that the cluster serves.
    pub catalog: Catalog,
    /// The program of each control that has one, by the control's name.
    pub programs: BTreeMap<String, ProgramId>,
}

/// A kind, and its objects in no order.
#[derive(Clone, Debug)]
pub struct CollectedKind {
    pub resource: ResourceType,
    /// Whether all its objects are known.
    pub availability: Availability,
    /// The programs that judged its objects.
    pub programs: Vec<ProgramId>,
    pub objects: Vec<Object>,
}

impl Engine {
    /// Everything that controls read, as it is known now. None while the first list of a kind is under
    /// way: then the whole is not known yet.
    pub fn collect(&self) -> Option<CollectedInventory> {
        let mut kinds = Vec::new();
        for resource in self.watch_set().kinds.into_keys() {
            let id = self.inventory.find_kind(&resource.group, &resource.kind)?;
            let state = self.inventory.kind_state(id)?;
            if state.availability == Availability::Pending {
                return None;
            }
            kinds.push(CollectedKind {
                resource,
                availability: state.availability.clone(),
                programs: state.programs.clone(),
                objects: Vec::new(),
            });
        }
        // Only once all of them are known to be there: objects are many.
        for kind in &mut kinds {
            let objects = self.inventory.objects_of(&kind.resource.group, &kind.resource.kind);
            kind.objects = objects.map(|(_, object)| object.clone()).collect();
        }
        let program = |(name, tracked): (&String, &super::tracked::TrackedControl)| {
            Some((name.clone(), tracked.program().map(|(id, _)| *id)?))
        };
        Some(CollectedInventory {
            kinds,
            api_server: self.inventory.api_server.clone(),
            catalog: self.catalog.clone(),
            programs: self.controls.iter().filter_map(program).collect(),
        })
    }
}
