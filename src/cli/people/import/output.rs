//! What an import says: a table, one line, or manifests.

use std::io::{self, Write};

use tabwriter::TabWriter;

use super::{
    plan::{Missing, Plan, Step},
    rows::Export,
};
use comptroller_core::api::Person;
use comptroller_vocabulary::visible;

/// How many people who are missing are named.
const NAMED: usize = 20;

/// What would be done, a row for each person of whom something would change.
pub fn table(plan: &Plan, missing: &Missing, out: &mut dyn Write) -> io::Result<()> {
    let mut table = TabWriter::new(&mut *out).padding(3);
    writeln!(table, "ACTION\tPERSON\tWHAT")?;
    for step in &plan.steps {
        let (action, what) = match step {
            Step::Create(_, spec) => ("create", spec.display_name.clone()),
            Step::Change { told, .. } => ("change", told.join(", ")),
            Step::End { day, .. } => ("end", format!("not in the export; endDate: {day}")),
        };
        writeln!(table, "{action}\t{}\t{}", visible(step.name()), visible(&what))?;
    }
    let told = match missing {
        Missing::Ask => Some(("ask", "not in the export: give --missing keep or --missing end")),
        Missing::Keep => Some(("keep", "not in the export")),
        Missing::End(_) => None,
    };
    for name in plan.missing.iter().filter(|_| told.is_some()) {
        let (action, what) = told.unwrap_or_default();
        writeln!(table, "{action}\t{}\t{what}", visible(name))?;
    }
    table.flush()?;
    drop(table);
    writeln!(out, "\nNothing was written. {}", counts(plan, missing))
}

/// What was done.
pub fn summary(plan: &Plan, missing: &Missing, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", counts(plan, missing))
}

/// That nothing was done, and why.
pub fn undecided(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    let all = plan.missing.len();
    writeln!(
        out,
        "Nothing was written: {all} in the cluster are not in the export, and stay by what they say:"
    )?;
    for name in plan.missing.iter().take(NAMED) {
        writeln!(out, "  {}", visible(name))?;
    }
    if all > NAMED {
        writeln!(out, "  and {} more", all - NAMED)?;
    }
    writeln!(
        out,
        "Give --missing keep to leave them as they are, or --missing end[=YYYY-MM-DD] to write their last day."
    )
}

fn counts(plan: &Plan, missing: &Missing) -> String {
    let count = |is: fn(&Step) -> bool| plan.steps.iter().filter(|step| is(step)).count();
    let created = count(|step| matches!(step, Step::Create(..)));
    let changed = count(|step| matches!(step, Step::Change { .. }));
    let ended = count(|step| matches!(step, Step::End { .. }));
    let left = if matches!(missing, Missing::End(_)) { 0 } else { plan.missing.len() };
    format!(
        "{created} created, {changed} changed, {ended} ended, {} unchanged, {left} not in the export",
        plan.unchanged
    )
}

/// Everybody of an export as manifests.
pub fn manifests(export: &Export, out: &mut dyn Write) -> io::Result<()> {
    for row in &export.rows {
        let person = Person::new(&row.name, row.spec.clone());
        let text = yaml_serde::to_string(&person).map_err(io::Error::other)?;
        write!(out, "---\n{text}")?;
    }
    Ok(())
}
