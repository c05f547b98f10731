//! The occurrences of a human control.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Window,
    authors::{Lapses, RecordKind, UnboundApprovals, shown_by},
    deviations::{MISSED, OVERDUE},
    spec::LoggedSpec,
};
use crate::period::model::{
    AttestationReport, BACKDATED_AFTER_DAYS, Deviation, DeviationPattern, Ending, OccurrenceReport,
    ReportedItem,
};
use comptroller_core::api::{GROUP, ResourceRef, TestKind, VERSION};
use comptroller_evidence::data::{AttestationData, AttestationRecord, OccurrencePhase};

/// How long after a procedure was performed its record is still taken to be written at once.
const PROMPT: SignedDuration = SignedDuration::from_hours(BACKDATED_AFTER_DAYS * 24);

/// How the log says that an exception waived an occurrence; it has no field for it.
const WAIVED_BY: &str = "waived by ControlException ";

/// The kind under which the check of human controls names an occurrence.
const OCCURRENCE: &str = "Occurrence";

/// The occurrences of one control.
#[derive(Clone, Debug, Default)]
pub(super) struct OccurrencesFold(BTreeMap<String, OccurrenceFold>);

/// How people performed a control in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Performance {
    /// Every occurrence that was due was performed.
    Performed,
    /// None was due.
    NotDue,
    /// One that was due was waived, and none was left unanswered.
    Waived,
    /// One was due, and no entry says how it ended.
    Unfinished,
}

#[derive(Clone, Debug)]
struct OccurrenceFold {
    report: OccurrenceReport,
    /// When it was found to be missed, which is after its grace, and by which entry.
    missed: Option<(Timestamp, u64)>,
}

impl OccurrencesFold {
    pub(super) fn step(&mut self, index: u64, at: Timestamp, data: &AttestationData) {
        let dates = &data.occurrence;
        if data.phase == OccurrencePhase::Scheduled {
            // One lies ahead at a time: what an earlier rule scheduled takes no place.
            self.0.retain(|_, known| known.report.phase != OccurrencePhase::Scheduled);
        }
        let OccurrenceFold { report, missed } =
            self.0.entry(dates.period.clone()).or_insert_with(|| OccurrenceFold {
                report: OccurrenceReport {
                    period: dates.period.clone(),
                    event: data.event.clone(),
                    opens: dates.opens,
                    due: dates.due,
                    grace_until: dates.grace_until,
                    phase: data.phase,
                    attested_by: Vec::new(),
                    performed_at: None,
                    artifacts: Vec::new(),
                    waived_by: None,
                    records: Vec::new(),
                    entry: index,
                },
                missed: None,
            });
        // A missed occurrence stays missed, whatever comes later.
        if missed.is_none() {
            report.phase = data.phase;
            (report.opens, report.due) = (dates.opens, dates.due);
            report.grace_until = dates.grace_until;
            if data.phase == OccurrencePhase::Missed {
                *missed = Some((at.max(dates.grace_until), index));
            }
        }
        report.entry = index;
        if data.phase == OccurrencePhase::Waived {
            let exception = data.message.strip_prefix(WAIVED_BY).map(str::to_owned);
            report.waived_by = exception.or_else(|| report.waived_by.take());
        }
        if let Some(record) = &data.record {
            note_record(report, record, &data.message, index);
        }
        // What came too late, or from somebody who may not attest, is no answer.
        if let Some(record) = data.record.as_ref().filter(|record| record.counts) {
            insert(&mut report.attested_by, &record.attested_by);
            for artifact in &record.artifacts {
                insert(&mut report.artifacts, &artifact.digest);
            }
            report.performed_at = report.performed_at.max(Some(record.performed_at));
        }
    }

    fn touching(&self, window: Window) -> impl Iterator<Item = &OccurrenceFold> {
        self.0.values().filter(move |known| window.touches(known.report.opens, Some(known.end())))
    }

    /// Those that touch the window, by time, with what entries show since of who wrote the records.
    pub(super) fn report(&self, window: Window, lapses: &Lapses) -> Vec<OccurrenceReport> {
        let mut all: Vec<_> =
            self.touching(window).map(|occurrence| occurrence.report.clone()).collect();
        for record in all.iter_mut().flat_map(|one| &mut one.records) {
            let shown = lapses.at(RecordKind::Attestation, record.recorded_at);
            if shown.is_some() && record.author_bound != Some(false) {
                (record.author_bound, record.unbound_entry) = (Some(false), shown);
            }
        }
        all.sort_by(|a, b| (a.opens, &a.period).cmp(&(b.opens, &b.period)));
        all
    }

    /// A missed occurrence is a deviation, whatever came after it. Those that are among the
    /// findings already, with how they ended, are not named twice.
    pub(super) fn deviations(
        &self,
        found: &[Deviation],
        spec: &LoggedSpec,
        window: Window,
    ) -> Vec<Deviation> {
        self.touching(window)
            .filter_map(|OccurrenceFold { report, missed }| {
                let (_, entry) = (*missed)?;
                let resource = resource(&report.period);
                let is_same =
                    |known: &Deviation| known.rule == MISSED && known.item.resource == resource;
                (!found.iter().any(is_same)).then(|| missing(report, resource, spec, entry))
            })
            .collect()
    }

    /// An occurrence deviates since it was due, however old the control is that found it.
    pub(super) fn date(&self, deviations: &mut [Deviation]) {
        let named = |found: &&mut Deviation| {
            found.item.resource.kind == OCCURRENCE
                && [OVERDUE, MISSED].contains(&found.rule.as_str())
        };
        for deviation in deviations.iter_mut().filter(named) {
            if let Some(known) = self.0.get(&deviation.item.resource.name) {
                deviation.from = known.report.due;
            }
        }
    }

