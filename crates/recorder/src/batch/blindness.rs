//! In which time a control could not be evaluated: since its inputs were last known, and not told
//! again where one gap of the whole cluster tells of it. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::draft::Entries;
use comptroller_evidence::{
    data::{GapCause, GapData},
    entry::Data,
};

/// How much later than an outage began or ended inputs may have fallen silent because of it, or are
/// known again after it: silence is noticed after a minute.
const SILENCE: SignedDuration = SignedDuration::from_secs(90);

/// Settles the gaps among the entries of a control whose inputs were known until a time, and of all
/// controls nothing could be judged in some outages.
pub(super) fn settle(entries: &mut Entries, known_until: Option<Timestamp>, outages: &[GapData]) {
    let mut known_until = known_until;
    entries.retain_mut(|(_, data)| {
        let Data::Gap(gap) = data else { return true };
        if gap.cause != Some(GapCause::InputsUnreadable) {
            return true;
        }
        // Silence is noticed some time after the last word; before that nothing is known either.
        if let Some(until) = known_until.take().filter(|until| *until < gap.from)
            && gap.from.duration_since(until) <= SILENCE
        {
            *gap = GapData { from: until, ..gap.clone() };
        }
        let outage = outages.iter().find(|outage| began_in(gap, outage));
        let Some(outage) = outage else { return true };
        if gap.to.duration_since(outage.to) <= SILENCE {
            return false;
        }
        // It could not be evaluated for longer than the outage took, and that is told.
        gap.from = gap.from.max(outage.to);
        true
    });
}

/// Whether a control could not be evaluated any more because of an outage.
fn began_in(gap: &GapData, outage: &GapData) -> bool {
    gap.from >= outage.from.saturating_sub(SILENCE).unwrap_or(outage.from)
        && gap.from <= outage.to.saturating_add(SILENCE).unwrap_or(outage.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_evidence::entry::EntrySubject;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn gap(from: i64, to: i64, cause: GapCause) -> GapData {
        GapData::between(at(from), at(to), cause, String::new())
    }

    #[test]
    fn a_gap_begins_with_the_last_word_and_an_outage_is_told_once() {
        use GapCause::{ApiServerUnreachable, InputsUnreadable, Suspended};
        let outage = || vec![gap(1000, 1200, ApiServerUnreachable)];
        for (what, own, known_until, outages, expected) in [
            ("nothing else", gap(1060, 1300, InputsUnreadable), None, vec![], Some((1060, 1300))),
            (
                "silent before",
                gap(1060, 1300, InputsUnreadable),
                Some(1001),
                vec![],
                Some((1001, 1300)),
            ),
            (
                "long before",
                gap(1060, 1300, InputsUnreadable),
                Some(10),
                vec![],
                Some((1060, 1300)),
            ),
            ("the outage", gap(1060, 1210, InputsUnreadable), Some(990), outage(), None),
            ("longer", gap(1060, 1800, InputsUnreadable), Some(990), outage(), Some((1200, 1800))),
            ("another time", gap(100, 300, InputsUnreadable), None, outage(), Some((100, 300))),
            ("suspended", gap(1060, 1210, Suspended), None, outage(), Some((1060, 1210))),
        ] {
            let mut entries = vec![(EntrySubject::control("c"), Data::Gap(own))];
            settle(&mut entries, known_until.map(at), &outages);
            let left = entries.first().map(|(_, data)| match data {
                Data::Gap(gap) => (gap.from.as_second(), gap.to.as_second()),
                _ => panic!("{what}"),
            });
            assert_eq!(left, expected, "{what}");
        }
    }
}
