//! Rights that a rule narrows to names: each is as strong as the rights of the named role or identity,
//! which the graph knows. An index says whose rights a change of those affects.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    graph::{AffectedSubjects, Graph},
    right::{Example, Right, Rights},
    roles::{RoleId, RoleNode},
    rule::PolicyRule,
    subject::{Subject, account_of},
};
use crate::inventory::Symbol;

/// What a rule allows over the roles or identities that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedRight {
    /// Write rights that the writer does not hold into a `ClusterRole`.
    EscalateClusterRole,
    /// The same for a Role.
    EscalateRole,
    /// Bind a `ClusterRole` whose rights the writer does not hold.
    BindClusterRole,
    /// The same for a Role.
    BindRole,
    /// Put anybody into a `ClusterRoleBinding`, whose role cannot change.
    JoinClusterBinding,
    /// The same for a `RoleBinding`.
    JoinRoleBinding,
    /// Act as a user.
    User,
    /// Act as a member of a group, while acting as somebody.
    Group,
    /// Act as a service account.
    Account,
    /// Request a token of a service account.
    Token,
    /// Act as a user for some requests.
    ConstrainedUser,
    /// Act as a member of a group for some requests.
    ConstrainedGroup,
    /// Act as a service account for some requests.
    ConstrainedAccount,
}

/// The request that exercises a right: verb, API group, resource, subresource.
type NamedRequest = (&'static str, &'static str, &'static str, &'static str);

const RBAC: &str = "rbac.authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

const TABLE: &[(NamedRight, NamedRequest)] = &[
    (NamedRight::EscalateClusterRole, ("escalate", RBAC, "clusterroles", "")),
    (NamedRight::EscalateRole, ("escalate", RBAC, "roles", "")),
    // Escalating takes both the verb and writing the role, and either may be narrowed to names.
    (NamedRight::EscalateClusterRole, ("update", RBAC, "clusterroles", "")),
    (NamedRight::EscalateClusterRole, ("patch", RBAC, "clusterroles", "")),
    (NamedRight::EscalateRole, ("update", RBAC, "roles", "")),
    (NamedRight::EscalateRole, ("patch", RBAC, "roles", "")),
    (NamedRight::BindClusterRole, ("bind", RBAC, "clusterroles", "")),
    (NamedRight::BindRole, ("bind", RBAC, "roles", "")),
    (NamedRight::JoinClusterBinding, ("update", RBAC, "clusterrolebindings", "")),
    (NamedRight::JoinClusterBinding, ("patch", RBAC, "clusterrolebindings", "")),
    (NamedRight::JoinRoleBinding, ("update", RBAC, "rolebindings", "")),
    (NamedRight::JoinRoleBinding, ("patch", RBAC, "rolebindings", "")),
    (NamedRight::User, ("impersonate", "", "users", "")),
    (NamedRight::Group, ("impersonate", "", "groups", "")),
    (NamedRight::Account, ("impersonate", "", "serviceaccounts", "")),
    (NamedRight::Token, ("create", "", "serviceaccounts", "token")),
    (NamedRight::ConstrainedUser, ("impersonate:user-info", AUTHENTICATION, "users", "")),
    (NamedRight::ConstrainedGroup, ("impersonate:user-info", AUTHENTICATION, "groups", "")),
    (
        NamedRight::ConstrainedAccount,
        ("impersonate:serviceaccount", AUTHENTICATION, "serviceaccounts", ""),
    ),
];

impl NamedRight {
    /// What a rule allows over those that it names. Empty for a rule without names.
    pub fn of_rule(rule: &PolicyRule) -> impl Iterator<Item = Self> {
        let rows = TABLE.iter().filter(|_| !rule.names.is_empty());
        let given = rows.filter(|(_, (verb, group, resource, subresource))| {
            rule.has_verb(verb) && rule.has_group(group) && rule.has_resource(resource, subresource)
        });
        given.map(|(named, _)| *named)
    }

