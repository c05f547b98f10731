//! What is known of the cluster: facts projected from objects, filled by watches or from files.
//!
//! An [`Inventory`] never holds half a list: objects of a first list or a re-list are staged and
//! take effect together when the list is complete, so that no verdict comes from a partial one.

pub mod api_server;
pub mod backup;
pub mod catalog;
pub mod cel;
pub mod facts;
pub mod intern;
pub mod kinds;
pub mod kubernetes_version;
pub mod network;
pub mod projector;
pub mod rbac;
pub mod records;
pub mod resource;
pub mod storage;
pub mod time;
pub mod weight;
pub mod workload;

use std::collections::hash_map::Entry;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

pub use self::{
    api_server::ApiServer,
    facts::Facts,
    intern::{Interner, Symbol},
    kubernetes_version::KubernetesVersion,
    projector::{CelResult, IdentityError, ProgramId, ProjectedObject, Projector},
    resource::{Catalog, ResourceType, ServedResource},
};

/// Where an object is kept; reused after the object is gone.
pub type Slot = u32;

/// A kind in this inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(u16);

/// One object, as facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: KindId,
    /// Its namespace; empty when cluster-scoped.
    pub namespace: Symbol,
    /// Its name.
    pub name: Symbol,
    /// What checks read of it.
    pub facts: Facts,
    /// What the kind's CEL programs said of it, in the order of [`KindState::programs`].
    pub cel: Box<[CelResult]>,
}

/// Whether a kind's objects are all known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Nobody asked for it yet, or its first list is under way.
    Pending,
    /// Every object is known and changes arrive.
    Complete,
    /// The API server does not serve it (its CRD is not installed).
    NotServed,
    /// Listing or watching is refused; the text is the server's.
    Forbidden(String),
    /// One object can't be taken in, so nothing is concluded from the others.
    Untaken {
        /// Its namespace and name as `NAMESPACE/NAME`, or its name; empty when that can't be read.
        object: String,
        /// Why.
        error: String,
    },
    /// Changes stopped arriving at this time; the text is the last error.
    Stale {
        /// When the watch last worked.
        since: Timestamp,
        /// The last error.
        error: String,
    },
}

/// A kind and its objects.
#[derive(Debug)]
pub struct KindState {
    /// The resource type, in the version that is read.
    pub resource: ResourceType,
    /// Whether all its objects are known.
    pub availability: Availability,
    /// The CEL programs that judged the stored objects.
    pub programs: Vec<ProgramId>,
    by_name: FxHashMap<(Symbol, Symbol), Slot>,
    staged: Option<Vec<ProjectedObject>>,
    /// What the facts of its objects weigh, and those of the list under way.
    weight: usize,
    staged_weight: usize,
}

/// What one change did.
#[derive(Debug)]
pub enum Change {
    /// An object appeared, changed or went (then `after` is absent).
    Object {
        /// Where it is, or was.
        slot: Slot,
        /// What was there.
        before: Option<Object>,
    },
    /// What is known of the API server itself changed: its metrics, or its version.
    ApiServer,
}

/// Where the objects of an inventory come from, which says what their absence means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectSource {
    /// A cluster: what is not there does not exist, and each object has the status that its
    /// controller wrote.
    #[default]
    Cluster,
    /// Files: an excerpt of what some cluster will hold. What no file has may be in the cluster all
    /// the same, and a manifest has no status.
    Manifests,
}

/// All that is known.
#[derive(Debug, Default)]
pub struct Inventory {
    objects: Vec<Option<Object>>,
    /// What the facts of the object in a slot weigh, where it is more than nothing.
    weights: FxHashMap<Slot, usize>,
    /// What was too much beside all the others, and weighs as much.
    refused: FxHashMap<Slot, usize>,
    free: Vec<Slot>,
    kinds: Vec<KindState>,
    kind_ids: FxHashMap<(String, String), KindId>,
    namespaces: FxHashMap<Symbol, Slot>,
    /// What absence means here.
    pub source: ObjectSource,
    /// The version of the API server; None when nobody told it, as for files.
    pub kubernetes: Option<KubernetesVersion>,
    /// What the API server says of itself.
    pub api_server: ApiServer,
    /// Who may do what, kept up to date with every change.
    pub rights: rbac::Graph,
    /// Which backups cover what.
    pub backups: backup::BackupIndex,
    /// Which pods a workload controls.
    pub owners: workload::OwnerIndex,
    /// Which certificate serves which Ingress, and who is in a mesh.
    pub network: network::NetworkIndex,
    /// What people attested, by control.
    pub records: records::RecordIndex,
}

