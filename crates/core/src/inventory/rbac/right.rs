//! Elementary rights: what the risks of access are made of.
//!
//! Every role carries the set of rights that its rules amount to, so that a subject's reach is the
//! union of small sets rather than a walk over rules. A right is decided by asking the rule the
//! requests that exercise it; a wildcard rule therefore holds it as an explicit one does.

use std::ops::{BitOr, BitOrAssign};

use super::{named_rights, right_table, rule::PolicyRule, subject::account_of};

macro_rules! rights {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// An elementary right.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Right {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Right {
            /// Every right.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
        }
    };
}

rights! {
    /// Read anything: get, list or watch.
    ReadAll,
    /// Create anything.
    CreateAll,
    /// Change anything: update or patch.
    ChangeAll,
    /// Delete anything, one by one or in collections.
    DeleteAll,
    /// A rule with a wildcard for verbs, API groups or resources.
    Wildcard,
    /// A right over roles or identities that are named: as strong as what those hold.
    Named,
    /// Escalate `ClusterRole`s.
    EscalateClusterRoles,
    /// Escalate Roles.
    EscalateRoles,
    /// Bind `ClusterRole`s.
    BindClusterRoles,
    /// Bind Roles.
    BindRoles,
    /// Write `ClusterRoleBinding`s.
    WriteClusterBindings,
    /// Write `RoleBinding`s.
    WriteRoleBindings,
    /// Write `ClusterRole`s.
    WriteClusterRoles,
    /// Write Roles.
    WriteRoles,
    /// Impersonate users.
    ImpersonateUsers,
    /// Impersonate groups, which takes somebody to be while one belongs to them.
    ImpersonateGroups,
    /// Impersonate service accounts.
    ImpersonateAccounts,
    /// Impersonate some user or service account, whoever it is.
    ImpersonateSomebody,
    /// Impersonate users under constraint (KEP-5284).
    ConstrainedUsers,
    /// Impersonate groups under constraint.
    ConstrainedGroups,
    /// Impersonate some user under constraint, whoever it is.
    ConstrainedSomebody,
    /// Impersonate service accounts under constraint.
    ConstrainedAccounts,
    /// Impersonate nodes under constraint.
    ConstrainedNodes,
    /// Some request as a user impersonated under constraint.
    OnUsers,
    /// Some request as a service account impersonated under constraint.
    OnAccounts,
    /// Some request as a node impersonated under constraint.
    OnNodes,
    /// Read Secrets.
    ReadSecrets,
    /// Write Secrets.
    WriteSecrets,
    /// Change Secrets, which shows what they hold: the API server answers with the object.
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
    /// Create pods.
    CreatePods,
    /// Write objects that make pods.
    WriteWorkloads,
    /// Change pods.
    WritePods,
    /// Run commands in pods.
    Exec,
    /// Run commands in pods on API servers before 1.35.
    ExecByGet,
    /// Attach to pods.
    Attach,
    /// Attach to pods on API servers before 1.35.
    AttachByGet,
    /// Add debug containers to pods.
    EphemeralContainers,
    /// Open connections into pods and services.
    PortForward,
    /// Open connections into pods on API servers before 1.35.
    PortForwardByGet,
    /// Create persistent volumes.
    CreateVolumes,
    /// Write admission webhooks.
    WriteWebhooks,
    /// Write admission policies.
    WriteAdmissionPolicies,
    /// Write policies of a policy engine.
    WritePolicyEngines,
    /// Change namespaces.
    WriteNamespaces,
    /// Change nodes.
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
    /// Create objects of a kind that has no natural bound.
    CreateObjects,
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u64);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);

    /// These.
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

/// The rights of rules, by where they are bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Bound in the whole cluster.
    pub cluster: Rights,
    /// Bound in one namespace, where rules on cluster-scoped resources allow nothing.
    pub namespace: Rights,
}

impl Reach {
    /// The rights of one binding's role: in the cluster, or in a namespace.
    pub const fn at(self, in_cluster: bool) -> Rights {
        if in_cluster { self.cluster } else { self.namespace }
    }

    /// The rights in one place or the other.
    pub fn anywhere(self) -> Rights {
        self.cluster | self.namespace
    }

    /// What rules amount to.
    pub fn of_rules<'a>(rules: impl IntoIterator<Item = &'a PolicyRule>) -> Self {
        let mut reach = Self::default();
        for rule in rules {
            for right in Right::ALL {
                let bit = Rights::of(&[*right]);
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
    /// A request of this right that the rule allows where it is bound, if there is one.
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

/// What a rule's names do to a right.
#[derive(Clone, Copy, Debug)]
pub(super) enum NameEffect {
    /// They do not narrow it: one object is as good as any.
    Irrelevant,
    /// They narrow it to what it is meant for.
    Narrow,
    /// They narrow it unless one of these is among them.
    Unless(&'static [&'static str]),
    /// They narrow it unless one of them is a user's: a service account is never asked for as one.
    UnlessUser,
}

/// Requests that exercise a right: any of the verbs on any of the resources.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestPattern {
    pub verbs: &'static [&'static str],
    pub group: &'static str,
    /// Plurals, with a subresource after a slash; [`ANY`] is any resource the rule names.
    pub resources: &'static [&'static str],
    pub names: NameEffect,
    pub cluster_scoped: bool,
}

/// Stands for whatever a rule names.
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

/// A verb that ends in a colon stands for every verb that begins so.
fn has_verb(rule: &PolicyRule, verb: &str) -> bool {
    if verb.ends_with(':') {
        return rule.verbs.iter().any(|word| **word == *"*" || word.starts_with(verb));
    }
    rule.has_verb(verb)
}

/// `*` as the group says nothing of a particular group unless the resources are `*` too.
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
