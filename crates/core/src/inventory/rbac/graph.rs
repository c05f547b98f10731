//! The graph of rights: subjects, the bindings that name them, the roles those give.

use std::{collections::BTreeSet, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    defaults::defaults,
    named_rights::Naming,
    read::{BindingFacts, RoleFacts, RoleKind},
    right::Rights,
    roles::{RoleId, RoleKey, RoleNode, Roles},
    rule::{AccessRequest, RequestTarget},
    subject::{MASTERS, Subject},
    subjects::{Grant, SubjectId, SubjectNode, Subjects},
};
use crate::inventory::{Facts, IndexUpdate, Object, Slot, Symbol};

/// Who may do what. Every change updates it in place, at a cost that grows with what the change touches,
/// not with the cluster.
#[derive(Debug, Default)]
pub struct Graph {
    roles: Roles,
    bindings: FxHashMap<Slot, Binding>,
    subjects: Subjects,
    quotas: FxHashMap<Symbol, usize>,
    /// See [`Graph::ever_implied`].
    ever_implied: Rights,
    pub(super) naming: Naming,
}

#[derive(Debug)]
struct Binding {
    role: RoleId,
    subjects: Box<[SubjectId]>,
}

/// One way in which a right is held: a binding and the role that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantPath {
    /// The number of the binding in the inventory.
    pub binding: Slot,
    /// The role that it gives.
    pub role: RoleId,
}

/// The subjects whose rights a change can affect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AffectedSubjects {
    /// The subjects whose own grants it can affect.
    pub subjects: FxHashSet<SubjectId>,
    /// Whether one of them is a group to which others belong by their kind alone, so that its rights add to
    /// the rights of those.
    pub implied_group: bool,
}

/// A subject that may do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    pub subject: Subject,
    /// Every way in which it may: by its own grants, and by those of the groups to which it belongs by its
    /// kind. Empty only for `system:masters` if no binding names it, since the API server lets that group
    /// do everything before it asks RBAC.
    pub via: Vec<GrantPath>,
}

impl Graph {
    /// Counts the default roles of every cluster as existing, even if no manifest has them: manifests bind
    /// `cluster-admin` or `edit` without bringing them along.
    pub fn assume_default_roles(&mut self) {
        self.roles.assume_defaults();
    }

    /// Takes in a change of one object.
    pub fn update(&mut self, update: &IndexUpdate<'_>) {
        // Labels and CEL results may change alone; the graph depends on facts only.
        if update.before.map(|object| &object.facts) == update.after.map(|object| &object.facts) {
            return;
        }
        if let Some(object) = update.before {
            self.remove(update.slot, object, update.after);
        }
        if let Some(object) = update.after {
            self.add(update.slot, object);
        }
    }

    fn remove(&mut self, slot: Slot, object: &Object, after: Option<&Object>) {
        match &object.facts {
            // A role that changes is replaced in one step by `add`: in between nobody would hold its rights,
            // and everything about its subjects would be computed twice.
            Facts::Role(_) if !after.is_some_and(|after| matches!(after.facts, Facts::Role(_))) => {
                self.set_role(object, None);
            }
            Facts::Binding(_) => self.unbind(slot),
            Facts::ServiceAccount(_) => self.subjects.set_account(&account(object), None),
            Facts::Quota => {
                if let Some(count) = self.quotas.get_mut(&object.namespace) {
                    *count = count.saturating_sub(1);
                }
                self.quotas.retain(|_, count| *count > 0);
            }
            _ => {}
        }
    }

    fn add(&mut self, slot: Slot, object: &Object) {
        match &object.facts {
            Facts::Role(facts) => self.set_role(object, Some(facts)),
            Facts::Binding(facts) => self.bind(slot, object, facts),
            Facts::ServiceAccount(_) => self.subjects.set_account(&account(object), Some(slot)),
            Facts::Quota => *self.quotas.entry(object.namespace.clone()).or_default() += 1,
            _ => {}
        }
    }

