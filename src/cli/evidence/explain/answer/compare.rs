//! What the log has of an item, compared with what it comes to again.

use serde_json::Value;

use super::{ChangeSince, Outcome, RecordedOutcome};
use crate::cli::evidence::explain::{past::Recorded, world::World};
use comptroller_core::{
    api::{ResourceRef, State},
    engine::RECORDED_FINDINGS,
};
use comptroller_evidence::{
    data::EntryFinding,
    fold::{FindingKey, VerdictState},
    population,
};

/// Whether a finding is about an item: about the object, or about the subject.
pub fn is_about(item: &ResourceRef, resource: &ResourceRef, subject: Option<&str>) -> bool {
    let as_subject = match &item.namespace {
        Some(namespace) => format!("{} {namespace}/{}", item.kind, item.name),
        None => format!("{} {}", item.kind, item.name),
    };
    item == resource || subject == Some(as_subject.as_str())
}

/// What an entry after the inventory says that bears on the item.
pub fn changes(entry: &Recorded, item: &ResourceRef, keys: &[FindingKey]) -> Vec<ChangeSince> {
    let about = |finding: &&EntryFinding| {
        is_about(item, &finding.resource, finding.subject.as_deref())
            || keys.contains(&FindingKey::of(finding))
    };
    let mut what = Vec::new();
    if entry.is_edit {
        what.push("the control was edited".to_owned());
    }
    for finding in entry.added.iter().filter(about) {
        what.push(format!("{} was found: {}", finding.rule, finding.message));
    }
    for finding in entry.removed.iter().filter(about) {
        let ending = finding.ending.map_or_else(String::new, |ending| format!(" ({ending})"));
        what.push(format!("{} was gone{ending}", finding.rule));
    }
    for (moved, verb) in [(&entry.entered, "came into"), (&entry.left, "left")] {
        for change in moved.iter().filter(|change| change.item == *item) {
            what.push(format!("the item {verb} the population ({})", change.why));
        }
    }
    let (entry, at) = (entry.entry, entry.at);
    what.into_iter().map(|what| ChangeSince { entry, at, what }).collect()
}

/// Whether a spec selects users by a part of their names, which pseudonyms do not have.
pub fn matches_people_by_pattern(spec: &Value) -> bool {
    match spec {
        Value::Array(items) => items.iter().any(matches_people_by_pattern),
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
            (text("kind") == "User" && text("name").contains('*') && text("name") != "*")
                || fields.values().any(matches_people_by_pattern)
        }
        _ => false,
    }
}

/// Whether what the log has of an item is what it came to; None where the log can't tell.
pub fn agreement(
    recorded: &RecordedOutcome,
    outcome: Outcome,
    keys: &[FindingKey],
    logged: Option<&VerdictState>,
) -> Option<bool> {
    // Of very many findings the log has the worst alone.
    let is_cut = logged.is_some_and(|logged| logged.findings.len() >= RECORDED_FINDINGS);
    let blocked = recorded.state == State::Unknown && recorded.findings.is_empty();
    if is_cut || blocked || outcome == Outcome::Unknown {
        return None;
    }
    let open = |key: &FindingKey| {
        recorded.findings.iter().any(|finding| {
            finding.rule == key.rule
                && finding.resource == key.resource
                && finding.subject == key.subject
        })
    };
    Some(keys.iter().all(open) && recorded.findings.len() == keys.len())
}

/// The digest of the items that are judged again, as entries have it.
pub fn members(world: &World, control: &str) -> String {
    let items = world.engine.population(control);
    let mut lines: Vec<String> = items
        .iter()
        .map(|item| population::line(&item.resource, item.uid.as_deref(), None) + "\n")
        .collect();
    lines.sort_unstable();
    lines.dedup();
    population::digest_of_list(&lines.concat())
}
