//! What was read of the cluster: all of it once a day, and the digests of the facts in a list.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::RecordStage;
use crate::controllers::listening::Moment;
use comptroller_core::{
    engine::Engine,
    inventory::{Object, Slot, Symbol, rbac::Subject},
};
use comptroller_evidence::privacy::KnownPeople;
use comptroller_recorder::{Evidence, FactsWriter, InventoryObservation};

/// How often to look whether it is due: in a storm it would be asked with every event.
const LOOK: Duration = Duration::from_secs(5);

/// How long the log must have been open: no first verdict waits for an inventory, and controls that
/// are declared one after the other are all in it.
const SETTLING: Duration = Duration::from_secs(15);

/// The users whom bindings and Persons name, of which all that is recorded has pseudonyms.
pub(super) fn users(engine: &Engine) -> KnownPeople {
    let inventory = engine.inventory();
    let subjects = inventory.rights.subjects();
    let bound = subjects.filter_map(|(_, node)| match &node.subject {
        Subject::User(name) => Some(name.shared()),
        _ => None,
    });
    let identities = inventory.people.iter().flat_map(|(_, facts)| &facts.usernames);
    KnownPeople::new(bound.chain(identities.map(Symbol::shared)))
}

/// The digests of the facts that the lists of one batch name: controls judge the same objects.
pub(super) struct FactsDigests {
    evidence: Evidence,
    users: Option<KnownPeople>,
    writer: Option<FactsWriter>,
    known: HashMap<Slot, Option<String>>,
}

impl FactsDigests {
    /// `users` are those whom bindings name, where that is known already: see [`Self::into_users`].
    pub fn new(evidence: &Evidence, users: Option<KnownPeople>) -> Self {
        Self { evidence: evidence.clone(), users, writer: None, known: HashMap::new() }
    }

    /// The users whom bindings name, if anybody had to know them.
    pub fn into_users(self) -> Option<KnownPeople> {
        self.users
    }

    /// The digest of what is known of an object; None where no log is open.
    pub fn of(&mut self, engine: &Engine, slot: Slot, object: &Object) -> Option<String> {
        if let Some(known) = self.known.get(&slot) {
            return known.clone();
        }
        if self.writer.is_none() {
            let users = self.users.get_or_insert_with(|| users(engine)).clone();
            self.writer = Some(FactsWriter::new(self.evidence.pseudonyms()?, users));
        }
        let state = engine.inventory().kind_state(object.kind)?;
        let digest = self.writer.as_ref()?.digest(&state.resource.kind, object, &state.programs);
        self.known.insert(slot, digest.clone());
        digest
    }
}

impl RecordStage {
    /// What was read of the cluster, where it is due. None while a kind is listed for the first time.
    pub(super) fn inventory(
        &mut self,
        engine: &Engine,
        is_idle: bool,
        now: Moment,
    ) -> Option<Box<InventoryObservation>> {
        let is_recent =
            |since: Instant, length| now.instant.saturating_duration_since(since) < length;
        if is_idle {
            self.begun.get_or_insert(now.instant);
        }
        if self.begun.is_none_or(|begun| is_recent(begun, SETTLING))
            || self.inventory_looked.is_some_and(|looked| is_recent(looked, LOOK))
        {
            return None;
        }
        self.inventory_looked = Some(now.instant);
        if !self.evidence.wants_inventory(engine, now.time) {
            return None;
        }
        let collected = engine.collect().filter(|collected| !collected.kinds.is_empty())?;
        Some(Box::new(InventoryObservation { collected, lists: self.lists.clone() }))
    }
}
