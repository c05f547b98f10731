//! What the recorder does about time: it dates entries, tells in which time nobody looked, and claims
//! nothing while the clocks differ.

use jiff::{SignedDuration, Timestamp};

use super::{Recorder, Stage};
use crate::{
    EvidenceError, Obstacle, Writing,
    clock::{self, Part, Pause},
    draft::Entries,
    opening,
};
use comptroller_core::api::time::whole_seconds;
use comptroller_evidence::{
    data::{GapCause, GapData, OperatorEvent},
    entry::{Data, EntrySubject},
};

impl Recorder {
    /// The time of the next entry: it never falls within a log, whatever the clocks do.
    pub(super) fn entry_time(&self) -> Timestamp {
        let now = whole_seconds(self.config.clock.now()).0;
        self.read(|current| current.state.last_at()).map_or(now, |last| now.max(last))
    }

    /// Once a second: an entry tells of a pause, of an outage that is over, and of clocks that begin
    /// to differ or agree again.
    pub(super) async fn tick(&mut self) {
        self.config.clock.sign(Part::Recorder);
        if !matches!(self.stage, Stage::Open(_)) {
            return;
        }
        // A failure is told by the stage that it leads to, and then tried again.
        let _ = self.tell_pause().await;
        if self.outage.settles().is_some_and(|at| at <= self.config.clock.now()) {
            self.settle(false).await;
        }
        self.compare_clocks().await;
    }

    /// Records that the process did not run for a time, if no entry tells of it yet.
    pub(super) async fn tell_pause(&mut self) -> Result<(), EvidenceError> {
        if self.config.clock.untold_pause().is_none() {
            return Ok(());
        }
        self.write(Entries::new(), Vec::new(), self.entry_time()).await
    }

    /// Puts the gap of a pause that no entry tells of before what is to be written.
    pub(super) fn with_pause(&self, entries: &mut Entries, origin: &str) -> Option<Pause> {
        let pause = self.config.clock.untold_pause()?;
        let reason = format!(
            "the operator did not run for {}: it was stopped, its machine slept, or it had no CPU",
            describe(pause.to.duration_since(pause.from))
        );
        let gap = GapData::between(pause.from, pause.to, GapCause::Paused, reason);
        entries.insert(0, (opening::cluster(origin), Data::Gap(gap)));
        Some(pause)
    }

    /// Compares the operator's clock with the API server's. An entry says when they begin to differ
    /// and when they agree again; in between nothing is claimed.
    pub(super) async fn compare_clocks(&mut self) {
        if !matches!(self.stage, Stage::Open(_)) {
            return;
        }
        let Some(difference) = self.config.clock.difference() else { return };
        let before = self.clocks_differ.is_some();
        let differ = clock::differs(difference, before);
        if differ == before {
            return;
        }
        let now = self.entry_time();
        let event = if differ { OperatorEvent::ClockDiffers } else { OperatorEvent::ClockAgrees };
        if differ {
            tracing::error!(seconds = difference.as_secs(), "{}", explain(difference));
        } else {
            tracing::info!("the clock of the operator and that of the API server agree again");
        }
        // First the word, so that nothing is claimed while the entry is written.
        self.clocks_differ = differ.then_some(now);
        if differ {
            self.say_open();
        }
        let entry = self.operator_entry(event);
        if self.write(vec![entry], Vec::new(), now).await.is_err() {
            // The log is opened again, says whether it has the entry, and the clocks are compared.
            return;
        }
        if !differ {
            // What was found meanwhile is handed over as after every opening.
            self.term += 1;
            self.say_open();
        }
    }

    /// Whether the clocks let anything be claimed.
    pub(super) fn check_clocks(&self) -> Result<(), EvidenceError> {
        match self.clocks_differ {
            None => Ok(()),
            Some(_) => Err(EvidenceError::Unavailable(self.why_clocks_differ().into())),
        }
    }

    /// Says that the log is open, or that nothing is claimed since the clocks differ.
    pub(super) fn say_open(&self) {
        match self.clocks_differ {
            None => self.say(&Writing::Open(self.term)),
            Some(since) => {
                let is_said = matches!(
                    &*self.writing.borrow(),
                    Writing::Failing { obstacle: Obstacle::Clocks, since: said, .. } if *said == since
                );
                // The text is part of statuses, and must not change while the clocks differ.
                if !is_said {
                    let why = self.why_clocks_differ().into();
                    self.say(&Writing::Failing { obstacle: Obstacle::Clocks, why, since });
                }
            }
        }
    }

    fn why_clocks_differ(&self) -> String {
        explain(self.config.clock.difference().unwrap_or_default())
    }

    /// An entry about this process.
    pub(super) fn operator_entry(&self, event: OperatorEvent) -> (EntrySubject, Data) {
        let pseudonyms = self.read(|current| current.pseudonyms.clone());
        let data = self.identity.entry(event, pseudonyms.as_deref());
        (EntrySubject::new("Operator", &self.config.instance), data)
    }
}

/// Why nothing is claimed, with what to do.
fn explain(difference: SignedDuration) -> String {
    let place = if difference.is_negative() { "behind" } else { "ahead of" };
    format!(
        "the clock of the operator is {} {place} that of the API server, so nothing is claimed: set the clocks of the nodes by NTP",
        describe(difference.abs())
    )
}

/// A duration in words, in its largest unit that says enough.
fn describe(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        ..300 => format!("{seconds} s"),
        300..18_000 => format!("{} min", seconds / 60),
        18_000..432_000 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
