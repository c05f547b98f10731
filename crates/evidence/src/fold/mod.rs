//! The log folded into the present: how each control stands and since when. Pure.
//!
//! The operator starts from it, so that a restart neither forgets since when a control fails nor
//! records again what the log already holds. It is derived: whoever has the log can make it again.

mod control;
mod diff;
mod findings;
mod objects;
mod occurrences;
#[cfg(test)]
mod properties;
mod register_state;
pub mod register_windows;
pub mod registers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    control::{ControlState, FailingSince, VerdictState},
    diff::{MAX_CHANGES, diff},
    findings::{FindingKey, OpenFinding, findings_digest},
    objects::ObjectState,
    occurrences::{
        CONTROL_FAILING, EVIDENCE_GAP, MAX_CLOSED_EVENTS, MAX_OCCURRENCES, OccurrenceState,
        OpenedEvents,
    },
    register_state::{RegisterStage, RegisterState},
};
use super::{
    data::{ChangeKind, GapData, ObjectChange, OperatorData, OperatorEvent},
    entry::{Data, Entry, EntrySubject},
};

/// The version of the form in which a snapshot keeps a [`LogState`]. A snapshot of another version is
/// made again from the log.
pub const STATE_VERSION: u32 = 7;

/// Deleted controls whose occurrences are remembered, the newest: a control that is deleted and
/// declared again does not get its missed occurrences back.
const MAX_DELETED: usize = 256;

/// Gaps that are remembered, the newest: what they oblige to is opened right after them.
const MAX_GAPS: usize = 64;

/// A time in which nobody could look.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GapState {
    /// Its entry.
    pub entry: u64,
    /// When the entry was written.
    pub at: Timestamp,
    /// The cluster, or the control that could not be evaluated.
    pub subject: EntrySubject,
    /// The time itself, and why.
    pub data: GapData,
}

/// An operator that writes the log.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RunningOperator {
    /// The name of the pod or process.
    pub instance: String,
    /// The version of the program.
    pub version: String,
    /// When it began to write.
    pub since: Timestamp,
    /// Which leadership it is.
    pub epoch: u64,
    /// The entry that says so.
    pub entry: u64,
    /// Until when somebody certainly looked before it began. None of the first operator of a log.
    pub watched_before: Option<Timestamp>,
}

/// The newest inventory of a log.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InventoryState {
    /// Its entry.
    pub entry: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What was read, by [`InventoryData::read`](super::inventory::InventoryData::read).
    pub read: BTreeSet<String>,
}

/// What the log says of the audit stream.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageState {
    /// The newest entry of the type `usage`.
    pub entry: u64,
    /// Until when the stream is known to have been heard.
    pub heard_until: Timestamp,
}

/// What the log says of the present.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogState {
    size: u64,
    epoch: u64,
    last_at: Option<Timestamp>,
    /// Until when somebody certainly looked. What an operator writes as it starts, also of the time
    /// before, is no sign of that.
    watched_until: Option<Timestamp>,
    operator: Option<RunningOperator>,
    controls: BTreeMap<String, ControlState>,
    /// By kind and name: a map of JSON has texts for keys.
    objects: BTreeMap<String, BTreeMap<String, ObjectState>>,
    /// Since when the clocks of the operator and of the API server differ; None while they agree.
    clocks_differ: Option<Timestamp>,
    /// Controls that were deleted and are not declared again, with when they were.
    absent: BTreeMap<String, Timestamp>,
    /// The newest inventory.
    inventory: Option<InventoryState>,
    /// The newest gaps, by entry.
    #[serde(default)]
    gaps: VecDeque<GapState>,
    /// The audit stream; None if it was never heard.
    usage: Option<UsageState>,
    /// The registers, by name.
    registers: BTreeMap<String, RegisterState>,
}