    fn set_role(&mut self, object: &Object, facts: Option<&Arc<RoleFacts>>) {
        for id in self.roles.set(&role_key(object), facts.cloned()) {
            self.naming.set(id, self.roles.get(id));
            let Some(role) = self.roles.get(id) else {
                continue;
            };
            let is_implied =
                |id| self.subject(id).is_some_and(|node| node.subject.is_implied_group());
            if self.bound(role).any(is_implied) {
                self.ever_implied |= role.reach().anywhere();
            }
        }
    }

    fn bind(&mut self, slot: Slot, object: &Object, facts: &BindingFacts) {
        let role = self.roles.attach(&bound_role(&object.namespace, facts), slot);
        if facts.subjects.iter().any(Subject::is_implied_group) {
            self.ever_implied |=
                self.role(role).map(|role| role.reach().anywhere()).unwrap_or_default();
        }
        // A binding may name a subject twice; its grant must count once, or it could not be taken back.
        let mut known = FxHashSet::default();
        let subjects = facts
            .subjects
            .iter()
            .filter(|subject| known.insert(*subject))
            .filter_map(|subject| {
                let grant = Grant {
                    binding: slot,
                    namespace: object.namespace.clone(),
                    role,
                    is_default: defaults().grants(&object.namespace, &object.name, facts, subject),
                };
                self.subjects.grant(subject, grant)
            })
            .collect();
        self.bindings.insert(slot, Binding { role, subjects });
    }

    fn unbind(&mut self, slot: Slot) {
        let Some(binding) = self.bindings.remove(&slot) else {
            return;
        };
        for subject in &binding.subjects {
            self.subjects.revoke(*subject, slot);
        }
        self.roles.detach(binding.role, slot);
    }

    /// The subject with this number. None if it has neither a grant nor a `ServiceAccount` object.
    pub fn subject(&self, id: SubjectId) -> Option<&SubjectNode> {
        self.subjects.get(id)
    }

    /// The subject with this number, for a while also one that lost everything it had.
    pub fn last_known(&self, id: SubjectId) -> Option<&Subject> {
        self.subjects.last_known(id)
    }

    /// The number of a subject, for a while also of one that lost everything it had. None if it has none.
    pub fn find(&self, subject: &Subject) -> Option<SubjectId> {
        self.subjects.find(subject)
    }

    /// Every subject that has a grant or is a known service account.
    pub fn subjects(&self) -> impl Iterator<Item = (SubjectId, &SubjectNode)> {
        self.subjects.iter()
    }

    /// The role with this number. None after it and all bindings to it went.
    pub fn role(&self, id: RoleId) -> Option<&RoleNode> {
        self.roles.get(id)
    }

    /// The role of this name. None if it does not exist.
    pub fn find_role(&self, key: &RoleKey) -> Option<&RoleNode> {
        self.role(self.roles.find(key)?).filter(|role| role.exists())
    }

    /// Every role, and every role that does not exist and that some binding names.
    pub fn roles(&self) -> impl Iterator<Item = &RoleNode> {
        self.roles.iter()
    }

    /// How many entries a table by [`RoleId::index`] needs.
    pub fn role_count(&self) -> usize {
        self.roles.places()
    }

    /// Whether a namespace has any `ResourceQuota`.
    pub fn has_quota(&self, namespace: &str) -> bool {
        self.quotas.contains_key(namespace)
    }

    /// The groups to which a subject belongs by its kind, as far as some binding names them.
    pub fn implied_groups(&self, subject: &Subject) -> impl Iterator<Item = &SubjectNode> {
        let groups = subject.implied_groups().into_iter();
        groups.filter_map(|group| self.subjects.get(self.find(&Subject::Group(group))?))
    }

