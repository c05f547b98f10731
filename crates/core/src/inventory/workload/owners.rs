//! Which objects control which pods and workloads, and which service accounts they run as.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::{ControllerRef, WorkloadFacts};
use crate::inventory::{Facts, IndexUpdate, Inventory, Object, Slot, Symbol};

/// How far a chain of controllers is followed. In Kubernetes it has three links (`CronJob`, Job, Pod); the
/// limit keeps hostile owner references in a circle from being followed for ever.
const MAX_CHAIN: usize = 8;

/// Finds what an object controls, and what runs as a service account. Neither the object nor the account
/// need be known.
#[derive(Debug, Default)]
pub struct OwnerIndex {
    controlled: FxHashMap<Owner, Vec<Slot>>,
    accounts: FxHashMap<Account, Vec<Slot>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Owner {
    namespace: Symbol,
    controller: ControllerRef,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Account {
    namespace: Symbol,
    name: Symbol,
}

impl OwnerIndex {
    /// Follows a change of one object.
    pub fn update(&mut self, update: &IndexUpdate<'_>) {
        relocate(&mut self.controlled, update, owner);
        relocate(&mut self.accounts, update, account);
    }

    /// The numbers of the objects that an object controls directly, in no order.
    pub fn controlled(&self, group: &str, kind: &str, namespace: &str, name: &str) -> &[Slot] {
        let owner = Owner {
            namespace: namespace.into(),
            controller: ControllerRef { group: group.into(), kind: kind.into(), name: name.into() },
        };
        self.controlled.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// The numbers of the workloads that run as a service account, in no order, without those that refuse
    /// its token.
    pub fn running_as(&self, namespace: &str, name: &str) -> &[Slot] {
        let account = Account { namespace: namespace.into(), name: name.into() };
        self.accounts.get(&account).map_or(&[], Vec::as_slice)
    }

    /// Visits everything that an object controls, directly or through others. The object itself may be gone.
    pub fn visit_controlled(
        &self,
        inventory: &Inventory,
        owner: &Object,
        visit: &mut dyn FnMut(Slot),
    ) {
        self.descend(inventory, owner, MAX_CHAIN, visit);
    }

    fn descend(
        &self,
        inventory: &Inventory,
        owner: &Object,
        depth: usize,
        visit: &mut dyn FnMut(Slot),
    ) {
        let Some(resource) = inventory.kind_state(owner.kind).map(|state| &state.resource) else {
            return;
        };
        if depth == 0 {
            return;
        }
        let below = self.controlled(&resource.group, &resource.kind, &owner.namespace, &owner.name);
        for slot in below {
            visit(*slot);
            if let Some(object) = inventory.get(*slot) {
                self.descend(inventory, object, depth - 1, visit);
            }
        }
    }
}

/// Moves an object from the key under which it was to the key under which it is now.
fn relocate<K: Eq + Hash>(
    filed: &mut FxHashMap<K, Vec<Slot>>,
    update: &IndexUpdate<'_>,
    key: impl Fn(&Object) -> Option<K>,
) {
    let before = update.before.and_then(&key);
    let after = update.after.and_then(&key);
    if before == after {
        return;
    }
    if let Some(key) = before
        && let Some(slots) = filed.get_mut(&key)
    {
        slots.retain(|slot| *slot != update.slot);
        if slots.is_empty() {
            filed.remove(&key);
        }
    }
    if let Some(key) = after {
        filed.entry(key).or_default().push(update.slot);
    }
}

fn account(object: &Object) -> Option<Account> {
    let Facts::Workload(facts) = &object.facts else {
        return None;
    };
    // Without the token it does not act as the account.
    if facts.pod.automount == Some(false) {
        return None;
    }
    Some(Account { namespace: object.namespace.clone(), name: facts.pod.service_account.clone()? })
}

fn owner(object: &Object) -> Option<Owner> {
    let Facts::Workload(facts) = &object.facts else {
        return None;
    };
    Some(Owner { namespace: object.namespace.clone(), controller: facts.controller.clone()? })
}

/// The known controllers of a workload, the nearest first. The chain ends at an object without a pod
/// template, or one that could not be read. Empty for owner references in a circle, which no controller
/// makes.
pub fn controllers<'a>(
    inventory: &'a Inventory,
    namespace: &str,
    facts: &'a WorkloadFacts,
) -> Vec<(&'a Object, &'a WorkloadFacts)> {
    let mut chain = Vec::new();
    let mut below = facts;
    while let Some(controller) = &below.controller {
        let ControllerRef { group, kind, name } = controller;
        let Some(object) = inventory.lookup(group, kind, namespace, name) else {
            break;
        };
        let Facts::Workload(facts) = &object.facts else {
            break;
        };
        // Longer than any real chain: the references must form a circle.
        if chain.len() == MAX_CHAIN {
            return Vec::new();
        }
        chain.push((object, facts.as_ref()));
        below = facts;
    }
    chain
}