impl LogState {
    /// Takes in the entry with this number. Entries come in the order of the log; one that is
    /// already in is skipped. [`Data::Stored`] is to be resolved before: a verdict that is not
    /// leaves its control without one, so that the whole of it is recorded again.
    pub fn apply(&mut self, index: u64, entry: &Entry) {
        if index < self.size {
            return;
        }
        self.size = index.saturating_add(1);
        // Both only rise: the clock may be set back, and whoever asks wants the latest that is known.
        self.epoch = self.epoch.max(entry.epoch);
        self.last_at = self.last_at.max(Some(entry.at));
        let starts =
            matches!(&entry.data, Data::Operator(data) if data.event == OperatorEvent::Started);
        // Who hears the audit stream judges nothing by it.
        if !starts && !matches!(entry.data, Data::Gap(_) | Data::Usage(_)) {
            self.watched_until = self.watched_until.max(Some(entry.at));
        }
        match &entry.data {
            Data::Verdict(data) => {
                self.control_mut(&entry.subject).verdict(index, entry.at, data);
            }
            Data::Heartbeat(data) => {
                self.control_mut(&entry.subject).heartbeat(index, entry.at, data);
            }
            Data::Attestation(data) => {
                self.control_mut(&entry.subject).attestation(index, entry.at, data);
            }
            Data::ControlChanged(data) | Data::Exception(data) | Data::Object(_, data) => {
                self.object_changed(index, entry, data);
            }
            Data::Operator(data) => self.operator_event(index, entry, data),
            Data::Stored(super::entry::EntryType::Verdict, _) => {
                self.control_mut(&entry.subject).forget_verdict();
            }
            Data::Inventory(data) => {
                let read = data.read();
                self.inventory = Some(InventoryState { entry: index, at: entry.at, read });
            }
            Data::Gap(data) => self.gap(index, entry, data),
            Data::Usage(data) => {
                let before = self.usage.as_ref().map(|usage| usage.heard_until);
                let heard_until = before.map_or(data.to, |before| before.max(data.to));
                self.usage = Some(UsageState { entry: index, heard_until });
            }
            Data::Register(data) => {
                let register = self.registers.entry(entry.subject.name.clone()).or_default();
                if let Err(fault) = register.apply(index, entry.at, data) {
                    tracing::warn!(index, %fault, "an entry of a register does not follow from those before it: the register is listed again");
                    register.forget();
                }
            }
            Data::Stored(super::entry::EntryType::Register, _) => {
                self.registers.entry(entry.subject.name.clone()).or_default().forget();
            }
            Data::Stored(..) | Data::Other(..) => {}
        }
    }

    fn gap(&mut self, index: u64, entry: &Entry, data: &GapData) {
        let (subject, data) = (entry.subject.clone(), data.clone());
        self.gaps.push_back(GapState { entry: index, at: entry.at, subject, data });
        if self.gaps.len() > MAX_GAPS {
            self.gaps.pop_front();
        }
    }

    /// The newest gaps, the oldest first.
    pub fn gaps(&self) -> impl Iterator<Item = &GapState> {
        self.gaps.iter()
    }

    /// How many entries were taken in: the number of the next one.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The highest epoch so far: a new leader's is higher.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The latest time of an entry: after a crash, the last time that somebody certainly looked.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// The operator that started and did not stop in order. After a crash it is the one that
    /// crashed.
    pub fn operator(&self) -> Option<&RunningOperator> {
        self.operator.as_ref()
    }

    /// How a control stands; None before its first verdict, heartbeat or occurrence.
    pub fn control(&self, name: &str) -> Option<&ControlState> {
        self.controls.get(name)
    }

    /// The verdict that the log has of a control; None before its first, and once it was deleted.
    pub fn verdict(&self, control: &str) -> Option<&VerdictState> {
        self.controls.get(control)?.verdict.as_ref()
    }

    /// The controls of which the log says something, by name. Of one that was deleted only the
    /// occurrences are left.
    pub fn controls(&self) -> impl Iterator<Item = (&str, &ControlState)> {
        self.controls.iter().map(|(name, control)| (name.as_str(), control))
    }

    /// The newest occurrences of a human control, by when they open.
    pub fn occurrences(&self, control: &str) -> impl Iterator<Item = &OccurrenceState> {
        self.controls.get(control).into_iter().flat_map(|control| control.occurrences.iter())
    }

    /// Since when the clocks of the operator and of the API server differ, so that nothing is
    /// claimed. None while they agree.
    pub fn clocks_differ_since(&self) -> Option<Timestamp> {
        self.clocks_differ
    }

    /// When a control was deleted that is not declared again. None for one that is there, and for one
    /// that never was.
    pub fn absent_since(&self, control: &str) -> Option<Timestamp> {
        self.absent.get(control).copied()
    }

    /// What is known of the audit stream; None if it was never heard.
    pub fn usage(&self) -> Option<&UsageState> {
        self.usage.as_ref()
    }

