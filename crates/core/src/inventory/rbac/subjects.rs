//! Subjects with their grants, under small stable numbers.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::{roles::RoleId, subject::Subject};
use crate::inventory::{Slot, Symbol};

/// A subject in the graph. Stable while the subject has a grant or is a known service account,
/// and for long after, so that whoever judged it can still be told that it lost its last grant.
pub type SubjectId = u32;

/// How many subjects without any grant keep their number.
const MAX_RETIRED: usize = 65_536;

/// One binding that names a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The binding.
    pub binding: Slot,
    /// Where it is in effect; empty in the whole cluster.
    pub namespace: Symbol,
    /// The role.
    pub role: RoleId,
    /// Whether every cluster is born with it.
    pub is_default: bool,
}

impl Grant {
    /// Whether it is in effect in the whole cluster.
    pub fn in_cluster(&self) -> bool {
        self.namespace.is_empty()
    }
}

/// A subject and what it was granted.
#[derive(Debug)]
pub struct SubjectNode {
    /// Who.
    pub subject: Subject,
    /// What, in no order.
    pub grants: Vec<Grant>,
    /// The `ServiceAccount` object, where there is one.
    pub account: Option<Slot>,
    retired: bool,
}

impl SubjectNode {
    fn is_live(&self) -> bool {
        self.account.is_some() || !self.grants.is_empty()
    }
}

/// Every subject.
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

    /// A subject with a grant or an object.
    pub(super) fn get(&self, id: SubjectId) -> Option<&SubjectNode> {
        self.node(id).filter(|node| node.is_live())
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

    pub(super) fn grant(&mut self, subject: &Subject, grant: Grant) -> SubjectId {
        let id = self.number(subject);
        if let Some(node) = self.node_mut(id) {
            node.grants.push(grant);
        }
        id
    }

    pub(super) fn revoke(&mut self, id: SubjectId, binding: Slot) {
        if let Some(node) = self.node_mut(id)
            && let Some(at) = node.grants.iter().position(|grant| grant.binding == binding)
        {
            node.grants.swap_remove(at);
        }
        self.retire(id);
    }

    pub(super) fn set_account(&mut self, subject: &Subject, account: Option<Slot>) {
        let id = self.number(subject);
        if let Some(node) = self.node_mut(id) {
            node.account = account;
        }
        self.retire(id);
    }

    fn number(&mut self, subject: &Subject) -> SubjectId {
        if let Some(id) = self.find(subject) {
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            SubjectId::try_from(self.nodes.len() - 1).unwrap_or(SubjectId::MAX)
        });
        if let Some(place) = self.nodes.get_mut(id as usize) {
            *place = Some(SubjectNode {
                subject: subject.clone(),
                grants: Vec::new(),
                account: None,
                retired: false,
            });
        }
        self.ids.insert(subject.clone(), id);
        id
    }

    /// Notes that a subject may have lost its last grant, and forgets the one that did so longest ago.
    fn retire(&mut self, id: SubjectId) {
        if let Some(node) = self.node_mut(id)
            && !node.is_live()
            && !node.retired
        {
            node.retired = true;
            self.retired.push_back(id);
        }
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
            node.retired = false;
            return;
        }
        if let Some(node) = place.take() {
            self.ids.remove(&node.subject);
            self.free.push(id);
        }
    }
}
