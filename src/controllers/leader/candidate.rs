//! The pure half of the election: what a candidate does with a lease, and whether it leads.
//!
//! Two clocks that are never compared between machines: a candidate measures on its own monotonic
//! clock how long the lease has not changed, and how long ago it sent the renewal that succeeded.
//! Times in the lease are for people.
//!
//! Why no two lead: a leader believes it until `renew` after it *sent* its last renewal. A rival
//! waits for the lease's duration, which is longer, after it *saw* that renewal, which was later.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The longest time between two looks of a standby at the lease. A leader that stops in order releases
/// the lease, and this is what is left of its outage: a request every half second is cheaper than that.
const LOOK: Duration = Duration::from_millis(500);

/// The durations of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
    renew: Duration,
    retry: Duration,
}

/// Why durations are not safe together.
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
    /// The defaults of client-go: 15 s, 10 s, 2 s.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

impl Timing {
    /// `lease`: how long others wait for a silent leader. `renew`: how long a leader leads after its
    /// last renewal. `retry`: the time between two attempts.
    pub fn new(lease: Duration, renew: Duration, retry: Duration) -> Result<Self, TimingError> {
        let whole = lease.subsec_nanos() == 0 && i32::try_from(lease.as_secs()).is_ok();
        if whole && renew < lease && !retry.is_zero() && retry <= renew / 2 {
            return Ok(Self { lease, renew, retry });
        }
        Err(TimingError { lease, renew, retry })
    }

    /// How long others wait for a silent leader; whole seconds.
    pub fn lease(self) -> Duration {
        self.lease
    }

    /// How long a leader leads after it sent its last renewal.
    pub fn renew(self) -> Duration {
        self.renew
    }

    /// The time between two attempts of a leader, or after one that failed.
    pub fn retry(self) -> Duration {
        self.retry
    }

    /// The time between two looks of a standby at a lease that another candidate holds.
    pub fn look(self) -> Duration {
        self.retry.min(LOOK)
    }
}

/// The fields of a lease that the election uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// The name of the holder; None after a release.
    pub holder: Option<String>,
    /// How long to wait for a silent holder; whole seconds.
    pub duration: Duration,
    /// When the holder took it, by the holder's clock; None if the lease does not say.
    pub acquired: Option<Timestamp>,
    /// When the holder last renewed it, by the holder's clock; None if the lease does not say.
    pub renewed: Option<Timestamp>,
    /// How often the holder changed.
    pub transitions: i32,
}

/// What to do with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseAction {
    /// There is none: create it.
    Create,
    /// It was released, or its holder has been silent for too long: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Another candidate holds it: wait.
    Wait,
}

/// What `me` does with a lease that has not changed since `observed_at`.
pub fn decide(
    me: &str,
    record: Option<&LeaseRecord>,
    observed_at: Instant,
    now: Instant,
) -> LeaseAction {
    let Some(record) = record else { return LeaseAction::Create };
    match record.holder.as_deref() {
        None => LeaseAction::Take,
        Some(holder) if holder == me => LeaseAction::Renew,
        Some(_) if now.saturating_duration_since(observed_at) >= record.duration => {
            LeaseAction::Take
        }
        Some(_) => LeaseAction::Wait,
    }
}

/// A process that wants to lead.
#[derive(Debug)]
pub struct Candidate {
    me: String,
    timing: Timing,
    observed: Option<ObservedLease>,
    leads_until: Option<Instant>,
}

/// The lease as it was last seen.
#[derive(Debug)]
struct ObservedLease {
    version: String,
    record: LeaseRecord,
    at: Instant,
}

impl Candidate {
    /// `me` must be unique to the process, or two processes would renew the same lease.
    pub fn new(me: String, timing: Timing) -> Self {
        Self { me, timing, observed: None, leads_until: None }
    }

    /// The name in the lease.
    pub fn name(&self) -> &str {
        &self.me
    }

    /// The durations it keeps to.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Takes the lease as it was read, with its resource version; None if there is none. Returns what
    /// to do with it.
    ///
    /// A new version means that the lease was renewed: the times in it may not change, since the
    /// holder's clock may stand still.
    pub fn observe(&mut self, lease: Option<(String, LeaseRecord)>, now: Instant) -> LeaseAction {
        let Some((version, record)) = lease else {
            self.observed = None;
            self.leads_until = None;
            return LeaseAction::Create;
        };
        // Whatever this process believed, another one has been elected, or an administrator took the
        // lease away.
        if record.holder.as_deref() != Some(&self.me) {
            self.leads_until = None;
        }
        // The wait counts from the first sight of this version, on our own clock.
        let at = match &self.observed {
            Some(observed) if observed.version == version => observed.at,
            _ => now,
        };
        let action = decide(&self.me, Some(&record), at, now);
        self.observed = Some(ObservedLease { version, record, at });
        action
    }

