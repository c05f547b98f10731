//! The identities and roles that a rule names, as far as its holder can become or take them with all
//! else that it holds.

use std::collections::BTreeSet;

use super::grants::EffectiveGrant;
use crate::{
    checks::CheckContext,
    inventory::{
        Facts, ObjectSource, Symbol,
        rbac::{
            AccessRequest, MASTERS, NamedRight, PolicyRule, RequestTarget, Right, Rights, RoleKey,
            RoleKind, RoleNode, Subject,
        },
    },
};

const RBAC: &str = super::GROUP;
/// The group of the nodes, whose requests the node authorizer decides.
pub(super) const NODES: &str = "system:nodes";

/// An identity or a role that a rule names and that its holder can become, or take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NamedTarget<'a> {
    /// An identity to act as, or to hold a token of.
    Subject(Subject),
    /// A role to bind: in the cluster, or in `namespace`. Neither means in any one namespace that the
    /// holder chooses.
    Role { key: RoleKey, in_cluster: bool, namespace: Option<&'a str> },
    /// A role to write any right into.
    Rewritten(RoleKey),
}

/// The rules of a role where they are in effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoundRole<'a> {
    pub role: &'a RoleNode,
    /// None in the whole cluster.
    pub namespace: Option<&'a str>,
    /// Whether only the rules count that go beyond the default role.
    pub added_only: bool,
}

impl<'a> BoundRole<'a> {
    pub fn of(grant: &EffectiveGrant<'a>) -> Option<Self> {
        Some(Self { role: grant.role?, namespace: grant.namespace(), added_only: false })
    }

    fn rules(&self) -> Box<dyn Iterator<Item = &'a PolicyRule> + 'a> {
        if self.added_only { self.role.added_rules() } else { Box::new(self.role.rules()) }
    }

    fn rights(&self) -> Rights {
        self.role.reach().at(self.namespace.is_none())
    }

    pub fn in_effect(&self, namespace: Option<&str>) -> bool {
        self.namespace.is_none_or(|own| Some(own) == namespace)
    }
}

/// Every target that the rules of a role name by one of these rights.
pub(super) fn named_targets<'a>(
    context: &CheckContext<'a>,
    bound: BoundRole<'a>,
    all: &[BoundRole<'a>],
    names: &[NamedRight],
) -> Vec<(NamedRight, NamedTarget<'a>)> {
    let mut found = Vec::new();
    for rule in bound.rules() {
        let of_rule = NamedRight::of_rule(rule).filter(|named| names.contains(named));
        for named in of_rule {
            // In a namespace, a rule about cluster-scoped resources grants nothing.
            if bound.namespace.is_some() && named.is_cluster_scoped() {
                continue;
            }
            for name in &rule.names {
                let target = targets_of_name(context, bound, all, named, name);
                found.extend(target.into_iter().map(|target| (named, target)));
            }
        }
    }
    found
}

fn targets_of_name<'a>(
    context: &CheckContext<'a>,
    bound: BoundRole<'a>,
    all: &[BoundRole<'a>],
    named: NamedRight,
    name: &Symbol,
) -> Vec<NamedTarget<'a>> {
    let holds = |right| all.iter().any(|bound| bound.rights().contains(Rights::of(&[right])));
    match named {
        // The user name of a service account is asked for as the account, never as a user.
        NamedRight::User | NamedRight::ConstrainedUser => match Subject::of_user(name) {
            user @ Subject::User(_) if named == NamedRight::User || holds(Right::OnUsers) => {
                vec![NamedTarget::Subject(user)]
            }
            _ => Vec::new(),
        },
        // A node is both a member of that group and called so.
        NamedRight::Group if **name == *NODES && !names_node(all) => Vec::new(),
        NamedRight::Group if holds(Right::ImpersonateSomebody) => {
            vec![NamedTarget::Subject(Subject::Group(name.clone()))]
        }
        NamedRight::ConstrainedGroup
            if holds(Right::ConstrainedSomebody)
                && holds(Right::OnUsers)
                // Refused under constraint, whatever the rights.
                && **name != *MASTERS =>
        {
            vec![NamedTarget::Subject(Subject::Group(name.clone()))]
        }
        NamedRight::Group | NamedRight::ConstrainedGroup => Vec::new(),
        NamedRight::ConstrainedAccount if !holds(Right::OnAccounts) => Vec::new(),
        NamedRight::Account | NamedRight::Token | NamedRight::ConstrainedAccount => {
            accounts(context, bound, name)
                .into_iter()
                .filter(|account| named != NamedRight::Token || may_exist(context, all, account))
                .map(NamedTarget::Subject)
                .collect()
        }
        NamedRight::JoinClusterBinding => joinable(context, all, "", name).into_iter().collect(),
        NamedRight::JoinRoleBinding => {
            // In the whole cluster, a name alone could be a binding in any namespace.
            let namespace = bound.namespace.filter(|namespace| !namespace.is_empty());
            namespace
                .and_then(|namespace| joinable(context, all, namespace, name))
                .into_iter()
                .collect()
        }
        NamedRight::BindClusterRole | NamedRight::BindRole => {
            bindable(context, bound, all, named, name)
        }
        NamedRight::EscalateClusterRole | NamedRight::EscalateRole => {
            writable(context, bound, all, named, name)
        }
    }
}