impl Inventory {
    /// The id of a kind, registering it when new. A kind is known by group and kind; its version may move.
    pub fn kind(&mut self, resource: &ResourceType) -> KindId {
        let key = (resource.group.clone(), resource.kind.clone());
        match self.kind_ids.entry(key) {
            Entry::Occupied(known) => {
                let id = *known.get();
                if let Some(state) = self.kinds.get_mut(usize::from(id.0)) {
                    state.resource.version.clone_from(&resource.version);
                }
                id
            }
            Entry::Vacant(vacant) => {
                let id = KindId(u16::try_from(self.kinds.len()).unwrap_or(u16::MAX));
                self.kinds.push(KindState {
                    resource: resource.clone(),
                    availability: Availability::Pending,
                    programs: Vec::new(),
                    by_name: FxHashMap::default(),
                    staged: None,
                    weight: 0,
                    staged_weight: 0,
                });
                *vacant.insert(id)
            }
        }
    }

    /// The id of a kind that was registered.
    pub fn find_kind(&self, group: &str, kind: &str) -> Option<KindId> {
        // A pair of borrowed strings can't be looked up in a map of owned pairs; kinds are few.
        self.kinds
            .iter()
            .position(|state| state.resource.group == group && state.resource.kind == kind)
            .and_then(|at| u16::try_from(at).ok().map(KindId))
    }

    /// The state of a kind.
    pub fn kind_state(&self, id: KindId) -> Option<&KindState> {
        self.kinds.get(usize::from(id.0))
    }

    fn kind_state_mut(&mut self, id: KindId) -> Option<&mut KindState> {
        self.kinds.get_mut(usize::from(id.0))
    }

    /// Whether a kind's objects are all known. `Pending` for a kind nobody registered.
    pub fn availability(&self, group: &str, kind: &str) -> Availability {
        self.find_kind(group, kind)
            .and_then(|id| self.kind_state(id))
            .map_or(Availability::Pending, |state| state.availability.clone())
    }

    /// Notes whether a kind can be read. `NotServed` also forgets its objects: they are gone with the CRD.
    pub fn set_availability(&mut self, id: KindId, availability: Availability) -> Vec<Change> {
        let gone = availability == Availability::NotServed;
        if let Some(state) = self.kind_state_mut(id) {
            state.availability = availability;
        }
        if gone {
            return self.replace(id, Vec::new(), Vec::new());
        }
        Vec::new()
    }

    /// Forgets the objects of a kind that nobody reads, and that they were ever complete.
    pub fn release(&mut self, id: KindId) -> Vec<Change> {
        let changes = self.replace(id, Vec::new(), Vec::new());
        if let Some(state) = self.kind_state_mut(id) {
            state.availability = Availability::Pending;
            state.staged = None;
            state.staged_weight = 0;
        }
        changes
    }

    /// Starts a list: what follows is staged until [`Inventory::commit`]. A list that was cut is dropped here.
    pub fn begin(&mut self, id: KindId) {
        if let Some(state) = self.kind_state_mut(id) {
            state.staged = Some(Vec::new());
            state.staged_weight = 0;
        }
    }

    /// Adds an object to the list under way.
    pub fn stage(&mut self, id: KindId, mut object: ProjectedObject) {
        let mut weight = object.weight;
        let staged = self.kinds.iter().map(|state| state.staged.as_ref().map_or(0, Vec::len));
        let limit = weight::limit_of_all(self.len().max(staged.sum()));
        // The list takes the place of what is known of its kind.
        let known = self.kind_state(id).map_or(0, |state| state.weight);
        let others = self.kinds.iter().map(|state| state.weight + state.staged_weight);
        if weight > 0 && others.sum::<usize>() - known + weight > limit {
            object.facts = weight::refusal(weight, limit);
            weight = 0;
        }
        if let Some(state) = self.kind_state_mut(id) {
            state.staged.get_or_insert_default().push(object);
            state.staged_weight += weight;
        }
    }

