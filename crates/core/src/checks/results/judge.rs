//! What follows from what reports say of a resource.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;

use super::{CheckContext, Finding, Judgement, ResourceRef, ResultsCheck};
use crate::{
    checks::{
        presence::{begins_to_count, from_the_future},
        scope::Admission,
    },
    inventory::{
        Inventory, Object, ProgramResult,
        reports::{ReportEntry, ReportedId, ReportedResource},
    },
};

/// What one report says of a resource.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub entry: &'a ReportEntry,
    /// The report.
    report: &'a Object,
    group: &'a str,
    kind: &'a str,
}

impl Said<'_> {
    /// Whether anything of it judges the resource.
    pub fn judges(&self) -> bool {
        self.entry.judged > 0
    }

    /// When the newest of it was found. The beginning of time where that is not known.
    fn newest(&self) -> Timestamp {
        self.entry.dated.map_or(Timestamp::MIN, |dated| dated.newest)
    }

    /// The report, for a message.
    fn named(&self) -> String {
        let Object { namespace, name, .. } = self.report;
        let kind = self.kind;
        if namespace.is_empty() {
            format!("{kind} {name}")
        } else {
            format!("{kind} {namespace}/{name}")
        }
    }
}

/// Whether the scope of the control admits a resource.
pub(super) enum Scoped {
    In,
    Out,
    /// It is not known, and why.
    Unknown(String),
}

pub(super) fn admission(context: &CheckContext<'_>, resource: &ReportedResource) -> Scoped {
    let CheckContext { inventory, scope, .. } = context;
    let place = resource.place();
    if scope.leaves_out_resource(&resource.kind, &resource.namespace, &resource.name, place) {
        return Scoped::Out;
    }
    match scope.admits(inventory, place) {
        Admission::In => Scoped::In,
        Admission::Out => Scoped::Out,
        Admission::Unknown => Scoped::Unknown(format!(
            "Namespace {place} is not known, so it can't be compared with spec.scope.namespaces"
        )),
    }
}

impl ResultsCheck {
    /// What is said of a resource, in an order that does not depend on history. With `uid`, only what is
    /// said of the object with it: another one of its name is another resource.
    pub(super) fn said_of<'a>(
        &self,
        inventory: &'a Inventory,
        id: ReportedId,
        uid: Option<&str>,
    ) -> Vec<Said<'a>> {
        let Some(resource) = inventory.reports.resource(id) else { return Vec::new() };
        let mut all = Vec::new();
        for slot in inventory.reports.reports(id) {
            let Some(ProgramResult::Results(results)) = inventory.result(self.program, slot) else {
                continue;
            };
            let Some(report) = inventory.get(slot) else { continue };
            let Some(state) = inventory.kind_state(report.kind) else { continue };
            let entries = results.entries.iter().filter(|entry| entry.resource == *resource);
            let same = |entry: &&ReportEntry| {
                uid.zip(entry.uid.as_deref()).is_none_or(|(uid, named)| uid == named)
            };
            all.extend(entries.filter(same).map(|entry| Said {
                entry,
                report,
                group: &state.resource.group,
                kind: &state.resource.kind,
            }));
        }
        all.sort_by(|a, b| {
            (a.group, a.kind, &a.report.namespace, &a.report.name, &a.entry.engine, &a.entry.uid)
                .cmp(&(
                    b.group,
                    b.kind,
                    &b.report.namespace,
                    &b.report.name,
                    &b.entry.engine,
                    &b.entry.uid,
                ))
        });
        of_one_group(all)
    }

    /// Whether anything in a namespace has a result.
    pub(super) fn coverage(&self, context: &CheckContext<'_>, namespace: &str) -> Coverage {
        let CheckContext { inventory, now, .. } = *context;
        let mut coverage = Coverage::None;
        for id in inventory.reports.in_namespace(namespace) {
            for said in self.said_of(inventory, id, None) {
                match self.doubt(&said, now) {
                    // The first one will do: a namespace may hold thousands.
                    Doubt::None { until } if said.judges() => return Coverage::Recent { until },
                    Doubt::None { .. } => {}
                    Doubt::Some { until, .. } => {
                        let known = match coverage {
                            Coverage::Doubtful { next } => next,
                            _ => None,
                        };
                        let next = known.into_iter().chain(until).min();
                        coverage = Coverage::Doubtful { next };
                    }
                }
            }
        }
        coverage
    }

    /// What follows from what is said of a resource.
    pub(super) fn conclude(
        &self,
        now: Timestamp,
        resource: &ResourceRef,
        said: &[Said<'_>],
    ) -> Judgement {
        let mut judgement = Judgement::default();
        let mut failing = BTreeMap::new();
        let mut unknown = BTreeMap::new();
        for said in said {
            rows(said, resource, &mut failing, &mut unknown);
            match self.doubt(said, now) {
                Doubt::None { until } => {
                    judgement.valid_until = judgement.valid_until.into_iter().chain(until).min();
                }
                Doubt::Some { rule, message, until } => {
                    judgement.valid_until = judgement.valid_until.into_iter().chain(until).min();
                    // The first report says enough: several would say the same.
                    unknown
                        .entry(rule.to_owned())
                        .or_insert_with(|| finding(rule, resource, message));
                }
            }
        }
        // Where a rule fails by one report, that another could not evaluate it adds nothing.
        unknown.retain(|rule, _| !failing.contains_key(rule));
        judgement.failing = failing.into_values().collect();
        judgement.unknown = unknown.into_values().collect();
        judgement
    }

    /// Why what a report says of a resource does not count as a pass.
    fn doubt(&self, said: &Said<'_>, now: Timestamp) -> Doubt {
        let named = said.named();
        let doubt = |rule, why: String, until| Doubt::Some { rule, message: why, until };
        if let Some(problem) = &said.entry.problem {
            return doubt("ReportUnreliable", format!("{named}: {problem}"), None);
        }
        let Some(dated) = said.entry.dated else {
            let why = format!("a result in {named} has no time, so it may be of any age");
            return doubt(TOO_OLD, why, None);
        };
        if let Some(begins) = begins_to_count(dated.newest, now) {
            let why = format!("a result in {named} {}", from_the_future(dated.newest));
            return doubt(TOO_OLD, why, Some(begins));
        }
        let until = self.max_age.add_to(dated.oldest);
        if now < until {
            return Doubt::None { until: Some(until) };
        }
        let why = format!(
            "the oldest result in {named} is of {}, more than {} ago: check that the engine still runs",
            dated.oldest, self.max_age
        );
        doubt(TOO_OLD, why, None)
    }
}

