//! The numbers as a table for the terminal, Markdown for the docs and JSON for programs.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

use crate::{
    Result,
    goals::{Goal, goals},
    run::Measured,
};

const FOLDER: &str = "target/bench";

/// Writes `load.md` and `load.json`.
pub fn write(runs: &[Measured]) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("load.json"), serde_json::to_string_pretty(runs)?)?;
    fs::write(folder.join("load.md"), markdown(runs))?;
    Ok(())
}

/// A row for each thing that was measured: what, the goal, then each size.
fn rows(runs: &[Measured]) -> Vec<Vec<String>> {
    let columns: Vec<Vec<Goal>> = runs.iter().map(goals).collect();
    let mut head = vec![String::new(), "goal".to_owned()];
    head.extend(runs.iter().map(|run| format!("{} objects", run.objects)));
    let mut rows = vec![head];
    for (index, first) in columns.first().into_iter().flatten().enumerate() {
        let of = || columns.iter().filter_map(|goals| goals.get(index));
        let mut promised: Vec<String> =
            of().filter_map(|goal| goal.most).map(|most| number(most, first.unit)).collect();
        promised.dedup();
        let mut row = vec![first.what.to_owned(), promised.join("; ")];
        row.extend(of().map(|goal| {
            let text = number(goal.measured, goal.unit);
            if goal.is_reached() { text } else { format!("{text} (!)") }
        }));
        rows.push(row);
    }
    rows
}

fn number(value: f64, unit: &str) -> String {
    let digits = if unit.is_empty() || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}

/// All runs as a table for a terminal, its columns aligned.
pub fn text(runs: &[Measured]) -> String {
    let lines: String =
        rows(runs).iter().fold(String::new(), |text, row| text + &row.join("\t") + "\n");
    let mut aligned = tabwriter::TabWriter::new(Vec::new()).padding(3);
    let written = aligned.write_all(lines.as_bytes()).and_then(|()| aligned.flush());
    let aligned = written.ok().and_then(|()| aligned.into_inner().ok());
    let table = aligned.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(lines);
    format!("\n{table}\n{NOTE}\n")
}

const NOTE: &str = "(!) above the goal. Times on the clock fail the run only above five times the \
                    goal, since other work on the machine lengthens them.";

fn markdown(runs: &[Measured]) -> String {
    let mut text = String::from("# The cluster benchmark\n\n");
    for (index, row) in rows(runs).iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    let _ = writeln!(text, "\n{NOTE}");
    for run in runs {
        details(&mut text, run);
    }
    text
}

fn details(text: &mut String, run: &Measured) {
    let list = |of: &mut dyn Iterator<Item = (&String, f64)>| {
        of.map(|(name, count)| format!("{name} {count:.0}")).collect::<Vec<_>>().join(", ")
    };
    let mut kinds = run.kinds.iter().map(|(kind, number)| (kind, crate::goals::count(*number)));
    let _ = writeln!(text, "\n## {} objects, seed {}\n", run.objects, run.seed);
    let _ = writeln!(text, "- objects: {}", list(&mut kinds));
    let _ = writeln!(
        text,
        "- {:.0} MiB in etcd, loaded in {:.0} s",
        run.stored_bytes / 1_048_576.0,
        run.load_seconds
    );
    for (when, spent) in [
        ("first verdict", &run.first),
        ("rest", &run.rest),
        ("single changes", &run.single_spent),
        ("20 changes a second", &run.storm_spent),
    ] {
        let verbs = list(&mut spent.requests.iter().map(|(verb, count)| (verb, *count)));
        let _ = writeln!(
            text,
            "- {when}: {:.1} s, operator {:.2} CPU s, API server {:.2} CPU s, {:.0} KiB written to etcd; requests of the operator: {}",
            spent.seconds,
            spent.operator_cpu,
            spent.api_server_cpu,
            spent.etcd_bytes / 1024.0,
            if verbs.is_empty() { "none" } else { &verbs }
        );
    }
    let answered = list(&mut run.answered_at_rest.iter().map(|(verb, count)| (verb, *count)));
    let _ = writeln!(text, "- answered by the API server at rest, to anybody: {answered}");
    let recovery: Vec<String> = run.recovery.iter().map(|ms| format!("{ms:.0} ms")).collect();
    let _ = writeln!(text, "- status after restarts of the API server: {}", recovery.join(", "));
    let _ =
        writeln!(text, "\n| change | single p50 | p99 | 20/s p50 | p99 |\n|---|---|---|---|---|");
    for (what, single) in &run.single.by_change {
        let storm = run.storm.by_change.get(what).cloned().unwrap_or_default();
        let _ = writeln!(
            text,
            "| {what} | {:.0} ms | {:.0} ms | {:.0} ms | {:.0} ms |",
            single.p50, single.p99, storm.p50, storm.p99
        );
    }
    let _ = writeln!(text, "\n| control | state | failing | population |\n|---|---|---|---|");
    for (control, verdict) in &run.verdicts {
        let expect = (&verdict.state, verdict.failing, verdict.population);
        let _ = writeln!(text, "| {control} | {} | {} | {} |", expect.0, expect.1, expect.2);
    }
}