    /// The list is complete: it replaces what was known of its kind.
    pub fn commit(&mut self, id: KindId, programs: Vec<ProgramId>) -> Vec<Change> {
        let staged = self.kind_state_mut(id).and_then(|state| {
            state.staged_weight = 0;
            state.staged.take()
        });
        let staged = staged.unwrap_or_default();
        let changes = self.replace(id, staged, programs);
        if let Some(state) = self.kind_state_mut(id) {
            state.availability = Availability::Complete;
        }
        changes
    }

    fn replace(
        &mut self,
        id: KindId,
        objects: Vec<ProjectedObject>,
        programs: Vec<ProgramId>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let Some(state) = self.kind_state_mut(id) else {
            return changes;
        };
        state.programs = programs;
        let listed: FxHashSet<(Symbol, Symbol)> =
            objects.iter().map(|object| (object.namespace.clone(), object.name.clone())).collect();
        let vanished: Vec<(Symbol, Symbol)> =
            state.by_name.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        for (namespace, name) in vanished {
            changes.extend(self.remove(id, &namespace, &name));
        }
        for object in objects {
            changes.extend(self.apply(id, object));
        }
        if let Some(state) = self.kind_state_mut(id) {
            state.by_name.shrink_to_fit();
        }
        changes
    }

    /// An object appeared or changed. None when its facts are what they were.
    pub fn apply(&mut self, id: KindId, projected: ProjectedObject) -> Option<Change> {
        let ProjectedObject { namespace, name, facts, cel, weight } = projected;
        let mut object = Object { kind: id, namespace, name, facts, cel };
        let key = (object.namespace.clone(), object.name.clone());
        let known = self.kind_state(id)?.by_name.get(&key).copied();
        if known.and_then(|slot| self.get(slot)) == Some(&object) {
            return None;
        }
        let slot = known.unwrap_or_else(|| self.allocate());
        self.weigh(slot, &mut object, weight);
        if known.is_some() {
            if self.get(slot) == Some(&object) {
                return None;
            }
            let before = self.put(slot, Some(object));
            return Some(self.changed(slot, before));
        }
        self.kind_state_mut(id)?.by_name.insert(key, slot);
        if matches!(object.facts, Facts::Namespace(_)) {
            self.namespaces.insert(object.name.clone(), slot);
        }
        self.put(slot, Some(object));
        Some(self.changed(slot, None))
    }

    /// An object went. None when it was not known.
    pub fn remove(&mut self, id: KindId, namespace: &str, name: &str) -> Option<Change> {
        let key = (Symbol::from(namespace), Symbol::from(name));
        let slot = self.kind_state_mut(id)?.by_name.remove(&key)?;
        let before = self.put(slot, None);
        self.unweigh(id, slot);
        if let Some(Object { facts: Facts::Namespace(_), name, .. }) = &before {
            self.namespaces.remove(name.as_str());
        }
        self.free.push(slot);
        Some(self.changed(slot, before))
    }

    /// What is known of the API server itself. None when that is what was known.
    pub fn observe_api_server(&mut self, api_server: ApiServer) -> Option<Change> {
        if self.api_server == api_server {
            return None;
        }
        self.api_server = api_server;
        Some(Change::ApiServer)
    }

    /// Notes what an object weighs, or refuses its facts for what all weigh together.
    fn weigh(&mut self, slot: Slot, object: &mut Object, weight: usize) {
        self.unweigh(object.kind, slot);
        let limit = weight::limit_of_all(self.len());
        let others: usize = self.kinds.iter().map(|state| state.weight).sum();
        if weight > 0 && others + weight > limit {
            object.facts = weight::refusal(weight, limit);
        }
        if weight::is_refused(&object.facts) {
            self.refused.insert(slot, weight);
        } else if weight > 0 {
            self.weights.insert(slot, weight);
            if let Some(state) = self.kind_state_mut(object.kind) {
                state.weight += weight;
            }
        }
    }

