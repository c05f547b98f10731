//! Roles by name, and what aggregated ones amount to.

use std::{fmt, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    defaults::{defaults, is_of_every_cluster, rules_beyond},
    read::RoleFacts,
    right::Reach,
    rule::PolicyRule,
    unknown_rules::UnknownRules,
};
use crate::inventory::{Slot, Symbol, facts::Labels};

/// A role in the graph; reused after the role and all bindings to it are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(u32);

impl RoleId {
    /// The place of the role in a table of [`super::Graph::role_count`] places.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The name of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleKey {
    /// Namespace; empty for a `ClusterRole`.
    pub namespace: Symbol,
    /// Name.
    pub name: Symbol,
}

impl RoleKey {
    /// A `ClusterRole`.
    pub fn cluster(name: Symbol) -> Self {
        Self { namespace: "".into(), name }
    }

    /// `Role` or `ClusterRole`.
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_empty() { "ClusterRole" } else { "Role" }
    }
}

/// `ClusterRole/view`, `Role/prod/deployer`.
impl fmt::Display for RoleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "ClusterRole/{}", self.name)
        } else {
            write!(f, "Role/{}/{}", self.namespace, self.name)
        }
    }
}

/// A role, or the name of one that some binding waits for.
#[derive(Debug)]
pub struct RoleNode {
    key: RoleKey,
    facts: Option<Arc<RoleFacts>>,
    members: Vec<RoleId>,
    aggregated: Vec<Arc<RoleFacts>>,
    beyond_default: Option<Box<[PolicyRule]>>,
    reach: Reach,
    added: Reach,
    bindings: Vec<Slot>,
}

impl RoleNode {
    /// Its name.
    pub fn key(&self) -> &RoleKey {
        &self.key
    }

    /// Whether there is such a role.
    pub fn exists(&self) -> bool {
        self.facts.is_some()
    }

    /// Its rules; for a role of manifests that aggregates others, theirs.
    pub fn rules(&self) -> impl Iterator<Item = &PolicyRule> {
        let own = self.facts.iter().filter(|facts| !facts.is_composed());
        own.chain(&self.aggregated).flat_map(|facts| facts.rules.iter())
    }

    /// Why nobody can say what it allows, if all that is known of it is this.
    pub fn unknown_rules(&self) -> Option<UnknownRules> {
        let Some(facts) = &self.facts else {
            return Some(UnknownRules::Absent);
        };
        let selects = facts.aggregation.as_ref().is_some_and(|selectors| !selectors.is_empty());
        (selects && facts.is_composed() && self.aggregated.is_empty())
            .then_some(UnknownRules::NoMembers)
    }

    /// What its rules amount to.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The rules that no cluster is default with under this name.
    pub fn added_rules(&self) -> Box<dyn Iterator<Item = &PolicyRule> + '_> {
        match &self.beyond_default {
            Some(beyond_default) => Box::new(beyond_default.iter()),
            None => Box::new(self.rules()),
        }
    }

    /// What the rules amount to that no cluster is default with under this name.
    pub fn added(&self) -> Reach {
        self.added
    }

    /// The bindings that name it.
    pub fn bindings(&self) -> &[Slot] {
        &self.bindings
    }

    fn is_cluster_role(&self) -> bool {
        self.key.namespace.is_empty()
    }

    fn selects(&self, labels: &Labels) -> bool {
        let selectors = self.facts.as_ref().and_then(|facts| facts.aggregation.as_ref());
        selectors.into_iter().flatten().any(|selector| selector.matches(|key| labels.get(key)))
    }
}

/// Every role.
#[derive(Debug, Default)]
pub(super) struct Roles {
    nodes: Vec<Option<RoleNode>>,
    free: Vec<RoleId>,
    ids: FxHashMap<RoleKey, RoleId>,
    aggregators: Vec<RoleId>,
    assumes_defaults: bool,
}

impl Roles {
    /// From now on the roles of every cluster exist even where nobody shows them.
    pub(super) fn assume_defaults(&mut self) {
        self.assumes_defaults = true;
        for key in defaults().roles_of_every_cluster() {
            let unknown =
                self.find(&key).and_then(|id| self.get(id)).is_none_or(|role| !role.exists());
            if unknown {
                self.set(&key, None);
            }
        }
    }

    pub(super) fn get(&self, id: RoleId) -> Option<&RoleNode> {
        self.nodes.get(id.index()).and_then(Option::as_ref)
    }

    fn get_mut(&mut self, id: RoleId) -> Option<&mut RoleNode> {
        self.nodes.get_mut(id.index()).and_then(Option::as_mut)
    }

