//! Elementary rights, of which the risks of access are made.
//!
//! Every role has the set of rights that its rules amount to, so that the rights of a subject are a union
//! of small sets rather than a walk over rules. Whether a rule gives a right is decided by the requests
//! that exercise the right; a rule with wildcards therefore gives it like an explicit one.

use std::ops::{BitOr, BitOrAssign};

use super::{named_rights, right_table, rule::PolicyRule, subject::account_of};

macro_rules! rights {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Something that a subject may do, with any of several requests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Right {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Right {
            /// Every right, in the order of declaration, which is that of the bits in [`Rights`].
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
        }
    };
}

rights! {
    /// Get, list or watch objects of any kind.
    ReadAll,
    /// Create objects of any kind.
    CreateAll,
    /// Update or patch objects of any kind.
    ChangeAll,
    /// Delete objects of any kind, one by one or in collections.
    DeleteAll,
    /// A rule with a wildcard for verbs, API groups or resources.
    Wildcard,
    /// A right over roles or identities that the rule names: as strong as the rights of those.
    Named,
    /// The verb escalate on `ClusterRole`s.
    EscalateClusterRoles,
    /// The verb escalate on Roles.
    EscalateRoles,
    /// The verb bind on `ClusterRole`s.
    BindClusterRoles,
    /// The verb bind on Roles.
    BindRoles,
    /// Create or change `ClusterRoleBinding`s.
    WriteClusterBindings,
    /// Create or change `RoleBinding`s.
    WriteRoleBindings,
    /// Create or change `ClusterRole`s.
    WriteClusterRoles,
    /// Create or change Roles.
    WriteRoles,
    /// Impersonate any user.
    ImpersonateUsers,
    /// Impersonate any group. A request needs a user to impersonate as well.
    ImpersonateGroups,
    /// Impersonate any service account.
    ImpersonateAccounts,
    /// Impersonate at least one user or service account, no matter which.
    ImpersonateSomebody,
    /// Impersonate any user under constraint (KEP-5284): also needs a right for the request itself.
    ConstrainedUsers,
    /// Impersonate groups under constraint.
    ConstrainedGroups,
    /// Impersonate at least one user under constraint, no matter which.
    ConstrainedSomebody,
    /// Impersonate service accounts under constraint.
    ConstrainedAccounts,
    /// Impersonate nodes under constraint.
    ConstrainedNodes,
    /// At least one request as a user that is impersonated under constraint.
    OnUsers,
    /// At least one request as a service account that is impersonated under constraint.
    OnAccounts,
    /// At least one request as a node that is impersonated under constraint.
    OnNodes,
    /// Get, list or watch Secrets.
    ReadSecrets,
    /// Create, update or patch Secrets.
    WriteSecrets,
    /// Update or patch Secrets, which also reveals them: the API server answers with the object.
    ChangeSecrets,
    /// Request tokens of service accounts.
    MintTokens,
    /// Update the approval of certificate signing requests.
    UpdateApproval,
    /// Approve for a signer of client certificates.
    ApproveSigner,
    /// Sign for a signer of client certificates.
    SignSigner,
    /// Update the status of certificate signing requests.
    UpdateCertificates,
    /// Create certificate signing requests.
    RequestCertificates,
    /// Reach the kubelet through the API server.
    NodesProxy,
    /// Create pods, with any service account of the namespace.
    CreatePods,
    /// Create or change objects that create pods.
    WriteWorkloads,
    /// Update or patch pods.
    WritePods,
    /// Run commands in pods.
    Exec,
    /// Run commands in pods on API servers before 1.35.
    ExecByGet,
    /// Attach to containers of pods.
    Attach,
    /// Attach to pods on API servers before 1.35.
    AttachByGet,
    /// Add debug containers to pods.
    EphemeralContainers,
    /// Open connections into pods and services.
    PortForward,
    /// Open connections into pods on API servers before 1.35.
    PortForwardByGet,
    /// Create persistent volumes, of any source.
    CreateVolumes,
    /// Write webhook configurations of admission.
    WriteWebhooks,
    /// Write admission policies or their bindings.
    WriteAdmissionPolicies,
    /// Write policies of a policy engine.
    WritePolicyEngines,
    /// Update or patch namespaces, their labels included.
    WriteNamespaces,
    /// Update or patch nodes or their status.
    WriteNodes,
    /// Delete or evict pods.
    RemovePods,
    /// Write the status of pods or services.
    WriteObjectStatus,
    /// Write what directs traffic.
    RedirectTraffic,
    /// Change the configuration of cluster DNS.
    WriteDnsConfig,
    /// Change the mapping of cloud identities.
    WriteIdentityMap,
    /// Write resource definitions and aggregated APIs.
    ExtendApi,
    /// Delete workloads, Secrets, volumes, namespaces.
    MassDelete,
    /// Delete events, write evidence or what collects logs.
    HideTraces,
    /// Write what a delivery system deploys from.
    WriteDelivery,
    /// Create objects of a kind of which there is no natural limit.
    CreateObjects,
}