    /// The subjects whose own rights a change of one object can affect, judged by the present graph. Also
    /// correct after a batch of changes, since it looks at what the object was and is, not at the last
    /// update.
    pub fn affected(&self, before: Option<&Object>, after: Option<&Object>) -> AffectedSubjects {
        let mut affected = AffectedSubjects::default();
        let mut names: Vec<Symbol> = Vec::new();
        for object in [before, after].into_iter().flatten() {
            match &object.facts {
                Facts::Binding(facts) => {
                    for subject in &facts.subjects {
                        affected.subjects.extend(self.find(subject));
                        affected.implied_group |= subject.is_implied_group();
                        names.push(subject.name().clone());
                    }
                    names.extend([facts.role.name.clone(), object.name.clone()]);
                }
                Facts::Role(facts) => {
                    let mut roles = self.roles.aggregating(&facts.labels);
                    if let Some(id) = self.roles.find(&role_key(object)) {
                        roles.extend(self.roles.ancestors(id));
                    }
                    names.push(object.name.clone());
                    for role in roles {
                        names.extend(self.role(role).map(|role| role.key().name.clone()));
                        self.add_bound(role, &mut affected);
                    }
                }
                Facts::ServiceAccount(_) => {
                    affected.subjects.extend(self.find(&account(object)));
                    names.push(object.name.clone());
                }
                _ => {}
            }
        }
        let changed = affected.subjects.iter().filter_map(|id| self.subject(*id));
        names.extend(changed.map(|node| node.subject.name().clone()));
        // Last, when all changed names are known: who may act as one of them is affected as well.
        self.add_namers(names, &mut affected);
        affected
    }

    fn add_bound(&self, role: RoleId, affected: &mut AffectedSubjects) {
        let bound = self.roles.get(role).into_iter().flat_map(|role| self.bound(role));
        for id in bound {
            let new = affected.subjects.insert(id);
            affected.implied_group |=
                new && self.subject(id).is_some_and(|node| node.subject.is_implied_group());
        }
    }

    /// The bindings that name a role of this name, which need not exist.
    pub fn bindings_of(&self, role: &RoleKey) -> &[Slot] {
        let role = self.roles.find(role).and_then(|id| self.roles.get(id));
        role.map_or(&[], RoleNode::bindings)
    }

    /// The subjects of every binding that names a role. One that several bindings name is repeated.
    pub fn bound<'a>(&'a self, role: &'a RoleNode) -> impl Iterator<Item = SubjectId> + 'a {
        let bindings = role.bindings().iter().filter_map(|slot| self.bindings.get(slot));
        bindings.flat_map(|binding| binding.subjects.iter().copied())
    }

    /// The subjects of every binding that names a role of this name, which need not exist. One that
    /// several bindings name is repeated.
    pub fn bound_to_name(&self, role: &RoleKey) -> impl Iterator<Item = SubjectId> {
        let role = self.roles.find(role).and_then(|id| self.roles.get(id));
        role.into_iter().flat_map(|role| self.bound(role))
    }

    /// The rights that groups to which others belong by their kind have, or ever had. Those that were taken
    /// away count, because whoever held something only together with them must be judged again.
    pub fn ever_implied(&self) -> Rights {
        self.ever_implied
    }

    /// The subjects to which a role with any of these rights is bound; one with several such bindings is
    /// repeated. It goes over roles, since they are fewer than subjects and few of them have such rights.
    pub fn subjects_with_any(&self, rights: Rights) -> impl Iterator<Item = SubjectId> {
        let holds = move |role: &&RoleNode| role.reach().anywhere().intersects(rights);
        self.roles.iter().filter(holds).flat_map(|role| self.bound(role))
    }

    /// Every subject that may make the request, by the semantics of the API server's authorizer.
    ///
    /// Users and service accounts are listed by their own bindings and by those of the groups to which they
    /// belong by their kind; a group is listed by its own bindings.
    pub fn who_can(&self, request: &AccessRequest<'_>) -> Vec<Entitlement> {
        // Each role is decided once, however many bindings give it.
        let mut decided = vec![None; self.roles.places()];
        let mut allowing = |node: &SubjectNode| -> Vec<GrantPath> {
            let paths = node.grants.iter().filter(|grant| {
                reaches(grant, &request.target) && self.decide(grant.role, request, &mut decided)
            });
            let path = |grant: &Grant| GrantPath { binding: grant.binding, role: grant.role };
            paths.map(path).collect()
        };
        let mut implied: FxHashMap<Subject, Vec<GrantPath>> = FxHashMap::default();
        for (_, node) in self.subjects() {
            if node.subject.is_implied_group() {
                implied.insert(node.subject.clone(), allowing(node));
            }
        }
        let mut found = Vec::new();
        let masters = Subject::Group(MASTERS.into());
        for (_, node) in self.subjects() {
            let mut via = allowing(node);
            if !matches!(node.subject, Subject::Group(_)) {
                let groups = node.subject.implied_groups().into_iter().map(Subject::Group);
                via.extend(groups.filter_map(|group| implied.get(&group)).flatten());
            }
            // The group is added below in any case, since it needs no binding.
            if !via.is_empty() && node.subject != masters {
                let subject = node.subject.clone();
                found.push(Entitlement { subject, via });
            }
        }
        let node = self.find(&masters).and_then(|id| self.subject(id));
        found.push(Entitlement { subject: masters, via: node.map(allowing).unwrap_or_default() });
        found.sort_by(|a, b| a.subject.cmp(&b.subject));
        found
    }

