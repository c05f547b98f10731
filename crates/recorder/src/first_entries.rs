//! What a leadership says first: why nobody is known to have looked for a time, and that this
//! process writes from now on.

use jiff::Timestamp;

use super::opening;
use comptroller_core::api::{Duration, control::DEFAULT_HEARTBEAT};
use comptroller_evidence::{
    data::{GapCause, GapData, OperatorEvent},
    entry::{Data, EntrySubject},
    fold::{LogState, RunningOperator},
};

/// Who begins to write.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewWriter<'a> {
    /// The name of this process, such as the pod's.
    pub instance: &'a str,
    /// Whether it was elected among replicas.
    pub elected: bool,
    /// The last operator of the log, if that was this very process.
    pub own: Option<&'a RunningOperator>,
}

impl NewWriter<'_> {
    /// Why the last operator of the log, which did not close it, says no more.
    fn succeeds(&self, last: &RunningOperator) -> String {
        let Self { instance, elected, own } = *self;
        let RunningOperator { instance: other, .. } = last;
        if own == Some(last) {
            format!(
                "{instance} lost the leadership and regained it, and nothing was recorded between"
            )
        } else if elected && other != instance {
            format!(
                "{other} lost the leadership without closing the log, and {instance} took over, so nothing is known of what {other} saw last"
            )
        } else {
            format!("{other} did not stop in order, so nothing is known of what it saw last")
        }
    }
}

/// What a leadership says first.
pub(super) fn first_entries(
    state: &LogState,
    origin: &str,
    writer: NewWriter<'_>,
    now: Timestamp,
) -> Vec<(EntrySubject, Data)> {
    let silence = state.last_at().and_then(|last| {
        let (cause, reason) = if let Some(operator) = state.operator() {
            (GapCause::Crashed, writer.succeeds(operator))
        } else if now.duration_since(last) > shortest_heartbeat(state, last) {
            (GapCause::Stopped, "no operator ran".to_owned())
        } else {
            return None;
        };
        Some(GapData::between(last, now, cause, reason))
    });
    let gap = silence.map(|gap| (opening::cluster(origin), Data::Gap(gap)));
    // A process that led before did not start anew.
    let goes_on = writer.own.is_some() && writer.own == state.operator();
    let started = (!goes_on).then(|| {
        let started = opening::operator(OperatorEvent::Started);
        (EntrySubject::new("Operator", writer.instance), started)
    });
    gap.into_iter().chain(started).collect()
}

/// For how long the log may be silent while somebody looks.
fn shortest_heartbeat(state: &LogState, from: Timestamp) -> jiff::SignedDuration {
    let of = |duration: Duration| duration.add_to(from).duration_since(from);
    state
        .objects_of("Control")
        .filter_map(|(_, control)| {
            let heartbeat = control.spec.as_ref()?.get("heartbeat")?.clone();
            serde_json::from_value(heartbeat).ok()
        })
        .chain([DEFAULT_HEARTBEAT])
        .map(of)
        .min()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_evidence::entry::Entry;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(events: &[(&str, OperatorEvent)]) -> LogState {
        let mut state = LogState::default();
        for (index, (instance, event)) in (0..).zip(events) {
            let (subject, data) =
                (EntrySubject::new("Operator", instance), opening::operator(*event));
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
        for (what, events, elected, own, after, expected) in [
            ("a first start", vec![], true, false, 0, "Started"),
            ("a restart in order", vec![a(), ("a", Stopped)], false, false, 60, "Started"),
            ("hours later", vec![a(), ("a", Stopped)], false, false, 7200, "no operator, Started"),
            ("a crash", vec![a()], false, false, 60, "in order, Started"),
            ("a crash of this replica", vec![a()], true, false, 60, "in order, Started"),
            ("another replica", vec![("b", Started)], true, false, 60, "took over, Started"),
            ("another, no election", vec![("b", Started)], false, false, 60, "in order, Started"),
            ("lost and regained", vec![a()], true, true, 60, "regained"),
        ] {
            let state = state(&events);
            let own = state.operator().filter(|_| own);
            let writer = NewWriter { instance: "a", elected, own };
            let said = first_entries(&state, "comptroller.dev/evidence/x", writer, at(10 + after));
            let said: Vec<&str> = said
                .iter()
                .map(|(_, data)| match data {
                    Data::Gap(gap) => {
                        assert_eq!((gap.from, gap.to), (at(10), at(10 + after)), "{what}");
                        let known = ["in order", "took over", "regained", "no operator"];
                        known.into_iter().find(|word| gap.reason.contains(word)).unwrap()
                    }
                    _ => "Started",
                })
                .collect();
            assert_eq!(said.join(", "), expected, "{what}");
        }
    }
}
