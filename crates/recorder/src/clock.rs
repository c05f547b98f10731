//! The time that entries are dated by: the API server's, which nobody bends who only has the machine
//! of the operator, carried on between its answers by the clock of the kernel, which nobody can set.
//!
//! Every answer of the API server has the second in which it was written. It bounds what the time is
//! there from both sides, so that after some answers it is known to a fraction of a second. The
//! operator's own clock is only compared with it, and used before the first answer.

mod liveness;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use self::liveness::Liveness;
pub use self::liveness::{Part, Pause};
use comptroller_evidence::entry::ClockReading;
use comptroller_vocabulary::whole_seconds;

/// Beyond this difference of the two clocks nothing is claimed.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// Clocks that differed must come closer than this to agree again: a difference of just a minute
/// would otherwise be told again and again.
const AGREEMENT: SignedDuration = SignedDuration::from_secs(55);

/// For how long an entry may cite the API server's time without another answer.
const KNOWN_FOR: SignedDuration = SignedDuration::from_mins(2);

/// How long the API server may not answer before that is an outage: it is asked something every 8 s
/// at least, and has 4 s.
pub const SERVER_SILENCE: SignedDuration = SignedDuration::from_secs(15);

/// An answer names the second in which it was written, without its fraction.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Where a clock reads what the machine says.
pub trait TimeSource: Send + Sync + std::fmt::Debug {
    /// What both clocks of the machine say now.
    fn read(&self) -> MachineTime;
}

/// What the clocks of the machine say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineTime {
    /// Since the machine started, the time that it slept included. It can't be set.
    pub uptime: SignedDuration,
    /// The wall clock, which can.
    pub wall: Timestamp,
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
struct Machine;

impl TimeSource for Machine {
    fn read(&self) -> MachineTime {
        MachineTime { uptime: uptime(), wall: Timestamp::now() }
    }
}

/// The time since the machine started. The standard library's clock stands still while the machine
/// sleeps, in which time nobody looks either.
#[cfg(target_os = "linux")]
fn uptime() -> SignedDuration {
    let read = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    SignedDuration::new(read.tv_sec, i32::try_from(read.tv_nsec).unwrap_or_default())
}

/// The same where the system has no such clock: since this was asked first.
#[cfg(not(target_os = "linux"))]
fn uptime() -> SignedDuration {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let began = *BEGAN.get_or_init(std::time::Instant::now);
    SignedDuration::try_from(began.elapsed()).unwrap_or(SignedDuration::MAX)
}

/// The trusted clock of one operator. Clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: Box<dyn TimeSource>,
    state: Mutex<ClockState>,
}

impl Default for Clock {
    /// On the clocks of this machine; the API server's time is not known yet.
    fn default() -> Self {
        Self::on(Machine)
    }
}

impl Clock {
    /// On other clocks than the machine's.
    pub fn on(source: impl TimeSource + 'static) -> Self {
        Self(Arc::new(Shared { source: Box::new(source), state: Mutex::default() }))
    }

    /// What the clocks of the machine say now: to be kept from when a request is sent.
    pub fn machine(&self) -> MachineTime {
        self.0.source.read()
    }

    /// Takes in the `Date` of an answer to a request that was sent at a time.
    pub fn observe(&self, date: Timestamp, sent: MachineTime) {
        let now = self.machine();
        self.state().observe(date, sent, now);
    }

    /// The time by which everything is dated: the API server's, or before its first answer the
    /// operator's own.
    pub fn now(&self) -> Timestamp {
        let now = self.machine();
        self.state().time(now)
    }

    /// The API server's time. None when it has not answered for two minutes.
    pub fn server_time(&self) -> Option<Timestamp> {
        let now = self.machine();
        self.state().server_time(now)
    }

    /// How far the operator's own clock is ahead of the API server's. None before its first answer.
    pub fn difference(&self) -> Option<SignedDuration> {
        let now = self.machine();
        self.state().difference(now)
    }

    /// How long the API server has not answered. None before its first answer.
    pub fn unanswered(&self) -> Option<SignedDuration> {
        let now = self.machine();
        self.state().answered.map(|answered| now.uptime - answered)
    }

    /// When the API server answered last. None: never.
    pub fn answered(&self) -> Option<Timestamp> {
        let state = self.state();
        state.answered.map(|uptime| state.time_at(uptime))
    }

    /// The last time of some length in which the API server did not answer while this process asked.
    /// None: there was none.
    pub fn server_silence(&self) -> Option<Pause> {
        self.state().silence
    }

    /// A part of the process gives a sign of life. Says whether it had given none for so long that
    /// the process did not run.
    pub fn sign(&self, part: Part) -> bool {
        let now = self.machine();
        self.state().sign(part, now)
    }

