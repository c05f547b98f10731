//! When the API server could not be reached, so that one gap says so instead of one for each control
//! that could not be evaluated because of it. Pure.

use jiff::Timestamp;

use comptroller_evidence::data::{GapCause, GapData};
use comptroller_recorder::SERVER_SILENCE;

/// Whether the API server answers, and since when it does not.
#[derive(Debug, Default)]
pub struct Reachability {
    lost: Option<Lost>,
    /// Until when nobody listened, so that silence means nothing.
    deaf_until: Option<Timestamp>,
}

/// A time without an answer.
#[derive(Debug)]
struct Lost {
    since: Timestamp,
    /// Whether some input of the verdicts fell silent in it: a shorter silence loses nothing.
    matters: bool,
}

impl Reachability {
    /// The process did not run until now.
    pub fn deaf(&mut self, now: Timestamp) {
        self.deaf_until = Some(now);
    }

    /// Looks at when the API server answered last, and whether an input is silent. Says the gap of
    /// an outage that is over.
    pub fn look(
        &mut self,
        answered: Option<Timestamp>,
        is_input_silent: bool,
        now: Timestamp,
    ) -> Option<GapData> {
        let answered = answered?;
        let heard = self.deaf_until.map_or(answered, |until| until.max(answered));
        if now.duration_since(heard) >= SERVER_SILENCE {
            self.lost.get_or_insert(Lost { since: answered, matters: false });
        }
        let lost = self.lost.as_mut()?;
        lost.matters |= is_input_silent;
        if answered <= lost.since {
            return None;
        }
        let Lost { since, matters } = self.lost.take()?;
        let reason = "the API server did not answer".to_owned();
        matters.then(|| GapData::between(since, answered, GapCause::ApiServerUnreachable, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The gaps of a run of seconds, in which the API server answers and inputs are silent or not.
    fn gaps(
        seconds: i64,
        answers: impl Fn(i64) -> bool,
        silent: impl Fn(i64) -> bool,
    ) -> Vec<(i64, i64)> {
        let (mut reachability, mut answered) = (Reachability::default(), None);
        let gaps = (0..seconds).filter_map(|second| {
            if answers(second) {
                answered = Some(at(second));
            }
            reachability.look(answered, silent(second), at(second))
        });
        gaps.map(|gap| (gap.from.as_second(), gap.to.as_second())).collect()
    }

    #[test]
    fn an_outage_in_which_inputs_fell_silent_is_one_gap() {
        let outage = |from: i64, to: i64| move |second: i64| second <= from || second >= to;
        assert_eq!(
            gaps(400, outage(100, 310), |second| (130..320).contains(&second)),
            [(100, 310)]
        );
        assert_eq!(gaps(400, outage(100, 130), |_| false), [], "nothing was lost");
        assert_eq!(gaps(400, outage(100, 110), |_| true), [], "it answers");
        assert_eq!(gaps(400, |_| true, |_| true), [], "a kind can't be read, the rest can");
    }

    #[test]
    fn who_did_not_run_heard_nothing_and_that_is_no_outage() {
        let mut reachability = Reachability::default();
        assert_eq!(reachability.look(Some(at(10)), false, at(11)), None);
        reachability.deaf(at(100));
        assert_eq!(reachability.look(Some(at(10)), true, at(101)), None);
        assert_eq!(reachability.look(Some(at(102)), true, at(103)), None);
    }
}
