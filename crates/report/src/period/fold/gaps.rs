//! Times when nobody looked: by what entries say, by silence, and where there was no control. Those
//! of one cause and one time are one, whatever many entries and controls they are of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Window, timeline};
use crate::period::model::{ControlReport, GapReport};
use comptroller_evidence::data::{GapCause, GapData};

/// Gaps of one cause that begin and end within this time of each other are one: controls are judged
/// one after another.
const TOGETHER: SignedDuration = SignedDuration::from_mins(2);

/// A time that an entry says was not observed.
#[derive(Clone, Debug)]
pub(super) struct RecordedGap {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) cause: GapCause,
    reason: String,
    entry: u64,
}

impl RecordedGap {
    /// A gap as its entry has it.
    pub(super) fn written(entry: u64, gap: &GapData) -> Self {
        let cause = gap.cause.unwrap_or_else(|| cause_of_old(&gap.reason));
        let (from, to) = (gap.from.min(gap.to), gap.to);
        Self { from, to, cause, reason: gap.reason.clone(), entry }
    }

    /// A gap between two entries of an operator.
    pub(super) fn of(from: Timestamp, to: Timestamp, cause: GapCause, entry: u64) -> Self {
        Self { from, to: to.max(from), cause, reason: sentence(cause).to_owned(), entry }
    }

    pub(super) fn touches(&self, window: Window) -> bool {
        window.instant || self.to > window.from
    }
}

/// The cause of a gap of an older version, by its sentence, where that is certain.
fn cause_of_old(reason: &str) -> GapCause {
    if reason.starts_with("the operator was stopped") {
        GapCause::Stopped
    } else {
        GapCause::NotObserved
    }
}

/// What a cause means for the time that it is of.
fn sentence(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Stopped => "the operator was stopped",
        GapCause::ClockDiffers => {
            "the operator's clock and the API server's differed by more than a minute, so nothing is claimed"
        }
        GapCause::NoControl => "there was no control of this name",
        GapCause::Suspended => "the control was suspended",
        other => other.meaning(),
    }
}

/// A gap of one control.
#[derive(Clone, Debug)]
pub(super) struct ControlGap {
    pub(super) control: String,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) cause: GapCause,
    pub(super) reason: String,
    pub(super) entry: Option<u64>,
}

impl ControlGap {
    /// What an entry says of a control, as far as it lies in the window.
    pub(super) fn recorded(control: &str, gap: &RecordedGap, window: Window) -> Option<Self> {
        let (from, to) = window.clip(gap.from, gap.to)?;
        let (reason, entry) = (gap.reason.clone(), Some(gap.entry));
        Some(Self { control: control.to_owned(), from, to, cause: gap.cause, reason, entry })
    }

    /// What follows from entries about something else.
    pub(super) fn derived(
        control: &str,
        (from, to): (Timestamp, Timestamp),
        cause: GapCause,
        entry: Option<u64>,
    ) -> Self {
        let reason = sentence(cause).to_owned();
        Self { control: control.to_owned(), from, to, cause, reason, entry }
    }
}

/// All gaps of a report, by time: those of the whole cluster, and those of controls, each time and
/// cause once.
pub(super) fn merged(
    everywhere: &[RecordedGap],
    own: Vec<ControlGap>,
    controls: &[ControlReport],
    window: Window,
) -> Vec<GapReport> {
    let mut reports = of_the_cluster(everywhere, controls, window);
    let mut rows: Vec<GapReport> = Vec::new();
    for gap in joined(own) {
        // A control says again what the entry for all of them says.
        if let Some(whole) = reports
            .iter_mut()
            .find(|whole| whole.from <= gap.from && gap.to <= whole.to && whole.cause == gap.cause)
        {
            add_entries(whole, &gap.entries);
            continue;
        }
        let fits = |row: &&mut GapReport| {
            row.cause == gap.cause
                && row.reason == gap.reason
                && near(row.from, gap.from)
                && near(row.to, gap.to)
        };
        match rows.iter_mut().find(fits) {
            Some(row) => {
                row.from = row.from.min(gap.from);
                row.to = row.to.max(gap.to);
                row.controls.extend(gap.controls);
                add_entries(row, &gap.entries);
            }
            None => rows.push(gap),
        }
    }
    reports.extend(rows);
    for row in &mut reports {
        row.controls.sort();
        row.controls.dedup();
    }
    // Every key that two gaps may share comes after the time, so that the report is the same bytes.
    reports.sort_by(|a, b| {
        (a.from, a.to, a.cause.as_str(), &a.controls, &a.entries).cmp(&(
            b.from,
            b.to,
            b.cause.as_str(),
            &b.controls,
            &b.entries,
        ))
    });
    reports
}