    /// What to write to hold the lease. `wall` is the time that people see in it.
    pub fn claim(&self, action: LeaseAction, wall: Timestamp) -> LeaseRecord {
        let seen = self.observed.as_ref().map(|observed| &observed.record);
        let acquired = seen.and_then(|record| record.acquired);
        let transitions = seen.map_or(0, |record| record.transitions);
        let (acquired, transitions) = match action {
            LeaseAction::Renew => (acquired.or(Some(wall)), transitions),
            LeaseAction::Take => (Some(wall), transitions.saturating_add(1)),
            LeaseAction::Create | LeaseAction::Wait => (Some(wall), transitions),
        };
        LeaseRecord {
            holder: Some(self.me.clone()),
            duration: self.timing.lease,
            acquired,
            renewed: Some(wall),
            transitions,
        }
    }

    /// What to write so that another candidate may take the lease at once.
    pub fn release(&self, wall: Timestamp) -> LeaseRecord {
        LeaseRecord {
            holder: None,
            // client-go does not accept 0.
            duration: Duration::from_secs(1),
            renewed: Some(wall),
            ..self.claim(LeaseAction::Renew, wall)
        }
    }

    /// A claim that was sent at `sent` was accepted. The time of sending counts: the server may have
    /// accepted it at any moment since, and others began to wait then.
    pub fn claimed(&mut self, sent: Instant) {
        self.leads_until = Some(sent + self.timing.renew);
    }

    /// How long to wait after an attempt; `answered` is whether the API server answered it. Where it
    /// does not, looking more often only adds to its load.
    pub fn pause(&self, answered: bool, now: Instant) -> Duration {
        if answered && self.leads_until(now).is_none() {
            self.timing.look()
        } else {
            self.timing.retry()
        }
    }

    pub fn resign(&mut self) {
        self.leads_until = None;
    }

    /// Until when it leads without another renewal; None if it does not lead.
    pub fn leads_until(&self, now: Instant) -> Option<Instant> {
        self.leads_until.filter(|until| now < *until)
    }

    #[cfg(test)]
    pub fn leads(&self, now: Instant) -> bool {
        self.leads_until(now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn record(holder: Option<&str>) -> LeaseRecord {
        LeaseRecord {
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
            (None, 0, LeaseAction::Create),
            (Some(record(None)), 0, LeaseAction::Take),
            (Some(record(Some("me"))), 0, LeaseAction::Renew),
            (Some(record(Some("me"))), 60, LeaseAction::Renew),
            (Some(record(Some("other"))), 0, LeaseAction::Wait),
            (Some(record(Some("other"))), 14, LeaseAction::Wait),
            (Some(record(Some("other"))), 15, LeaseAction::Take),
            // Its holder's word counts, not our own configuration.
            (
                Some(LeaseRecord { duration: 60 * SECOND, ..record(Some("other")) }),
                59,
                LeaseAction::Wait,
            ),
        ] {
            let now = observed + seconds * SECOND;
            let action = decide("me", record.as_ref(), observed, now);
            assert_eq!(action, expected, "{record:?} after {seconds} s");
        }
    }

    #[test]
    fn a_standby_looks_often_and_a_leader_renews_rarely() {
        let now = Instant::now();
        let mut candidate = candidate();
        candidate.observe(Some(("1".to_owned(), record(Some("other")))), now);
        assert_eq!(candidate.pause(true, now), SECOND / 2);
        assert_eq!(candidate.pause(false, now), 2 * SECOND);
        candidate.observe(Some(("2".to_owned(), record(None))), now);
        candidate.claimed(now);
        assert_eq!(candidate.pause(true, now), 2 * SECOND);
        assert_eq!(candidate.pause(false, now), 2 * SECOND);
        // Shorter attempts stay as short as they were asked to be.
        let quick = Timing::new(3 * SECOND, 2 * SECOND, SECOND / 5).unwrap();
        assert_eq!(quick.look(), SECOND / 5);
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
        assert_eq!(see("1", 0), LeaseAction::Wait);
        assert_eq!(see("1", 14), LeaseAction::Wait);
        // The same times in it: the holder's clock stands still, but it renewed.
        assert_eq!(see("2", 16), LeaseAction::Wait);
        assert_eq!(see("2", 30), LeaseAction::Wait);
        assert_eq!(see("2", 31), LeaseAction::Take);
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
        let first = candidate.claim(LeaseAction::Create, wall);
        assert_eq!((first.transitions, first.acquired), (0, Some(wall)));

        candidate.observe(Some(("1".to_owned(), record(Some("me")))), now);
        let renewed = candidate.claim(LeaseAction::Renew, wall);
        assert_eq!((renewed.transitions, renewed.acquired), (3, Some(Timestamp::UNIX_EPOCH)));
        assert_eq!(renewed.renewed, Some(wall));

        let released = candidate.release(wall);
        assert_eq!((released.holder, released.transitions), (None, 3));

        candidate.observe(Some(("2".to_owned(), record(Some("other")))), now);
        let taken = candidate.claim(LeaseAction::Take, wall);
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
