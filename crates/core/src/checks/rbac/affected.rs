//! Which items a change of rights, accounts, pods or quotas can affect.

use super::RbacCheck;
use crate::{
    api::Risk,
    checks::{CheckContext, Item},
    inventory::{
        Change, Facts, Inventory, Object,
        rbac::{RoleKey, Subject},
    },
};

impl RbacCheck {
    /// Visits the subjects whose findings a change can affect, by the indexes of the graph, and the items
    /// of the cluster that count them.
    pub(super) fn visit_affected(
        &self,
        context: &CheckContext<'_>,
        change: &Change,
        visit: &mut dyn FnMut(Item),
    ) {
        let rights = &context.inventory.rights;
        let Change::Object { slot, before } = change else {
            // The only change without an object is what is known of the API server: its version decides
            // what some rights amount to.
            let by_version = self.prefilter.by_version();
            return rights.subjects_with_any(by_version).for_each(|id| visit(Item::Subject(id)));
        };
        let after = context.inventory.get(*slot);
        let affected = rights.affected(before.as_ref(), after);
        for id in affected.subjects {
            visit(Item::Subject(id));
        }
        // A group such as system:authenticated changed. Visiting everybody in it would be visiting nearly
        // everybody: only those are, whose own rights the group could complete.
        if affected.implied_group {
            let own = self.prefilter.completing(rights.ever_implied());
            rights.subjects_with_any(own).for_each(|id| visit(Item::Subject(id)));
        }
        if self.asks_who_they_are() {
            self.visit_identities(context, before.as_ref(), after, visit);
        }
        let mut related = false;
        for object in [before.as_ref(), after].into_iter().flatten() {
            match &object.facts {
                Facts::Role(_) | Facts::Binding(_) | Facts::ServiceAccount(_) => related = true,
                Facts::Malformed(_) => {
                    related = true;
                    visit(Item::Object(*slot));
                    visit_named(context.inventory, object, visit);
                }
                Facts::Workload(facts) if self.forbids(Risk::WeakPodStrongAccount) => {
                    related = true;
                    // Whether the pod is weak matters only for the account that it runs as.
                    let account = facts.pod.service_account.clone().map(|name| {
                        Subject::ServiceAccount { namespace: object.namespace.clone(), name }
                    });
                    if let Some(id) = account.and_then(|account| rights.find(&account)) {
                        visit(Item::Subject(id));
                    }
                }
                Facts::Quota | Facts::Namespace(_) if self.forbids(Risk::Exhaust) => {
                    related = true;
                    // A quota bounds cluster-wide grants as well, of whomever.
                    for (id, _) in rights.subjects() {
                        visit(Item::Subject(id));
                    }
                }
                _ => {}
            }
        }
        // Counting walks over all subjects for some items, so it is not done for changes of other kinds.
        if related {
            self.visit_cluster_items(visit);
        }
    }
}

/// Visits the subjects that a role or account concerns by its name alone: one that can't be read
/// exists all the same, so that nothing dangles.
fn visit_named(inventory: &Inventory, object: &Object, visit: &mut dyn FnMut(Item)) {
    let rights = &inventory.rights;
    let (namespace, name) = (object.namespace.clone(), object.name.clone());
    match inventory.kind_state(object.kind).map_or("", |state| &state.resource.kind) {
        "Role" | "ClusterRole" => {
            rights
                .bound_to_name(&RoleKey { namespace, name })
                .for_each(|id| visit(Item::Subject(id)));
        }
        "ServiceAccount" => {
            let account = Subject::ServiceAccount { namespace, name };
            rights.find(&account).into_iter().for_each(|id| visit(Item::Subject(id)));
        }
        _ => {}
    }
}
