//! The guards of the evidence: the policies that bind records to their authors, what they read, and
//! who could get around them. Each is one of the governed objects, so that its changes are entries, and
//! from their course follows which records were bound to their authors.
//!
//! A policy is in force while it and its binding are as this version ships them. Their uids and
//! generations tell whether they were so all along while nobody watched: neither can be put back.

mod rights;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{Resource, api::ObjectMeta};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::rights::is_of_rights;
use self::rights::{GUARDED, MASTERS};
use super::{
    checkpoint_publisher::CONFIG_MAP,
    governed_objects::GovernedObjects,
    host::Command,
    kinds::{EngineEvent, KindRunner},
};
use crate::source::own_kinds::{ObjectEvent, kind_at};
use comptroller_core::inventory::{
    Inventory,
    guards::{BINDING, POLICY, read_guard, shipped},
    rbac::{Graph, Subject, SubjectId},
};
use comptroller_evidence::fold::LogState;
use comptroller_recorder::{AuthorGuards, GuardHistory, ObjectKey};

/// The kinds of other guards, as entries name them.
pub const CONFIG: &str = "ConfigMap";
pub const RIGHT: &str = "Right";

/// The phases of a guard.
const IN_FORCE: &str = "InForce";
const NOT_IN_FORCE: &str = "NotInForce";

/// The `ConfigMap` of who may write on behalf of others.
const WRITERS: &str = "comptroller-record-writers";

/// How long the API server may take until it acts on a policy that is new to it, with what a time of
/// whole seconds leaves out.
const TAKES_EFFECT: SignedDuration = SignedDuration::from_secs(2);

/// How many holders of a right an entry lists.
const MAX_HOLDERS: usize = 500;

/// The policies for each kind of record.
const ATTESTATIONS: &[&str] =
    &["comptroller-attestation-author", "comptroller-attestation-attesters"];
const EXCEPTIONS: &[&str] = &["comptroller-exception-author", "comptroller-exception-approvers"];
const RESPONSES: &[&str] = &["comptroller-response-author"];

/// What a watch says of the guards.
#[derive(Debug)]
pub enum GuardEvent {
    Policy(EngineEvent<ValidatingAdmissionPolicy>),
    Binding(EngineEvent<ValidatingAdmissionPolicyBinding>),
    ConfigMap(EngineEvent<ConfigMap>),
}

/// The watches of what guards the evidence, each with its name. `namespace` is the operator's.
pub fn watches(
    runner: &KindRunner,
    namespace: &str,
) -> [(&'static str, BoxFuture<'static, ()>); 3] {
    const REMEDY: &str = "what guards the evidence can't be read, so no record counts as bound to its author: install the roles in config/rbac";
    let policies = kind_at(ValidatingAdmissionPolicy::url_path(&(), None), REMEDY);
    let bindings = kind_at(ValidatingAdmissionPolicyBinding::url_path(&(), None), REMEDY);
    let config_maps = kind_at(ConfigMap::url_path(&(), Some(namespace)), REMEDY);
    [
        (
            "watch of admission policies",
            runner.follow(policies, |event| Command::Guard(GuardEvent::Policy(event))),
        ),
        (
            "watch of policy bindings",
            runner.follow(bindings, |event| Command::Guard(GuardEvent::Binding(event))),
        ),
        (
            "watch of ConfigMaps",
            runner.follow(config_maps, |event| Command::Guard(GuardEvent::ConfigMap(event))),
        ),
    ]
}

/// Everything that guards the evidence.
#[derive(Debug)]
pub struct Guards {
    namespace: String,
    /// The guards that exist, by kind and name.
    present: BTreeMap<GuardKey, Present>,
    /// The kinds of which a list is complete, with when they were heard from last.
    heard: BTreeMap<&'static str, Timestamp>,
    /// The kinds whose watch fails, with when they were heard from before.
    doubted: BTreeMap<&'static str, Timestamp>,
    /// The kinds that could not be listed yet.
    unlisted: BTreeSet<&'static str>,
    /// What the log said when it was opened. None before.
    logged: Option<BTreeMap<GuardKey, Logged>>,
    /// In which times the policies were in force.
    authors: AuthorGuards,
    /// Who holds each right.
    holders: BTreeMap<&'static str, Holders>,
    /// Whether the governed objects may lack something.
    changed: bool,
}

