//! The tables about criteria.

use std::{borrow::Cow, io};

use super::{table, text, time, yes};
use crate::period::model::PeriodReport;

pub(super) fn criteria(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let rows = report.criteria.iter().map(|criterion| {
        vec![
            text(&criterion.id),
            text(criterion.category.as_str()),
            text(&criterion.title),
            text(criterion.conclusion.as_str()),
            text(&criterion.basis),
            Cow::Owned(criterion.controls.join(" ")),
            text(yes(criterion.mapping_changed)),
        ]
    });
    let columns =
        ["criterion", "category", "asks", "conclusion", "basis", "controls", "mapping_changed"];
    table(&columns, rows)
}

pub(super) fn mapping(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let rows = report.criteria.iter().flat_map(|criterion| {
        criterion.mapping.iter().map(|one| {
            vec![
                text(&criterion.id),
                text(&one.control),
                time(one.from),
                time(one.to),
                text(one.conclusion.as_str()),
            ]
        })
    });
    table(&["criterion", "control", "from", "to", "conclusion"], rows)
}