    /// How people performed it in the window; None of a control that the cluster answers for.
    pub(super) fn performance(&self, spec: &LoggedSpec, window: Window) -> Option<Performance> {
        if self.0.is_empty() && spec.test != TestKind::Attestation.as_str() {
            return None;
        }
        let was = |phase| self.touching(window).any(|known| known.report.phase == phase);
        Some(if self.has_unfinished(window) {
            Performance::Unfinished
        } else if was(OccurrencePhase::Waived) {
            Performance::Waived
        } else if was(OccurrencePhase::Completed) || was(OccurrencePhase::CompletedLate) {
            Performance::Performed
        } else {
            Performance::NotDue
        })
    }

    /// Why an occurrence that was due is not known to have been performed, or waived, though a record says
    /// so: nothing bound it to its author. None where there is none.
    pub(super) fn unbound(
        occurrences: &[OccurrenceReport],
        spec: &LoggedSpec,
        approvals: &UnboundApprovals,
    ) -> Option<String> {
        occurrences.iter().find_map(|one| match one.phase {
            OccurrencePhase::Completed | OccurrencePhase::CompletedLate => {
                let counting = || one.records.iter().filter(|record| record.counts);
                let unbound = counting().find(|record| record.author_bound == Some(false))?;
                let bound = counting().filter(|record| record.author_bound != Some(false));
                let people: BTreeSet<&str> =
                    bound.map(|record| record.attested_by.as_str()).collect();
                (people.len() < spec.min_attesters).then(|| {
                    let shown = shown_by(unbound.unbound_entry);
                    format!(
                        "The record {} of the occurrence {} is not bound to its author{shown}: nobody can tell who attested it.",
                        unbound.name, one.period
                    )
                })
            }
            OccurrencePhase::Waived => approvals.why(one.waived_by.as_deref()?),
            _ => None,
        })
    }

    /// Whether anybody ever performed it.
    pub(super) fn was_ever_performed(&self) -> bool {
        self.0.values().any(|known| {
            matches!(
                known.report.phase,
                OccurrencePhase::Completed | OccurrencePhase::CompletedLate
            )
        })
    }

    /// Whether an occurrence was due by the end without an entry that says how it ended. What its
    /// grace brings after the end is for the next report.
    pub(super) fn has_unfinished(&self, window: Window) -> bool {
        self.touching(window).any(|OccurrenceFold { report, .. }| {
            !report.phase.is_closed() && report.due <= window.to
        })
    }
}

impl OccurrenceFold {
    /// The first moment with which it has nothing to do any more. One that was found to be missed
    /// only after the end of one period touches the next one too, or no report would name it; one
    /// that was answered on time is not named again for its grace.
    fn end(&self) -> Timestamp {
        match (self.missed, self.report.phase) {
            (Some((at, _)), _) => at,
            (None, OccurrencePhase::Completed | OccurrencePhase::Waived) => self.report.due,
            (None, _) => self.report.grace_until,
        }
    }
}

/// A record of each name once: a later entry about it knows more.
fn note_record(report: &mut OccurrenceReport, record: &AttestationRecord, note: &str, entry: u64) {
    // Before it opened there was nothing to attest, and long after it was performed nobody can tell.
    let backdated = record.recorded_at.duration_since(record.performed_at) > PROMPT
        || record.performed_at < report.opens;
    let attested = AttestationReport {
        name: record.name.clone(),
        counts: record.counts,
        attested_by: record.attested_by.clone(),
        recorded_by: record.recorded_by.clone(),
        on_behalf: record.on_behalf,
        performed_at: record.performed_at,
        recorded_at: record.recorded_at,
        seen_at: record.seen_at,
        outcome: record.outcome.clone(),
        version: record.version.clone(),
        participants: record.participants,
        artifacts: record.artifacts.clone(),
        summary: record.summary.clone(),
        note: note.to_owned(),
        author_bound: record.author_bound,
        unbound_entry: None,
        backdated,
        late: record.recorded_at > report.due,
        spec_digest: record.spec_digest.clone(),
        entry,
    };
    match report.records.iter_mut().find(|known| known.name == record.name) {
        Some(known) => *known = attested,
        None => report.records.push(attested),
    }
}

fn resource(period: &str) -> ResourceRef {
    ResourceRef {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: OCCURRENCE.to_owned(),
        namespace: None,
        name: period.to_owned(),
    }
}

fn missing(
    report: &OccurrenceReport,
    resource: ResourceRef,
    spec: &LoggedSpec,
    entry: u64,
) -> Deviation {
    Deviation {
        rule: MISSED.to_owned(),
        item: ReportedItem { resource, uid: None },
        subject: None,
        message: format!(
            "was due at {} and nobody attested it by {}: it stays missed",
            report.due, report.grace_until
        ),
        severity: spec.severity,
        from: report.due,
        to: None,
        ending: Ending::Open,
        ending_detail: String::new(),
        last_found: None,
        exception: None,
        pattern: DeviationPattern::Isolated,
        cause: None,
        response: None,
        opened_entry: entry,
        closed_entry: None,
    }
}

fn insert(sorted: &mut Vec<String>, text: &str) {
    if let Err(place) = sorted.binary_search_by(|known| known.as_str().cmp(text)) {
        sorted.insert(place, text.to_owned());
    }
}
