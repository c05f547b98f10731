//! The registers of a period: what vouches for each, and, if asked for, every item of it.

use jiff::Timestamp;

use super::Window;
use crate::period::model::{RegisterFaultReport, RegisterGapReport, RegisterReport};
use comptroller_evidence::{
    entry::Entry,
    fold::{
        register_windows::{RegisterBases, RegisterRow, RegisterWindows, last_moment},
        registers::RegisterGap,
    },
};

/// Registers in the making.
#[derive(Clone, Debug)]
pub(super) enum RegistersFold {
    /// What vouches for them, which takes no memory worth mentioning: an operator has one for each open
    /// period.
    Bases(RegisterBases),
    /// Item by item.
    Items(Box<RegisterWindows>),
}

impl RegistersFold {
    pub(super) fn new(window: Window) -> Self {
        let (from, last) = ends(window);
        Self::Bases(RegisterBases::new(from, last))
    }

    pub(super) fn item_by_item(window: Window) -> Self {
        let (from, last) = ends(window);
        Self::Items(Box::new(RegisterWindows::new(from, last)))
    }

    /// Takes in an entry, of whatever type.
    pub(super) fn apply(&mut self, index: u64, entry: &Entry) {
        match self {
            Self::Bases(bases) => bases.apply(index, entry),
            Self::Items(windows) => windows.apply(index, entry),
        }
    }

    /// Each register that the log has by the end of the period, by name.
    pub(super) fn report(&self, window: Window) -> Vec<RegisterReport> {
        let bases = match self {
            Self::Bases(bases) => bases,
            Self::Items(windows) => windows.bases(),
        };
        let reports = bases.iter().map(|(name, basis)| {
            let mut report = RegisterReport {
                name: name.to_owned(),
                basis: basis.clone(),
                population: None,
                not_known: Vec::new(),
                faults: Vec::new(),
                items: Vec::new(),
            };
            if let Self::Items(windows) = self {
                add_items(&mut report, windows, window);
            }
            report
        });
        reports.collect()
    }
}

fn add_items(report: &mut RegisterReport, windows: &RegisterWindows, window: Window) {
    let (_, last) = ends(window);
    let mut items = windows.items_within(&report.name);
    items.retain_mut(|row| keep_to(row, window, last));
    report.population = Some(items.len() as u64);
    report.items = items;
    report.not_known = windows.gaps(&report.name).into_iter().map(gap).collect();
    let faults = windows
        .history(&report.name)
        .map(comptroller_evidence::fold::registers::RegisterHistory::faults)
        .unwrap_or_default();
    report.faults = faults
        .iter()
        .map(|(entry, fault)| RegisterFaultReport { entry: *entry, fault: fault.to_string() })
        .collect();
}

/// What became of an item after the period is not the report's; false for one that was not in the register
/// at the time of a report of Type I.
fn keep_to(row: &mut RegisterRow, window: Window, last: Timestamp) -> bool {
    if window.instant {
        let gone = row.went.as_ref().is_some_and(|went| went.at <= last);
        if gone || row.came.at > last {
            return false;
        }
    }
    row.went =
        row.went.take().filter(|went| went.between.map_or(went.at, |between| between.from) <= last);
    true
}

fn gap(gap: RegisterGap) -> RegisterGapReport {
    let RegisterGap { from, to, reason, entry } = gap;
    RegisterGapReport { from, to, reason, entry }
}