    fn unweigh(&mut self, id: KindId, slot: Slot) {
        self.refused.remove(&slot);
        if let Some(weight) = self.weights.remove(&slot)
            && let Some(state) = self.kind_state_mut(id)
        {
            state.weight = state.weight.saturating_sub(weight);
        }
    }

    /// Kinds with an object that was refused for what all weighed, and that would fit now.
    pub fn fits_again(&self) -> FxHashSet<KindId> {
        let weight: usize = self.kinds.iter().map(|state| state.weight).sum();
        let room = weight::limit_of_all(self.len()).saturating_sub(weight);
        let fitting = self.refused.iter().filter(|(_, weight)| **weight <= room / 2);
        fitting.filter_map(|(slot, _)| self.get(*slot).map(|object| object.kind)).collect()
    }

    fn allocate(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            self.objects.push(None);
            Slot::try_from(self.objects.len() - 1).unwrap_or(Slot::MAX)
        })
    }

    fn put(&mut self, slot: Slot, object: Option<Object>) -> Option<Object> {
        let place = self.objects.get_mut(slot as usize)?;
        std::mem::replace(place, object)
    }

    /// Brings the indexes up to date with a change of one object.
    fn changed(&mut self, slot: Slot, before: Option<Object>) -> Change {
        let after = self.objects.get(slot as usize).and_then(Option::as_ref);
        let update = IndexUpdate { slot, before: before.as_ref(), after };
        self.rights.update(&update);
        self.backups.update(&update);
        self.owners.update(&update);
        self.network.update(&update);
        self.records.update(&update);
        Change::Object { slot, before }
    }

    /// The object in a slot.
    pub fn get(&self, slot: Slot) -> Option<&Object> {
        self.objects.get(slot as usize).and_then(Option::as_ref)
    }

    /// The slot of an object.
    pub fn find(&self, id: KindId, namespace: &str, name: &str) -> Option<Slot> {
        let key = (Symbol::from(namespace), Symbol::from(name));
        self.kind_state(id)?.by_name.get(&key).copied()
    }

    /// The object of this kind and name.
    pub fn lookup(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        self.get(self.find(self.find_kind(group, kind)?, namespace, name)?)
    }

    /// The slots of a kind, in no order.
    pub fn slots(&self, id: KindId) -> impl Iterator<Item = Slot> {
        self.kind_state(id).into_iter().flat_map(|state| state.by_name.values().copied())
    }

    /// The objects of a kind, in no order.
    pub fn objects_of(&self, group: &str, kind: &str) -> impl Iterator<Item = (Slot, &Object)> {
        self.find_kind(group, kind)
            .into_iter()
            .flat_map(|id| self.slots(id))
            .filter_map(|slot| self.get(slot).map(|object| (slot, object)))
    }

    /// Every object with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Object)> {
        self.objects
            .iter()
            .enumerate()
            .filter_map(|(slot, object)| Some((Slot::try_from(slot).ok()?, object.as_ref()?)))
    }

    /// Every kind that was registered.
    pub fn kinds(&self) -> impl Iterator<Item = (KindId, &KindState)> {
        self.kinds
            .iter()
            .enumerate()
            .filter_map(|(at, state)| Some((KindId(u16::try_from(at).ok()?), state)))
    }

    /// The facts of a namespace.
    pub fn namespace(&self, name: &str) -> Option<&facts::NamespaceFacts> {
        match &self.get(*self.namespaces.get(name)?)?.facts {
            Facts::Namespace(facts) => Some(facts),
            _ => None,
        }
    }

    /// How many objects are known.
    pub fn len(&self) -> usize {
        self.objects.len() - self.free.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an index is told of a change: the object before and after.
#[derive(Debug)]
pub struct IndexUpdate<'a> {
    /// Where the object is, or was.
    pub slot: Slot,
    /// What was there.
    pub before: Option<&'a Object>,
    /// What is there.
    pub after: Option<&'a Object>,
}
