//! The verdict board: what is recorded, for reconcilers to read and to claim.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::Instant,
};

use jiff::Timestamp;

use super::listening::KnownInput;
use comptroller_core::engine::{Verdict, exceptions::ExceptionState};
use comptroller_recorder::{ObjectKey, Recorded};

/// A recorded verdict with when the change behind it arrived.
#[derive(Clone, Debug)]
pub struct PublishedVerdict {
    /// The verdict, which the log holds.
    pub recorded: Recorded<Verdict>,
    /// When the oldest change behind it was received; for the detection latency.
    pub received: Instant,
}

/// How an exception stands, with the spec that it stands by.
#[derive(Clone, Debug)]
pub struct PublishedException {
    /// How it stands, which the log holds.
    pub recorded: Recorded<ExceptionState>,
    /// The generation of the spec, which the log holds as well.
    pub generation: i64,
}

/// How much is open of a control now, recorded or not: numbers, and no claim of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCounts {
    /// Findings that nothing excepts.
    pub findings: usize,
    /// Items that were judged.
    pub population: usize,
}

/// Verdicts and exceptions by the key of their object. The engine's task writes, reconcilers read.
#[derive(Debug, Default)]
pub struct VerdictBoard {
    content: RwLock<Content>,
}

#[derive(Debug, Default)]
struct Content {
    /// Of which opening of the log what is published is.
    opening: u64,
    verdicts: BTreeMap<ObjectKey, PublishedVerdict>,
    exceptions: BTreeMap<ObjectKey, PublishedException>,
    counts: BTreeMap<ObjectKey, OpenCounts>,
    as_of: BTreeMap<String, Timestamp>,
    waiting: String,
    inputs: Vec<KnownInput>,
}

impl VerdictBoard {
    /// Whether what is published is of this opening of the log. What an earlier one published may
    /// lack what the log turned out to hold.
    pub fn is_of(&self, opening: u64) -> bool {
        self.read(|content| content.opening == opening)
    }

    /// The recorded verdict of a control. None before its first.
    pub fn verdict(&self, control: &ObjectKey) -> Option<PublishedVerdict> {
        self.read(|content| content.verdicts.get(control).cloned())
    }

    /// How an exception stands, by the log. None before that is recorded.
    pub fn exception(&self, exception: &ObjectKey) -> Option<PublishedException> {
        self.read(|content| content.exceptions.get(exception).cloned())
    }

    /// How much is open of a control now. None before its first verdict.
    pub fn open_counts(&self, control: &ObjectKey) -> Option<OpenCounts> {
        self.read(|content| content.counts.get(control).copied())
    }

    /// Until when the verdict of a control is known to hold: when the last of its inputs was heard
    /// of. None: not all of them were.
    pub fn as_of(&self, control: &str) -> Option<Timestamp> {
        self.read(|content| content.as_of.get(control).copied())
    }

    /// What the engine waits for before it can evaluate, or who fell silent; empty when all is well.
    pub fn waiting(&self) -> String {
        self.read(|content| content.waiting.clone())
    }

    /// How fresh what the engine judges by is, as of some seconds ago.
    pub fn inputs(&self) -> Vec<KnownInput> {
        self.read(|content| content.inputs.clone())
    }

    /// The log was opened again: what was published before is to be compared with it first.
    pub fn begin(&self, opening: u64) {
        self.write(|content| {
            content.opening = opening;
            content.verdicts.clear();
            content.exceptions.clear();
        });
    }

    /// Publishes a recorded verdict.
    pub fn publish_verdict(&self, control: &ObjectKey, published: PublishedVerdict) {
        self.write(|content| content.verdicts.insert(control.clone(), published));
    }

    /// Publishes how an exception stands.
    pub fn publish_exception(&self, exception: &ObjectKey, published: PublishedException) {
        self.write(|content| content.exceptions.insert(exception.clone(), published));
    }

    /// Notes how much is open of a control.
    pub fn note_open_counts(&self, control: &ObjectKey, verdict: &Verdict) {
        let counts = OpenCounts { findings: verdict.open_findings, population: verdict.population };
        self.write(|content| content.counts.insert(control.clone(), counts));
    }

    /// Takes a control off the board.
    pub fn forget_control(&self, control: &ObjectKey) {
        self.write(|content| {
            content.verdicts.remove(control);
            content.counts.remove(control);
            content.as_of.remove(&control.name);
        });
    }

    /// Takes an exception off the board.
    pub fn forget_exception(&self, name: &str) {
        self.write(|content| content.exceptions.retain(|key, _| key.name != name));
    }

    /// Notes until when verdicts are known to hold.
    pub fn note_as_of(&self, as_of: BTreeMap<String, Timestamp>) {
        self.write(|content| content.as_of = as_of);
    }

    /// Notes how fresh what the engine judges by is.
    pub fn note_inputs(&self, inputs: Vec<KnownInput>) {
        self.write(|content| content.inputs = inputs);
    }

    /// Notes what the engine waits for.
    pub fn note_waiting(&self, waiting: String) {
        self.write(|content| content.waiting = waiting);
    }

    fn read<T>(&self, read: impl FnOnce(&Content) -> T) -> T {
        // A panic elsewhere leaves each map whole: they are replaced or changed in one step.
        read(&self.content.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut Content) -> T) -> T {
        write(&mut self.content.write().unwrap_or_else(PoisonError::into_inner))
    }
}
