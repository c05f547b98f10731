//! `presence`: what must exist and be healthy, in the cluster or in each namespace.
//!
//! | rule | it fails when |
//! |---|---|
//! | `Missing` | fewer than `min` are there |
//! | `Unhealthy` | one that is there is not healthy |
//! | `TooOld` | one that is there is older than `maxAge` |
//!
//! An item is the cluster, or a namespace in scope: what is missing has no object to be judged. With
//! `unhealthy: Ignore` only what is healthy and recent counts, and nothing else is a finding.
//!
//! What is not known, because an expression has no value or a time is missing, is `Undecided`. Kinds that
//! are not served, or may not be read, make the whole control unknown: that is the engine's part.

mod compile;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    Check, CheckContext, Dependency, Finding, Item, Judgement, Need, reference, scope::Admission,
    visit_kinds,
};
use crate::{
    api::{
        Duration, ResourceRef,
        test_spec::{PresencePlace, ResourceRule, WhenUnhealthy},
    },
    inventory::{
        Change, Facts, Inventory, Object, ObjectSource, ProgramId, ProgramResult, Slot,
        presence::{Health, Presence, is_filed},
    },
};

pub use self::compile::build;

/// How many resources of one item are findings of their own. The others are counted.
const MAX_NAMED: usize = 50;
/// How many resources the message about a missing one names.
const MAX_SHOWN: usize = 3;

const MISSING: &str = "Missing";
const UNHEALTHY: &str = "Unhealthy";
const TOO_OLD: &str = "TooOld";
const UNDECIDED: &str = "Undecided";

/// The cluster as the item of a test that is not about each namespace.
const CLUSTER: Item = Item::Cluster(0);

/// A `presence` test, compiled.
#[derive(Debug)]
struct PresenceCheck {
    program: ProgramId,
    resources: Vec<ResourceRule>,
    per: PresencePlace,
    min: usize,
    max_age: Option<Duration>,
    unhealthy: WhenUnhealthy,
    /// What there must be, for messages: `daemonsets named fluent-bit*`.
    wanted: String,
}

/// What is there, sorted by what it means.
#[derive(Default)]
struct Found {
    counted: usize,
    failing: Vec<Finding>,
    unknown: Vec<Finding>,
    /// When the next of them grows too old.
    until: Option<Timestamp>,
}

impl Check for PresenceCheck {
    fn reads(&self) -> Vec<Dependency> {
        let programs = self.resources.iter().map(|resource| Dependency::Program {
            at: "spec.test.presence.resources",
            groups: resource.api_groups.clone(),
            versions: resource.api_versions.clone(),
            resources: resource.resources.clone(),
            program: self.program,
            need: Need::of(resource.when_served),
        });
        let namespaces = match self.per {
            PresencePlace::Cluster => None,
            PresencePlace::Namespace => Some(Dependency::required("", "Namespace")),
        };
        programs.chain(namespaces).collect()
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        match self.per {
            PresencePlace::Cluster => visit(CLUSTER),
            PresencePlace::Namespace => visit_kinds(context.inventory, &[("", "Namespace")], visit),
        }
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        let Change::Object { slot, before } = change else { return };
        for object in before.iter().chain(context.inventory.get(*slot)) {
            let concerns = is_filed(object);
            match self.per {
                PresencePlace::Cluster if concerns => visit(CLUSTER),
                PresencePlace::Cluster => {}
                PresencePlace::Namespace => {
                    if concerns && let Some(slot) = namespace(context.inventory, &object.namespace)
                    {
                        visit(Item::Object(slot));
                    }
                    if is_namespace(context.inventory, object) {
                        visit(Item::Object(*slot));
                    }
                }
            }
        }
    }

    /// Only a cluster shows what is there and how it is.
    fn judges_manifests(&self) -> bool {
        false
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let inventory = context.inventory;
        let place = match (self.per, item) {
            (PresencePlace::Cluster, Item::Cluster(_)) => cluster(),
            (PresencePlace::Namespace, Item::Object(slot)) => {
                let object = inventory.get(slot)?;
                is_namespace(inventory, object).then(|| reference(inventory, slot)).flatten()?
            }
            _ => return None,
        };
        if inventory.source == ObjectSource::Manifests {
            return Some(undecided(place, NOT_SHOWN.to_owned()));
        }
        if self.per == PresencePlace::Namespace && self.reads_only_cluster_scoped(inventory) {
            return Some(undecided(place, NOT_NAMESPACED.to_owned()));
        }
        let slots = self.candidates(inventory, &place);
        Some(self.judge_place(context, place, slots))
    }
}

