//! What is known of the cluster: facts projected from objects, filled by watches or from files.
//!
//! An [`Inventory`] never holds half a list: the objects of a first list or of another one are staged,
//! and take effect together when the list is complete, so that no verdict comes from a part.

pub mod api_server;
pub(crate) mod backup;
pub mod catalog;
pub mod facts;
pub mod guards;
mod intern;
pub mod kinds;
mod known_word;
mod kubernetes_version;
pub mod line;
pub(crate) mod network;
pub mod people;
pub(crate) mod presence;
pub mod program;
mod projector;
pub mod rbac;
pub mod records;
pub mod reports;
mod resource;
pub(crate) mod storage;
pub(crate) mod time;
mod weight;
pub mod workload;

use std::collections::hash_map::Entry;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

pub use self::{
    api_server::ApiServer,
    facts::Facts,
    intern::{Interner, Symbol},
    kubernetes_version::KubernetesVersion,
    program::{Program, ProgramId, ProgramResult},
    projector::{IdentityError, ProjectedObject, Projector},
    resource::{Catalog, ResourceType, ServedResource},
};

/// The number under which an object is kept. It is given to another object after this one is gone.
pub type Slot = u32;

/// A kind in this inventory, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(usize);

/// One object, as facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The kind, as registered in this inventory.
    pub kind: KindId,
    /// The namespace; empty for a cluster-scoped object.
    pub namespace: Symbol,
    /// `metadata.name`, unique among the objects of the kind in the namespace.
    pub name: Symbol,
    /// `metadata.uid`: an object that is deleted and created again has another. Not interned, since no
    /// two are the same. None in a manifest that was never applied.
    pub uid: Option<Box<str>>,
    /// What checks read of it.
    pub facts: Facts,
    /// What the programs of the kind said about it, in the order of [`KindState::programs`].
    pub results: Box<[ProgramResult]>,
}

/// Whether all objects of a kind are known, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// No control needs it, or its first list is under way.
    Pending,
    /// Every object is known and changes arrive.
    Complete,
    /// The API server does not serve it (its CRD is not installed).
    NotServed,
    /// Listing or watching is refused; the text is the server's.
    Forbidden(String),
    /// One object can't be read, so nothing is concluded from the others.
    Untaken {
        /// Its namespace and name as `NAMESPACE/NAME`, or its name. Empty if even that can't be read.
        object: String,
        /// Why it can't be read, and what to do.
        error: String,
    },
    /// Changes stopped arriving at this time; the text is the last error.
    Stale {
        /// When the watch last worked.
        since: Timestamp,
        /// The last error, as the client or the server words it.
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
    /// The programs that judged the stored objects.
    pub programs: Vec<ProgramId>,
    by_name: FxHashMap<(Symbol, Symbol), Slot>,
    staged: Option<Vec<ProjectedObject>>,
    /// What the facts of its objects weigh, in bytes; `staged_weight` is the same for the list under way.
    weight: usize,
    staged_weight: usize,
}

/// One change of the inventory, for the checks that say which items it can affect.
#[derive(Debug)]
pub enum Change {
    /// An object appeared, changed or went. What is there now is in the inventory, under `slot`.
    Object {
        /// The number of the object, which for one that went is free again.
        slot: Slot,
        /// The object as it was. None if it is new.
        before: Option<Object>,
    },
    /// What is known of the API server itself changed: its metrics, or its version.
    ApiServer,
}

/// Where the objects of an inventory come from, which decides what the absence of one means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectSource {
    /// A cluster: what is not there does not exist, and each object has the status that its
    /// controller wrote.
    #[default]
    Cluster,
    /// Files: an excerpt of what some cluster will contain. What is in no file may be in the cluster all the
    /// same, and a manifest has no status.
    Manifests,
}

/// The facts of all objects, with the indexes over them.
#[derive(Debug, Default)]
pub struct Inventory {
    objects: Vec<Option<Object>>,
    /// What the facts of each object weigh, in bytes, where that is more than zero.
    weights: FxHashMap<Slot, usize>,
    /// The weight of each object that was refused because all objects together weighed too much.
    refused: FxHashMap<Slot, usize>,
    free: Vec<Slot>,
    kinds: Vec<KindState>,
    kind_ids: FxHashMap<(String, String), KindId>,
    namespaces: FxHashMap<Symbol, Slot>,
    /// What absence means here.
    pub source: ObjectSource,
    /// The version of the API server. None if it is not known, as for files.
    pub kubernetes: Option<KubernetesVersion>,
    /// What the API server says about itself.
    pub api_server: ApiServer,
    /// Who may do what, kept up to date with every change.
    pub rights: rbac::Graph,
    /// Which backups cover what.
    pub backups: backup::BackupIndex,
    /// Which pods a workload controls.
    pub owners: workload::OwnerIndex,
    /// Which certificate serves which Ingress, and who is in a mesh.
    pub network: network::NetworkIndex,
    /// Who works here, by the names that the cluster knows them by.
    pub people: people::PeopleIndex,
    /// What people attested, by control.
    pub records: records::RecordIndex,
    /// The objects that must be there, as far as they are.
    pub presence: presence::PresenceIndex,
    /// What the reports of other engines are about.
    pub reports: reports::ReportIndex,
}