fn near(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() <= TOGETHER
}

fn add_entries(row: &mut GapReport, entries: &[u64]) {
    let all: BTreeSet<u64> = row.entries.iter().chain(entries).copied().collect();
    row.entries = all.into_iter().collect();
}

fn of_the_cluster(
    recorded: &[RecordedGap],
    controls: &[ControlReport],
    window: Window,
) -> Vec<GapReport> {
    let mut gaps: Vec<(Timestamp, Timestamp, &RecordedGap)> = recorded
        .iter()
        .filter_map(|gap| window.clip(gap.from, gap.to).map(|(from, to)| (from, to, gap)))
        .collect();
    gaps.sort_by_key(|(from, to, gap)| (*from, *to, gap.entry));
    let mut rows: Vec<GapReport> = Vec::new();
    for (from, to, gap) in gaps {
        let meets = |row: &&mut GapReport| row.cause == gap.cause && from <= row.to;
        match rows.iter_mut().find(meets) {
            Some(row) => {
                row.to = row.to.max(to);
                add_entries(row, &[gap.entry]);
            }
            None => rows.push(GapReport {
                from,
                to,
                cause: gap.cause,
                controls: Vec::new(),
                everywhere: true,
                reason: gap.reason.clone(),
                entries: vec![gap.entry],
            }),
        }
    }
    for row in &mut rows {
        let existed = |control: &&ControlReport| {
            control.intervals.iter().any(|one| one.from < row.to && row.from < one.to)
                || (window.instant && !control.intervals.is_empty())
        };
        row.controls = controls.iter().filter(existed).map(|one| one.name.clone()).collect();
    }
    rows
}

/// The gaps of each control, those of one cause that meet as one, by time.
fn joined(mut own: Vec<ControlGap>) -> Vec<GapReport> {
    own.sort_by(|a, b| {
        (a.from, a.to, &a.control, a.entry, &a.reason)
            .cmp(&(b.from, b.to, &b.control, b.entry, &b.reason))
    });
    let mut rows: Vec<GapReport> = Vec::new();
    let mut newest: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
    for gap in own {
        let key = (gap.control.clone(), gap.cause.as_str());
        let entries: Vec<u64> = gap.entry.into_iter().collect();
        if let Some(row) = newest.get(&key).and_then(|place| rows.get_mut(*place))
            && gap.from <= row.to
        {
            row.to = row.to.max(gap.to);
            add_entries(row, &entries);
            continue;
        }
        newest.insert(key, rows.len());
        rows.push(GapReport {
            from: gap.from,
            to: gap.to,
            cause: gap.cause,
            controls: vec![gap.control],
            everywhere: false,
            reason: gap.reason,
            entries,
        });
    }
    rows
}

/// The times of the window in which there was no control of the name.
pub(super) fn without_control(
    control: &str,
    existences: &[(Timestamp, Option<Timestamp>)],
    window: Window,
) -> Vec<ControlGap> {
    let mut gaps = Vec::new();
    let mut at = window.from;
    for (from, to) in existences {
        if at < *from {
            gaps.push((at, (*from).min(window.to)));
        }
        at = at.max(to.unwrap_or(window.to));
    }
    gaps.push((at, window.to));
    gaps.into_iter()
        .filter(|(from, to)| from < to)
        .map(|time| ControlGap::derived(control, time, GapCause::NoControl, None))
        .collect()
}

/// The gaps of a control that only the absence of entries shows.
pub(super) fn unrecorded(
    control: &str,
    intervals: &[crate::period::model::Interval],
) -> Vec<ControlGap> {
    let gap = |interval: &crate::period::model::Interval| {
        let reason = timeline::silence(interval)?.to_owned();
        let (from, to, cause) = (interval.from, interval.to, GapCause::NotObserved);
        Some(ControlGap { control: control.to_owned(), from, to, cause, reason, entry: None })
    };
    intervals.iter().filter_map(gap).collect()
}