    /// A part of the process has done its work and waits for more. How long the work took says
    /// nothing of whether the process ran.
    pub fn waits(&self, part: Part) {
        let now = self.machine();
        let mut state = self.state();
        let time = state.time(now);
        state.liveness.waits(part, now.uptime, time);
    }

    /// Whether the process stood still at some time since the machine had run for so long.
    pub(crate) fn paused_since(&self, uptime: SignedDuration) -> bool {
        self.state().liveness.paused_since(uptime)
    }

    /// The time in which the process did not run, of which no entry tells. It is told again until it
    /// is [told](Self::told).
    pub(crate) fn untold_pause(&self) -> Option<Pause> {
        self.state().liveness.untold()
    }

    /// An entry tells of what the process did not see until this time.
    pub(crate) fn told(&self, until: Timestamp) {
        self.state().liveness.told(until);
    }

    /// What an entry says of the clocks that is dated by this time.
    pub(crate) fn reading(&self, dated: Timestamp) -> ClockReading {
        let now = self.machine();
        let server = self.state().server_time(now).map(whole_seconds);
        let own = whole_seconds(now.wall);
        ClockReading { server, operator: (own != whole_seconds(dated)).then_some(own) }
    }

    fn state(&self) -> MutexGuard<'_, ClockState> {
        // A panic elsewhere leaves it whole: each field is replaced in one step.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether clocks with this difference differ, who did or did not until now.
pub(crate) fn differs(difference: SignedDuration, before: bool) -> bool {
    difference.abs() > if before { AGREEMENT } else { TOLERANCE }
}

/// What is known of the time. Pure.
#[derive(Debug, Default)]
struct ClockState {
    /// The API server's clock; None before its first answer.
    server: Option<Anchor>,
    /// The clock that entries are dated by: the server's, unless that jumped and the operator's own
    /// did not.
    trusted: Option<Anchor>,
    /// When the API server answered last, by the uptime.
    answered: Option<SignedDuration>,
    /// The last time of some length without an answer, in which the process ran.
    silence: Option<Pause>,
    liveness: Liveness,
}

/// A clock that goes as the machine's uptime does.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    uptime: SignedDuration,
    time: Timestamp,
}

impl Anchor {
    fn at(self, uptime: SignedDuration) -> Timestamp {
        self.time.saturating_add(uptime - self.uptime).unwrap_or(self.time)
    }
}

impl ClockState {
    fn observe(&mut self, date: Timestamp, sent: MachineTime, received: MachineTime) {
        let latest = date.saturating_add(SECOND).unwrap_or(date);
        // Of the second in which it was written the operator's own clock may know the fraction.
        let guess = received.wall.clamp(date, latest);
        let mut server = self.server.unwrap_or(Anchor { uptime: received.uptime, time: guess });
        // It was written after the request was sent and before it was received, within a second.
        if server.at(received.uptime) < date {
            server = Anchor { uptime: received.uptime, time: date };
        }
        if server.at(sent.uptime) > latest {
            server = Anchor { uptime: sent.uptime, time: latest };
        }
        let before = self.answered;
        self.answered = before.max(Some(received.uptime));
        if let (Some(last), Some(trusted)) = (before, self.trusted)
            && received.uptime - last >= SERVER_SILENCE
            && !self.liveness.paused_since(last)
        {
            let (from, to) = (trusted.at(last), trusted.at(received.uptime));
            self.silence = Some(Pause { from, to });
        }
        self.server = Some(server);
        let now = server.at(received.uptime);
        let Some(trusted) = self.trusted else {
            self.trusted = Some(server);
            return;
        };
        let jump = now.duration_since(trusted.at(received.uptime));
        // A server whose clock was set leads nobody astray as long as the operator's own goes on as
        // before. Both jump when the machine slept and did not notice.
        let agrees = |one: Timestamp| one.duration_since(now).abs() <= TOLERANCE;
        if jump.abs() <= TOLERANCE || agrees(received.wall) {
            self.trusted = Some(server);
            let last = before.unwrap_or(received.uptime);
            self.liveness.stepped(jump, trusted.at(last), now, received.uptime);
        }
    }

    fn time(&self, now: MachineTime) -> Timestamp {
        self.trusted.map_or(now.wall, |trusted| trusted.at(now.uptime))
    }

    fn time_at(&self, uptime: SignedDuration) -> Timestamp {
        self.trusted.map_or(Timestamp::MIN, |trusted| trusted.at(uptime))
    }

    fn server_time(&self, now: MachineTime) -> Option<Timestamp> {
        let answered = self.answered?;
        (now.uptime - answered <= KNOWN_FOR).then(|| self.server.map(|it| it.at(now.uptime)))?
    }

