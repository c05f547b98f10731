//! The board: verdicts as the engine's task last published them, for reconcilers to read.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use jiff::Timestamp;

use comptroller_core::engine::{Verdict, exceptions::ExceptionState};

/// A verdict with when the change behind it arrived.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The verdict.
    pub verdict: Arc<Verdict>,
    /// The uid of the control: one that is created anew under the same name starts over.
    pub uid: Option<String>,
    /// The number of the last verdict before it that was over before it was recorded.
    pub passed: u64,
    /// When the oldest change behind it was received; for the detection latency.
    pub received: Instant,
}

/// Verdicts and standings by name.
#[derive(Debug, Default)]
pub struct Board {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    controls: BTreeMap<String, Posted>,
    exceptions: BTreeMap<String, ExceptionState>,
    as_of: BTreeMap<String, Timestamp>,
    waiting: String,
}

impl Board {
    /// The verdict of a control.
    pub fn control(&self, name: &str) -> Option<Posted> {
        self.read(|state| state.controls.get(name).cloned())
    }

    /// How an exception stands.
    pub fn exception(&self, name: &str) -> Option<ExceptionState> {
        self.read(|state| state.exceptions.get(name).cloned())
    }

    /// Until when the verdict of a control is known to hold: when the last of its inputs was heard
    /// of. None: not all of them were.
    pub fn as_of(&self, control: &str) -> Option<Timestamp> {
        self.read(|state| state.as_of.get(control).copied())
    }

    /// What the engine waits for before it can evaluate, or who fell silent; empty when all is well.
    pub fn waiting(&self) -> String {
        self.read(|state| state.waiting.clone())
    }

    /// Posts a verdict.
    pub fn post_control(&self, name: &str, posted: Posted) {
        self.write(|state| {
            state.controls.insert(name.to_owned(), posted);
        });
    }

    /// Posts how exceptions stand; returns the names of those that stand differently.
    pub fn post_exceptions(&self, standings: BTreeMap<String, ExceptionState>) -> Vec<String> {
        self.write(|state| {
            let changed = standings
                .iter()
                .filter(|(name, standing)| state.exceptions.get(*name) != Some(standing))
                .map(|(name, _)| name.clone())
                .collect();
            state.exceptions = standings;
            changed
        })
    }

    /// Takes a control off the board.
    pub fn forget_control(&self, name: &str) {
        self.write(|state| {
            state.controls.remove(name);
            state.as_of.remove(name);
        });
    }

    /// Notes until when verdicts are known to hold.
    pub fn note_as_of(&self, as_of: BTreeMap<String, Timestamp>) {
        self.write(|state| state.as_of = as_of);
    }

    /// Notes what the engine waits for.
    pub fn note_waiting(&self, waiting: String) {
        self.write(|state| state.waiting = waiting);
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        write(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}