    /// Whether it has no effect when it is granted in a namespace, since the API server asks about it in the
    /// whole cluster.
    pub const fn is_cluster_scoped(self) -> bool {
        matches!(
            self,
            Self::EscalateClusterRole
                | Self::JoinClusterBinding
                | Self::User
                | Self::Group
                | Self::ConstrainedUser
                | Self::ConstrainedGroup
        )
    }

    /// What exercises it, for messages: `impersonate users`.
    pub fn example(self) -> String {
        let row = TABLE.iter().find(|(named, _)| *named == self);
        let (verb, resource, subresource) = row
            .map_or(("", "", ""), |(_, (verb, _, resource, subresource))| {
                (*verb, *resource, *subresource)
            });
        let slash = if subresource.is_empty() { "" } else { "/" };
        match self {
            Self::EscalateClusterRole | Self::EscalateRole => {
                format!("escalate and write {resource}")
            }
            Self::JoinClusterBinding | Self::JoinRoleBinding => {
                format!("write {resource} and bind their role")
            }
            _ => format!("{verb} {resource}{slash}{subresource}"),
        }
    }
}

/// A request that exercises a right that the rule gives over those it names. None for a rule without such
/// a right.
pub(super) fn example(rule: &PolicyRule) -> Option<Example> {
    let named = NamedRight::of_rule(rule).next()?;
    let (_, (verb, _, resource, _)) = TABLE.iter().find(|(known, _)| *known == named)?;
    Some((verb, resource))
}

/// Which roles have rules over which names. By name alone, whatever it is the name of: a namesake costs a
/// judgement too many, and never one too few.
#[derive(Debug, Default)]
pub(super) struct Naming {
    naming: FxHashMap<Symbol, Vec<RoleId>>,
    named: FxHashMap<RoleId, FxHashSet<Symbol>>,
}

impl Naming {
    /// Updates which names a role has rules over; None if the role went.
    pub(super) fn set(&mut self, id: RoleId, role: Option<&RoleNode>) {
        for name in self.named.remove(&id).into_iter().flatten() {
            if let Some(roles) = self.naming.get_mut(&name) {
                roles.retain(|known| *known != id);
                if roles.is_empty() {
                    self.naming.remove(&name);
                }
            }
        }
        // Most roles name nobody; the set of rights says so without a walk over their rules.
        let names_any =
            |role: &&RoleNode| role.reach().anywhere().contains(Rights::of(&[Right::Named]));
        let Some(role) = role.filter(names_any) else {
            return;
        };
        let rules = role.rules().filter(|rule| NamedRight::of_rule(rule).next().is_some());
        let names: FxHashSet<Symbol> = rules.flat_map(|rule| rule.names.iter().cloned()).collect();
        for name in &names {
            self.naming.entry(name.clone()).or_default().push(id);
        }
        self.named.insert(id, names);
    }

    fn of(&self, name: &Symbol) -> &[RoleId] {
        self.naming.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Subject {
    /// The subject with this user name: a service account if it is the user name of one.
    pub fn of_user(name: &Symbol) -> Self {
        match account_of(name) {
            Some((namespace, name)) => {
                Self::ServiceAccount { namespace: namespace.into(), name: name.into() }
            }
            None => Self::User(name.clone()),
        }
    }
}

impl Graph {
    /// Adds the subjects that can act as one of those affected, directly or not, since they have the rights
    /// of those. `names` are the names of the roles and subjects that changed.
    pub(super) fn add_namers(&self, names: Vec<Symbol>, affected: &mut AffectedSubjects) {
        // Roles can name each other in a circle; each name is followed once.
        let mut known: FxHashSet<Symbol> = names.iter().cloned().collect();
        let mut open = names;
        while let Some(name) = open.pop() {
            let roles = self.naming.of(&name).iter().filter_map(|id| self.role(*id));
            for role in roles {
                let bound = self.bound(role).filter(|id| affected.subjects.insert(*id));
                let subjects = bound.filter_map(|id| self.subject(id)).map(|node| &node.subject);
                let mut next = vec![role.key().name.clone()];
                for subject in subjects {
                    affected.implied_group |= subject.is_implied_group();
                    next.push(subject.name().clone());
                }
                open.extend(next.into_iter().filter(|name| known.insert(name.clone())));
            }
        }
    }
}
