//! The occurrences of a control that people attest to, advanced by the records that are known.

use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::FxHashSet;

use super::exceptions::Exceptions;
use crate::{
    api::{ControlSpec, Occurrence, ResourceRef, test_spec::AttestationTest},
    checks::{
        Item,
        attestation::{self, LedgerInputs, OccurrenceLedger, rule_digest},
    },
    inventory::{Inventory, records::AttestationFacts},
};

/// The occurrences of one control. Empty for a control with another test.
#[derive(Debug)]
pub struct AttestationState {
    control: String,
    created: Option<Timestamp>,
    ledger: OccurrenceLedger,
    /// When time alone changes an occurrence next. None if it does not.
    next: Option<Timestamp>,
}

impl AttestationState {
    /// The state of a control as its status or the log remembers it. `created` is None for a control from
    /// a file, which has no occurrences.
    pub fn new(control: &str, created: Option<Timestamp>, occurrences: Vec<Occurrence>) -> Self {
        let ledger = OccurrenceLedger::restored(occurrences);
        Self { control: control.to_owned(), created, ledger, next: None }
    }

    /// Takes over the occurrences that the log or a status has. True if they differ from those here. None
    /// at all replace nothing: a status may have lost them.
    pub fn take_over(&mut self, created: Option<Timestamp>, occurrences: Vec<Occurrence>) -> bool {
        self.created = created.or(self.created);
        if occurrences.is_empty() {
            return false;
        }
        let known = OccurrenceLedger::restored(occurrences);
        let changed = known != self.ledger;
        self.ledger = known;
        changed
    }

    /// The occurrences that these items stand for, by name.
    pub fn names(&self, items: impl Iterator<Item = Item>) -> Vec<ResourceRef> {
        let items: FxHashSet<Item> = items.collect();
        let judged =
            self.occurrences().iter().filter(|one| items.contains(&attestation::item(one)));
        judged.map(|occurrence| attestation::reference(&occurrence.period)).collect()
    }

    /// The occurrences, oldest first.
    pub fn occurrences(&self) -> &[Occurrence] {
        self.ledger.occurrences()
    }

    /// When time alone changes an occurrence next. None if it does not.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.next
    }

    /// The names of the exceptions that waived an occurrence, one for each that is waived.
    pub fn waivers(&self) -> impl Iterator<Item = &str> {
        self.occurrences().iter().filter_map(|occurrence| occurrence.waived_by.as_deref())
    }

    /// The records that the occurrences name, as far as they still exist.
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

    /// Brings the occurrences up to date, if one is due or `marked`. Returns the items that must be judged
    /// again: those before and those after, since an occurrence may have left the status.
    pub fn advance(
        &mut self,
        spec: &ControlSpec,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
        marked: bool,
    ) -> Vec<Item> {
        // Without a time of creation nobody knows which occurrences the control has.
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
