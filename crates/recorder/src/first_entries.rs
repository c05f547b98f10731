//! What a leadership says first: why nobody is known to have looked for a time, and that this
//! process writes from now on.

use jiff::{SignedDuration, Timestamp};

use super::{clock::Pause, opening};
use comptroller_evidence::{
    data::{GapCause, GapData, OperatorData},
    entry::{Data, EntrySubject},
    fold::{LogState, RunningOperator},
};

/// The longest silence between an operator that stopped in order and the next one that is no gap: the
/// log has whole seconds.
const BRIEF: SignedDuration = SignedDuration::from_secs(1);

/// The same where the next one stood by: it saw what happened meanwhile, and keeps it for so long.
const BRIEF_WATCHED: SignedDuration = SignedDuration::from_mins(1);

/// How long a process runs before it has seen everything.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(15);

/// Who begins to write.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewWriter<'a> {
    /// The name of this process, such as the pod's.
    pub instance: &'a str,
    /// Whether it was elected among replicas.
    pub elected: bool,
    /// The last operator of the log, if that was this very process.
    pub own: Option<&'a RunningOperator>,
    /// Until when this process led before, and vouches for what it saw. None if it did not.
    pub led_until: Option<Timestamp>,
    /// Since when this process runs.
    pub runs_since: Timestamp,
    /// The last time in which the API server did not answer this process.
    pub unreachable: Option<Pause>,
}

impl NewWriter<'_> {
    /// How long nobody may have written after the last operator stopped in order at a time.
    fn brief(&self, stopped: Timestamp) -> SignedDuration {
        let stood_by = self.elected && stopped.duration_since(self.runs_since) > FIRST_LOOK;
        if stood_by { BRIEF_WATCHED } else { BRIEF }
    }

    /// In which time nobody is known to have looked after the last operator of the log, which did
    /// not close it.
    fn gap_after(&self, last: &RunningOperator, from: Timestamp, now: Timestamp) -> GapData {
        let Self { instance, elected, own, led_until, unreachable, runs_since: _ } = *self;
        let RunningOperator { instance: other, .. } = last;
        let outage = unreachable.filter(|outage| outage.to >= led_until.unwrap_or(from));
        if let Some(outage) = outage.filter(|_| elected) {
            let reason = format!("the API server did not answer, and {instance} leads since");
            let from = if own == Some(last) { outage.from.max(from) } else { from };
            return GapData::between(from, now, GapCause::ApiServerUnreachable, reason);
        }
        if own == Some(last) {
            let reason = format!(
                "{instance} lost the leadership and regained it, and nothing was recorded between"
            );
            let from = led_until.map_or(from, |until| until.max(from));
            return GapData::between(from, now, GapCause::LeadershipLost, reason);
        }
        if elected && other != instance {
            let reason = format!(
                "{other} lost the leadership without closing the log, and {instance} took over, so nothing is known of what {other} saw last"
            );
            return GapData::between(from, now, GapCause::LeadershipLost, reason);
        }
        let reason =
            format!("{other} did not stop in order, so nothing is known of what it saw last");
        GapData::between(from, now, GapCause::Crashed, reason)
    }
}

/// What a leadership says first. `started` is what it says of itself.
pub(super) fn first_entries(
    state: &LogState,
    origin: &str,
    writer: NewWriter<'_>,
    started: OperatorData,
    now: Timestamp,
) -> Vec<(EntrySubject, Data)> {
    let gap = state.last_at().and_then(|last| match state.operator() {
        Some(operator) => Some(writer.gap_after(operator, last, now)),
        None if now.duration_since(last) > writer.brief(last) => {
            let reason = "the operator was stopped in order, and none ran".to_owned();
            Some(GapData::between(last, now, GapCause::Stopped, reason))
        }
        None => None,
    });
    let gap = gap.map(|gap| (opening::cluster(origin), Data::Gap(gap)));
    // A process that led before did not start anew.
    let goes_on = writer.own.is_some() && writer.own == state.operator();
    let started = (!goes_on).then(|| {
        (EntrySubject::new("Operator", writer.instance), Data::Operator(Box::new(started)))
    });
    gap.into_iter().chain(started).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OperatorIdentity;
    use comptroller_evidence::{data::OperatorEvent, entry::Entry};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(events: &[(&str, OperatorEvent)]) -> LogState {
        let mut state = LogState::default();
        for (index, (instance, event)) in (0..).zip(events) {
            let subject = EntrySubject::new("Operator", instance);
            let data = OperatorIdentity::default().entry(*event, None);
            state.apply(
                index,
                &Entry {
                    clock: comptroller_evidence::entry::ClockReading::default(),
                    at: at(10),
                    epoch: 1,
                    subject,
                    data,
                },
            );
        }
        state
    }

    #[test]
    fn the_first_entries_are_true_whoever_wrote_last() {
        use OperatorEvent::{Started, Stopped};
        let a = || ("a", Started);
        for (what, events, elected, own, silent, after, expected) in [
            ("a first start", vec![], true, false, None, 0, "Started"),
            ("a restart in order", vec![a(), ("a", Stopped)], false, false, None, 1, "Started"),
            ("a successor", vec![a(), ("a", Stopped)], true, false, None, 50, "Started"),
            ("later", vec![a(), ("a", Stopped)], false, false, None, 6, "Stopped 10..16, Started"),
            ("a crash", vec![a()], false, false, None, 60, "Crashed 10..70, Started"),
            ("of this replica", vec![a()], true, false, None, 60, "Crashed 10..70, Started"),
            (
                "another replica",
                vec![("b", Started)],
                true,
                false,
                None,
                60,
                "LeadershipLost 10..70, Started",
            ),
            (
                "no election",
                vec![("b", Started)],
                false,
                false,
                None,
                60,
                "Crashed 10..70, Started",
            ),
            ("regained", vec![a()], true, true, None, 60, "LeadershipLost 30..70"),
            (
                "regained after an outage",
                vec![a()],
                true,
                true,
                Some((20, 65)),
                60,
                "ApiServerUnreachable 20..70",
            ),
            (
                "an outage of before",
                vec![a()],
                true,
                true,
                Some((11, 25)),
                60,
                "LeadershipLost 30..70",
            ),
        ] {
            let state = state(&events);
            let own = state.operator().filter(|_| own);
            let led_until = Some(at(30));
            let unreachable = silent.map(|(from, to)| Pause { from: at(from), to: at(to) });
            let runs_since = at(-100);
            let writer =
                NewWriter { instance: "a", elected, own, led_until, runs_since, unreachable };
            let started = OperatorData::new(Started, "1".to_owned());
            let origin = "comptroller.dev/evidence/x";
            let said = first_entries(&state, origin, writer, started, at(10 + after));
            let said: Vec<String> = said
                .iter()
                .map(|(_, data)| match data {
                    Data::Gap(GapData { from, to, cause, .. }) => {
                        let cause = cause.expect("a cause").as_str();
                        format!("{cause} {}..{}", from.as_second(), to.as_second())
                    }
                    _ => "Started".to_owned(),
                })
                .collect();
            assert_eq!(said.join(", "), expected, "{what}");
        }
    }
}