    fn difference(&self, now: MachineTime) -> Option<SignedDuration> {
        Some(now.wall.duration_since(self.server?.at(now.uptime)))
    }

    fn sign(&mut self, part: Part, now: MachineTime) -> bool {
        let time = self.time(now);
        self.liveness.sign(part, now.uptime, time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the API server's clock and the machine's stand at the beginning.
    const EPOCH: i64 = 1_800_000_000;

    fn seconds(seconds: f64) -> SignedDuration {
        SignedDuration::from_secs_f64(seconds)
    }

    fn at(second: f64) -> Timestamp {
        Timestamp::from_second(EPOCH).unwrap() + seconds(second)
    }

    /// The machine after it ran for so long, with its wall clock ahead by so much.
    fn machine(uptime: f64, ahead: f64) -> MachineTime {
        MachineTime { uptime: seconds(uptime), wall: at(uptime + ahead) }
    }

    /// An answer to a request of a moment that took 10 ms, by a server whose clock is ahead.
    fn answer(state: &mut ClockState, uptime: f64, server_ahead: f64, wall_ahead: f64) {
        let date = whole_seconds(at(uptime + 0.005 + server_ahead));
        state.observe(date, machine(uptime, wall_ahead), machine(uptime + 0.01, wall_ahead));
    }

    fn off(state: &ClockState, uptime: f64, wall_ahead: f64) -> f64 {
        let time = state.time(machine(uptime, wall_ahead));
        time.duration_since(at(uptime)).as_secs_f64()
    }

    #[test]
    fn the_server_is_known_to_a_fraction_of_a_second_after_some_answers() {
        let mut state = ClockState::default();
        assert!(
            (off(&state, 0.0, 0.25) - 0.25).abs() < 0.001,
            "the operator's own before the first"
        );
        for step in 0..40 {
            answer(&mut state, f64::from(step) * 0.73, 0.0, 0.25);
        }
        assert!(off(&state, 30.0, 0.25).abs() < 0.1, "{}", off(&state, 30.0, 0.25));
        assert_eq!(
            state.server_time(machine(60.5, 0.0)).map(Timestamp::as_second),
            Some(EPOCH + 60)
        );
        assert_eq!(state.server_time(machine(600.0, 0.0)), None, "it has not answered for long");
    }

    #[test]
    fn a_wall_clock_that_is_set_changes_no_time_and_is_found() {
        let mut state = ClockState::default();
        for (uptime, ahead, difference) in [
            (1.0, 0.0, 0.0),
            (100.0, 86_400.0, 86_400.0),
            (190.0, 0.0, 0.0),
            (200.0, -86_400.0, -86_400.0),
        ] {
            answer(&mut state, uptime, 0.0, ahead);
            assert!(off(&state, uptime, ahead).abs() < 1.1, "{uptime}");
            let found = state.difference(machine(uptime, ahead)).unwrap().as_secs_f64();
            assert!((found - difference).abs() < 1.1, "{uptime}: {found}");
        }
        assert_eq!(state.liveness.untold(), None, "no time was lost");
    }

    #[test]
    fn a_server_whose_clock_is_set_does_not_take_the_time_with_it() {
        let mut state = ClockState::default();
        answer(&mut state, 1.0, 0.0, 0.0);
        answer(&mut state, 10.0, 86_400.0, 0.0);
        assert!(off(&state, 10.0, 0.0).abs() < 1.1, "nobody else saw a day go by");
        assert!(differs(state.difference(machine(10.0, 0.0)).unwrap(), false));
        answer(&mut state, 20.0, 0.0, 0.0);
        assert!(off(&state, 20.0, 0.0).abs() < 1.1);
        assert!(!differs(state.difference(machine(20.0, 0.0)).unwrap(), true));
    }

    #[test]
    fn a_machine_that_was_stopped_unawares_is_found_by_the_server_and_followed() {
        let mut state = ClockState::default();
        answer(&mut state, 1.0, 0.0, 0.0);
        // An hour went by that the uptime does not have; the wall clock is put right at once.
        answer(&mut state, 2.0, 3600.0, 3600.0);
        assert!((off(&state, 2.0, 3600.0) - 3600.0).abs() < 1.1);
        let pause = state.liveness.untold().unwrap();
        assert!(
            (pause.to.duration_since(pause.from).as_secs_f64() - 3600.0).abs() < 3.0,
            "{pause:?}"
        );
    }

    #[test]
    fn clocks_that_differed_agree_only_when_they_are_closer_than_a_minute() {
        for (difference, before, expected) in [
            (60, false, false),
            (61, false, true),
            (-61, false, true),
            (58, true, true),
            (54, true, false),
        ] {
            assert_eq!(differs(SignedDuration::from_secs(difference), before), expected);
        }
    }
}
