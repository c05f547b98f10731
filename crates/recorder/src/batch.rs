//! What one evaluation hands over to be recorded, and what comes back.

mod blindness;
mod closing;
mod drafting;
mod occurrences;
mod remembered;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

pub use self::closing::PeriodClosing;
use self::drafting::Drafting;
pub use self::remembered::{open_event_occurrences, remembered_occurrences};
use crate::{
    AuthorGuards, Current, InventoryObservation, ObjectKey, ObjectRecord, PopulationObservation,
    Recorded, RegisterObservation, WrittenWithin, dating,
    draft::Entries,
    lapsed::People,
    reference,
    registers::{LearnedOfRegister, RegisterDraft, RegisterMemory},
};
use comptroller_core::{
    api::Occurrence,
    engine::{
        Ending, EventRules, ObservedFinding, ObservedNamespace, Verdict, lapsed::LapsedVerdict,
        memory::FindingHash,
    },
};
use comptroller_evidence::{
    data::GapData,
    entry::EntrySubject,
    privacy::{KnownPeople, Pseudonymizer, people_in},
};

/// All that the log may not hold yet, as of one evaluation. It is recorded by one append, or not at
/// all, in this order: deletions, namespaces, objects, periods that close, verdicts, heartbeats, and what was read of the cluster.
///
/// Each object and each control is in it once. What the log already holds is not written again.
#[derive(Debug, Default)]
pub struct Batch {
    /// Times in which nothing could be judged of any control. They are recorded first.
    pub gaps: Vec<GapData>,
    /// When the policies that bind records to their authors were in force.
    pub authors: AuthorGuards,
    /// Until when the inputs of controls were known that can't be read, or could not until now.
    pub blind_since: BTreeMap<String, Timestamp>,
    /// Objects that the cluster no longer has.
    pub deleted: Vec<EntrySubject>,
    /// All namespaces, by whose labels scopes select. None when they are those of the last record, or
    /// none selects.
    pub namespaces: Option<Vec<ObservedNamespace>>,
    /// Objects that the operator is governed by and that came or changed.
    pub objects: Vec<ObjectObservation>,
    /// The users whom the cluster's bindings name: people that any text may name too.
    pub people: KnownPeople,
    /// Audit periods that close.
    pub closings: Vec<PeriodClosing>,
    /// What controls came to.
    pub verdicts: Vec<VerdictObservation>,
    /// Verdicts that were recorded before and still hold.
    pub heartbeats: Vec<HeartbeatObservation>,
    /// What was read of the cluster, when that is due.
    pub inventory: Option<Box<InventoryObservation>>,
    /// Which events oblige somebody, by the controls as they are now.
    pub event_rules: EventRules,
    /// Whether time alone obliges somebody now, so that the batch is recorded though it may have
    /// nothing else.
    pub opens_events: bool,
    /// What changed in registers, each once.
    pub registers: Vec<RegisterObservation>,
}

/// A governed object as the cluster has it.
#[derive(Clone, Debug)]
pub struct ObjectObservation {
    /// Its kind, key, generation and phase.
    pub record: ObjectRecord,
    /// Its spec, with people as the cluster names them. None when it can't be read.
    pub spec: Option<Value>,
    /// Whether this process saw that it was deleted and created again since it was recorded last.
    /// It counts where the log, of an older version, has no uid to tell it by.
    pub recreated: bool,
    /// When the API server created it. None where nobody asks.
    pub created_at: Option<Timestamp>,
    /// When its spec was written, for kinds whose author is bound.
    pub written: Option<WrittenWithin>,
}

/// What a control came to, with everything that the status has no room for.
#[derive(Debug)]
pub struct VerdictObservation {
    pub control: ObjectKey,
    pub verdict: Arc<Verdict>,
    /// Everything that is wrong, excepted or not.
    pub findings: Vec<ObservedFinding>,
    /// What was so and was over before it was recorded, in order.
    pub lapsed: Vec<LapsedVerdict>,
    /// What went since the last of them, and why.
    pub gone: Vec<(FindingHash, Ending)>,
    /// Who was judged.
    pub population: PopulationObservation,
}

/// A verdict that is in the log and still holds.
#[derive(Debug)]
pub struct HeartbeatObservation {
    pub control: ObjectKey,
    /// The verdict as it was recorded, with the numbers of now.
    pub verdict: Arc<Verdict>,
    /// Who was judged.
    pub population: PopulationObservation,
}

/// What the log holds of a batch, now that it is durable: what may be claimed from now on.
#[derive(Debug, Default)]
pub struct Receipt {
    /// The objects of the batch.
    pub objects: Vec<Recorded<ObjectRecord>>,
    /// The controls with a verdict or a heartbeat in the batch. One that is missing was not
    /// recorded, since the log does not know its object.
    pub verdicts: Vec<(ObjectKey, Recorded<Verdict>)>,
    /// The occurrences that events opened with it, by control.
    pub opened: Vec<(String, Vec<Occurrence>)>,
}

/// What the recorder has learned of controls that no entry says, and that its next entries need.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    controls: HashMap<ObjectKey, LearnedOfControl>,
    /// The last time in which nothing could be judged of any control.
    outage: Option<GapData>,
    /// What was found of registers that are compared with the log.
    registers: RegisterMemory,
}

#[derive(Debug, Default)]
struct LearnedOfControl {
    /// The message of the last verdict: why the control could not be evaluated until now.
    message: String,
    /// The findings of it that name people, who are pseudonyms in the log.
    people: People,
}

