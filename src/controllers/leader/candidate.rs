//! The pure half of the election: what a candidate does about a lease, and whether it leads.
//!
//! Two clocks that are never compared between machines: a candidate measures on its own monotonic
//! clock how long the lease has not changed, and how long ago it sent the renewal that succeeded.
//! Times in the lease are for people.
//!
//! Why no two lead: a leader believes it until `renew` after it *sent* its last renewal. A rival
//! waits for the lease's duration, which is longer, after it *saw* that renewal, which was later.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How long everything takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
    renew: Duration,
    retry: Duration,
}

/// Why times don't work together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a lease of {lease:?} with a renew deadline of {renew:?} and a retry period of {retry:?} is not safe; write whole seconds for the lease, less for the renew deadline, and at most half of that for the retry period"
)]
pub struct TimingError {
    lease: Duration,
    renew: Duration,
    retry: Duration,
}

impl Default for Timing {
    /// Those of client-go: 15 s, 10 s, 2 s.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

impl Timing {
    /// `lease`: how long others wait for a leader that is silent. `renew`: how long a leader
    /// leads after its last renewal. `retry`: the time between two attempts.
    pub fn new(lease: Duration, renew: Duration, retry: Duration) -> Result<Self, TimingError> {
        let whole = lease.subsec_nanos() == 0 && i32::try_from(lease.as_secs()).is_ok();
        if whole && renew < lease && !retry.is_zero() && retry <= renew / 2 {
            return Ok(Self { lease, renew, retry });
        }
        Err(TimingError { lease, renew, retry })
    }

    /// How long others wait for a leader that is silent; whole seconds.
    pub fn lease(self) -> Duration {
        self.lease
    }

    /// How long a leader leads after it sent its last renewal.
    pub fn renew(self) -> Duration {
        self.renew
    }

    /// The time between two attempts.
    pub fn retry(self) -> Duration {
        self.retry
    }
}

/// What a lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; nobody after a release.
    pub holder: Option<String>,
    /// How long to wait for a silent holder; whole seconds.
    pub duration: Duration,
    /// When the holder got it, by the holder's clock.
    pub acquired: Option<Timestamp>,
    /// When the holder last renewed it, by the holder's clock.
    pub renewed: Option<Timestamp>,
    /// How often the holder changed.
    pub transitions: i32,
}

/// What to do about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// There is none: create it.
    Create,
    /// Nobody holds it any more: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Another holds it.
    Wait,
}

/// What `me` does about a lease that was first seen as it is at `observed_at`.
pub fn decide(me: &str, record: Option<&Record>, observed_at: Instant, now: Instant) -> Action {
    let Some(record) = record else { return Action::Create };
    match record.holder.as_deref() {
        None => Action::Take,
        Some(holder) if holder == me => Action::Renew,
        Some(_) if now.saturating_duration_since(observed_at) >= record.duration => Action::Take,
        Some(_) => Action::Wait,
    }
}

/// One who wants to lead.
#[derive(Debug)]
pub struct Candidate {
    me: String,
    timing: Timing,
    observed: Option<Observed>,
    leads_until: Option<Instant>,
}

/// The lease as it was last seen.
#[derive(Debug)]
struct Observed {
    version: String,
    record: Record,
    at: Instant,
}

impl Candidate {
    /// `me` must be another name for each process, or two would renew one lease.
    pub fn new(me: String, timing: Timing) -> Self {
        Self { me, timing, observed: None, leads_until: None }
    }

    /// The name in the lease.
    pub fn name(&self) -> &str {
        &self.me
    }

    /// The times it keeps to.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// The lease was read, with its resource version, and what is to be done about it.
    ///
    /// The version tells that the lease was renewed, since a holder's clock may stand still.
    pub fn observe(&mut self, lease: Option<(String, Record)>, now: Instant) -> Action {
        let Some((version, record)) = lease else {
            self.observed = None;
            self.leads_until = None;
            return Action::Create;
        };
        if record.holder.as_deref() != Some(&self.me) {
            self.leads_until = None;
        }
        let at = match &self.observed {
            Some(observed) if observed.version == version => observed.at,
            _ => now,
        };
        let action = decide(&self.me, Some(&record), at, now);
        self.observed = Some(Observed { version, record, at });
        action
    }

    /// What to write to hold the lease. `wall` is for people.
    pub fn claim(&self, action: Action, wall: Timestamp) -> Record {
        let seen = self.observed.as_ref().map(|observed| &observed.record);
        let acquired = seen.and_then(|record| record.acquired);
        let transitions = seen.map_or(0, |record| record.transitions);
        let (acquired, transitions) = match action {
            Action::Renew => (acquired.or(Some(wall)), transitions),
            Action::Take => (Some(wall), transitions.saturating_add(1)),
            Action::Create | Action::Wait => (Some(wall), transitions),
        };
        Record {
            holder: Some(self.me.clone()),
            duration: self.timing.lease,
            acquired,
            renewed: Some(wall),
            transitions,
        }
    }

    /// What to write to let the next one have it at once.
    pub fn release(&self, wall: Timestamp) -> Record {
        Record {
            holder: None,
            // client-go does not accept 0.
            duration: Duration::from_secs(1),
            renewed: Some(wall),
            ..self.claim(Action::Renew, wall)
        }
    }