/// A set of rights, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u64);

impl Rights {
    /// No right at all, as a subject has that no binding names.
    pub const NONE: Self = Self(0);

    /// The set of these rights.
    pub const fn of(rights: &[Right]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < rights.len() {
            bits |= 1 << rights[at] as u64;
            at += 1;
        }
        Self(bits)
    }

    /// Whether any of `other` is in the set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The rights in the set.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.iter().copied().filter(move |right| self.contains(Self::of(&[*right])))
    }
}

impl BitOr for Rights {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Rights {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The rights that rules give, by where the role is bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// If the role is bound in the whole cluster.
    pub cluster: Rights,
    /// If it is bound in one namespace, where rules for cluster-scoped resources have no effect.
    pub namespace: Rights,
}

impl Reach {
    /// The rights by a binding in the cluster, or in a namespace.
    pub const fn at(self, in_cluster: bool) -> Rights {
        if in_cluster { self.cluster } else { self.namespace }
    }

    /// The rights by either kind of binding.
    pub fn anywhere(self) -> Rights {
        self.cluster | self.namespace
    }

    /// The rights that rules give together.
    pub fn of_rules<'a>(rules: impl IntoIterator<Item = &'a PolicyRule>) -> Self {
        let mut reach = Self::default();
        for rule in rules {
            for right in Right::ALL {
                let bit = Rights::of(&[*right]);
                // A right that an earlier rule gives is not looked for again: roles have many similar rules.
                if !reach.cluster.contains(bit) && right.example(rule, true).is_some() {
                    reach.cluster |= bit;
                }
                if !reach.namespace.contains(bit) && right.example(rule, false).is_some() {
                    reach.namespace |= bit;
                }
            }
        }
        reach
    }
}

/// A request that exercises a right: the verb and the resource.
pub type Example = (&'static str, &'static str);

impl Right {
    /// A request that exercises this right and that the rule allows where it is bound. None if it allows
    /// none, so that it does not give the right.
    pub fn example(self, rule: &PolicyRule, in_cluster: bool) -> Option<Example> {
        match self {
            Self::Wildcard => return wildcard(rule),
            Self::Named => return named_rights::example(rule),
            _ => {}
        }
        right_table::accesses(self)
            .iter()
            .filter(|access| in_cluster || !access.cluster_scoped)
            .find_map(|access| access.example(rule))
    }
}

fn wildcard(rule: &PolicyRule) -> Option<Example> {
    let stars = |words: &[crate::inventory::Symbol]| words.iter().any(|word| **word == *"*");
    if rule.resources.is_empty() {
        return None;
    }
    if stars(&rule.verbs) {
        return Some(("*", "as verb"));
    }
    if stars(&rule.resources) {
        return Some(("*", "as resource"));
    }
    stars(&rule.groups).then_some(("*", "as API group"))
}

