//! The guards of the evidence: when each was in force, and who could get around it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Window,
    authors::{SeenLapse, TAKES_EFFECT, is_policy},
};
use crate::period::model::IdentityFact;
use comptroller_evidence::{
    data::{ChangeKind, ObjectChange},
    entry::EntrySubject,
};

/// The phase of a guard that binds nobody.
const NOT_IN_FORCE: &str = "NotInForce";

/// The guards, as far as the entries go.
#[derive(Clone, Debug, Default)]
pub(super) struct GuardsFold {
    guards: BTreeMap<EntrySubject, Guard>,
    over: Vec<IdentityFact>,
    lapses: Vec<SeenLapse>,
}

/// What is known of a guard.
#[derive(Clone, Debug, Default)]
struct Guard {
    /// That it is not in force, while it is not.
    missing: Option<IdentityFact>,
    /// What it says, such as who may write for others, and since when.
    content: Option<IdentityFact>,
    spec: Option<Value>,
    /// What tells it from others of its name: its uid and generation. None while it is not in force.
    identity: Option<(String, i64)>,
}

impl GuardsFold {
    pub(super) fn change(
        &mut self,
        index: u64,
        at: Timestamp,
        subject: &EntrySubject,
        data: &ObjectChange,
        window: Window,
    ) {
        let Self { guards, over, lapses } = self;
        let guard = guards.entry(subject.clone()).or_default();
        let is_missing =
            data.change == ChangeKind::Deleted || data.phase.as_deref() == Some(NOT_IN_FORCE);
        let name = format!("{} {}", subject.kind, subject.name);
        if is_missing && guard.missing.is_none() {
            let why = data.spec.as_ref().and_then(|spec| spec.get("why")).and_then(Value::as_str);
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            // Without the list that a policy reads, it refuses everything.
            let unbinds = is_policy(subject);
            let what = if unbinds {
                format!(
                    "{name} was not in force{why}: records that were written then are not bound to their authors"
                )
            } else {
                format!("{name} was not as it should be{why}")
            };
            guard.missing = Some(fact(at, index, what, Vec::new(), unbinds));
            guard.identity = None;
            let (guard, from) = (subject.clone(), at);
            lapses.push(SeenLapse { guard, from, until: None, entry: index });
        } else if !is_missing {
            if let Some(missing) = guard.missing.take() {
                end_at(over, missing, at, window);
            }
        }
        if !is_missing && is_policy(subject) {
            let since = since(data).unwrap_or(at);
            let open = lapses.iter_mut().rev().find(|one| one.guard == *subject);
            if let Some(open) = open.filter(|one| one.until.is_none()) {
                open.until = Some(since.max(open.from));
            }
            let identity = data.spec.as_ref().and_then(identity);
            if let (Some(known), Some(now)) = (&guard.identity, &identity)
                && known != now
            {
                // It was deleted or edited in between, and nobody saw what there was instead.
                let from = at.min(since).saturating_sub(TAKES_EFFECT).unwrap_or(at);
                let what = format!(
                    "{name} was replaced: what there was in its place, nobody saw, and records that were written then are not bound to their authors"
                );
                end_at(over, fact(from, index, what, Vec::new(), true), since, window);
                let guard = subject.clone();
                lapses.push(SeenLapse { guard, from, until: Some(since), entry: index });
            }
            guard.identity = identity.or_else(|| guard.identity.take());
        }
        let Some(spec) = data.spec.as_ref().filter(|_| !is_missing) else { return };
        let spec = lasting(spec);
        let is_edited = guard.spec.as_ref().is_some_and(|known| *known != spec);
        if !is_edited && guard.spec.is_some() {
            return;
        }
        let who = people(&spec);
        let may = spec.get("may").and_then(Value::as_str);
        guard.spec = Some(spec.clone());
        if let Some(content) = guard.content.take() {
            end_at(over, content, at, window);
        }
        let what = match (may, is_edited, who.is_empty()) {
            // A right that nobody holds, and a guard as it should be that names nobody: nothing to tell.
            (Some(_), _, true) | (None, false, true) => return,
            (Some(may), ..) => format!("these {may}"),
            (None, true, true) => format!("{name} was changed{}", fields(data)),
            (None, true, false) => format!("{name} was changed and names{}", fields(data)),
            (None, false, false) => format!("{name} names"),
        };
        guard.content = Some(fact(at, index, what, who, false));
    }