/// The kind and the name of a guard.
type GuardKey = (&'static str, String);

/// A guard that exists.
#[derive(Clone, Debug, PartialEq)]
struct Present {
    uid: Option<String>,
    generation: i64,
    created: Option<Timestamp>,
    /// Since when it is as it is.
    since: Timestamp,
    /// Why it does not do what it should. None: it does.
    fault: Option<String>,
    /// What else of it matters.
    content: Value,
}

/// A guard as the log has it.
#[derive(Clone, Debug)]
struct Logged {
    uid: Option<String>,
    generation: Option<i64>,
    in_force: bool,
    /// Since when it was in force, or was not.
    since: Timestamp,
}

/// Who holds a right. By number, since in some clusters a hundred thousand do.
#[derive(Debug, Default)]
struct Holders {
    now: Vec<SubjectId>,
    /// The first of them by name, and how many more there are.
    named: Vec<String>,
    more: usize,
    /// Who held it since it was recorded last, and no longer does.
    passed: BTreeSet<Subject>,
}

impl Guards {
    /// Nothing is known yet. `namespace` is the operator's.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            present: BTreeMap::new(),
            heard: BTreeMap::new(),
            doubted: BTreeMap::new(),
            unlisted: BTreeSet::new(),
            logged: None,
            authors: AuthorGuards::default(),
            holders: BTreeMap::new(),
            changed: false,
        }
    }

    /// In which times the policies were in force.
    pub fn authors(&self) -> &AuthorGuards {
        &self.authors
    }

    /// Takes in what a watch says. True when the past of a policy is another than was believed.
    pub fn take(&mut self, event: GuardEvent, now: Timestamp) -> bool {
        let (kind, lapsed) = match event {
            GuardEvent::Policy(event) => {
                let spec = |policy: &ValidatingAdmissionPolicy| json_of(&policy.spec);
                (POLICY, self.take_event(POLICY, event, now, spec))
            }
            GuardEvent::Binding(event) => {
                let spec = |binding: &ValidatingAdmissionPolicyBinding| json_of(&binding.spec);
                (BINDING, self.take_event(BINDING, event, now, spec))
            }
            GuardEvent::ConfigMap(event) => {
                (CONFIG, self.take_event(CONFIG, event, now, config_content))
            }
        };
        kind != CONFIG && self.judge(lapsed)
    }

    /// Takes in an event; says since when what it shows may have been so.
    fn take_event<K: Resource<DynamicType = ()>>(
        &mut self,
        kind: &'static str,
        event: EngineEvent<K>,
        now: Timestamp,
        content: impl Fn(&K) -> Value,
    ) -> Timestamp {
        let live = self.doubted.get(kind).copied().unwrap_or(now - TAKES_EFFECT);
        match event {
            ObjectEvent::Applied(Ok(object)) => {
                self.put(kind, object.meta(), Some(content(&object)), now);
            }
            ObjectEvent::Applied(Err(invalid)) => self.put(kind, &invalid.metadata, None, now),
            ObjectEvent::Deleted(name) => {
                self.changed |= self.present.remove(&(kind, name)).is_some();
            }
            ObjectEvent::Listed(names) => {
                let before = self.present.len();
                self.present.retain(|(known, name), _| *known != kind || names.contains(name));
                self.changed |= before != self.present.len() || !self.heard.contains_key(kind);
                self.doubted.remove(kind);
                // What a list lacks may be gone since the last word before it.
                return self.heard.insert(kind, now).map_or(live, |heard| heard.min(live));
            }
            ObjectEvent::Confirmed => {}
            ObjectEvent::Failing(_) => {
                if let Some(heard) = self.heard.get(kind) {
                    self.doubted.entry(kind).or_insert(*heard);
                } else {
                    self.unlisted.insert(kind);
                }
                return live;
            }
        }
        if let Some(heard) = self.heard.get_mut(kind).filter(|_| !self.doubted.contains_key(kind)) {
            *heard = now;
        }
        live
    }

    fn put(
        &mut self,
        kind: &'static str,
        metadata: &ObjectMeta,
        content: Option<Value>,
        now: Timestamp,
    ) {
        let name = metadata.name.clone().unwrap_or_default();
        let is_policy = kind != CONFIG;
        let is_ours = if is_policy {
            shipped().iter().any(|one| one.kind == kind && one.name == name)
        } else {
            [WRITERS, CONFIG_MAP].contains(&name.as_str())
        };
        if !is_ours {
            return;
        }
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        let generation = metadata.generation.unwrap_or_default();
        let fault = match &content {
            None => Some("it can't be read".to_owned()),
            // Of who may write for others, only the ConfigMap in the own namespace is watched.
            Some(spec) => {
                read_guard(kind, &name, spec).and_then(|guard| guard.fault(kind, &self.namespace))
            }
        };
        // One that was never changed is in force since it was created.
        let since = match created {
            Some(created) if generation <= 1 => created + TAKES_EFFECT,
            _ => now + TAKES_EFFECT,
        };
        // Of a policy, only whether it is as shipped is told.
        let content = if is_policy { Value::Null } else { content.unwrap_or_default() };
        let mut present =
            Present { uid: metadata.uid.clone(), generation, created, since, fault, content };
        let key = (kind, name);
        if let Some(known) = self.present.get(&key).filter(|known| present.is_same(known)) {
            present.since = known.since;
        } else if let Some(logged) = self.logged.as_ref().and_then(|logged| logged.get(&key)) {
            present.recall(logged);
        }
        self.changed |= self.present.get(&key) != Some(&present);
        self.present.insert(key, present);
    }

    /// Whether all has been tried to know the policies: a record that is judged before would count as
    /// bound to its author by nobody's word.
    pub fn are_looked_at(&self) -> bool {
        [POLICY, BINDING]
            .iter()
            .all(|kind| self.heard.contains_key(kind) || self.unlisted.contains(kind))
    }

    /// Whether the policies and bindings are all known.
    fn is_listed(&self) -> bool {
        [POLICY, BINDING].iter().all(|kind| self.heard.contains_key(kind))
    }

    /// Brings the histories in line with what is present. `lapsed`: since when what is missing may
    /// have been so. True when the past is another than was believed.
    fn judge(&mut self, lapsed: Timestamp) -> bool {
        if !self.is_listed() || self.logged.is_none() {
            return false;
        }
        let Some(vouched) =
            self.heard.iter().filter(|(kind, _)| **kind != CONFIG).map(|(_, at)| *at).min()
        else {
            return false;
        };
        let mut turned = false;
        for (names, history) in [
            (ATTESTATIONS, &mut self.authors.attestations),
            (EXCEPTIONS, &mut self.authors.exceptions),
            (RESPONSES, &mut self.authors.responses),
        ] {
            let guards =
                keys_of(names).map(|key| self.present.get(&key).filter(|one| one.fault.is_none()));
            let in_force: Option<Vec<&Present>> = guards.collect();
            turned |= match in_force {
                Some(guards) => {
                    let since = guards.iter().map(|one| one.since).max().unwrap_or(vouched);
                    let identity = identity(
                        guards.iter().map(|one| (one.uid.as_deref(), Some(one.generation))),
                    );
                    history.hold(&identity, since, vouched)
                }
                None => history.lapse(lapsed, vouched),
            };
        }
        turned
    }

    /// The log was opened: what it says of the time before this process counts.
    pub fn recall(&mut self, log: &LogState, now: Timestamp) {
        if self.logged.is_some() {
            return;
        }
        let mut logged = BTreeMap::new();
        for kind in [POLICY, BINDING, CONFIG] {
            for (name, known) in log.objects_of(kind) {
                let text = |field: &str| known.spec.as_ref()?.get(field)?.as_str();
                let in_force = known.phase.as_deref() == Some(IN_FORCE);
                let since =
                    text("inForceSince").filter(|_| in_force).and_then(|at| at.parse().ok());
                logged.insert(
                    (kind, name.to_owned()),
                    Logged {
                        uid: text("uid").map(str::to_owned),
                        generation: known
                            .spec
                            .as_ref()
                            .and_then(|spec| spec.get("generation")?.as_i64()),
                        in_force,
                        since: since.unwrap_or(known.phase_since),
                    },
                );
            }
        }
        let watched_before = log.operator().and_then(|running| running.watched_before);
        if let Some(last_at) = watched_before {
            self.authors = AuthorGuards {
                attestations: history(&logged, ATTESTATIONS, last_at),
                exceptions: history(&logged, EXCEPTIONS, last_at),
                responses: history(&logged, RESPONSES, last_at),
            };
        }
        for (key, present) in &mut self.present {
            if let Some(logged) = logged.get(key) {
                present.recall(logged);
            }
        }
        self.logged = Some(logged);
        self.changed = true;
        let before = watched_before.unwrap_or(now - TAKES_EFFECT);
        self.judge(before.min(now - TAKES_EFFECT));
    }

    /// Takes in who holds the rights, once all roles and bindings are known. `is_recorded` says of a
    /// right whether the log has it as it was.
    pub fn look(&mut self, inventory: &Inventory, is_recorded: impl Fn(&str) -> bool) {
        if !rights::are_known(inventory) {
            return;
        }
        let graph = &inventory.rights;
        for right in GUARDED {
            let now = right.holders(graph, &self.namespace);
            match self.holders.entry(right.name) {
                Entry::Vacant(new) => new.insert(Holders::default()).turn(graph, now),
                Entry::Occupied(known) if known.get().now == now => continue,
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    if is_recorded(right.name) {
                        known.passed.clear();
                    } else {
                        known.keep_passed(graph, &now);
                    }
                    known.turn(graph, now);
                }
            }
            self.changed = true;
        }
    }

    /// Adds what changed to the governed objects. Nothing before the log was opened.
    pub fn govern(&mut self, governed: &mut GovernedObjects) {
        if self.logged.is_none() || !std::mem::take(&mut self.changed) {
            return;
        }
        let kinds = [POLICY, BINDING];
        let policies = kinds.iter().flat_map(|kind| {
            let of_kind = shipped().iter().filter(|one| one.kind == *kind);
            of_kind.map(|one| (*kind, one.name.clone()))
        });
        let configs = [WRITERS, CONFIG_MAP].map(|name| (CONFIG, name.to_owned()));
        for key in policies.chain(configs).filter(|(kind, _)| self.heard.contains_key(kind)) {
            let (phase, spec) = match self.present.get(&key) {
                Some(present) => present.told(),
                None => (NOT_IN_FORCE, json!({"why": "it does not exist"})),
            };
            put(governed, key.0, &key.1, &spec);
            governed.set_phase(key.0, &key.1, phase);
        }
        for right in GUARDED {
            let Some(holders) = self.holders.get(right.name) else { continue };
            let mut spec = json!({"may": right.may, "who": holders.named});
            if holders.more > 0 {
                spec["more"] = holders.more.into();
            }
            if !holders.passed.is_empty() {
                spec["passed"] = holders.passed.iter().map(rights::written).collect();
            }
            put(governed, RIGHT, right.name, &spec);
        }
    }
}