const NOT_SHOWN: &str = "only the cluster shows what exists and is healthy: scan with --cluster, or leave out what manifests can't answer with --only-manifests";

const NOT_NAMESPACED: &str = "no namespace can contain what spec.test.presence.resources names, because it is cluster-scoped: write per: Cluster";

impl PresenceCheck {
    fn reads_only_cluster_scoped(&self, inventory: &Inventory) -> bool {
        let mut read = inventory
            .kinds()
            .filter(|(_, state)| state.programs.contains(&self.program))
            .map(|(_, state)| state.resource.namespaced)
            .peekable();
        read.peek().is_some() && !read.any(|namespaced| namespaced)
    }

    /// What the program found in the cluster or in a namespace, by kind and name.
    fn candidates(&self, inventory: &Inventory, place: &ResourceRef) -> Vec<Slot> {
        let read = inventory.kinds().filter(|(_, state)| state.programs.contains(&self.program));
        let mut slots: Vec<Slot> = match self.per {
            PresencePlace::Cluster => {
                read.flat_map(|(kind, _)| inventory.presence.of_kind(kind)).collect()
            }
            PresencePlace::Namespace => read
                .flat_map(|(kind, _)| inventory.presence.in_namespace(kind, &place.name))
                .collect(),
        };
        let name = |slot: &Slot| {
            let object = inventory.get(*slot)?;
            let kind = &inventory.kind_state(object.kind)?.resource;
            Some((&kind.group, &kind.kind, object.namespace.clone(), object.name.clone()))
        };
        slots.sort_by_cached_key(name);
        slots
    }

    fn judge_place(
        &self,
        context: &CheckContext<'_>,
        place: ResourceRef,
        slots: Vec<Slot>,
    ) -> Judgement {
        let mut found = Found::default();
        for slot in slots {
            self.look_at(context, slot, &mut found);
        }
        let Found { counted, mut failing, mut unknown, until } = found;
        if self.unhealthy == WhenUnhealthy::Ignore {
            return self.by_count(place, counted, &failing, unknown, until);
        }
        // One that is not healthy is there all the same: it has a finding of its own.
        let there = counted + failing.len() + unknown.len();
        for list in [&mut failing, &mut unknown] {
            cut(list, &place);
        }
        if there < self.min {
            failing.push(self.missing(place, there, &[]));
        }
        Judgement { failing, unknown, valid_until: until, ..Judgement::default() }
    }

    /// With `unhealthy: Ignore`, by how many are healthy and recent.
    fn by_count(
        &self,
        place: ResourceRef,
        counted: usize,
        others: &[Finding],
        mut unknown: Vec<Finding>,
        valid_until: Option<Timestamp>,
    ) -> Judgement {
        let mut judgement = Judgement { valid_until, ..Judgement::default() };
        if counted >= self.min {
            return judgement;
        }
        if counted + unknown.len() >= self.min {
            cut(&mut unknown, &place);
            judgement.unknown = unknown;
        } else {
            judgement.failing.push(self.missing(place, counted, others));
        }
        judgement
    }

    /// Takes in one resource, unless the scope leaves it out.
    fn look_at(&self, context: &CheckContext<'_>, slot: Slot, found: &mut Found) {
        let inventory = context.inventory;
        let Some(object) = inventory.get(slot) else { return };
        let Some(ProgramResult::Presence(presence)) = inventory.result(self.program, slot) else {
            return;
        };
        let Some(resource) = reference(inventory, slot) else { return };
        let finding = |rule, message| finding(rule, resource.clone(), message);
        if context.scope.leaves_out(inventory, object) {
            return;
        }
        match context.scope.admits(inventory, &object.namespace) {
            Admission::In => {}
            Admission::Out => return,
            Admission::Unknown => {
                let message = format!(
                    "Namespace {} is not known, so it can't be compared with spec.scope.namespaces",
                    object.namespace
                );
                return found.unknown.push(finding(UNDECIDED, message));
            }
        }
        match self.standing(presence, context.now) {
            Standing::Counts { until } => {
                found.counted += 1;
                found.until = found.until.into_iter().chain(until).min();
            }
            Standing::Fails(rule, message) => found.failing.push(finding(rule, message)),
            Standing::Undecided { message, until } => {
                found.until = found.until.into_iter().chain(until).min();
                found.unknown.push(finding(UNDECIDED, message));
            }
        }
    }

