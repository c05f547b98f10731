//! Subjects with their grants, under small numbers.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::{roles::RoleId, subject::Subject};
use crate::inventory::{Slot, Symbol};

/// The number of a subject in the graph. It stays while the subject has a grant or a `ServiceAccount`
/// object, and for long after, so that a control that judged it can still learn that it lost its last
/// grant.
pub type SubjectId = u32;

/// How many subjects without any grant keep their number. Far more than lose their last grant between two
/// evaluations.
const MAX_RETIRED: usize = 65_536;

/// One binding that names a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The number of the binding in the inventory.
    pub binding: Slot,
    /// The namespace in which it is in effect; empty for the whole cluster.
    pub namespace: Symbol,
    /// The role that it gives.
    pub role: RoleId,
    /// Whether every cluster has this grant by default.
    pub is_default: bool,
}

impl Grant {
    /// Whether it is in effect in the whole cluster.
    pub fn in_cluster(&self) -> bool {
        self.namespace.is_empty()
    }
}

/// A subject with its grants.
#[derive(Debug)]
pub struct SubjectNode {
    pub subject: Subject,
    /// Its own grants, in no order.
    pub grants: Vec<Grant>,
    /// The number of its `ServiceAccount` object. None if there is none.
    pub account: Option<Slot>,
    retired: bool,
}

impl SubjectNode {
    fn is_live(&self) -> bool {
        self.account.is_some() || !self.grants.is_empty()
    }
}

/// Every subject, by number and by identity.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    nodes: Vec<Option<SubjectNode>>,
    ids: FxHashMap<Subject, SubjectId>,
    free: Vec<SubjectId>,
    retired: VecDeque<SubjectId>,
}

impl Subjects {
    pub(super) fn find(&self, subject: &Subject) -> Option<SubjectId> {
        self.ids.get(subject).copied()
    }

    /// The subject with this number. None if it has neither a grant nor an object.
    pub(super) fn get(&self, id: SubjectId) -> Option<&SubjectNode> {
        self.node(id).filter(|node| node.is_live())
    }

    /// The subject that has or last had this number. None if none had, or it is long forgotten.
    pub(super) fn last_known(&self, id: SubjectId) -> Option<&Subject> {
        self.node(id).map(|node| &node.subject)
    }

    fn node(&self, id: SubjectId) -> Option<&SubjectNode> {
        self.nodes.get(id as usize).and_then(Option::as_ref)
    }

    fn node_mut(&mut self, id: SubjectId) -> Option<&mut SubjectNode> {
        self.nodes.get_mut(id as usize).and_then(Option::as_mut)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SubjectId, &SubjectNode)> {
        self.nodes.iter().enumerate().filter_map(|(at, node)| {
            let node = node.as_ref().filter(|node| node.is_live())?;
            Some((SubjectId::try_from(at).ok()?, node))
        })
    }

    /// Adds a grant. None if there is no number left for the subject: see [`Subjects::number`].
    pub(super) fn grant(&mut self, subject: &Subject, grant: Grant) -> Option<SubjectId> {
        let id = self.number(subject)?;
        if let Some(node) = self.node_mut(id) {
            node.grants.push(grant);
        }
        Some(id)
    }

    pub(super) fn revoke(&mut self, id: SubjectId, binding: Slot) {
        if let Some(node) = self.node_mut(id)
            && let Some(at) = node.grants.iter().position(|grant| grant.binding == binding)
        {
            // Grants have no order, so the last one may take the place.
            node.grants.swap_remove(at);
        }
        self.retire(id);
    }

    pub(super) fn set_account(&mut self, subject: &Subject, account: Option<Slot>) {
        let Some(id) = self.number(subject) else { return };
        if let Some(node) = self.node_mut(id) {
            node.account = account;
        }
        self.retire(id);
    }

    /// The number of a subject, which gets one if it has none. None if there are 4 billion subjects: two
    /// under one number would have each other's rights.
    fn number(&mut self, subject: &Subject) -> Option<SubjectId> {
        if let Some(id) = self.find(subject) {
            return Some(id);
        }
        let id = if let Some(free) = self.free.pop() {
            free
        } else {
            let id = SubjectId::try_from(self.nodes.len()).ok()?;
            self.nodes.push(None);
            id
        };
        if let Some(place) = self.nodes.get_mut(id as usize) {
            *place = Some(SubjectNode {
                subject: subject.clone(),
                grants: Vec::new(),
                account: None,
                retired: false,
            });
        }
        self.ids.insert(subject.clone(), id);
        Some(id)
    }

    /// Notes that a subject may have lost its last grant, and removes those that did so longest ago if there
    /// are too many.
    fn retire(&mut self, id: SubjectId) {
        if let Some(node) = self.node_mut(id)
            && !node.is_live()
            && !node.retired
        {
            node.retired = true;
            self.retired.push_back(id);
        }
        // The longest retired goes first: whoever had to learn of its loss has been told long ago.
        while self.retired.len() > MAX_RETIRED {
            let Some(id) = self.retired.pop_front() else {
                return;
            };
            self.forget(id);
        }
    }

    fn forget(&mut self, id: SubjectId) {
        let Some(place) = self.nodes.get_mut(id as usize) else {
            return;
        };
        if let Some(node) = place
            && node.is_live()
        {
            // It got a grant again since it was retired.
            node.retired = false;
            return;
        }
        if let Some(node) = place.take() {
            self.ids.remove(&node.subject);
            self.free.push(id);
        }
    }
}
