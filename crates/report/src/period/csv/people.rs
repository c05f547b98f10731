//! The tables about what people did: occurrences, attestations, exceptions.

use std::{borrow::Cow, io};

use super::{
    Cells, item, number, numbers, optional, optional_time, table, text, time, with_item, yes,
};
use crate::period::model::{AttestationReport, ExceptionReport, PeriodReport};

pub(super) fn occurrences(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "control",
        "occurrence",
        "opens",
        "due",
        "grace_until",
        "phase",
        "attested_by",
        "performed_at",
        "artifacts",
        "waived_by",
        "entry",
    ];
    let rows = report.controls.iter().flat_map(|control| {
        control.occurrences.iter().map(|occurrence| {
            vec![
                text(&control.name),
                text(&occurrence.period),
                time(occurrence.opens),
                time(occurrence.due),
                time(occurrence.grace_until),
                text(occurrence.phase.as_str()),
                Cow::Owned(occurrence.attested_by.join(" ")),
                occurrence.performed_at.map_or(Cow::Borrowed(""), time),
                Cow::Owned(occurrence.artifacts.join(" ")),
                optional(occurrence.waived_by.as_deref()),
                number(occurrence.entry),
            ]
        })
    });
    table(&columns, rows)
}

/// Every record that names an occurrence, those that don't count too.
pub(super) fn attestations(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "control",
        "occurrence",
        "record",
        "counts",
        "note",
        "performed_at",
        "recorded_at",
        "seen_at",
        "attested_by",
        "recorded_by",
        "on_behalf",
        "author_bound",
        "unbound_entry",
        "backdated",
        "late",
        "outcome",
        "version",
        "participants",
        "summary",
        "artifacts",
        "spec_digest",
        "entry",
    ];
    let mut rows = Vec::new();
    for control in &report.controls {
        for occurrence in &control.occurrences {
            let start = [text(&control.name), text(&occurrence.period)];
            let records = occurrence.records.iter();
            rows.extend(records.map(|one| start.iter().cloned().chain(attestation(one)).collect()));
        }
    }
    table(&columns, rows)
}

fn attestation(one: &AttestationReport) -> Cells<'_> {
    let artifacts: Vec<String> = one
        .artifacts
        .iter()
        .map(|artifact| format!("{} {}", artifact.uri, artifact.digest))
        .collect();
    vec![
        text(&one.name),
        text(yes(one.counts)),
        text(&one.note),
        time(one.performed_at),
        time(one.recorded_at),
        optional_time(one.seen_at),
        text(&one.attested_by),
        optional(one.recorded_by.as_deref()),
        text(yes(one.on_behalf)),
        text(bound(one.author_bound)),
        one.unbound_entry.map_or(Cow::Borrowed(""), number),
        text(yes(one.backdated)),
        text(yes(one.late)),
        text(&one.outcome),
        optional(one.version.as_deref()),
        number(one.participants),
        text(&one.summary),
        Cow::Owned(artifacts.join(" ")),
        text(&one.spec_digest),
        number(one.entry),
    ]
}

fn bound(bound: Option<bool>) -> &'static str {
    bound.map_or("not recorded", yes)
}

pub(super) fn exceptions(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "exception",
        "controls",
        "resources",
        "suspends",
        "reason",
        "ticket",
        "compensating_control",
        "created_at",
        "asked_at",
        "requested_by",
        "recorded_by",
        "author_bound",
        "approved_at",
        "approved_by",
        "approver_bound",
        "unbound_entry",
        "phase",
        "expires",
        "in_force",
        "covered_findings",
        "waived",
        "wildcard",
        "late",
        "after_the_fact",
        "entries",
    ];
    table(&columns, report.exceptions.iter().map(exception))
}

fn exception(exception: &ExceptionReport) -> Cells<'_> {
    // ISO 8601 intervals, parted by spaces.
    let active: Vec<String> =
        exception.active.iter().map(|one| format!("{}/{}", one.from, one.to)).collect();
    let waived: Vec<String> =
        exception.waived.iter().map(|one| format!("{} {}", one.control, one.period)).collect();
    vec![
        text(&exception.name),
        Cow::Owned(exception.controls.join(" ")),
        Cow::Owned(exception.resources.join(", ")),
        text(yes(exception.suspends)),
        text(&exception.reason),
        optional(exception.ticket.as_deref()),
        optional(exception.compensating_control.as_deref()),
        optional_time(exception.created_at),
        time(exception.asked_at),
        text(&exception.requested_by),
        optional(exception.recorded_by.as_deref()),
        text(bound(exception.author_bound)),
        optional_time(exception.approved_at),
        optional(exception.approved_by.as_deref()),
        // Of an approval that was never given there is nothing to say.
        text(exception.approved_by.as_ref().map_or("", |_| bound(exception.approver_bound))),
        exception.unbound_entry.map_or(Cow::Borrowed(""), number),
        text(&exception.phase),
        optional_time(exception.expires),
        Cow::Owned(active.join(" ")),
        number(exception.covered.len()),
        Cow::Owned(waived.join(", ")),
        text(yes(exception.wildcard)),
        text(yes(exception.late)),
        text(yes(exception.after_the_fact)),
        numbers(&exception.entries),
    ]
}

pub(super) fn excepted_findings(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = with_item(&["control", "rule"], &["since", "from", "to", "exception", "entry"]);
    let rows = report.controls.iter().flat_map(|control| {
        control.excepted_findings.iter().map(|one| {
            let mut cells = vec![text(&control.name), text(&one.rule)];
            cells.extend(item(&one.item));
            cells.extend([
                time(one.since),
                time(one.from),
                optional_time(one.to),
                text(&one.exception),
                number(one.entry),
            ]);
            cells
        })
    });
    table(&columns, rows)
}
