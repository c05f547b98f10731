//! Whether this process leads, by its own clock and not only by what it was told last.

use std::time::Instant;

use tokio::sync::watch;

use comptroller_evidence::fold::LogState;

/// Whether this process leads. Clones share it.
///
/// A process that was stopped and goes on still has what it was told before, until the election's
/// task runs again: so the deadline is looked at as well, each time before something is written.
#[derive(Clone, Debug)]
pub struct Leadership {
    leading: watch::Receiver<bool>,
    /// Until when it leads without another renewal. None: for as long as it is told so.
    until: Option<watch::Receiver<Option<Instant>>>,
    /// How often the Lease changed hands. None: there is no election, and each start is one more.
    transitions: Option<watch::Receiver<u64>>,
}

impl Leadership {
    /// Led for as long as `leading` says so, and never beyond `until`, by a Lease that changed hands
    /// so often as `transitions` says.
    pub fn elected(
        leading: watch::Receiver<bool>,
        until: watch::Receiver<Option<Instant>>,
        transitions: watch::Receiver<u64>,
    ) -> Self {
        Self { leading, until: Some(until), transitions: Some(transitions) }
    }

    /// Whether replicas elect who leads.
    pub(super) fn is_elected(&self) -> bool {
        self.transitions.is_some()
    }

    /// The epoch of this leadership over a log. A Lease that was deleted counts from the start
    /// again, and an epoch neither falls nor is that of two.
    pub(super) fn epoch(&self, state: &LogState) -> u64 {
        let next = state.epoch().saturating_add(1);
        let Some(transitions) = &self.transitions else { return next };
        let transitions = *transitions.borrow();
        let is_new = transitions > state.epoch() || state.size() == 0;
        if is_new { transitions } else { next }
    }

    /// Whether this process leads at this moment.
    pub fn holds(&self) -> bool {
        *self.leading.borrow() && self.in_time(Instant::now())
    }

    /// The same, for whoever then waits for a change from here on.
    pub(super) fn look(&mut self) -> bool {
        self.leading.mark_unchanged();
        if let Some(until) = &mut self.until {
            until.mark_unchanged();
        }
        self.holds()
    }

    fn in_time(&self, now: Instant) -> bool {
        let until = self.until.as_ref().map(|until| *until.borrow());
        until.is_none_or(|until| until.is_some_and(|until| now < until))
    }

    /// Waits until something changed since the last look. False: nothing will any more. For who
    /// led and still does, it was lost and regained.
    pub(super) async fn changed(&mut self) -> bool {
        let overdue = *self.leading.borrow() && !self.in_time(Instant::now());
        match &mut self.until {
            // Told that it leads, and late: the next word is a renewal, or that it is over.
            Some(until) if overdue => tokio::select! {
                changed = self.leading.changed() => changed.is_ok(),
                changed = until.changed() => changed.is_ok(),
            },
            _ => self.leading.changed().await.is_ok(),
        }
    }

    /// Resolves when this process is told that it no longer leads.
    pub(super) async fn lost(mut self) {
        // An election that is over leads to nothing either.
        let _ = self.leading.wait_for(|leads| !leads).await;
    }
}

impl From<watch::Receiver<bool>> for Leadership {
    /// Without a deadline: there is no election.
    fn from(leading: watch::Receiver<bool>) -> Self {
        Self { leading, until: None, transitions: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::OperatorIdentity;
    use comptroller_evidence::{
        data::OperatorEvent,
        entry::{Entry, EntrySubject},
    };

    #[test]
    fn who_was_told_that_it_leads_does_so_until_the_deadline() {
        let now = Instant::now();
        let later = now + Duration::from_mins(1);
        for (told, until, holds) in [
            (true, None, true),
            (false, None, false),
            (true, Some(Some(later)), true),
            (false, Some(Some(later)), false),
            // Stopped for longer than the deadline, and not told yet.
            (true, Some(Some(now)), false),
            (true, Some(None), false),
        ] {
            let (_told, leading) = watch::channel(told);
            let leadership = match until {
                None => Leadership::from(leading),
                Some(until) => {
                    Leadership::elected(leading, watch::channel(until).1, watch::channel(0).1)
                }
            };
            assert_eq!(leadership.holds(), holds, "{told} {until:?}");
        }
    }

    #[test]
    fn an_epoch_is_that_of_one_leadership_and_never_falls() {
        let (lease, transitions) = watch::channel(4);
        let leadership =
            Leadership::elected(watch::channel(true).1, watch::channel(None).1, transitions);
        let mut state = LogState::default();
        assert_eq!(leadership.epoch(&state), 4);
        let subject = EntrySubject::new("Operator", "comptroller-0");
        let data = OperatorIdentity::default().entry(OperatorEvent::Started, None);
        state.apply(
            0,
            &Entry {
                clock: comptroller_evidence::entry::ClockReading::default(),
                at: Timestamp::UNIX_EPOCH,
                epoch: 4,
                subject,
                data,
            },
        );
        for (transitions, epoch) in [(5, 5), (9, 9), (4, 5), (0, 5)] {
            lease.send_replace(transitions);
            assert_eq!(leadership.epoch(&state), epoch, "{transitions}");
        }
        assert_eq!(Leadership::from(watch::channel(true).1).epoch(&state), 5);
    }
}