    /// Every subject that may make any of the requests, as [`who_can`](Self::who_can) says it of one, by
    /// number and once: without the ways in which it may, and without `system:masters`, which always may.
    pub fn subjects_who_can(&self, requests: &[AccessRequest<'_>]) -> Vec<SubjectId> {
        let mut decided = vec![vec![None; self.roles.places()]; requests.len()];
        let mut may = |node: &SubjectNode| {
            node.grants.iter().any(|grant| {
                requests.iter().zip(&mut decided).any(|(request, decided)| {
                    reaches(grant, &request.target) && self.decide(grant.role, request, decided)
                })
            })
        };
        let implied: FxHashSet<&Subject> = self
            .subjects()
            .filter(|(_, node)| node.subject.is_implied_group() && may(node))
            .map(|(_, node)| &node.subject)
            .collect();
        let by_kind = |subject: &Subject| {
            !matches!(subject, Subject::Group(_))
                && !implied.is_empty()
                && subject
                    .implied_groups()
                    .into_iter()
                    .any(|one| implied.contains(&Subject::Group(one)))
        };
        let masters = Subject::Group(MASTERS.into());
        self.subjects()
            .filter(|(_, node)| node.subject != masters && (may(node) || by_kind(&node.subject)))
            .map(|(id, _)| id)
            .collect()
    }

    /// The subjects that may make the request in every cluster, by default bindings, which manifests do not
    /// contain.
    pub fn default_subjects(&self, request: &AccessRequest<'_>) -> BTreeSet<Subject> {
        let mut found = BTreeSet::new();
        for (namespace, default) in defaults().bindings_of_every_cluster() {
            if !namespace.is_empty() && **namespace != *request.target.namespace() {
                continue;
            }
            let role = self.roles.find(&bound_role(namespace, default));
            let mut rules = role.and_then(|id| self.role(id)).into_iter().flat_map(RoleNode::rules);
            if rules.any(|rule| rule.allows(request)) {
                found.extend(default.subjects.iter().cloned());
            }
        }
        found
    }

    /// Whether a role allows the request, remembered in `decided`.
    fn decide(
        &self,
        role: RoleId,
        request: &AccessRequest<'_>,
        decided: &mut [Option<bool>],
    ) -> bool {
        let Some(known) = decided.get_mut(role.index()) else {
            return false;
        };
        *known.get_or_insert_with(|| {
            let rules = self.role(role).into_iter().flat_map(RoleNode::rules);
            rules.into_iter().any(|rule| rule.allows(request))
        })
    }
}

/// Whether a grant is in effect where a request goes.
fn reaches(grant: &Grant, target: &RequestTarget<'_>) -> bool {
    grant.in_cluster() || *grant.namespace == *target.namespace()
}

/// The role that a binding in a namespace names.
fn bound_role(namespace: &Symbol, facts: &BindingFacts) -> RoleKey {
    let name = facts.role.name.clone();
    match facts.role.kind {
        RoleKind::ClusterRole => RoleKey::cluster(name),
        RoleKind::Role => RoleKey { namespace: namespace.clone(), name },
    }
}

fn role_key(object: &Object) -> RoleKey {
    RoleKey { namespace: object.namespace.clone(), name: object.name.clone() }
}

fn account(object: &Object) -> Subject {
    Subject::ServiceAccount { namespace: object.namespace.clone(), name: object.name.clone() }
}