    /// A claim that was sent at `sent` was accepted.
    pub fn claimed(&mut self, sent: Instant) {
        self.leads_until = Some(sent + self.timing.renew);
    }

    /// It no longer wants to lead.
    pub fn resign(&mut self) {
        self.leads_until = None;
    }

    /// Until when it leads without another renewal, if it leads.
    pub fn leads_until(&self, now: Instant) -> Option<Instant> {
        self.leads_until.filter(|until| now < *until)
    }

    /// Whether it leads.
    #[cfg(test)]
    pub fn leads(&self, now: Instant) -> bool {
        self.leads_until(now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn record(holder: Option<&str>) -> Record {
        Record {
            holder: holder.map(str::to_owned),
            duration: 15 * SECOND,
            acquired: Some(Timestamp::UNIX_EPOCH),
            renewed: Some(Timestamp::UNIX_EPOCH),
            transitions: 3,
        }
    }

    fn candidate() -> Candidate {
        Candidate::new("me".to_owned(), Timing::default())
    }

    #[test]
    fn a_lease_is_taken_only_from_nobody_or_the_silent() {
        let observed = Instant::now();
        for (record, seconds, expected) in [
            (None, 0, Action::Create),
            (Some(record(None)), 0, Action::Take),
            (Some(record(Some("me"))), 0, Action::Renew),
            (Some(record(Some("me"))), 60, Action::Renew),
            (Some(record(Some("other"))), 0, Action::Wait),
            (Some(record(Some("other"))), 14, Action::Wait),
            (Some(record(Some("other"))), 15, Action::Take),
            // Its holder's word counts, not our own configuration.
            (Some(Record { duration: 60 * SECOND, ..record(Some("other")) }), 59, Action::Wait),
        ] {
            let now = observed + seconds * SECOND;
            let action = decide("me", record.as_ref(), observed, now);
            assert_eq!(action, expected, "{record:?} after {seconds} s");
        }
    }

    #[test]
    fn every_renewal_starts_the_wait_again() {
        let start = Instant::now();
        let mut candidate = candidate();
        let mut see = |version: &str, seconds: u32| {
            candidate.observe(
                Some((version.to_owned(), record(Some("other")))),
                start + seconds * SECOND,
            )
        };
        assert_eq!(see("1", 0), Action::Wait);
        assert_eq!(see("1", 14), Action::Wait);
        // The same times in it: the holder's clock stands still, but it renewed.
        assert_eq!(see("2", 16), Action::Wait);
        assert_eq!(see("2", 30), Action::Wait);
        assert_eq!(see("2", 31), Action::Take);
    }

    #[test]
    fn a_leader_leads_for_the_renew_deadline_and_no_longer() {
        let sent = Instant::now();
        let mut candidate = candidate();
        assert!(!candidate.leads(sent));
        candidate.observe(None, sent);
        candidate.claimed(sent);
        assert!(candidate.leads(sent + 9 * SECOND));
        assert_eq!(candidate.leads_until(sent), Some(sent + 10 * SECOND));
        assert_eq!(candidate.leads_until(sent + 10 * SECOND), None);
        assert!(!candidate.leads(sent + 10 * SECOND));
    }

    #[test]
    fn a_leader_that_sees_another_in_its_lease_stops() {
        for lease in [None, Some(record(Some("other"))), Some(record(None))] {
            let now = Instant::now();
            let mut candidate = candidate();
            candidate.claimed(now);
            candidate.observe(lease.map(|record| ("2".to_owned(), record)), now);
            assert!(!candidate.leads(now));
        }
    }

    #[test]
    fn what_is_written_counts_the_changes_of_holder() {
        let now = Instant::now();
        let wall: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let mut candidate = candidate();
        let first = candidate.claim(Action::Create, wall);
        assert_eq!((first.transitions, first.acquired), (0, Some(wall)));

        candidate.observe(Some(("1".to_owned(), record(Some("me")))), now);
        let renewed = candidate.claim(Action::Renew, wall);
        assert_eq!((renewed.transitions, renewed.acquired), (3, Some(Timestamp::UNIX_EPOCH)));
        assert_eq!(renewed.renewed, Some(wall));

        let released = candidate.release(wall);
        assert_eq!((released.holder, released.transitions), (None, 3));

        candidate.observe(Some(("2".to_owned(), record(Some("other")))), now);
        let taken = candidate.claim(Action::Take, wall);
        assert_eq!((taken.holder.as_deref(), taken.transitions), (Some("me"), 4));
        assert_eq!(taken.acquired, Some(wall));
    }

    #[test]
    fn unsafe_times_are_refused() {
        let s = Duration::from_secs_f64;
        assert!(Timing::new(s(15.0), s(10.0), s(2.0)).is_ok());
        for (lease, renew, retry) in [
            (15.0, 15.0, 2.0),
            (10.0, 12.0, 2.0),
            (15.5, 10.0, 2.0),
            (15.0, 10.0, 6.0),
            (15.0, 10.0, 0.0),
        ] {
            assert!(Timing::new(s(lease), s(renew), s(retry)).is_err(), "{lease} {renew} {retry}");
        }
    }
}
