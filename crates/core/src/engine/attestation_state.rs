//! The human side of a control in the engine: its occurrences, advanced by what is known.

use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::FxHashSet;

use super::exceptions::Exceptions;
use crate::{
    api::{ControlSpec, Occurrence, ResourceRef, test_spec::AttestationTest},
    checks::{
        Item,
        attestation::{self, Ledger, LedgerInputs, rule_digest},
    },
    inventory::{Inventory, records::AttestationFacts},
};

/// The occurrences of one control; none for a control that is not human.
#[derive(Debug)]
pub struct AttestationState {
    control: String,
    created: Option<Timestamp>,
    ledger: Ledger,
    /// When time alone changes something next.
    next: Option<Timestamp>,
}

impl AttestationState {
    /// What is remembered of a control.
    pub fn new(control: &str, created: Option<Timestamp>, occurrences: Vec<Occurrence>) -> Self {
        let ledger = Ledger::restored(occurrences);
        Self { control: control.to_owned(), created, ledger, next: None }
    }

    /// Takes over what is known better elsewhere. True when it was not known here.
    pub fn take_over(&mut self, created: Option<Timestamp>, occurrences: Vec<Occurrence>) -> bool {
        self.created = created.or(self.created);
        if occurrences.is_empty() {
            return false;
        }
        let known = Ledger::restored(occurrences);
        let changed = known != self.ledger;
        self.ledger = known;
        changed
    }

    /// The names of these items.
    pub fn names(&self, items: impl Iterator<Item = Item>) -> Vec<ResourceRef> {
        let items: FxHashSet<Item> = items.collect();
        let judged =
            self.occurrences().iter().filter(|one| items.contains(&attestation::item(one)));
        judged.map(|occurrence| attestation::reference(&occurrence.period)).collect()
    }

    /// The occurrences, the oldest first.
    pub fn occurrences(&self) -> &[Occurrence] {
        self.ledger.occurrences()
    }

    /// When time alone changes something next.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.next
    }

    /// The exceptions that waived an occurrence.
    pub fn waivers(&self) -> impl Iterator<Item = &str> {
        self.occurrences().iter().filter_map(|occurrence| occurrence.waived_by.as_deref())
    }

    /// The records that the occurrences name.
    pub fn records(&self, inventory: &Inventory) -> Vec<Arc<AttestationFacts>> {
        let named: FxHashSet<&str> = self
            .occurrences()
            .iter()
            .flat_map(|occurrence| &occurrence.records)
            .map(|record| record.name.as_str())
            .collect();
        let records = inventory.records.answering(&self.control);
        records.filter(|record| named.contains(record.name.as_str())).cloned().collect()
    }

    /// Brings the occurrences up to a time, where that is due or `marked`. What comes back is what
    /// must be judged anew.
    pub fn advance(
        &mut self,
        spec: &ControlSpec,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
        marked: bool,
    ) -> Vec<Item> {
        let (Some(rule), Some(created)) = (&spec.test.attestation, self.created) else {
            return Vec::new();
        };
        if !marked && self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        // A cluster that has no such records, such as one that is only scanned, has no occurrences.
        if !attestation::is_served(inventory) {
            self.next = None;
            return self.items().collect();
        }
        let mut items: Vec<Item> = self.items().collect();
        self.advance_ledger(rule, created, inventory, exceptions, now);
        items.extend(self.items());
        let overdue = attestation::next_overdue(self.occurrences(), now);
        self.next = self.ledger.next_change().into_iter().chain(overdue).min();
        items
    }

    fn advance_ledger(
        &mut self,
        rule: &AttestationTest,
        created: Timestamp,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
    ) {
        let control = &self.control;
        self.ledger.advance(&LedgerInputs {
            rule,
            digest: &rule_digest(rule),
            created,
            records: inventory.records.answering(control).collect(),
            waiver: &|period, due| {
                let resource = attestation::reference(period);
                exceptions.waiving(control, &resource, due, now).map(str::to_owned)
            },
            now,
        });
    }

    fn items(&self) -> impl Iterator<Item = Item> {
        self.ledger.occurrences().iter().map(attestation::item)
    }
}