    fn standing(&self, presence: &Presence, now: Timestamp) -> Standing {
        match &presence.health {
            Health::Unhealthy(why) => return Standing::Fails(UNHEALTHY, why.to_string()),
            Health::Undecided(why) => {
                return Standing::Undecided { message: why.to_string(), until: None };
            }
            Health::Healthy => {}
        }
        let Some((max_age, at)) = self.max_age.zip(presence.at) else {
            return Standing::Counts { until: None };
        };
        if let Some(begins) = begins_to_count(at, now) {
            return Standing::Undecided { message: from_the_future(at), until: Some(begins) };
        }
        let until = max_age.add_to(at);
        if now < until {
            return Standing::Counts { until: Some(until) };
        }
        let message =
            format!("is of {at}, which is more than {max_age} ago: see why nothing renewed it");
        Standing::Fails(TOO_OLD, message)
    }

    fn missing(&self, place: ResourceRef, there: usize, others: &[Finding]) -> Finding {
        let Self { min, wanted, .. } = self;
        let mut message = match (there, min) {
            (0, 1) => format!("has none of the {wanted} that must be there"),
            _ => format!("has {there} of the {min} {wanted} that must be there"),
        };
        let names = others.iter().take(MAX_SHOWN).map(|other| {
            let ResourceRef { kind, namespace, name, .. } = &other.resource;
            let name = match namespace {
                Some(namespace) => format!("{namespace}/{name}"),
                None => name.clone(),
            };
            format!("{kind} {name} {}", other.message)
        });
        let mut names: Vec<String> = names.collect();
        if others.len() > MAX_SHOWN {
            names.push(format!("and {} more", others.len() - MAX_SHOWN));
        }
        if !names.is_empty() {
            message.push_str("; not counted: ");
            message.push_str(&names.join(", "));
        }
        finding(MISSING, place, bounded(message))
    }
}

enum Standing {
    Counts { until: Option<Timestamp> },
    Fails(&'static str, String),
    Undecided { message: String, until: Option<Timestamp> },
}

/// How far ahead of ours the clock of another may be.
const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// When something with a time in the future begins to count. None if it counts now.
pub(crate) fn begins_to_count(at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let begins = at.checked_sub(SKEW).unwrap_or(Timestamp::MIN);
    (begins > now).then_some(begins)
}

/// The message about such a time.
pub(crate) fn from_the_future(at: Timestamp) -> String {
    format!("is of {at}, which is in the future: check the clock of what wrote it")
}

/// The cluster as findings name it.
pub(crate) fn cluster() -> ResourceRef {
    ResourceRef {
        api_version: "v1".to_owned(),
        kind: "Cluster".to_owned(),
        namespace: None,
        name: "cluster".to_owned(),
    }
}

fn is_namespace(inventory: &Inventory, object: &Object) -> bool {
    matches!(object.facts, Facts::Namespace(_))
        || inventory.kind_state(object.kind).is_some_and(|state| {
            state.resource.kind == "Namespace" && state.resource.group.is_empty()
        })
}

/// The number of a namespace. None for the empty name, and one that is not known.
fn namespace(inventory: &Inventory, name: &str) -> Option<Slot> {
    inventory.find(inventory.find_kind("", "Namespace")?, "", name)
}

fn undecided(place: ResourceRef, message: String) -> Judgement {
    Judgement { unknown: vec![finding(UNDECIDED, place, message)], ..Judgement::default() }
}

/// Keeps the first findings of a list, and says how many there are beyond them.
fn cut(findings: &mut Vec<Finding>, place: &ResourceRef) {
    let Some(more) = findings.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) else { return };
    let rule = findings.first().map_or(Cow::Borrowed(UNHEALTHY), |first| first.rule.clone());
    findings.truncate(MAX_NAMED);
    let message = format!("has {more} more of which the same is true");
    findings.push(Finding {
        rule,
        severity: None,
        resource: place.clone(),
        subject: None,
        message,
    });
}

fn finding(rule: &'static str, resource: ResourceRef, message: String) -> Finding {
    Finding { rule: Cow::Borrowed(rule), severity: None, resource, subject: None, message }
}

/// The start of a message that names what others named.
fn bounded(mut message: String) -> String {
    const LONGEST: usize = 1000;
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push('…');
    }
    message
}
