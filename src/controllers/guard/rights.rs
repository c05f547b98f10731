//! Who could get around what binds records to their authors, by the graph of rights. Pure.

use comptroller_core::inventory::{
    Availability, Inventory,
    rbac::{AccessRequest, Graph, PROJECTIONS, RequestTarget, Right, Rights, Subject, SubjectId},
};

/// A question that is asked of the graph whenever it changes.
#[derive(Clone, Copy, Debug)]
pub struct GuardedRight {
    /// Its name, as entries and reports have it.
    pub name: &'static str,
    /// What who holds it may do, as the rest of a sentence.
    pub may: &'static str,
    asks: Asks,
}

#[derive(Clone, Copy, Debug)]
enum Asks {
    /// Rights over anything, such as over any user.
    Any(&'static [Right]),
    /// Requests in the operator's namespace, or on cluster-scoped objects: verbs, the API group, and
    /// the resource with its subresource.
    Requests(&'static [Ask]),
}

#[derive(Clone, Copy, Debug)]
struct Ask {
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the whole cluster.
    Cluster,
    /// In the namespace of the operator.
    Own,
}

const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const OURS: &str = comptroller_core::api::GROUP;

const fn ours(resource: &'static str) -> Ask {
    Ask { verbs: WRITE, group: OURS, resource, subresource: "", place: Place::Cluster }
}

const fn own(
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
) -> Ask {
    Ask { verbs, group, resource, subresource, place: Place::Own }
}

/// The rights that are recorded, by name.
pub const GUARDED: [GuardedRight; 6] = [
    GuardedRight {
        name: "copy-operator-volume",
        may: "may copy or mount the volume of the operator, on which the log may be",
        asks: Asks::Requests(&[
            own(&["create"], "", "persistentvolumeclaims", ""),
            own(&["create"], "", "pods", ""),
            own(&["create"], "snapshot.storage.k8s.io", "volumesnapshots", ""),
            Ask {
                verbs: &["create", "update", "patch"],
                group: "",
                resource: "persistentvolumes",
                subresource: "",
                place: Place::Cluster,
            },
        ]),
    },
    GuardedRight {
        name: "edit-controls",
        may: "may edit or delete controls, exceptions or audit periods",
        asks: Asks::Requests(&[ours("controls"), ours("controlexceptions"), ours("auditperiods")]),
    },
    GuardedRight {
        name: "edit-guards",
        may: "may edit or delete the policies that bind records to their authors",
        asks: Asks::Any(&[Right::WriteAdmissionPolicies]),
    },
    GuardedRight {
        name: "edit-writers",
        may: "may decide who writes records on behalf of others",
        asks: Asks::Requests(&[own(WRITE, "", "configmaps", "")]),
    },
    GuardedRight {
        name: "exec-into-operator",
        may: "may run commands in the operator, or take its identity",
        asks: Asks::Requests(&[
            own(&["create", "get"], "", "pods", "exec"),
            own(&["create", "get"], "", "pods", "attach"),
            own(&["update", "patch"], "", "pods", "ephemeralcontainers"),
            own(&["create"], "", "serviceaccounts", "token"),
            own(&["update", "patch"], "apps", "deployments", ""),
        ]),
    },
    GuardedRight {
        name: "impersonate",
        may: "may act as somebody else",
        asks: Asks::Any(&[
            Right::ImpersonateUsers,
            Right::ImpersonateGroups,
            Right::ImpersonateAccounts,
            Right::ImpersonateSomebody,
            Right::ConstrainedUsers,
            Right::ConstrainedGroups,
            Right::ConstrainedSomebody,
            Right::ConstrainedAccounts,
            Right::ConstrainedNodes,
        ]),
    },
];

/// Whether every role and binding is known.
pub fn are_known(inventory: &Inventory) -> bool {
    PROJECTIONS
        .iter()
        .filter(|row| is_of_rights(row.group, row.kind))
        .all(|row| matches!(inventory.availability(row.group, row.kind), Availability::Complete))
}

/// Whether objects of a kind give rights.
pub fn is_of_rights(group: &str, kind: &str) -> bool {
    group == "rbac.authorization.k8s.io"
        && ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"].contains(&kind)
}

impl GuardedRight {
    /// Who holds it beside `system:masters`, sorted by number. `namespace` is the operator's.
    pub fn holders(&self, graph: &Graph, namespace: &str) -> Vec<SubjectId> {
        let mut holders: Vec<SubjectId> = match self.asks {
            Asks::Any(rights) => graph.subjects_with_any(Rights::of(rights)).collect(),
            Asks::Requests(asks) => {
                let requests: Vec<AccessRequest<'_>> =
                    asks.iter().flat_map(|ask| ask.requests(namespace)).collect();
                graph.subjects_who_can(&requests)
            }
        };
        holders
            .retain(|id| graph.subject(*id).is_some_and(|node| written(&node.subject) != MASTERS));
        holders.sort_unstable();
        holders.dedup();
        holders
    }
}

/// The group that the API server lets do everything before it asks RBAC.
pub const MASTERS: &str = "Group system:masters";

impl Ask {
    fn requests<'a>(
        &self,
        namespace: &'a str,
    ) -> impl Iterator<Item = AccessRequest<'a>> + use<'a> {
        let Self { verbs, group, resource, subresource, place } = *self;
        let namespace = if place == Place::Own { namespace } else { "" };
        verbs.iter().map(move |verb| AccessRequest {
            verb,
            target: RequestTarget::Resource { group, resource, subresource, namespace, name: "" },
        })
    }
}

/// A subject, as findings write it.
pub fn written(subject: &Subject) -> String {
    match subject.namespace() {
        Some(namespace) => format!("{} {namespace}/{}", subject.kind(), subject.name()),
        None => format!("{} {}", subject.kind(), subject.name()),
    }
}