impl Holders {
    /// Keeps who got it and lost it between two entries: they held it all the same.
    fn keep_passed(&mut self, graph: &Graph, now: &[SubjectId]) {
        let gone = self.now.iter().filter(|id| now.binary_search(id).is_err());
        let gone = gone.filter_map(|id| graph.last_known(*id));
        let room = MAX_HOLDERS.saturating_sub(self.passed.len());
        self.passed.extend(gone.take(room).cloned());
    }

    fn turn(&mut self, graph: &Graph, now: Vec<SubjectId>) {
        let holds = |subject: &Subject| {
            graph.find(subject).is_some_and(|id| now.binary_search(&id).is_ok())
        };
        self.passed.retain(|one| !holds(one));
        let mut subjects: Vec<&Subject> =
            now.iter().filter_map(|id| graph.last_known(*id)).collect();
        subjects.sort_unstable();
        let named = subjects.iter().take(MAX_HOLDERS).map(|one| rights::written(one));
        self.named = named.chain([MASTERS.to_owned()]).collect();
        self.named.sort_unstable();
        self.more = subjects.len().saturating_sub(MAX_HOLDERS);
        self.now = now;
    }
}

impl Present {
    fn is_same(&self, other: &Self) -> bool {
        self.uid == other.uid && self.generation == other.generation && self.fault == other.fault
    }

