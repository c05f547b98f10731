//! The tables about the log: gaps, identity, time, operators.

use std::{borrow::Cow, io};

use super::{number, numbers, optional, optional_time, table, text, time, yes};
use crate::period::model::PeriodReport;

pub(super) fn gaps(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let rows = report.gaps.iter().map(|gap| {
        vec![
            time(gap.from),
            time(gap.to),
            number(gap.to.duration_since(gap.from).as_secs()),
            text(gap.cause.as_str()),
            // A gap of the whole cluster is one of every control.
            if gap.everywhere {
                Cow::Borrowed("(all controls)")
            } else {
                Cow::Owned(gap.controls.join(" "))
            },
            text(&gap.reason),
            numbers(&gap.entries),
        ]
    });
    table(&["from", "to", "seconds", "cause", "controls", "reason", "entries"], rows)
}

pub(super) fn identity(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let rows = report.identity.iter().map(|one| {
        vec![
            time(one.from),
            optional_time(one.to),
            text(&one.what),
            Cow::Owned(one.who.join(", ")),
            text(yes(one.author_not_bound)),
            number(one.entry),
        ]
    });
    table(&["from", "to", "what", "who", "author_not_bound", "entry"], rows)
}

pub(super) fn time_anomalies(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let rows = report.log.time_anomalies.iter().map(|one| {
        vec![
            number(one.entry),
            time(one.at),
            optional_time(one.server_time),
            text(one.fault.as_str()),
        ]
    });
    table(&["entry", "operator_time", "server_time", "fault"], rows)
}

pub(super) fn operators(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let rows = report.provenance.operators.iter().map(|one| {
        vec![
            time(one.from),
            text(&one.instance),
            optional(one.image.as_deref()),
            text(&one.version),
            Cow::Owned(one.flags.join(" ")),
            optional(one.user.as_deref()),
            optional(one.node.as_deref()),
            number(one.entry),
        ]
    });
    let columns = ["from", "instance", "image", "version", "flags", "user", "node", "entry"];
    table(&columns, rows)
}