/// How `resourceNames` in a rule affect a right.
#[derive(Clone, Copy, Debug)]
pub(super) enum NameEffect {
    /// They do not narrow it, since any object is as good as another.
    Irrelevant,
    /// They narrow it to a use that is no risk, or one that [`Right::Named`] covers.
    Narrow,
    /// They narrow it unless one of these names is among them.
    Unless(&'static [&'static str]),
    /// They narrow it unless one of them is the name of a user: the API server never asks about a service
    /// account as a user.
    UnlessUser,
}

/// Requests that exercise a right: any of the verbs on any of the resources.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestPattern {
    pub verbs: &'static [&'static str],
    pub group: &'static str,
    /// Plurals, with a subresource after a slash; [`ANY`] is any resource that the rule names.
    pub resources: &'static [&'static str],
    pub names: NameEffect,
    pub cluster_scoped: bool,
}

/// Matches any group or resource that a rule names.
pub(super) const ANY: &str = "<any>";

impl RequestPattern {
    fn example(&self, rule: &PolicyRule) -> Option<Example> {
        let in_group = self.group == ANY || rule.has_group(self.group);
        if !in_group || !self.reaches_names(rule) {
            return None;
        }
        let named = !rule.names.is_empty();
        self.resources.iter().filter(|resource| self.names_resource(rule, resource)).find_map(
            |resource| {
                // Creating and deleting collections are requests without a name, unless what is
                // created lies below a named object.
                let nameless = |verb: &str| {
                    matches!(verb, "create" | "deletecollection") && !resource.contains('/')
                };
                let verb = self
                    .verbs
                    .iter()
                    .find(|verb| has_verb(rule, verb) && !(named && nameless(verb)))?;
                Some((*verb, *resource))
            },
        )
    }

    fn names_resource(&self, rule: &PolicyRule, wanted: &str) -> bool {
        if wanted == ANY {
            // A subresource, such as the status of a policy, is not the object.
            let objects = rule.resources.iter().any(|word| !word.contains('/'));
            return !rule.resources.is_empty()
                && (self.group == ANY || objects && !only_star_group(rule));
        }
        let (parent, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
        rule.has_resource(parent, subresource)
    }

    fn reaches_names(&self, rule: &PolicyRule) -> bool {
        if rule.names.is_empty() {
            return true;
        }
        match self.names {
            NameEffect::Irrelevant => true,
            NameEffect::Narrow => false,
            NameEffect::Unless(names) => rule.names.iter().any(|name| names.contains(&&**name)),
            NameEffect::UnlessUser => rule.names.iter().any(|name| account_of(name).is_none()),
        }
    }
}

/// Whether a rule has a verb. A verb that ends in a colon stands for every verb that begins with it.
fn has_verb(rule: &PolicyRule, verb: &str) -> bool {
    if verb.ends_with(':') {
        return rule.verbs.iter().any(|word| **word == *"*" || word.starts_with(verb));
    }
    rule.has_verb(verb)
}

/// Whether the only group is `*` and the resources are not: such a rule does not speak of a particular
/// group.
fn only_star_group(rule: &PolicyRule) -> bool {
    rule.groups.iter().all(|group| **group == *"*")
        && !rule.resources.iter().any(|word| **word == *"*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_has_a_bit_of_its_own() {
        assert!(Right::ALL.len() <= 64);
        for right in Right::ALL {
            assert_eq!(Rights::of(&[*right]).iter().collect::<Vec<_>>(), [*right]);
        }
        assert_eq!(Rights::of(Right::ALL).iter().count(), Right::ALL.len());
    }

    #[test]
    fn every_right_has_requests_that_exercise_it() {
        for right in Right::ALL {
            let accesses = right_table::accesses(*right);
            let in_shape = matches!(right, Right::Wildcard | Right::Named);
            assert_eq!(accesses.is_empty(), in_shape, "{right:?}");
            for access in accesses {
                assert!(!access.verbs.is_empty() && !access.resources.is_empty(), "{right:?}");
            }
        }
    }
}
