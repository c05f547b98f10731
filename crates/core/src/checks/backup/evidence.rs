//! What the objects of one backup tool show about one item.

use jiff::{SignedDuration, Timestamp};

use crate::{
    checks::{self, CheckContext},
    inventory::{Inventory, Slot},
};

/// How far clocks may be apart: a success that is further in the future is not believed yet.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Why a success of before the item was created does not count.
pub const EARLIER: &str =
    "succeeded before this was created: it is of an earlier one of the same name";

/// A backup that succeeded, as an object reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// When it was taken.
    pub at: Timestamp,
    /// The object that says so.
    pub by: Slot,
    /// When it expires and can no longer be restored; None when it is not known to.
    pub until: Option<Timestamp>,
}

/// Whether a success holds the item and can be restored.
#[derive(Clone, Debug, PartialEq)]
pub enum Reliability {
    Reliable,
    /// It can't be restored, since its storage can't be reached: why.
    Unreachable(String),
    /// What is known does not decide: why.
    Undecided(String),
}

/// What the objects of one tool show about one item, collected object by object in any order.
#[derive(Debug)]
pub struct ToolEvidence<'a> {
    context: CheckContext<'a>,
    /// The newest success that can be relied on.
    pub good: Option<Success>,
    /// The newest success in storage that can't be reached, and why it can't.
    pub unreachable: Option<(Success, String)>,
    /// The newest success of which it is not known whether it holds the item, and why.
    pub undecided: Option<(Success, String)>,
    /// The first by name of the schedules for the item that run.
    pub scheduled: Option<Slot>,
    /// The first by name of the schedules for the item that are paused.
    pub paused: Option<Slot>,
    /// The last by name of the objects that are about the item and no success, and why they are none.
    pub attempt: Option<(Slot, String)>,
    /// Whether some object reports a run, successful or not: manifests may show no such status.
    pub ran: bool,
    /// When time alone next changes any of this: a success from the future begins to count, or
    /// one expires.
    pub changes: Option<Timestamp>,
}

impl<'a> ToolEvidence<'a> {
    /// Starts without any evidence.
    pub fn new(context: &CheckContext<'a>) -> Self {
        Self {
            context: *context,
            good: None,
            unreachable: None,
            undecided: None,
            scheduled: None,
            paused: None,
            attempt: None,
            ran: false,
            changes: None,
        }
    }

    /// Takes in a success. False when it does not count now, since it lies in the future or has expired,
    /// so that an older one may.
    pub fn succeeded(&mut self, success: Success, reliability: Reliability) -> bool {
        self.ran = true;
        // A clock that is far ahead must not make a backup look fresh for days.
        if !self.is_believable(success.at) {
            return false;
        }
        // The tool may not have deleted it yet, and may do so at any moment.
        if success.until.is_some_and(|until| until <= self.context.now) {
            self.attempted(success.by, "has expired");
            return false;
        }
        if let Some(until) = success.until {
            self.changes_at(until);
        }
        // Of the same time, the last by name: an answer that depends on slots would change on restart.
        let inventory = self.context.inventory;
        let newer = |known: Option<&Success>| {
            known.is_none_or(|known| {
                (known.at, name_of(inventory, known.by))
                    < (success.at, name_of(inventory, success.by))
            })
        };
        match reliability {
            Reliability::Reliable if newer(self.good.as_ref()) => self.good = Some(success),
            Reliability::Unreachable(why)
                if newer(self.unreachable.as_ref().map(|(known, _)| known)) =>
            {
                self.unreachable = Some((success, why));
            }
            Reliability::Undecided(why)
                if newer(self.undecided.as_ref().map(|(known, _)| known)) =>
            {
                self.undecided = Some((success, why));
            }
            _ => {}
        }
        true
    }

    /// Whether a success of this time may count by now; if not, notes when it will.
    pub fn is_believable(&mut self, at: Timestamp) -> bool {
        let from = at.checked_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
        if from <= self.context.now {
            return true;
        }
        self.changes_at(from);
        false
    }

    fn changes_at(&mut self, at: Timestamp) {
        self.changes = Some(self.changes.map_or(at, |known| known.min(at)));
    }

    /// Takes in an object about the item that reports a run and no success. The last by name is kept:
    /// tools name their runs by date.
    pub fn attempted(&mut self, by: Slot, why: impl Into<String>) {
        self.ran = true;
        self.awaited(by, why);
    }

    /// Takes in an object about the item that may become a success.
    pub fn awaited(&mut self, by: Slot, why: impl Into<String>) {
        let inventory = self.context.inventory;
        let last = self
            .attempt
            .as_ref()
            .is_none_or(|(known, _)| name_of(inventory, *known) < name_of(inventory, by));
        if last {
            self.attempt = Some((by, why.into()));
        }
    }

    /// Takes in a success that names the item by its name alone. One of before the item was `created`
    /// is of an earlier item of the same name, and counts as an attempt.
    pub fn succeeded_for(
        &mut self,
        success: Success,
        reliability: Reliability,
        created: Option<Timestamp>,
    ) {
        if created.is_some_and(|created| success.at < created) {
            self.attempted(success.by, EARLIER);
        } else {
            self.succeeded(success, reliability);
        }
    }

    /// Takes in a schedule for the item, which runs or is paused.
    pub fn schedule(&mut self, by: Slot, paused: bool) {
        let inventory = self.context.inventory;
        let known = if paused { &mut self.paused } else { &mut self.scheduled };
        // The first by name, so that the message does not depend on the order of calls.
        let first = known.filter(|known| name_of(inventory, *known) <= name_of(inventory, by));
        *known = Some(first.unwrap_or(by));
    }

    /// Whether there may be anything to restore.
    pub fn has_success(&self) -> bool {
        self.successes().next().is_some()
    }

    /// Every success, whatever its reliability.
    pub fn successes(&self) -> impl Iterator<Item = &Success> {
        self.good
            .iter()
            .chain(self.unreachable.iter().map(|(success, _)| success))
            .chain(self.undecided.iter().map(|(success, _)| success))
    }
}

/// The order of objects in messages, which must not depend on where they are kept.
fn name_of(inventory: &Inventory, slot: Slot) -> Option<(&str, &str)> {
    let object = inventory.get(slot)?;
    Some((&object.namespace, &object.name))
}

/// An object as messages name it: `Backup velero/daily (velero.io)`.
pub fn name(inventory: &Inventory, slot: Slot) -> String {
    let Some(reference) = checks::reference(inventory, slot) else {
        return String::new();
    };
    let group = reference.api_version.split_once('/').map(|(group, _)| group);
    let namespace = reference.namespace.map(|namespace| namespace + "/");
    format!(
        "{} {}{}{}",
        reference.kind,
        namespace.unwrap_or_default(),
        reference.name,
        group.map(|group| format!(" ({group})")).unwrap_or_default(),
    )
}