    pub(super) fn find(&self, key: &RoleKey) -> Option<RoleId> {
        self.ids.get(key).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RoleNode> {
        self.nodes.iter().flatten()
    }

    /// How many places a table by [`RoleId::index`] needs.
    pub(super) fn places(&self) -> usize {
        self.nodes.len()
    }

    /// A role appeared, changed or went. Returns the roles that may amount to something else now.
    pub(super) fn set(
        &mut self,
        key: &RoleKey,
        facts: Option<Arc<RoleFacts>>,
    ) -> FxHashSet<RoleId> {
        let facts = facts.or_else(|| {
            let default = self.assumes_defaults && is_of_every_cluster(&key.namespace, &key.name);
            default.then(|| defaults().role(key).cloned()).flatten()
        });
        let id = self.node(key);
        let mut changed = self.ancestors(id);
        if let Some(role) = self.get_mut(id) {
            role.facts = facts;
        }
        self.aggregate(id);
        changed.extend(self.ancestors(id));
        for id in &changed {
            self.recompute(*id);
        }
        self.release(id);
        changed
    }

    /// A binding names the role.
    pub(super) fn attach(&mut self, key: &RoleKey, binding: Slot) -> RoleId {
        let id = self.node(key);
        if let Some(role) = self.get_mut(id) {
            role.bindings.push(binding);
        }
        id
    }

    /// A binding no longer names the role.
    pub(super) fn detach(&mut self, id: RoleId, binding: Slot) {
        if let Some(role) = self.get_mut(id)
            && let Some(at) = role.bindings.iter().position(|slot| *slot == binding)
        {
            role.bindings.swap_remove(at);
        }
        self.release(id);
    }

    fn node(&mut self, key: &RoleKey) -> RoleId {
        if let Some(id) = self.find(key) {
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            RoleId(u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX))
        });
        if let Some(place) = self.nodes.get_mut(id.index()) {
            *place = Some(RoleNode {
                key: key.clone(),
                facts: None,
                members: Vec::new(),
                aggregated: Vec::new(),
                beyond_default: None,
                reach: Reach::default(),
                added: Reach::default(),
                bindings: Vec::new(),
            });
        }
        self.ids.insert(key.clone(), id);
        id
    }

    /// Forgets a role that neither exists nor is named.
    fn release(&mut self, id: RoleId) {
        let dead =
            self.get(id).is_some_and(|role| role.facts.is_none() && role.bindings.is_empty());
        if dead
            && let Some(place) = self.nodes.get_mut(id.index())
            && let Some(role) = place.take()
        {
            self.ids.remove(&role.key);
            self.free.push(id);
        }
    }

    /// Brings up to date which roles aggregate this one, and which ones it aggregates.
    fn aggregate(&mut self, id: RoleId) {
        let Some(role) = self.get(id).filter(|role| role.is_cluster_role()) else {
            return;
        };
        let facts = role.facts.clone();
        self.aggregators.retain(|aggregator| *aggregator != id);
        for aggregator in self.aggregators.clone() {
            let selects = |labels| self.get(aggregator).is_some_and(|role| role.selects(labels));
            let member = facts.as_ref().is_some_and(|facts| selects(&facts.labels));
            let Some(aggregator) = self.get_mut(aggregator) else {
                continue;
            };
            aggregator.members.retain(|member| *member != id);
            if member {
                aggregator.members.push(id);
            }
        }
        let mut members = Vec::new();
        if facts.is_some_and(|facts| facts.is_composed()) {
            self.aggregators.push(id);
            members = self.selected_by(id);
        }
        if let Some(role) = self.get_mut(id) {
            role.members = members;
        }
    }

    fn selected_by(&self, id: RoleId) -> Vec<RoleId> {
        let Some(aggregator) = self.get(id) else {
            return Vec::new();
        };
        let candidates = self.ids.iter().filter(|(key, other)| {
            let facts = self.get(**other).and_then(|role| role.facts.as_ref());
            key.namespace.is_empty()
                && **other != id
                && facts.is_some_and(|facts| aggregator.selects(&facts.labels))
        });
        candidates.map(|(_, id)| *id).collect()
    }

    /// The role and every role that aggregates it, however indirectly.
    pub(super) fn ancestors(&self, id: RoleId) -> FxHashSet<RoleId> {
        let mut known = FxHashSet::from_iter([id]);
        let mut open = vec![id];
        while let Some(below) = open.pop() {
            for aggregator in &self.aggregators {
                let above = self.get(*aggregator).is_some_and(|role| role.members.contains(&below));
                if above && known.insert(*aggregator) {
                    open.push(*aggregator);
                }
            }
        }
        known
    }

    /// The roles that select these labels, and every role that aggregates those.
    pub(super) fn aggregating(&self, labels: &Labels) -> FxHashSet<RoleId> {
        self.aggregators
            .iter()
            .filter(|id| self.get(**id).is_some_and(|role| role.selects(labels)))
            .flat_map(|id| self.ancestors(*id))
            .collect()
    }

    fn recompute(&mut self, id: RoleId) {
        let aggregated = self.descendants(id);
        let Some(role) = self.get_mut(id) else {
            return;
        };
        role.aggregated = aggregated;
        role.beyond_default =
            defaults().role(&role.key).map(|default| rules_beyond(&default.rules, role.rules()));
        role.reach = Reach::of_rules(role.rules());
        role.added = match &role.beyond_default {
            Some(beyond_default) => Reach::of_rules(beyond_default.iter()),
            None => role.reach,
        };
    }

    /// The facts of every role with rules of its own that this one aggregates, however indirectly.
    fn descendants(&self, id: RoleId) -> Vec<Arc<RoleFacts>> {
        let mut known = FxHashSet::from_iter([id]);
        let mut open = vec![id];
        let mut found = Vec::new();
        while let Some(above) = open.pop() {
            let members = self.get(above).map(|role| role.members.as_slice());
            for member in members.unwrap_or_default() {
                if known.insert(*member) {
                    open.push(*member);
                    let facts = self.get(*member).and_then(|role| role.facts.clone());
                    found.extend(facts.filter(|facts| !facts.is_composed()));
                }
            }
        }
        found
    }
}
