//! What one tool has to say about one item.

use jiff::{SignedDuration, Timestamp};

use crate::{
    checks::{self, CheckContext},
    inventory::{Inventory, Slot},
};

/// How far clocks may be apart: a success that is further in the future is not believed yet.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Why a success of before the item was made does not count.
pub const EARLIER: &str =
    "succeeded before this was made: it is of an earlier one of the same name";

/// A success.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// When.
    pub at: Timestamp,
    /// The object that says so.
    pub by: Slot,
    /// When it stops being there to restore.
    pub until: Option<Timestamp>,
}

/// Whether a success can be relied on.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It can.
    Good,
    /// Its storage can't be reached, and why.
    Unreachable(String),
    /// It can't be told, and why.
    Undecided(String),
}

/// What one tool has to say about one item.
#[derive(Debug)]
pub struct Evidence<'a> {
    context: CheckContext<'a>,
    /// The newest success that can be relied on.
    pub good: Option<Success>,
    /// The newest success in storage that can't be reached.
    pub unreachable: Option<(Success, String)>,
    /// The newest success of which can't be told whether it covers the item.
    pub undecided: Option<(Success, String)>,
    /// A schedule for the item that runs.
    pub scheduled: Option<Slot>,
    /// A schedule for the item that is paused.
    pub paused: Option<Slot>,
    /// An object that covers the item and is no success, and why.
    pub attempt: Option<(Slot, String)>,
    /// Whether something says that it ran, well or not: files may be without any such word.
    pub ran: bool,
    /// When time alone next changes any of this: a success from the future begins to count, or
    /// one expires.
    pub changes: Option<Timestamp>,
}

impl<'a> Evidence<'a> {
    /// Nothing yet.
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

    /// Takes in a success. False when it does not count now, so that an older one may.
    pub fn succeeded(&mut self, success: Success, standing: Standing) -> bool {
        self.ran = true;
        if !self.is_believable(success.at) {
            return false;
        }
        if success.until.is_some_and(|until| until <= self.context.now) {
            self.attempted(success.by, "has expired");
            return false;
        }
        if let Some(until) = success.until {
            self.changes_at(until);
        }
        let inventory = self.context.inventory;
        let newer = |known: Option<&Success>| {
            known.is_none_or(|known| {
                (known.at, name_of(inventory, known.by))
                    < (success.at, name_of(inventory, success.by))
            })
        };
        match standing {
            Standing::Good if newer(self.good.as_ref()) => self.good = Some(success),
            Standing::Unreachable(why)
                if newer(self.unreachable.as_ref().map(|(known, _)| known)) =>
            {
                self.unreachable = Some((success, why));
            }
            Standing::Undecided(why) if newer(self.undecided.as_ref().map(|(known, _)| known)) => {
                self.undecided = Some((success, why));
            }
            _ => {}
        }
        true
    }

    /// Whether a success of this time may count by now.
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

    /// Takes in an object that covers the item and is no success. The last by name is kept: tools
    /// name their runs by date.
    pub fn attempted(&mut self, by: Slot, why: impl Into<String>) {
        self.ran = true;
        self.awaited(by, why);
    }

    /// Takes in an object that covers the item and may become a success.
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

    /// Takes in a success at a time when the item, made at `made`, may not have been there: then it
    /// was one of an earlier item of the same name.
    pub fn succeeded_for(&mut self, success: Success, standing: Standing, made: Option<Timestamp>) {
        if made.is_some_and(|made| success.at < made) {
            self.attempted(success.by, EARLIER);
        } else {
            self.succeeded(success, standing);
        }
    }

    /// Takes in a schedule for the item.
    pub fn schedule(&mut self, by: Slot, paused: bool) {
        let inventory = self.context.inventory;
        let known = if paused { &mut self.paused } else { &mut self.scheduled };
        let first = known.filter(|known| name_of(inventory, *known) <= name_of(inventory, by));
        *known = Some(first.unwrap_or(by));
    }

    /// Whether anything is there to restore, as far as can be told.
    pub fn has_success(&self) -> bool {
        self.successes().next().is_some()
    }

    /// Every success, whatever its standing.
    pub fn successes(&self) -> impl Iterator<Item = &Success> {
        self.good
            .iter()
            .chain(self.unreachable.iter().map(|(success, _)| success))
            .chain(self.undecided.iter().map(|(success, _)| success))
    }
}

/// The order of objects must not depend on where they are kept.
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