/// Takes in what does not pass by one report.
fn rows(
    said: &Said<'_>,
    resource: &ResourceRef,
    failing: &mut BTreeMap<String, Finding>,
    unknown: &mut BTreeMap<String, Finding>,
) {
    let ReportEntry { engine, rows, more, .. } = said.entry;
    for row in rows {
        let list = if row.fails { &mut *failing } else { &mut *unknown };
        let verb = if row.fails { "says" } else { "could not evaluate it" };
        let one = Finding {
            rule: Cow::Owned(row.rule.to_string()),
            severity: row.severity,
            resource: resource.clone(),
            subject: None,
            message: format!("{engine} {verb} ({}): {}", said.named(), row.message),
        };
        // Of several containers, say, the worst.
        let known = list.entry(row.rule.to_string()).or_insert_with(|| one.clone());
        if one.severity > known.severity {
            *known = one;
        }
    }
    if *more > 0 {
        let message =
            format!("{engine} has {more} more results in {} that do not pass", said.named());
        let rule = "MoreResults";
        failing.entry(rule.to_owned()).or_insert_with(|| finding(rule, resource, message));
    }
}

/// Whether something that must have a result has one.
pub(super) enum Coverage {
    /// It has one that counts until then.
    Recent {
        until: Option<Timestamp>,
    },
    /// Only such that are too old or unreliable. One of them may count from then on.
    Doubtful {
        next: Option<Timestamp>,
    },
    None,
}

/// The rule that a result is too old to say anything of today.
pub(super) const TOO_OLD: &str = "ResultTooOld";

enum Doubt {
    /// There is none until then.
    None {
        until: Option<Timestamp>,
    },
    Some {
        rule: &'static str,
        message: String,
        until: Option<Timestamp>,
    },
}

/// Leaves out what an engine says in one API group where it says newer things of the same resource in the
/// other: an API server may serve the same reports in both, and an engine that moved from one to the
/// other may have left its old ones behind.
fn of_one_group(mut all: Vec<Said<'_>>) -> Vec<Said<'_>> {
    if all.iter().all(|said| all.first().is_some_and(|first| first.group == said.group)) {
        return all;
    }
    let mut best: BTreeMap<&str, (Timestamp, std::cmp::Reverse<&str>)> = BTreeMap::new();
    for said in &all {
        let rank = (said.newest(), std::cmp::Reverse(said.group));
        let known = best.entry(said.entry.engine.as_str()).or_insert(rank);
        *known = rank.max(*known);
    }
    let chosen: BTreeMap<String, String> = best
        .into_iter()
        .map(|(engine, (_, group))| (engine.to_owned(), group.0.to_owned()))
        .collect();
    all.retain(|said| {
        chosen.get(said.entry.engine.as_str()).is_some_and(|group| group == said.group)
    });
    all
}

pub(super) fn finding(rule: &'static str, resource: &ResourceRef, message: String) -> Finding {
    Finding {
        rule: Cow::Borrowed(rule),
        severity: None,
        resource: resource.clone(),
        subject: None,
        message,
    }
}
