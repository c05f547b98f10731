//! What the log says of itself: its clocks, its writers, and whether it continues what was published.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::Window;
use crate::period::model::{Cosignature, LogReport, OperatorReport, Provenance, TimeAnomaly};
use comptroller_evidence::{
    data::{OperatorData, OperatorEvent, PublishedState},
    entry::{Data, Entry},
    time_check::{EntryTimes, TimeCheck},
};

/// The log itself, as far as its entries go.
#[derive(Clone, Debug, Default)]
pub(super) struct LogFold {
    times: TimeCheck,
    anomalies: Vec<TimeAnomaly>,
    operators: Vec<OperatorReport>,
    published: Vec<PublishedState>,
    /// A witness saw another log, or more of this one.
    discontinued: bool,
}

impl LogFold {
    /// Takes in every entry, those after the window too: a log that was put back is one whenever it
    /// says so.
    pub(super) fn entry(&mut self, index: u64, entry: &Entry, window: Window) {
        self.anomalies.extend(self.times.look(index, EntryTimes::of(entry)));
        if let Data::Operator(data) = &entry.data {
            self.operator(index, entry, data, window);
        }
    }

    fn operator(&mut self, index: u64, entry: &Entry, data: &OperatorData, window: Window) {
        self.discontinued |= data.event == OperatorEvent::LogDiscontinued;
        if data.event != OperatorEvent::Started {
            return;
        }
        self.published.extend(data.published.clone());
        if window.is_over(entry.at) {
            return;
        }
        // Of those before the window, only the newest can have written in it.
        if entry.at <= window.from {
            self.operators.clear();
        }
        self.operators.push(OperatorReport {
            from: entry.at,
            instance: entry.subject.name.clone(),
            image: data.image.clone(),
            version: data.version.clone(),
            flags: data.flags.clone(),
            user: data.user.clone(),
            node: data.node.clone(),
            entry: index,
        });
    }

    pub(super) fn operators(&self, window: Window) -> Vec<OperatorReport> {
        self.operators.iter().filter(|one| !window.is_over(one.from)).cloned().collect()
    }

    /// What the log and those outside say of it.
    pub(super) fn report(&self, window: Window, provenance: &Provenance) -> LogReport {
        let Provenance { cosignatures, contradictions, .. } = provenance;
        let broken = self.published.iter().rev().find(|state| !state.continues);
        let newest = self.published.iter().rev().find(|state| state.checkpoint.is_some());
        let is_continued = broken.is_none()
            && !self.is_taken_away()
            && !self.discontinued
            && contradictions.is_empty();
        let is_told = !is_continued || !self.published.is_empty();
        let contradicting = contradictions.last().map(|one| one.checkpoint.clone());
        LogReport {
            continues_published: is_told.then_some(is_continued),
            published: contradicting
                .or_else(|| broken.or(newest).and_then(|state| state.checkpoint.clone())),
            vouched_days: vouched(window, cosignatures),
            policy: provenance.policy,
            days: days(window),
            time_anomalies: self.anomalies.clone(),
        }
    }
}

impl LogFold {
    /// Whether a start found nothing published, though one before it did: somebody took it away, and
    /// nothing tells any more how long the log was.
    fn is_taken_away(&self) -> bool {
        let mut since_first = self.published.iter().skip_while(|state| state.checkpoint.is_none());
        since_first.any(|state| state.checkpoint.is_none())
    }
}

/// The first and the last day of the window, in UTC.
fn bounds(window: Window) -> (Date, Date) {
    let moment = SignedDuration::from_nanos(1);
    let last = window.to.checked_sub(moment).unwrap_or(window.to).max(window.from);
    (day(window.from), day(last))
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The days of the window, a part of one as a whole.
fn days(window: Window) -> u64 {
    let (first, last) = bounds(window);
    let between = first.until(last).map_or(0, |span| span.get_days());
    u64::try_from(between).unwrap_or_default() + 1
}

/// The days of the window on which a witness signed.
fn vouched(window: Window, cosignatures: &[Cosignature]) -> u64 {
    let (first, last) = bounds(window);
    let vouched: BTreeSet<Date> = cosignatures
        .iter()
        .map(|one| day(one.at))
        .filter(|day| (first..=last).contains(day))
        .collect();
    vouched.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::{
        model::Span,
        testing::{at, rich},
    };

    #[test]
    fn a_day_is_vouched_for_when_somebody_outside_signed_on_it() {
        let window = Window::new(Span::TypeII {
            from: at("2026-07-01T00:00:00Z"),
            to: at("2026-10-01T00:00:00Z"),
        });
        let signed =
            |time: &str| Cosignature { witness: "w".to_owned(), at: at(time), log_size: 7 };
        let report = |cosignatures: &[Cosignature]| {
            let cosignatures = cosignatures.to_vec();
            let provenance = Provenance { cosignatures, ..rich().provenance };
            let report = LogFold::default().report(window, &provenance);
            (report.vouched_days, report.days)
        };
        assert_eq!(report(&[]), (0, 92));
        let all = [
            signed("2026-06-30T23:00:00Z"),
            signed("2026-07-01T01:00:00Z"),
            signed("2026-07-01T05:00:00Z"),
            signed("2026-09-30T23:00:00Z"),
            signed("2026-10-01T01:00:00Z"),
        ];
        assert_eq!(report(&all), (2, 92));
    }
}
