//! Where the times of a log can't be believed. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::entry::Entry;
use comptroller_vocabulary::closed_enum;

/// How far the operator's clock and the API server's may differ.
pub const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

closed_enum! {
    /// What is wrong with the time of an entry.
    pub enum TimeFault {
        /// The operator's clock and the API server's differed by more than a minute.
        ClocksDiffer = "ClocksDiffer",
        /// It is dated before an earlier entry.
        TimeFalls = "TimeFalls",
        /// The API server's time is before that of an earlier entry.
        ServerTimeFalls = "ServerTimeFalls",
    }
}

/// An entry whose time can't be believed as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeAnomaly {
    /// The number of the entry.
    pub entry: u64,
    /// The operator's own time.
    pub at: Timestamp,
    /// The API server's time; None where it was not known.
    pub server_time: Option<Timestamp>,
    /// What is wrong.
    pub fault: TimeFault,
}

/// Looks at the times of the entries of a log, in their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeCheck {
    latest: Option<Timestamp>,
    latest_server: Option<Timestamp>,
}

/// The times of an entry: all that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct EntryTimes {
    at: Timestamp,
    operator: Timestamp,
    server: Option<Timestamp>,
}

impl EntryTimes {
    /// The times of an entry.
    pub fn of(entry: &Entry) -> Self {
        let operator = entry.clock.operator.unwrap_or(entry.at);
        Self { at: entry.at, operator, server: entry.clock.server }
    }
}

impl TimeCheck {
    /// What is wrong with the time of the next entry; None if nothing is.
    pub fn look(&mut self, entry: u64, times: EntryTimes) -> Option<TimeAnomaly> {
        let EntryTimes { at, operator, server } = times;
        let falls = self.latest.is_some_and(|latest| at < latest);
        let server_falls =
            server.zip(self.latest_server).is_some_and(|(server, latest)| server < latest);
        let differ = server.is_some_and(|server| operator.duration_since(server).abs() > TOLERANCE);
        self.latest = self.latest.max(Some(at));
        self.latest_server = self.latest_server.max(server);
        let fault = match (falls, server_falls, differ) {
            (true, _, _) => TimeFault::TimeFalls,
            (_, true, _) => TimeFault::ServerTimeFalls,
            (_, _, true) => TimeFault::ClocksDiffer,
            _ => return None,
        };
        Some(TimeAnomaly { entry, at: operator, server_time: server, fault })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_whose_time_falls_or_differs_is_named() {
        // Seconds of the entry, of the operator and of the API server.
        let told: [(i64, i64, Option<i64>, Option<TimeFault>); 9] = [
            (100, 100, Some(100), None),
            (160, 160, Some(100), None),
            (161, 161, Some(100), Some(TimeFault::ClocksDiffer)),
            // Dated by the API server's time, by an operator whose clock is a day ahead.
            (170, 86_570, Some(170), Some(TimeFault::ClocksDiffer)),
            (170, 50, Some(170), Some(TimeFault::ClocksDiffer)),
            (169, 169, Some(170), Some(TimeFault::TimeFalls)),
            (171, 171, Some(169), Some(TimeFault::ServerTimeFalls)),
            // Nothing is known to compare with, as in a log of an older version.
            (5_000, 5_000, None, None),
            (5_000, 5_000, Some(5_000), None),
        ];
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut check = TimeCheck::default();
        for (entry, (dated, operator, server, fault)) in (0..).zip(told) {
            let times =
                EntryTimes { at: at(dated), operator: at(operator), server: server.map(at) };
            let found = check.look(entry, times);
            let expected = fault.map(|fault| TimeAnomaly {
                entry,
                at: at(operator),
                server_time: server.map(at),
                fault,
            });
            assert_eq!(found, expected, "{entry}");
        }
    }
}