impl Object {
    /// Whether it is the same object, whatever its facts: not another one of its name, nor another one
    /// under its number.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.name == other.name
            && self.namespace == other.namespace
            && self.uid == other.uid
    }
}

impl Inventory {
    /// The id of a kind, which is registered if it is new. Group and kind identify it; its version is
    /// set to the one given.
    pub fn kind(&mut self, resource: &ResourceType) -> KindId {
        let key = (resource.group.clone(), resource.kind.clone());
        match self.kind_ids.entry(key) {
            Entry::Occupied(known) => {
                let id = *known.get();
                if let Some(state) = self.kinds.get_mut(id.0) {
                    state.resource.version.clone_from(&resource.version);
                }
                id
            }
            Entry::Vacant(vacant) => {
                let id = KindId(self.kinds.len());
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

    /// The id of a kind. None if it was never registered.
    pub fn find_kind(&self, group: &str, kind: &str) -> Option<KindId> {
        // A pair of borrowed strings can't be looked up in a map of owned pairs, and kinds are few.
        self.kinds
            .iter()
            .position(|state| state.resource.group == group && state.resource.kind == kind)
            .map(KindId)
    }

    /// The state of a kind. None for the id of another inventory.
    pub fn kind_state(&self, id: KindId) -> Option<&KindState> {
        self.kinds.get(id.0)
    }

    fn kind_state_mut(&mut self, id: KindId) -> Option<&mut KindState> {
        self.kinds.get_mut(id.0)
    }

    /// Whether all objects of a kind are known. `Pending` for a kind that was never registered.
    pub fn availability(&self, group: &str, kind: &str) -> Availability {
        self.find_kind(group, kind)
            .and_then(|id| self.kind_state(id))
            .map_or(Availability::Pending, |state| state.availability.clone())
    }

    /// Notes whether a kind can be read. `NotServed` also removes its objects, which went with the CRD; any
    /// other value keeps them, so that they need not be listed again after an outage.
    pub fn set_availability(&mut self, id: KindId, availability: Availability) -> Vec<Change> {
        // A watch that is refused or stale keeps its objects: they are still the best that is known, and the
        // availability says not to rely on them.
        let gone = availability == Availability::NotServed;
        if let Some(state) = self.kind_state_mut(id) {
            state.availability = availability;
        }
        if gone {
            return self.replace(id, Vec::new(), Vec::new());
        }
        Vec::new()
    }

    /// Removes the objects of a kind that no control needs any more, and makes it `Pending` again.
    pub fn release(&mut self, id: KindId) -> Vec<Change> {
        let changes = self.replace(id, Vec::new(), Vec::new());
        if let Some(state) = self.kind_state_mut(id) {
            state.availability = Availability::Pending;
            state.staged = None;
            state.staged_weight = 0;
        }
        changes
    }

    /// Starts a list: what follows is staged until [`Inventory::commit`]. What an earlier list staged that
    /// was cut off is dropped.
    pub fn begin(&mut self, id: KindId) {
        if let Some(state) = self.kind_state_mut(id) {
            state.staged = Some(Vec::new());
            state.staged_weight = 0;
        }
    }

    /// Adds an object to the list under way, without its facts if all objects together weigh too much.
    pub fn stage(&mut self, id: KindId, mut object: ProjectedObject) {
        let mut weight = object.weight;
        let staged = self.kinds.iter().map(|state| state.staged.as_ref().map_or(0, Vec::len));
        let limit = weight::limit_of_all(self.len().max(staged.sum()));
        // The list replaces what is known of its kind, which therefore does not count.
        let known = self.kind_state(id).map_or(0, |state| state.weight);
        let others = self.kinds.iter().map(|state| state.weight + state.staged_weight);
        if weight > 0 && others.sum::<usize>() - known + weight > limit {
            if let Some(state) = self.kinds.get(id.0) {
                let ProjectedObject { facts, results, namespace, name, .. } = &mut object;
                weight::refuse(facts, results, &state.resource, (namespace, name));
            }
            weight = 0;
        }
        if let Some(state) = self.kind_state_mut(id) {
            state.staged.get_or_insert_default().push(object);
            state.staged_weight += weight;
        }
    }

    /// The list is complete: it replaces what was known of its kind. `programs` are those that judged the
    /// objects. Returns a change for each object that differs.
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
        // Collected first, since applying the new objects changes the map that is compared with.
        let listed: FxHashSet<(Symbol, Symbol)> =
            objects.iter().map(|object| (object.namespace.clone(), object.name.clone())).collect();
        let vanished: Vec<(Symbol, Symbol)> =
            state.by_name.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        // What went first: its numbers and its weight are free for what came.
        for (namespace, name) in vanished {
            changes.extend(self.remove(id, &namespace, &name));
        }
        for object in objects {
            changes.extend(self.apply(id, object));
        }
        if let Some(state) = self.kind_state_mut(id) {
            // A list that replaces a far larger one would otherwise keep its memory.
            state.by_name.shrink_to_fit();
        }
        changes
    }

    /// Takes in an object that appeared or changed. None if its facts are the same as before, which is the
    /// common case: most updates in a cluster change a status that no check reads.
    pub fn apply(&mut self, id: KindId, projected: ProjectedObject) -> Option<Change> {
        let ProjectedObject { namespace, name, uid, facts, results, weight } = projected;
        let mut object = Object { kind: id, namespace, name, uid, facts, results };
        let key = (object.namespace.clone(), object.name.clone());
        // Compared before it is weighed: most updates change nothing, and weighing walks over all kinds.
        let known = self.kind_state(id)?.by_name.get(&key).copied();
        if known.and_then(|slot| self.get(slot)) == Some(&object) {
            return None;
        }
        let slot = match known {
            Some(slot) => slot,
            None => self.allocate()?,
        };
        self.weigh(slot, &mut object, weight);
        if known.is_some() {
            // Weighing may have refused its facts again, as those before were.
            if self.get(slot) == Some(&object) {
                return None;
            }
            let before = self.put(slot, Some(object));
            return Some(self.changed(slot, before));
        }
        self.kind_state_mut(id)?.by_name.insert(key, slot);
        // Scopes look namespaces up by name for each object, so they have an index of their own.
        if matches!(object.facts, Facts::Namespace(_)) {
            self.namespaces.insert(object.name.clone(), slot);
        }
        self.put(slot, Some(object));
        Some(self.changed(slot, None))
    }

    /// Removes an object that was deleted. None if it was not known.
    pub fn remove(&mut self, id: KindId, namespace: &str, name: &str) -> Option<Change> {
        let key = (Symbol::from(namespace), Symbol::from(name));
        let slot = self.kind_state_mut(id)?.by_name.remove(&key)?;
        let before = self.put(slot, None);
        self.unweigh(id, slot);
        if let Some(Object { facts: Facts::Namespace(_), name, .. }) = &before {
            self.namespaces.remove(name.as_str());
        }
        // After the object is out of its place, and before the indexes hear of it: they use the number as a
        // key only.
        self.free.push(slot);
        Some(self.changed(slot, before))
    }

    /// Takes in what the API server says about itself. None if that is the same as before.
    pub fn observe_api_server(&mut self, api_server: ApiServer) -> Option<Change> {
        if self.api_server == api_server {
            return None;
        }
        self.api_server = api_server;
        Some(Change::ApiServer)
    }

    /// Notes what an object weighs, or refuses its facts if all objects together would weigh too much.
    fn weigh(&mut self, slot: Slot, object: &mut Object, weight: usize) {
        self.unweigh(object.kind, slot);
        let limit = weight::limit_of_all(self.len());
        let others: usize = self.kinds.iter().map(|state| state.weight).sum();
        if weight > 0
            && others + weight > limit
            && let Some(state) = self.kinds.get(object.kind.0)
        {
            let Object { facts, results, namespace, name, .. } = object;
            weight::refuse(facts, results, &state.resource, (namespace, name));
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

    /// Kinds with an object that was refused because of the others and would fit now: they should be
    /// listed again. It must fit twice over, so that a kind is not listed again and again at the limit.
    pub fn fits_again(&self) -> FxHashSet<KindId> {
        let weight: usize = self.kinds.iter().map(|state| state.weight).sum();
        let room = weight::limit_of_all(self.len()).saturating_sub(weight);
        let fitting = self.refused.iter().filter(|(_, weight)| **weight <= room / 2);
        fitting.filter_map(|(slot, _)| self.get(*slot).map(|object| object.kind)).collect()
    }

    /// A free number. None if there are 4 billion objects: two under one number would be judged as one.
    fn allocate(&mut self) -> Option<Slot> {
        if let Some(free) = self.free.pop() {
            return Some(free);
        }
        let slot = Slot::try_from(self.objects.len()).ok()?;
        self.objects.push(None);
        Some(slot)
    }

    fn put(&mut self, slot: Slot, object: Option<Object>) -> Option<Object> {
        let place = self.objects.get_mut(slot as usize)?;
        std::mem::replace(place, object)
    }

    /// Updates the indexes after an object was put in place or removed.
    fn changed(&mut self, slot: Slot, before: Option<Object>) -> Change {
        let after = self.objects.get(slot as usize).and_then(Option::as_ref);
        let update = IndexUpdate { slot, before: before.as_ref(), after };
        self.rights.update(&update);
        self.backups.update(&update);
        self.owners.update(&update);
        self.network.update(&update);
        self.people.update(&update);
        self.records.update(&update);
        self.presence.update(&update);
        self.reports.update(&update);
        Change::Object { slot, before }
    }

    /// The object with this number. None after it went.
    pub fn get(&self, slot: Slot) -> Option<&Object> {
        self.objects.get(slot as usize).and_then(Option::as_ref)
    }

    /// The number of an object. None if it is not known.
    pub fn find(&self, id: KindId, namespace: &str, name: &str) -> Option<Slot> {
        let key = (Symbol::from(namespace), Symbol::from(name));
        self.kind_state(id)?.by_name.get(&key).copied()
    }

    /// The object of this kind, namespace (empty if cluster-scoped) and name. None if it is not known.
    pub fn lookup(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        self.get(self.find(self.find_kind(group, kind)?, namespace, name)?)
    }

    /// What a program said of an object. None when it does not read the kind of the object.
    pub fn result(&self, program: ProgramId, slot: Slot) -> Option<&ProgramResult> {
        let object = self.get(slot)?;
        let programs = &self.kind_state(object.kind)?.programs;
        let position = programs.iter().position(|known| *known == program)?;
        object.results.get(position)
    }

    /// The numbers of the objects of a kind, in no order.
    pub fn slots(&self, id: KindId) -> impl Iterator<Item = Slot> {
        self.kind_state(id).into_iter().flat_map(|state| state.by_name.values().copied())
    }

    /// How many objects of a kind are known.
    pub fn count_of(&self, id: KindId) -> u64 {
        let known = self.kind_state(id).map_or(0, |state| state.by_name.len());
        u64::try_from(known).unwrap_or(u64::MAX)
    }

    /// The objects of a kind, in no order.
    pub fn objects_of(&self, group: &str, kind: &str) -> impl Iterator<Item = (Slot, &Object)> {
        self.find_kind(group, kind)
            .into_iter()
            .flat_map(|id| self.slots(id))
            .filter_map(|slot| self.get(slot).map(|object| (slot, object)))
    }

    /// Every object with its number, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Object)> {
        self.objects
            .iter()
            .enumerate()
            .filter_map(|(slot, object)| Some((Slot::try_from(slot).ok()?, object.as_ref()?)))
    }

    /// Every kind that was registered, in the order of registration.
    pub fn kinds(&self) -> impl Iterator<Item = (KindId, &KindState)> {
        self.kinds.iter().enumerate().map(|(at, state)| (KindId(at), state))
    }

    /// The facts of a namespace. None if it is not known or could not be read.
    pub fn namespace(&self, name: &str) -> Option<&facts::NamespaceFacts> {
        match &self.get(*self.namespaces.get(name)?)?.facts {
            Facts::Namespace(facts) => Some(facts),
            _ => None,
        }
    }

    /// How many objects are known, of all kinds.
    pub fn len(&self) -> usize {
        self.objects.len() - self.free.len()
    }

    /// Whether no object is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A change of one object, as indexes see it. An index follows every change, each exactly once, and must
/// come to the same whatever the order in which objects came.
#[derive(Debug)]
pub struct IndexUpdate<'a> {
    /// The number of the object, before and after.
    pub slot: Slot,
    /// The object before the change. None if it is new.
    pub before: Option<&'a Object>,
    /// The object after the change. None if it went.
    pub after: Option<&'a Object>,
}
