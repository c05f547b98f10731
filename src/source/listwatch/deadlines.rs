//! How long each part of a list-watch may take. Nothing waits without a limit.

use std::time::Duration;

/// The limits of one list-watch. In a healthy one, every 42 s at the latest something confirms that
/// nothing was missed, so 60 s of silence mean that it is broken.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From sending a request to the head of its response.
    pub response_head: Duration,
    /// Between two chunks of a list's body.
    pub chunk_gap: Duration,
    /// The shortest period that a watch is opened for; the server ends it then.
    pub period: Duration,
    /// The most that is added to `period` at random, so that watches of many kinds do not end
    /// together.
    pub spread: Duration,
    /// By when a watch ends after the last confirmation, even if its period becomes shorter: unless
    /// its bookmark came, a list follows.
    pub max_silence: Duration,
    /// But no watch is opened for less than this.
    pub min_period: Duration,
    /// How long after its period a watch that the server did not end is given up.
    pub overdue: Duration,
    /// After so much silence, a consistent read checks whether the watch missed anything.
    pub quiet: Duration,
    /// But not before a watch was open for this long: it may be about to send something.
    pub settle: Duration,
    /// How soon to repeat such a check after it failed.
    pub recheck: Duration,
    /// A watch that was open for less than this did not work.
    pub short_lived: Duration,
    /// A watch that was open for longer than this worked, whatever ended it.
    pub long_lived: Duration,
    /// The pause after a first failure; it doubles with each further one.
    pub first_backoff: Duration,
    /// The longest pause after failed requests.
    pub max_backoff: Duration,
    /// The longest pause after watches that ended too soon; each of them is followed by a list.
    pub max_backoff_after_watch: Duration,
    /// The longest pause after a refusal, and the most that is honoured of a `Retry-After`.
    pub max_backoff_when_refused: Duration,
    /// For how long a restarted API server may answer 403 before that is believed: it accepts
    /// requests before it has read its roles.
    pub startup_refusals: Duration,
    /// For how long after an outage a 403 may be such a refusal.
    pub after_outage: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        const fn seconds(count: u64) -> Duration {
            Duration::from_secs(count)
        }
        Self {
            response_head: seconds(10),
            chunk_gap: seconds(10),
            // Short enough that a half-open connection is noticed, long enough that 40 kinds make
            // one request a second between them.
            period: seconds(36),
            spread: seconds(6),
            // Leaves 10 s to list before the kind counts as stale.
            max_silence: seconds(50),
            min_period: seconds(15),
            // The server's clock is not ours, and its last bytes may take a moment.
            overdue: seconds(5),
            quiet: seconds(25),
            settle: seconds(10),
            recheck: seconds(5),
            short_lived: seconds(10),
            long_lived: seconds(30),
            first_backoff: Duration::from_millis(500),
            max_backoff: seconds(5),
            max_backoff_after_watch: seconds(8),
            max_backoff_when_refused: seconds(8),
            startup_refusals: seconds(30),
            after_outage: seconds(60),
        }
    }
}