/// The first and the last moment.
fn ends(window: Window) -> (Timestamp, Timestamp) {
    (window.from, if window.instant { window.to } else { last_moment(window.to) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::period::{
        digest,
        fold::PeriodFold,
        model::{PeriodReport, Span},
        testing::{at, rich},
    };
    use comptroller_evidence::{
        entry::{ClockReading, Data},
        register::{
            Fields, RegisterCause, RegisterData, RegisterDigests, RegisterItem, register_subject,
        },
    };

    /// When, why, and the keys that were listed, that came and that went.
    type Step<'a> = (&'a str, RegisterCause, &'a [&'a str], &'a [&'a str], &'a [&'a str]);

    /// One that stands, one of two hours, and one that goes only after the period.
    fn entries() -> Vec<Entry> {
        let item = |key: &str| RegisterItem::new(key, Fields::from([("n".to_owned(), json!(1))]));
        let mut digests = RegisterDigests::default();
        let steps: [Step<'_>; 5] = [
            ("2026-06-01T00:00:00Z", RegisterCause::Start, &["stands"], &[], &[]),
            ("2026-07-14T10:00:00Z", RegisterCause::Change, &[], &["short"], &[]),
            ("2026-07-14T12:00:00Z", RegisterCause::Change, &[], &["late"], &["short"]),
            ("2026-10-01T00:00:00Z", RegisterCause::Change, &[], &["after"], &[]),
            ("2026-10-01T00:00:05Z", RegisterCause::Change, &[], &[], &["late"]),
        ];
        let entry = |(time, cause, list, added, removed): Step<'_>| {
            let items = |keys: &[&str]| keys.iter().map(|key| item(key)).collect::<Vec<_>>();
            let (list, added, removed) = (items(list), items(added), items(removed));
            digests.move_items(&[list.clone(), added.clone()].concat(), &removed, &[]).unwrap();
            let data = RegisterData::new(cause, digests.count(), digests.digest());
            Entry {
                at: at(time),
                clock: ClockReading::default(),
                epoch: 1,
                subject: register_subject("grants"),
                data: Data::Register(Box::new(RegisterData { list, added, removed, ..data })),
            }
        };
        steps.into_iter().map(entry).collect()
    }

    fn made(span: Span, fold: impl Fn(PeriodFold) -> PeriodFold) -> PeriodReport {
        let mut fold = fold(PeriodFold::new(span, &[]));
        for (index, entry) in (0..).zip(&entries()) {
            fold.apply(index, entry);
        }
        let like = rich();
        fold.finish(crate::period::model::ReportPeriod { span, ..like.period }, like.provenance)
    }

    fn quarter() -> Span {
        Span::TypeII { from: at("2026-07-01T00:00:00Z"), to: at("2026-10-01T00:00:00Z") }
    }

    #[test]
    fn the_items_of_a_period_are_those_that_were_there_within_it_as_far_as_it_knows() {
        let report = made(quarter(), PeriodFold::with_register_items);
        let [grants] = report.registers.as_slice() else { panic!("{:?}", report.registers) };
        let items: Vec<_> = grants
            .items
            .iter()
            .map(|row| (row.key.as_str(), row.went.as_ref().map(|went| went.entry)))
            .collect();
        assert_eq!(items, [("late", None), ("short", Some(2)), ("stands", None)]);
        assert_eq!(grants.population, Some(3));
        let totals = [&grants.basis.at_start, &grants.basis.at_end]
            .map(|end| end.as_ref().map(|one| (one.entry, one.total)));
        assert_eq!(totals, [Some((0, 1)), Some((2, 2))]);
        assert_eq!(grants.not_known, []);
        assert_eq!(grants.moved(at("2026-07-01T00:00:00Z")).len(), 2);
    }

    #[test]
    fn the_digest_is_the_same_with_and_without_the_items_and_another_for_another_register() {
        let with = made(quarter(), PeriodFold::with_register_items);
        let mut without = made(quarter(), |fold| fold);
        assert!(without.registers[0].items.is_empty() && without.registers[0].population.is_none());
        let known = digest(&with).unwrap();
        assert_eq!(digest(&without).unwrap(), known);
        without.registers[0].basis.entries_digest.push('0');
        assert_ne!(digest(&without).unwrap(), known);
    }

    #[test]
    fn at_a_time_it_is_what_was_in_it_then() {
        let as_of = at("2026-07-14T12:00:00Z");
        let report = made(Span::TypeI { as_of }, PeriodFold::with_register_items);
        let keys: Vec<&str> =
            report.registers[0].items.iter().map(|row| row.key.as_str()).collect();
        assert_eq!(keys, ["late", "stands"]);
    }
}