/// Whether some node may be impersonated by its name.
fn names_node(all: &[BoundRole<'_>]) -> bool {
    let wide = all.iter().filter(|bound| bound.namespace.is_none());
    let rules = wide.flat_map(|bound| bound.role.rules());
    let mut users =
        rules.filter(|rule| NamedRight::of_rule(rule).any(|named| named == NamedRight::User));
    users.any(|rule| rule.names.iter().any(|name| name.starts_with("system:node:")))
}

/// The service accounts of a name: that of the namespace, or those of all namespaces.
fn accounts(context: &CheckContext<'_>, bound: BoundRole<'_>, name: &Symbol) -> Vec<Subject> {
    if let Some(namespace) = bound.namespace {
        let account = Subject::ServiceAccount { namespace: namespace.into(), name: name.clone() };
        return vec![account];
    }
    let subjects = context.inventory.rights.subjects().map(|(_, node)| &node.subject);
    let named = subjects.filter(
        |subject| matches!(subject, Subject::ServiceAccount { name: known, .. } if known == name),
    );
    let mut named: Vec<Subject> = named.cloned().collect();
    // Subjects come in the order of their numbers, which depends on which object came first.
    named.sort_unstable();
    if named.is_empty() && is_excerpt(context) {
        named.push(Subject::ServiceAccount { namespace: "*".into(), name: name.clone() });
    }
    named
}

/// Whether a token can be had of a service account: it exists, or whoever wants one may create it.
fn may_exist(context: &CheckContext<'_>, all: &[BoundRole<'_>], account: &Subject) -> bool {
    let namespace = account.namespace().map_or("", Symbol::as_str);
    let there = context.inventory.lookup("", "ServiceAccount", namespace, account.name());
    let create = ("create", "", "serviceaccounts");
    there.is_some() || is_excerpt(context) || may(all, create, namespace, "")
}

/// Where a role can be bound: where the holder may write bindings as well.
fn bindable<'a>(
    context: &CheckContext<'a>,
    bound: BoundRole<'a>,
    all: &[BoundRole<'a>],
    named: NamedRight,
    name: &Symbol,
) -> Vec<NamedTarget<'a>> {
    let writes = |right: Right| {
        let right = Rights::of(&[right]);
        all.iter().filter(move |bound| bound.rights().contains(right)).map(|bound| bound.namespace)
    };
    let cluster_role = named == NamedRight::BindClusterRole;
    if cluster_role
        && bound.namespace.is_none()
        && writes(Right::WriteClusterBindings).next().is_some()
    {
        let key = RoleKey::cluster(name.clone());
        return vec![NamedTarget::Role { key, in_cluster: true, namespace: None }];
    }
    let mut places: BTreeSet<Option<&'a str>> = writes(Right::WriteRoleBindings)
        .filter(|place| bound.in_effect(*place) || place.is_none())
        .map(|place| place.or(bound.namespace))
        .collect();
    // Everywhere includes every single namespace.
    if places.contains(&None) {
        places = BTreeSet::from([None]);
    }
    let target = |place: Option<&'a str>| {
        if cluster_role {
            let key = RoleKey::cluster(name.clone());
            return vec![NamedTarget::Role { key, in_cluster: false, namespace: place }];
        }
        let of_place = |key: &&RoleKey| {
            !key.namespace.is_empty()
                && key.name == *name
                && place.is_none_or(|place| *key.namespace == *place)
        };
        let roles = context.inventory.rights.roles().map(RoleNode::key).filter(of_place);
        let mut keys: Vec<RoleKey> = roles.cloned().collect();
        if let Some(namespace) = place.filter(|_| keys.is_empty()) {
            keys.push(RoleKey { namespace: namespace.into(), name: name.clone() });
        }
        keys.sort_unstable();
        let target = |key| NamedTarget::Role { key, in_cluster: false, namespace: place };
        keys.into_iter().map(target).collect()
    };
    places.into_iter().flat_map(target).collect()
}

