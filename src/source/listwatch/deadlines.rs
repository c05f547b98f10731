//! How long each part of a list-watch may take. Nothing waits without a limit.

use std::time::Duration;

/// The limits of one list-watch. A kind that is well is heard of every 42 s at most, so that
/// silence of 60 s means trouble.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From a request to the head of its answer.
    pub head: Duration,
    /// Between two pieces of a list.
    pub silence: Duration,
    /// The shortest period that a watch is asked for; the server ends it then.
    pub period: Duration,
    /// By how much longer, at most: watches of many kinds do not end together.
    pub spread: Duration,
    /// By when a watch ends after the last word, though its period is shorter then: a list follows
    /// unless its bookmark came.
    pub word: Duration,
    /// But no watch is asked for a shorter period.
    pub shortest: Duration,
    /// How long after its period a watch that was not ended is given up.
    pub overdue: Duration,
    /// A watch that has not spoken for so long is asked whether anything happened.
    pub quiet: Duration,
    /// But no sooner than this after it began: it may be about to speak.
    pub settle: Duration,
    /// How soon to ask again after a question that failed.
    pub ask_again: Duration,
    /// A watch that lived for less is no watch.
    pub short: Duration,
    /// A watch that lived for longer was well, whatever ended it.
    pub long: Duration,
    /// The first wait after a failure; it doubles.
    pub backoff: Duration,
    /// The longest wait after a request that failed.
    pub longest: Duration,
    /// The longest wait after watches that ended too soon; each is followed by a list.
    pub longest_after_watch: Duration,
    /// The longest wait after a refusal, and what is honoured of a Retry-After.
    pub longest_when_told: Duration,
    /// For how long an API server that comes back may refuse before its refusals are believed: it
    /// answers before it has read its roles.
    pub waking: Duration,
    /// For how long after an outage a refusal may be one of those.
    pub after_outage: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        const fn seconds(count: u64) -> Duration {
            Duration::from_secs(count)
        }
        Self {
            head: seconds(10),
            silence: seconds(10),
            period: seconds(36),
            spread: seconds(6),
            word: seconds(50),
            shortest: seconds(15),
            overdue: seconds(5),
            quiet: seconds(25),
            settle: seconds(10),
            ask_again: seconds(5),
            short: seconds(10),
            long: seconds(30),
            backoff: Duration::from_millis(500),
            longest: seconds(5),
            longest_after_watch: seconds(8),
            longest_when_told: seconds(8),
            waking: seconds(10),
            after_outage: seconds(60),
        }
    }
}