    /// The newest inventory; None when there is none yet.
    pub fn inventory(&self) -> Option<&InventoryState> {
        self.inventory.as_ref()
    }

    /// A register; None before its first entry.
    pub fn register(&self, name: &str) -> Option<&RegisterState> {
        self.registers.get(name)
    }

    /// The registers that the log has entries of, by name.
    pub fn registers(&self) -> impl Iterator<Item = (&str, &RegisterState)> {
        self.registers.iter().map(|(name, register)| (name.as_str(), register))
    }

    /// An exception; None if the log does not know it, or it was deleted.
    pub fn exception(&self, name: &str) -> Option<&ObjectState> {
        self.object(EXCEPTION, name)
    }

    /// The exceptions that are not deleted, by name.
    pub fn exceptions(&self) -> impl Iterator<Item = (&str, &ObjectState)> {
        self.objects_of(EXCEPTION)
    }

    /// An object that the operator is governed by, such as a `Control`; None if the log does not know
    /// it, or it was deleted.
    pub fn object(&self, kind: &str, name: &str) -> Option<&ObjectState> {
        self.objects.get(kind)?.get(name)
    }

    /// The objects of a kind that are not deleted, by name.
    pub fn objects_of(&self, kind: &str) -> impl Iterator<Item = (&str, &ObjectState)> {
        self.objects.get(kind).into_iter().flatten().map(|(name, object)| (name.as_str(), object))
    }

    fn control_mut(&mut self, subject: &EntrySubject) -> &mut ControlState {
        self.controls.entry(subject.name.clone()).or_default()
    }

    fn object_changed(&mut self, index: u64, entry: &Entry, data: &ObjectChange) {
        let EntrySubject { kind, name } = &entry.subject;
        if data.change == ChangeKind::Deleted {
            if let Some(objects) = self.objects.get_mut(kind) {
                objects.remove(name);
            }
            if kind == CONTROL {
                self.control_deleted(index, name);
                self.note_absent(name, entry.at);
            }
            return;
        }
        if kind == CONTROL {
            self.absent.remove(name);
        }
        self.objects
            .entry(kind.clone())
            .or_default()
            .entry(name.clone())
            .and_modify(|object| object.change(index, entry.at, data))
            .or_insert_with(|| ObjectState::new(index, entry.at, data));
    }

    fn control_deleted(&mut self, index: u64, name: &str) {
        for control in self.controls.values_mut() {
            control.events.failing.remove(name);
        }
        let Some(control) = self.controls.get_mut(name) else { return };
        control.delete(index);
        if control.occurrences.is_empty() && control.events.count == 0 {
            self.controls.remove(name);
        }
        let deleted = || self.controls.iter().filter(|(_, control)| control.deleted.is_some());
        // Bounded, since names may be made and deleted for ever; the oldest is the least likely to return.
        if deleted().count() > MAX_DELETED {
            let oldest = deleted().min_by_key(|(_, control)| control.deleted);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.controls.remove(&name);
            }
        }
    }

    fn note_absent(&mut self, name: &str, at: Timestamp) {
        self.absent.insert(name.to_owned(), at);
        if self.absent.len() > MAX_DELETED {
            let oldest = self.absent.iter().min_by_key(|(_, at)| **at);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.absent.remove(&name);
            }
        }
    }

    fn operator_event(&mut self, index: u64, entry: &Entry, data: &OperatorData) {
        match data.event {
            OperatorEvent::ClockDiffers => {
                self.clocks_differ.get_or_insert(entry.at);
            }
            OperatorEvent::ClockAgrees => self.clocks_differ = None,
            _ => {}
        }
        self.operator = match data.event {
            OperatorEvent::Started => Some(RunningOperator {
                instance: entry.subject.name.clone(),
                version: data.version.clone(),
                since: entry.at,
                epoch: entry.epoch,
                entry: index,
                watched_before: self.watched_until,
            }),
            OperatorEvent::Stopped => None,
            // Who writes of these goes on.
            OperatorEvent::ClockDiffers
            | OperatorEvent::ClockAgrees
            | OperatorEvent::KeyRotated
            | OperatorEvent::LogDiscontinued => return,
        };
    }
}

/// The kind of a control, as the subject of an entry.
const CONTROL: &str = "Control";
/// The kind of an exception, as the subject of an entry.
const EXCEPTION: &str = "ControlException";