impl Memory {
    /// Takes in what was learned from a batch that is durable.
    pub fn learn(&mut self, learned: LearnedOfBatch) {
        for name in &learned.deleted {
            self.controls.retain(|key, _| key.name != *name);
        }
        self.controls.extend(learned.controls);
        for learned in learned.registers {
            self.registers.learn(learned);
        }
        if learned.outage.is_some() {
            self.outage = learned.outage;
        }
    }

    /// The log was opened again, and another may have written. People keep their pseudonyms.
    pub fn forget_messages(&mut self) {
        for known in self.controls.values_mut() {
            known.message.clear();
        }
    }
}

/// What a batch comes to, given what the log holds.
#[derive(Default)]
pub(crate) struct Drafted {
    /// The entries, in the order of the log.
    pub entries: Entries,
    /// Data to store beside the log first, under its digest.
    pub stored: Vec<Bytes>,
    /// What is learned once it is durable.
    pub learned: LearnedOfBatch,
}

/// What is remembered of a batch once it is durable.
#[derive(Default)]
pub(crate) struct LearnedOfBatch {
    deleted: Vec<String>,
    controls: Vec<(ObjectKey, LearnedOfControl)>,
    outage: Option<GapData>,
    registers: Vec<LearnedOfRegister>,
}

impl Batch {
    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        let Self {
            gaps,
            blind_since: _,
            authors: _,
            deleted,
            namespaces,
            objects,
            people: _,
            closings,
            verdicts,
            heartbeats,
            inventory,
            registers,
            event_rules: _,
            opens_events,
        } = self;
        inventory.is_none()
            && registers.is_empty()
            && !opens_events
            && gaps.is_empty()
            && deleted.is_empty()
            && namespaces.is_none()
            && objects.is_empty()
            && closings.is_empty()
            && verdicts.is_empty()
            && heartbeats.is_empty()
    }

    /// What has to be written of it, given the log and what was learned before.
    pub(crate) fn draft(
        &self,
        current: &Current,
        memory: &Memory,
        collector: &str,
        now: Timestamp,
    ) -> Drafted {
        // Without pseudonyms the log was never opened, and nothing is asked of it.
        let Some(pseudonyms) = &current.pseudonyms else { return Drafted::default() };
        let pseudonym = |person: &str| pseudonyms.pseudonym(person);
        let outages = self.gaps.iter().chain(&memory.outage).cloned().collect();
        let specs = self.objects.iter().filter_map(|object| object.spec.as_ref());
        let known = self.people.clone().and(specs.flat_map(people_in));
        let mut drafting = Drafting::new(&current.state, &pseudonym, &known, outages, now);
        drafting.authors = Some(&self.authors);
        for subject in &self.deleted {
            drafting.add_deletion(subject);
        }
        if let Some(namespaces) = &self.namespaces {
            drafting.add_namespaces(namespaces);
        }
        for object in &self.objects {
            drafting.add_object(object);
        }
        for closing in &self.closings {
            drafting.add_closing(closing);
        }
        for observed in &self.verdicts {
            let blind_since = self.blind_since.get(&observed.control.name).copied();
            let known = memory.controls.get(&observed.control);
            drafting.add_verdict(observed, known, blind_since);
        }
        for observed in &self.heartbeats {
            drafting.add_heartbeat(observed);
        }
        drafting.drafted.learned.outage = self.gaps.last().cloned();
        let mut drafted = drafting.drafted;
        let pseudonymizer = Pseudonymizer::new(&pseudonym).knowing(&known);
        for observed in &self.registers {
            let draft = RegisterDraft {
                observed,
                state: &current.state,
                memory: &memory.registers,
                pseudonymizer: &pseudonymizer,
                collector,
                now,
            };
            let (entries, learned) = draft.resolve();
            drafted.entries.extend(entries);
            drafted.learned.registers.push(learned);
        }
        drafted
    }

    /// What the log holds of the batch, once what was drafted is in it.
    pub(crate) fn receipt(&self, current: &Current) -> Receipt {
        let state = &current.state;
        let objects = self.objects.iter().filter_map(|object| {
            let record = &object.record;
            let known = state.object(record.kind, &record.key.name)?;
            let entry = Some(reference(known.entry));
            Some(Recorded::new(Arc::new(record.clone()), entry, known.at))
        });
        let verdicts = self.verdicts.iter().map(|observed| (&observed.control, &observed.verdict));
        let heartbeats =
            self.heartbeats.iter().map(|observed| (&observed.control, &observed.verdict));
        let verdicts = verdicts.chain(heartbeats).filter_map(|(control, verdict)| {
            Some((control.clone(), dating::recorded(current, control, verdict)?))
        });
        let opened = Vec::new();
        Receipt { objects: objects.collect(), verdicts: verdicts.collect(), opened }
    }

    /// What may be claimed of it where no log is kept: all of it.
    pub(crate) fn receipt_without_log(self, now: Timestamp) -> Receipt {
        let objects = self.objects.into_iter();
        let verdicts = self.verdicts.into_iter().map(|one| (one.control, one.verdict));
        let heartbeats = self.heartbeats.into_iter().map(|one| (one.control, one.verdict));
        Receipt {
            objects: objects.map(|one| Recorded::new(Arc::new(one.record), None, now)).collect(),
            verdicts: verdicts
                .chain(heartbeats)
                .map(|(control, verdict)| (control, Recorded::new(verdict, None, now)))
                .collect(),
            opened: Vec::new(),
        }
    }
}
