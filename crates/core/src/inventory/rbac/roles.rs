//! Roles by name, and the rules of aggregated ones.

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

/// The number of a role in the graph. It is given to another after the role and all bindings to it are
/// gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(usize);

impl RoleId {
    /// The index of the role in a table with [`super::Graph::role_count`] entries.
    pub fn index(self) -> usize {
        self.0
    }
}

/// The name of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleKey {
    /// The namespace; empty for a `ClusterRole`.
    pub namespace: Symbol,
    pub name: Symbol,
}

impl RoleKey {
    /// The key of a `ClusterRole`.
    pub fn cluster(name: Symbol) -> Self {
        Self { namespace: "".into(), name }
    }

    /// The kind of the role: `Role` or `ClusterRole`.
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_empty() { "ClusterRole" } else { "Role" }
    }
}

/// As findings write it: `ClusterRole/view`, `Role/prod/deployer`.
impl fmt::Display for RoleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "ClusterRole/{}", self.name)
        } else {
            write!(f, "Role/{}/{}", self.namespace, self.name)
        }
    }
}

/// A role, or the name of one that does not exist and that some binding names.
#[derive(Debug)]
pub struct RoleNode {
    key: RoleKey,
    facts: Option<Arc<RoleFacts>>,
    /// The roles that it aggregates directly.
    members: Vec<RoleId>,
    /// The facts of all roles with rules of their own that it aggregates, directly or not.
    aggregated: Vec<Arc<RoleFacts>>,
    /// The rules beyond the default ones. None if no cluster has a role of this name by default.
    beyond_default: Option<Box<[PolicyRule]>>,
    reach: Reach,
    added: Reach,
    bindings: Vec<Slot>,
}

impl RoleNode {
    /// Its namespace and name.
    pub fn key(&self) -> &RoleKey {
        &self.key
    }

    /// Whether there is such a role.
    pub fn exists(&self) -> bool {
        self.facts.is_some()
    }

    /// Its rules. For a role in manifests that aggregates others, the rules of those.
    pub fn rules(&self) -> impl Iterator<Item = &PolicyRule> {
        let own = self.facts.iter().filter(|facts| !facts.is_composed());
        own.chain(&self.aggregated).flat_map(|facts| facts.rules.iter())
    }

    /// Why it is not known what the role allows, judged by the graph alone. None if it is known.
    pub fn unknown_rules(&self) -> Option<UnknownRules> {
        let Some(facts) = &self.facts else {
            return Some(UnknownRules::Absent);
        };
        let selects = facts.aggregation.as_ref().is_some_and(|selectors| !selectors.is_empty());
        (selects && facts.is_composed() && self.aggregated.is_empty())
            .then_some(UnknownRules::NoMembers)
    }

    /// The elementary rights that its rules amount to.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The rules beyond those that a role of this name has in every cluster. All rules, if there is no
    /// default role of this name.
    pub fn added_rules(&self) -> Box<dyn Iterator<Item = &PolicyRule> + '_> {
        match &self.beyond_default {
            Some(beyond_default) => Box::new(beyond_default.iter()),
            None => Box::new(self.rules()),
        }
    }

    /// The elementary rights that [`Self::added_rules`] amount to.
    pub fn added(&self) -> Reach {
        self.added
    }

    /// The bindings that name it, in no order.
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

/// Every role, by number and by name.
#[derive(Debug, Default)]
pub(super) struct Roles {
    nodes: Vec<Option<RoleNode>>,
    free: Vec<RoleId>,
    ids: FxHashMap<RoleKey, RoleId>,
    aggregators: Vec<RoleId>,
    assumes_defaults: bool,
}

impl Roles {
    /// From now on the default roles of every cluster count as existing, even if no manifest has them.
    pub(super) fn assume_defaults(&mut self) {
        self.assumes_defaults = true;
        for key in defaults().roles_of_every_cluster() {
            // A role that a manifest has stays as the manifest says.
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

    /// How many entries a table by [`RoleId::index`] needs.
    pub(super) fn places(&self) -> usize {
        self.nodes.len()
    }

    /// Sets the facts of a role, None if it went. Returns the roles whose rights may be others now: this one
    /// and those that aggregate it.
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
        // Those that aggregated it before lose its rules, and those that do so now gain them.
        let mut changed = self.ancestors(id);
        if let Some(role) = self.get_mut(id) {
            role.facts = facts;
        }
        self.aggregate(id);
        changed.extend(self.ancestors(id));
        for id in &changed {
            self.recompute(*id);
        }
        // Last: its ancestors were computed from it.
        self.release(id);
        changed
    }

    /// Adds a binding that names the role, which need not exist.
    pub(super) fn attach(&mut self, key: &RoleKey, binding: Slot) -> RoleId {
        let id = self.node(key);
        if let Some(role) = self.get_mut(id) {
            role.bindings.push(binding);
        }
        id
    }

    /// Removes a binding that named the role.
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
            RoleId(self.nodes.len() - 1)
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

    /// Removes a role that neither exists nor is named by a binding.
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

    /// Updates which roles aggregate this one, and which ones it aggregates.
    fn aggregate(&mut self, id: RoleId) {
        let Some(role) = self.get(id).filter(|role| role.is_cluster_role()) else {
            return;
        };
        let facts = role.facts.clone();
        self.aggregators.retain(|aggregator| *aggregator != id);
        // A copy, because the loop changes the roles; there are few aggregators.
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

    /// The role and every role that aggregates it, directly or not. Ends for roles that aggregate each
    /// other, too.
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
                // Roles may aggregate each other in a circle.
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