    fn recall(&mut self, logged: &Logged) {
        let same = self.uid == logged.uid && Some(self.generation) == logged.generation;
        if same && logged.in_force && self.fault.is_none() {
            self.since = logged.since;
        }
    }

    /// The phase and the spec of its entry.
    fn told(&self) -> (&'static str, Value) {
        let mut spec = json!({"generation": self.generation});
        if let Some(uid) = &self.uid {
            spec["uid"] = uid.as_str().into();
        }
        if let Some(created) = self.created {
            spec["createdAt"] = created.to_string().into();
        }
        if let Value::Object(content) = &self.content {
            spec.as_object_mut().into_iter().for_each(|spec| spec.extend(content.clone()));
        }
        if let Some(why) = &self.fault {
            spec["why"] = why.as_str().into();
            (NOT_IN_FORCE, spec)
        } else {
            spec["inForceSince"] = self.since.to_string().into();
            (IN_FORCE, spec)
        }
    }
}

fn put(governed: &mut GovernedObjects, kind: &'static str, name: &str, spec: &Value) {
    // A guard is what should be there under its name, whether it is or not: its uid is in its spec.
    let key = ObjectKey { name: name.to_owned(), uid: None };
    governed.put(kind, key, 0, Some(spec.to_string().into_boxed_str()));
}

