//! Whether the process ran without a break: stopped by a signal, on a machine that slept, or without
//! a share of the CPU it judges nothing, and no entry may vouch for that time. Pure.

use jiff::{SignedDuration, Timestamp};

/// How late a sign of life may be. Signs come every second, so that a pause is known as exactly.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// For how long after the time was set back a step forward is taken for the other half of it: of API
/// servers whose clocks differ, sometimes one answers and sometimes the other.
const UNSTEADY: SignedDuration = SignedDuration::from_mins(10);

/// Who gives signs of life, each at least every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Who judges what is seen.
    Engine,
    /// Who writes the log.
    Recorder,
}

/// A time in which the process did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The last sign of life before it.
    pub from: Timestamp,
    /// The first one after it.
    pub to: Timestamp,
}

/// The signs of life of one process.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    engine: Option<Sign>,
    recorder: Option<Sign>,
    /// What no entry tells of yet.
    untold: Option<Pause>,
    /// Until when entries tell of every pause.
    told: Option<Timestamp>,
    /// When the last pause ended, by the uptime.
    ended: Option<SignedDuration>,
    /// When the time was set back last, by the uptime.
    set_back: Option<SignedDuration>,
}

#[derive(Clone, Copy, Debug)]
struct Sign {
    uptime: SignedDuration,
    time: Timestamp,
}

impl Liveness {
    /// A sign of life. Whether it is so late that the process did not run.
    pub fn sign(&mut self, part: Part, uptime: SignedDuration, time: Timestamp) -> bool {
        let now = Sign { uptime, time };
        let Some(before) = self.last(part).replace(now) else { return false };
        if uptime - before.uptime <= LATE {
            return false;
        }
        // By the uptime: the time itself may have been corrected meanwhile.
        let from = time.saturating_sub(uptime - before.uptime).unwrap_or(before.time);
        self.add(Pause { from, to: time }, uptime);
        true
    }

    /// A part begins to wait, for no longer than a second.
    pub fn waits(&mut self, part: Part, uptime: SignedDuration, time: Timestamp) {
        *self.last(part) = Some(Sign { uptime, time });
    }

    fn last(&mut self, part: Part) -> &mut Option<Sign> {
        match part {
            Part::Engine => &mut self.engine,
            Part::Recorder => &mut self.recorder,
        }
    }

    /// The time made a step against the uptime. One forward is time in which the machine did not
    /// run, unless the time is unsteady.
    pub fn stepped(
        &mut self,
        step: SignedDuration,
        from: Timestamp,
        to: Timestamp,
        uptime: SignedDuration,
    ) {
        if step < -LATE {
            self.set_back = Some(uptime);
        }
        let is_steady = self.set_back.is_none_or(|back| uptime - back > UNSTEADY);
        if step > LATE && is_steady {
            self.add(Pause { from, to }, uptime);
        }
    }

    fn add(&mut self, pause: Pause, uptime: SignedDuration) {
        self.ended = self.ended.max(Some(uptime));
        // Each part notices the same pause.
        let from = self.told.map_or(pause.from, |told| told.max(pause.from));
        if pause.to.duration_since(from) <= LATE {
            return;
        }
        self.untold = Some(match self.untold {
            Some(known) => Pause { from: known.from.min(from), to: known.to.max(pause.to) },
            None => Pause { from, to: pause.to },
        });
    }

    /// Whether a pause ended since the machine had run for so long.
    pub fn paused_since(&self, uptime: SignedDuration) -> bool {
        self.ended.is_some_and(|ended| ended >= uptime)
    }

    /// What no entry tells of yet.
    pub fn untold(&self) -> Option<Pause> {
        self.untold
    }

    /// An entry tells of all until this time.
    pub fn told(&mut self, until: Timestamp) {
        self.told = self.told.max(Some(until));
        // What another part noticed of the same pause meanwhile is told as well.
        self.untold = self.untold.and_then(|pause| {
            let from = pause.from.max(until);
            (pause.to.duration_since(from) > LATE).then_some(Pause { from, to: pause.to })
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sign(liveness: &mut Liveness, part: Part, second: i64) -> bool {
        liveness.sign(part, SignedDuration::from_secs(second), at(second))
    }

    #[test]
    fn a_pause_is_from_the_last_sign_to_the_next_whoever_gives_it_and_told_once() {
        let mut liveness = Liveness::default();
        for second in 0..20 {
            assert!(!sign(&mut liveness, Part::Engine, second));
            assert!(!sign(&mut liveness, Part::Recorder, second));
        }
        assert!(sign(&mut liveness, Part::Recorder, 80));
        assert_eq!(liveness.untold(), Some(Pause { from: at(19), to: at(80) }));
        liveness.told(at(80));
        assert!(sign(&mut liveness, Part::Engine, 81), "it did not run either");
        assert_eq!(liveness.untold(), None, "an entry tells of it");
        assert!(liveness.paused_since(SignedDuration::from_secs(19)));
        assert!(!liveness.paused_since(SignedDuration::from_secs(82)));
    }

    #[test]
    fn what_is_noticed_while_the_entry_is_written_is_not_told_again() {
        let mut liveness = Liveness::default();
        sign(&mut liveness, Part::Engine, 0);
        sign(&mut liveness, Part::Recorder, 0);
        sign(&mut liveness, Part::Recorder, 60);
        let telling = liveness.untold().unwrap();
        sign(&mut liveness, Part::Engine, 61);
        liveness.told(telling.to);
        assert_eq!(liveness.untold(), None);
    }

    #[test]
    fn pauses_that_no_entry_tells_of_are_one() {
        let mut liveness = Liveness::default();
        for second in [0, 30, 31, 90] {
            sign(&mut liveness, Part::Engine, second);
        }
        assert_eq!(liveness.untold(), Some(Pause { from: at(0), to: at(90) }));
    }

    #[test]
    fn a_step_forward_is_lost_time_unless_the_servers_disagree() {
        let second = SignedDuration::from_secs(1);
        let mut liveness = Liveness::default();
        liveness.stepped(second * 60, at(10), at(70), second * 10);
        assert_eq!(liveness.untold(), Some(Pause { from: at(10), to: at(70) }));
        liveness.told(at(70));
        liveness.stepped(second * -20, at(80), at(60), second * 20);
        liveness.stepped(second * 20, at(70), at(100), second * 30);
        assert_eq!(liveness.untold(), None);
    }
}