    /// When a policy was not in force, by entry.
    pub(super) fn lapses(&self) -> Vec<SeenLapse> {
        self.lapses.clone()
    }

    /// What bears on authorship in the window, by time.
    pub(super) fn report(&self, window: Window) -> Vec<IdentityFact> {
        let open =
            self.guards.values().flat_map(|guard| guard.missing.iter().chain(&guard.content));
        let mut all: Vec<IdentityFact> = self
            .over
            .iter()
            .chain(open)
            .filter(|fact| window.touches(fact.from, fact.to))
            .map(|fact| {
                let from = if window.instant { fact.from } else { fact.from.max(window.from) };
                IdentityFact { from, ..fact.clone() }
            })
            .collect();
        all.sort_by(|a, b| (a.from, a.entry, &a.what).cmp(&(b.from, b.entry, &b.what)));
        all
    }
}

/// Notes a fact that is over, if it bears on the window.
fn end_at(over: &mut Vec<IdentityFact>, fact: IdentityFact, at: Timestamp, window: Window) {
    let to = at.max(fact.from);
    if window.touches(fact.from, Some(to)) {
        over.push(IdentityFact { to: Some(to), ..fact });
    }
}

/// Since when a guard is in force, as its entry says.
fn since(data: &ObjectChange) -> Option<Timestamp> {
    data.spec.as_ref()?.get("inForceSince")?.as_str()?.parse().ok()
}

fn identity(spec: &Value) -> Option<(String, i64)> {
    Some((spec.get("uid")?.as_str()?.to_owned(), spec.get("generation")?.as_i64()?))
}

fn fact(
    from: Timestamp,
    entry: u64,
    what: String,
    who: Vec<String>,
    author_not_bound: bool,
) -> IdentityFact {
    IdentityFact { from, to: None, what, who, author_not_bound, entry }
}

/// What a guard says, without what tells it from others of its name.
fn lasting(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Value::Object(fields) = &mut spec {
        for field in ["inForceSince", "uid", "generation", "createdAt"] {
            fields.remove(field);
        }
    }
    spec
}

/// The fields that changed, in brackets.
fn fields(data: &ObjectChange) -> String {
    let paths: Vec<&str> = data.fields.iter().map(|field| field.path.as_str()).collect();
    if paths.is_empty() { String::new() } else { format!(" ({})", paths.join(", ")) }
}

/// Whom a guard names: who holds a right or held it for a moment, and who writes for others.
fn people(spec: &Value) -> Vec<String> {
    let lists = ["who", "passed", "writers"];
    let mut all: Vec<String> = lists
        .iter()
        .filter_map(|list| spec.get(list))
        .flat_map(|list| match list {
            Value::Array(items) => items.iter().map(person).collect(),
            other => vec![person(other)],
        })
        .filter(|one| !one.is_empty())
        .collect();
    all.sort();
    all.dedup();
    all
}

fn person(value: &Value) -> String {
    match value {
        Value::String(name) => name.clone(),
        Value::Object(fields) => {
            let text = |field: &str| fields.get(field).and_then(Value::as_str);
            let place = text("namespace").map(|namespace| format!("{namespace}/"));
            let name = format!("{}{}", place.unwrap_or_default(), text("name").unwrap_or_default());
            [text("kind").unwrap_or_default(), &name].join(" ").trim().to_owned()
        }
        _ => String::new(),
    }
}