/// The keys of policies and their bindings.
fn keys_of(names: &[&str]) -> impl Iterator<Item = GuardKey> {
    names.iter().flat_map(|name| [(POLICY, (*name).to_owned()), (BINDING, (*name).to_owned())])
}

/// What tells guards from others of their names, and from what they were before.
fn identity<'a>(guards: impl Iterator<Item = (Option<&'a str>, Option<i64>)>) -> String {
    let each = guards.map(|(uid, generation)| {
        format!("{}/{}", uid.unwrap_or_default(), generation.unwrap_or_default())
    });
    each.collect::<Vec<_>>().join(" ")
}

/// What the log says of the policies for a kind of record.
fn history(
    logged: &BTreeMap<GuardKey, Logged>,
    names: &[&str],
    last_at: Timestamp,
) -> GuardHistory {
    let all: Option<Vec<&Logged>> = keys_of(names).map(|key| logged.get(&key)).collect();
    let Some(all) = all else { return GuardHistory::default() };
    let lapsed = all.iter().filter(|one| !one.in_force).map(|one| one.since).min();
    if let Some(since) = lapsed {
        GuardHistory::recalled_lapsed(since, last_at)
    } else {
        let since = all.iter().map(|one| one.since).max().unwrap_or(last_at);
        let identity = identity(all.iter().map(|one| (one.uid.as_deref(), one.generation)));
        GuardHistory::recalled(identity, since, last_at)
    }
}

fn json_of(spec: &impl Serialize) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}

/// What matters of a `ConfigMap`: who may write for others; of the one with the newest checkpoint, which
/// the operator writes every minute, who else has written it.
fn config_content(map: &ConfigMap) -> Value {
    if map.metadata.name.as_deref() == Some(WRITERS) {
        let writers: BTreeSet<&String> = map.data.iter().flatten().map(|(_, name)| name).collect();
        return json!({"writers": writers});
    }
    let managed = map.metadata.managed_fields.iter().flatten();
    let managers: BTreeSet<&str> = managed.filter_map(|fields| fields.manager.as_deref()).collect();
    json!({"managers": managers})
}