/// Whether rules allow a request: its verb, API group and resource. An empty namespace is the
/// cluster's.
fn may(
    all: &[BoundRole<'_>],
    (verb, group, resource): (&str, &str, &str),
    namespace: &str,
    name: &str,
) -> bool {
    let target = RequestTarget::Resource { group, resource, subresource: "", namespace, name };
    let request = AccessRequest { verb, target };
    let place = (!namespace.is_empty()).then_some(namespace);
    let there = all.iter().filter(|bound| bound.in_effect(place));
    there.flat_map(|bound| bound.role.rules()).any(|rule| rule.allows(&request))
}

/// The role of a binding that may be written, if its holder may bind that role as well.
fn joinable<'a>(
    context: &CheckContext<'a>,
    all: &[BoundRole<'a>],
    namespace: &'a str,
    name: &str,
) -> Option<NamedTarget<'a>> {
    let in_cluster = namespace.is_empty();
    let kind = if in_cluster { "ClusterRoleBinding" } else { "RoleBinding" };
    let binding = context.inventory.lookup(RBAC, kind, namespace, name)?;
    let Facts::Binding(facts) = &binding.facts else {
        return None;
    };
    let role = &facts.role;
    let (resource, of) = match role.kind {
        RoleKind::ClusterRole => ("clusterroles", ""),
        RoleKind::Role => ("roles", namespace),
    };
    let key = RoleKey { namespace: of.into(), name: role.name.clone() };
    may(all, ("bind", RBAC, resource), namespace, &role.name).then_some(NamedTarget::Role {
        key,
        in_cluster,
        namespace: (!in_cluster).then_some(namespace),
    })
}

/// The roles of a name into which the holder may write anything: escalate waives the check of what
/// is written, and the right to write is asked for all the same.
fn writable<'a>(
    context: &CheckContext<'a>,
    bound: BoundRole<'a>,
    all: &[BoundRole<'a>],
    named: NamedRight,
    name: &Symbol,
) -> Vec<NamedTarget<'a>> {
    let writes = |resource, namespace: &str| {
        let may = |verb| may(all, (verb, RBAC, resource), namespace, name);
        may("escalate") && (may("update") || may("patch"))
    };
    if named == NamedRight::EscalateClusterRole {
        let key = RoleKey::cluster(name.clone());
        return if writes("clusterroles", "") {
            vec![NamedTarget::Rewritten(key)]
        } else {
            Vec::new()
        };
    }
    if let Some(namespace) = bound.namespace {
        let key = RoleKey { namespace: namespace.into(), name: name.clone() };
        return if writes("roles", namespace) {
            vec![NamedTarget::Rewritten(key)]
        } else {
            Vec::new()
        };
    }
    let roles = context.inventory.rights.roles().filter(|role| role.exists()).map(RoleNode::key);
    let written = roles.filter(|key| {
        !key.namespace.is_empty() && key.name == *name && writes("roles", &key.namespace)
    });
    let mut written: Vec<RoleKey> = written.cloned().collect();
    written.sort_unstable();
    written.into_iter().map(NamedTarget::Rewritten).collect()
}

/// Whether what is absent may be elsewhere.
pub(super) fn is_excerpt(context: &CheckContext<'_>) -> bool {
    context.inventory.source == ObjectSource::Manifests
}
