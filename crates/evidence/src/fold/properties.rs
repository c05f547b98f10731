//! What holds of the state of any log.

use proptest::prelude::*;

use super::{
    CONTROL, EXCEPTION, LogState,
    tests::{at, changed, folded, heartbeat, occurrence, operator, verdict},
};
use crate::{
    data::{ChangeKind, OccurrencePhase, OperatorEvent},
    entry::Entry,
};

fn log() -> impl Strategy<Value = Vec<Entry>> {
    let name = || proptest::sample::select(vec!["a", "b"]);
    let findings = || {
        let finding = (0_u8..4, proptest::option::of(Just("waiver")));
        proptest::collection::vec(finding, 0..3).prop_map(|found| {
            found
                .into_iter()
                .map(|(name, exception)| super::tests::finding(&name.to_string(), exception))
                .collect::<Vec<_>>()
        })
    };
    let entry = prop_oneof![
        (name(), findings(), findings()).prop_map(|(name, new, gone)| verdict(
            name,
            at(0),
            new,
            gone
        )),
        (name(), 0_u64..50).prop_map(|(name, population)| heartbeat(name, at(0), population)),
        (
            proptest::sample::select(vec![CONTROL, EXCEPTION]),
            name(),
            proptest::sample::select(ChangeKind::ALL),
        )
            .prop_map(|(kind, name, change)| changed(kind, name, at(0), change)),
        (name(), 0_i64..90, proptest::sample::select(OccurrencePhase::ALL))
            .prop_map(|(name, number, phase)| occurrence(name, number, phase)),
        proptest::sample::select(OperatorEvent::ALL).prop_map(|event| operator(at(0), event)),
    ];
    proptest::collection::vec(entry, 0..60).prop_map(|mut entries| {
        for (minute, entry) in (0..).zip(&mut entries) {
            entry.at = at(minute);
        }
        entries
    })
}

proptest! {
    #[test]
    fn a_snapshot_and_the_rest_are_the_whole(log in log(), part in 0_usize..60) {
        let part = part.min(log.len());
        let snapshot = serde_json::to_vec(&folded(&log[..part])).unwrap();
        let mut state: LogState = serde_json::from_slice(&snapshot).unwrap();
        prop_assert_eq!(state.size(), part as u64);
        for (index, entry) in (part as u64..).zip(&log[part..]) {
            state.apply(index, entry);
        }
        prop_assert_eq!(&state, &folded(&log));
        // The same state has the same text, whichever way it came to be.
        let text = |state: &LogState| serde_json::to_string(state).unwrap();
        prop_assert_eq!(text(&state), text(&folded(&log)));
    }
}
