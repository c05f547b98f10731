//! Uses as a table, JSON or CSV. Names are hostile: each format escapes what its readers interpret.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::output::RowFormat;
use comptroller_evidence::usage::{EventCounts, Requester, UsageFacts, UsedRight};
use comptroller_report::{spreadsheet::CsvTable, visible};

/// What is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageTable {
    /// The times in which the stream was heard. Empty for a file, which does not say.
    pub heard: Vec<(Timestamp, Timestamp)>,
    /// The times in these of which events may be missing.
    pub gaps: Vec<(Timestamp, Timestamp)>,
    /// What became of the events.
    pub events: EventCounts,
    #[serde(flatten)]
    pub facts: UsageFacts,
}

const COLUMNS: [&str; 10] = [
    "fact",
    "user",
    "impersonator",
    "verb",
    "resource",
    "namespace",
    "name",
    "first",
    "last",
    "count",
];

/// A fact as a row, in the order of [`COLUMNS`].
type Row = [String; 10];

/// Writes it in a format.
pub fn write(table: &UsageTable, format: RowFormat, out: &mut dyn Write) -> io::Result<()> {
    match format {
        RowFormat::Table => write_table(table, out),
        RowFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, table)?;
            writeln!(out)
        }
        RowFormat::Csv => {
            let mut csv = CsvTable::new(&mut *out, &COLUMNS)?;
            for row in rows(&table.facts) {
                csv.row(&row)?;
            }
            csv.finish().map(|_| ())
        }
    }
}

fn write_table(table: &UsageTable, out: &mut dyn Write) -> io::Result<()> {
    for (from, to) in &table.heard {
        writeln!(out, "Heard from {from} to {to}.")?;
    }
    for (from, to) in &table.gaps {
        writeln!(out, "Gap: between {from} and {to} events may be missing.")?;
    }
    let EventCounts { taken, duplicates, refused, unclear, overflow, other: _ } = table.events;
    writeln!(
        out,
        "{taken} uses, {refused} requests that were refused, {duplicates} duplicates, {unclear} unclear events."
    )?;
    if overflow > 0 {
        writeln!(
            out,
            "There was no room for {overflow} facts, so that nothing is known to be unused."
        )?;
    }
    writeln!(out)?;
    let mut columns = tabwriter::TabWriter::new(out).padding(3);
    writeln!(columns, "FACT\tUSER\tVERB\tRESOURCE\tNAMESPACE\tNAME\tLAST\tCOUNT")?;
    for [fact, user, impersonator, verb, resource, namespace, name, _, last, count] in
        rows(&table.facts)
    {
        let user = match impersonator.as_str() {
            "" => visible(&user).into_owned(),
            by => format!("{} (by {})", visible(&user), visible(by)),
        };
        writeln!(
            columns,
            "{fact}\t{user}\t{}\t{}\t{}\t{}\t{last}\t{count}",
            visible(&verb),
            visible(&resource),
            visible(&namespace),
            visible(&name),
        )?;
    }
    columns.flush()
}

/// All facts, a row each.
fn rows(facts: &UsageFacts) -> impl Iterator<Item = Row> {
    let none = String::new;
    let last_uses = facts.last_uses.iter().map(move |fact| {
        let [verb, resource, namespace] = of_right(&fact.right);
        let (user, by) = of_requester(&fact.by);
        let day = fact.day.to_string();
        ["use".to_owned(), user, by, verb, resource, namespace, none(), none(), day, none()]
    });
    let changes = facts.changes.iter().map(|fact| {
        let [verb, resource, namespace] = of_right(&fact.right);
        let (user, by) = of_requester(&fact.by);
        let (first, last) = (fact.first.to_string(), fact.last.to_string());
        let (name, count) = (fact.name.clone(), fact.count.to_string());
        ["change".to_owned(), user, by, verb, resource, namespace, name, first, last, count]
    });
    let break_glass = facts.break_glass.iter().map(move |fact| {
        let (user, by) = of_requester(&fact.by);
        let (first, last) = (fact.first.to_string(), fact.last.to_string());
        let (name, count) = (fact.by_rule.clone(), fact.count.to_string());
        let fact = "break-glass".to_owned();
        [fact, user, by, none(), none(), none(), name, first, last, count]
    });
    let warnings = facts.warnings.iter().map(move |fact| {
        let (user, by) = of_requester(&fact.by);
        let (day, count) = (fact.day.to_string(), fact.count.to_string());
        let (name, fact) = (fact.policy.clone(), "warning".to_owned());
        [fact, user, by, none(), none(), none(), name, none(), day, count]
    });
    let accesses = facts.accesses.iter().map(move |fact| {
        let (user, by) = of_requester(&fact.by);
        let (day, count) = (fact.day.to_string(), fact.count.to_string());
        let (kind, namespace) = (fact.kind.to_string(), fact.namespace.clone());
        [kind, user, by, none(), none(), namespace, none(), none(), day, count]
    });
    last_uses.chain(changes).chain(break_glass).chain(warnings).chain(accesses)
}

fn of_right(right: &UsedRight) -> [String; 3] {
    let UsedRight { verb, group, resource, namespace } = right;
    // As `comptroller who-can` takes it: pods/exec, deployments.apps.
    let resource = match (group.as_str(), resource.split_once('/')) {
        ("", _) => resource.clone(),
        (group, Some((resource, subresource))) => format!("{resource}.{group}/{subresource}"),
        (group, None) => format!("{resource}.{group}"),
    };
    [verb.clone(), resource, namespace.clone()]
}

fn of_requester(by: &Requester) -> (String, String) {
    (by.user.clone(), by.impersonator.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_evidence::usage::LastUse;

    fn table() -> UsageTable {
        let right = UsedRight {
            verb: "patch".to_owned(),
            group: "apps".to_owned(),
            resource: "deployments/scale".to_owned(),
            namespace: "prod".to_owned(),
        };
        let by = Requester {
            user: "=cmd()\u{1b}[31m".to_owned(),
            impersonator: Some("jane".to_owned()),
        };
        let day = "2026-11-20".parse().unwrap();
        UsageTable {
            heard: vec![(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)],
            gaps: vec![(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)],
            events: EventCounts { taken: 1, ..EventCounts::default() },
            facts: UsageFacts {
                last_uses: vec![LastUse { by, right, day }],
                ..UsageFacts::default()
            },
        }
    }

    fn text(format: RowFormat) -> String {
        let mut out = Vec::new();
        write(&table(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_format_escapes_what_its_readers_run() {
        let shown = text(RowFormat::Table);
        assert!(!shown.contains('\u{1b}') && shown.contains("(by jane)"), "{shown}");
        assert!(
            shown.contains("deployments.apps/scale") && shown.contains("Gap: between"),
            "{shown}"
        );
        let csv = text(RowFormat::Csv);
        assert!(csv.contains(",'=cmd()") && !csv.contains('\u{1b}'), "{csv}");
        let json: serde_json::Value = serde_json::from_str(&text(RowFormat::Json)).unwrap();
        assert_eq!(json["lastUses"][0]["day"], "2026-11-20");
        assert_eq!(json["gaps"][0][0], "1970-01-01T00:00:00Z");
    }
}
