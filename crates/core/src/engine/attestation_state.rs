//! The occurrences of a control that people attest to, advanced by the records that are known.

use std::{fmt::Debug, sync::Arc};

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
    /// How the log names people. None while no log is open.
    people: Option<Arc<dyn PeopleOfLog>>,
    /// Whether a log is kept, which tells of events once it is open.
    keeps_log: bool,
}

/// Whether it is known what events opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsKnown {
    /// The log says so, or no event opens anything.
    Known,
    /// Once the log is open.
    Later,
    /// No log is kept.
    Never,
}

/// Names people as the log does.
pub trait PeopleOfLog: Debug + Send + Sync {
    /// The pseudonym of a user.
    fn pseudonym(&self, user: &str) -> String;
}

impl AttestationState {
    /// The state of a control as its status or the log remembers it. `created` is None for a control from
    /// a file, which has no occurrences.
    pub fn new(control: &str, created: Option<Timestamp>, occurrences: Vec<Occurrence>) -> Self {
        let ledger = OccurrenceLedger::restored(occurrences);
        Self {
            control: control.to_owned(),
            created,
            ledger,
            next: None,
            people: None,
            keeps_log: false,
        }
    }

    /// Takes over the occurrences that the log or a status has. True if they differ from those here. None
    /// at all replace nothing: a status may have lost them.
    pub fn take_over(&mut self, created: Option<Timestamp>, occurrences: Vec<Occurrence>) -> bool {
        self.created = created.or(self.created);
        if occurrences.is_empty() {
            return false;
        }
        let known = OccurrenceLedger::restored(occurrences);
        let changed = known.occurrences() != self.ledger.occurrences();
        self.ledger = known;
        changed
    }

    /// Takes in occurrences that events opened, as the log tells, with the rule in force if they
    /// opened by it. True if one was not known.
    pub fn open(&mut self, spec: &ControlSpec, mut opened: Vec<Occurrence>) -> bool {
        let Some(rule) = &spec.test.attestation else { return false };
        let digest = rule_digest(rule);
        for occurrence in &mut opened {
            if occurrence.rule.is_none()
                && !occurrence.phase.is_closed()
                && occurrence.rule_digest == digest
            {
                occurrence.rule = Some(rule.clone());
            }
        }
        let is_news = self.ledger.open(opened);
        if is_news {
            // Judged at once.
            self.next = Some(Timestamp::MIN);
        }
        is_news
    }

    /// Takes in which occurrences the log holds, as they are.
    pub fn confirm(&mut self, recorded: &[Occurrence]) {
        self.ledger.confirm(recorded);
    }

    /// Takes in that a log is kept.
    pub fn keep_log(&mut self) {
        self.keeps_log = true;
    }

    /// Whether it is known what events opened.
    pub fn events_known(&self, spec: &ControlSpec) -> EventsKnown {
        let asks = spec.test.attestation.as_ref().is_some_and(|test| test.on.is_some());
        // A control from a file has no occurrences, whatever happens.
        if !asks || self.created.is_none() || self.people.is_some() {
            EventsKnown::Known
        } else if self.keeps_log {
            EventsKnown::Later
        } else {
            EventsKnown::Never
        }
    }

    /// Takes in how the log names people.
    pub fn set_people(&mut self, people: Arc<dyn PeopleOfLog>) {
        self.people = Some(people);
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
        let people = self.people.clone();
        let pseudonym = people.as_deref().map(|people| move |user: &str| people.pseudonym(user));
        self.ledger.advance(&LedgerInputs {
            pseudonym: pseudonym.as_ref().map(|pseudonym| pseudonym as &dyn Fn(&str) -> String),
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
