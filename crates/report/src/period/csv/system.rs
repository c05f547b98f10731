//! The table of what the company says of the system.

use std::{borrow::Cow, io};

use super::{Cells, table, text};
use crate::period::model::{ComplementaryControlReport, PeriodReport, SubserviceReport};

/// A row for each thing that is said. None of it was observed.
pub(super) fn system(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let described = &report.system_description;
    let entry = described.entry.map(|entry| entry.to_string()).unwrap_or_default();
    let mut rows: Vec<Cells<'_>> = Vec::new();
    if let Some(company) = &described.company {
        rows.push(row("company", company, "", &[]));
    }
    if let Some(system) = &described.system {
        rows.push(row("system", &system.name, system.description.as_deref().unwrap_or(""), &[]));
    }
    if let Some(boundary) = &described.boundary {
        rows.extend(boundary.clusters.iter().map(|one| row("cluster", one, "", &[])));
        rows.extend(boundary.namespaces.iter().map(|one| row("namespace", one, "", &[])));
        let excluded = boundary.excluded.iter();
        rows.extend(excluded.map(|one| row("outside the boundary", &one.what, &one.why, &[])));
    }
    for one in &described.subservice_organizations {
        rows.extend(organization(one));
    }
    let users = described.complementary_user_entity_controls.iter();
    rows.extend(users.map(|one| complementary("complementary user entity control", "", one)));
    for focus in &described.points_of_focus {
        let criterion = std::slice::from_ref(&focus.criterion);
        let points = focus.points.iter();
        rows.extend(points.map(|point| row("point of focus", &focus.criterion, point, criterion)));
    }
    let rows = rows.into_iter().map(|mut cells| {
        cells.push(Cow::Owned(entry.clone()));
        cells
    });
    table(&["part", "name", "text", "criteria", "entry"], rows)
}

fn organization(one: &SubserviceReport) -> Vec<Cells<'_>> {
    let mut rows = vec![
        row("subservice organization", &one.name, &one.services, &[]),
        row("subservice organization: method", &one.name, one.method_words(), &[]),
    ];
    if let Some(report) = &one.report {
        rows.push(row("subservice organization: its report", &one.name, report, &[]));
    }
    let controls = one.complementary_controls.iter();
    rows.extend(controls.map(|control| {
        complementary("complementary subservice organization control", &one.name, control)
    }));
    rows
}

fn complementary<'r>(
    part: &'r str,
    name: &'r str,
    one: &'r ComplementaryControlReport,
) -> Cells<'r> {
    row(part, name, &one.control, &one.criteria)
}

fn row<'r>(part: &'r str, name: &'r str, says: &'r str, criteria: &[String]) -> Cells<'r> {
    vec![text(part), text(name), text(says), Cow::Owned(criteria.join(" "))]
}
