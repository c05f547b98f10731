//! Verdicts and heartbeats in words.

use jiff::Timestamp;

use super::{Description, counted, cut, named};
use crate::data::{EntryFinding, Heartbeat, PopulationChange, PopulationList, VerdictData};

pub(super) fn verdict(control: &str, data: &VerdictData) -> Description {
    let says = format!(
        "Control {control} is {} since {} ({}): {}",
        data.state, data.since, data.reason, data.message
    );
    let counts = [data.population, data.failing, data.excepted, data.unknown];
    let described = Description::new(says)
        .detail("generation", &data.generation)
        .detail("judged", &judged(counts))
        .detail("findings", &digest_of(&data.findings));
    population(described, data.population_digest.as_ref(), data.population_list.as_ref())
        .list("new findings", &data.added, finding)
        .list("findings that are gone", &data.removed, finding)
        .list("items that came", &data.entered, change)
        .list("items that left", &data.left, change)
}

pub(super) fn heartbeat(control: &str, at: Timestamp, data: &Heartbeat) -> Description {
    let says = format!("Control {control} is still {} at {at}", data.state);
    let counts = [data.population, data.failing, data.excepted, data.unknown];
    let described = Description::new(says)
        .detail("generation", &data.generation)
        .detail("judged", &judged(counts))
        .detail("findings", &digest_of(&data.findings));
    population(described, data.population_digest.as_ref(), data.population_list.as_ref())
        .list("items that came", &data.entered, change)
        .list("items that left", &data.left, change)
}

fn population(
    described: Description,
    members: Option<&String>,
    list: Option<&PopulationList>,
) -> Description {
    let list = list.map(|list| {
        format!("{} in the list {} beside the log", counted(list.count, "item"), list.digest)
    });
    described.known("members", members).known("population", list)
}

fn judged([population, failing, excepted, unknown]: [u64; 4]) -> String {
    format!(
        "{}: {failing} failing, {excepted} failing only in what exceptions allow, {unknown} not decided",
        counted(population, "item")
    )
}

fn digest_of(findings: &str) -> String {
    format!("{findings}, the digest of the whole set")
}

fn finding(finding: &EntryFinding) -> String {
    let EntryFinding { rule, resource, subject, message, severity, since, exception, .. } = finding;
    let mut row = format!("{severity} {rule}: {}", named(resource));
    if let Some(subject) = subject {
        row.push_str(", ");
        row.push_str(subject);
    }
    if !message.is_empty() {
        row.push_str(": ");
        row.push_str(&cut(message));
    }
    row.push_str(", since ");
    row.push_str(&since.to_string());
    if let Some(exception) = exception {
        row.push_str(", allowed by ControlException ");
        row.push_str(exception);
    }
    if let Some(ending) = finding.ending {
        row.push_str("; ended: ");
        row.push_str(ending.as_str());
        if !finding.ending_detail.is_empty() {
            row.push_str(" (");
            row.push_str(&cut(&finding.ending_detail));
            row.push(')');
        }
    }
    row
}

fn change(change: &PopulationChange) -> String {
    let mut row = format!("{} at {}, by {}", named(&change.item), change.at, change.why);
    if !change.detail.is_empty() {
        row.push_str(": ");
        row.push_str(&cut(&change.detail));
    }
    row
}
