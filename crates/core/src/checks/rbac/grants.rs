//! The grants of a subject, as far as a control looks.

use std::cell::OnceCell;

use crate::{
    checks::{CheckContext, scope::Admission},
    inventory::{
        KubernetesVersion,
        rbac::{Grant, Graph, Rights, RoleNode, Subject, SubjectNode},
    },
};

/// A grant, with the rights it amounts to where it is in effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct EffectiveGrant<'a> {
    /// The grant as the graph has it.
    pub source: &'a Grant,
    /// The role that is bound; None when the graph does not know it. One that is only named by a
    /// binding is known and does not exist.
    pub role: Option<&'a RoleNode>,
    /// The group it was given to, when the subject only belongs to that group.
    pub group: Option<&'a Subject>,
    /// All rights it gives.
    pub all: Rights,
    /// The rights it gives beyond those that every cluster has by default.
    pub added: Rights,
    /// Whether its namespace is known to be in scope. One that is known to be out makes no grant.
    pub in_scope: bool,
}

impl<'a> EffectiveGrant<'a> {
    /// The namespace where it is in effect; None in the whole cluster.
    pub fn namespace(&self) -> Option<&'a str> {
        (!self.source.in_cluster()).then_some(&*self.source.namespace)
    }

    /// Whether it goes beyond what every cluster has by default: somebody bound it, or added a rule to
    /// the default role that it binds.
    pub fn is_added(&self) -> bool {
        !self.source.is_default || self.role.is_some_and(|role| role.added_rules().next().is_some())
    }

    /// A grant of the graph; None when it lies in a namespace out of scope.
    pub fn new(
        source: &'a Grant,
        group: Option<&'a Subject>,
        context: &CheckContext<'a>,
    ) -> Option<Self> {
        let graph = &context.inventory.rights;
        let role = graph.role(source.role);
        let rights = |reach: fn(&RoleNode) -> crate::inventory::rbac::Reach| {
            role.map(|role| reach(role).at(source.in_cluster())).unwrap_or_default()
        };
        // Of a binding that every cluster has, only what was added to its role is anybody's decision.
        let all = rights(RoleNode::reach);
        let added = if source.is_default { rights(RoleNode::added) } else { all };
        // A namespace whose labels are not known stays in, as uncertain: dropping it could hide a finding.
        let admission = context.scope.admits(context.inventory, &source.namespace);
        (admission != Admission::Out).then_some(Self {
            source,
            role,
            group,
            all,
            added,
            in_scope: admission == Admission::In,
        })
    }
}

/// A subject with its grants, those that it has through groups only when somebody asks.
#[derive(Debug)]
pub(super) struct SubjectGrants<'a> {
    pub node: &'a SubjectNode,
    /// The grants of its own bindings.
    pub own: Vec<EffectiveGrant<'a>>,
    graph: &'a Graph,
    context: &'a CheckContext<'a>,
    /// Computed when first asked for: most subjects are settled by their own grants.
    groups: OnceCell<Vec<EffectiveGrant<'a>>>,
}

impl<'a> SubjectGrants<'a> {
    /// Grants in namespaces out of scope are left out.
    pub fn new(context: &'a CheckContext<'a>, node: &'a SubjectNode) -> Self {
        let own = node.grants.iter().filter_map(|grant| EffectiveGrant::new(grant, None, context));
        Self {
            node,
            own: own.collect(),
            graph: &context.inventory.rights,
            context,
            groups: OnceCell::new(),
        }
    }

    /// Whether a subject holds anything beyond what every cluster has by default, which makes it one
    /// of the population. Cheaper than all its grants, since nearly all subjects are asked this.
    pub fn holds_added(context: &'a CheckContext<'a>, node: &'a SubjectNode) -> bool {
        let own = node.grants.iter().filter_map(|grant| EffectiveGrant::new(grant, None, context));
        own.into_iter().any(|grant| grant.is_added())
    }

    /// Its own grants beyond what every cluster has by default.
    pub fn added(&self) -> impl Iterator<Item = &EffectiveGrant<'a>> {
        self.own.iter().filter(|grant| grant.is_added())
    }

    /// The version of the API server; None when it is not known, as for manifests.
    pub fn server(&self) -> Option<KubernetesVersion> {
        self.context.inventory.kubernetes
    }

    /// What it holds only because of the groups that its kind belongs to, such as
    /// `system:serviceaccounts`. Groups of users are known to the authenticator alone.
    pub fn groups(&self) -> &[EffectiveGrant<'a>] {
        self.groups.get_or_init(|| {
            self.graph
                .implied_groups(&self.node.subject)
                .flat_map(|group| {
                    let grants = group.grants.iter();
                    grants.filter_map(|grant| {
                        EffectiveGrant::new(grant, Some(&group.subject), self.context)
                    })
                })
                .collect()
        })
    }

    /// Whether objects can be created in a place without a quota; in the cluster, in some
    /// namespace in scope.
    pub fn lacks_quota(&self, namespace: Option<&str>) -> bool {
        if let Some(namespace) = namespace {
            return !self.graph.has_quota(namespace);
        }
        let inventory = self.context.inventory;
        // Whoever may create objects everywhere may create them where no quota is.
        inventory.objects_of("", "Namespace").any(|(_, object)| {
            let admission = self.context.scope.admits(inventory, &object.name);
            admission != Admission::Out && !self.graph.has_quota(&object.name)
        })
    }

    /// All that its own bindings give in a place: what holds in the cluster holds there too.
    pub fn rights_at(&self, namespace: Option<&str>) -> Rights {
        sum(self.own.iter().filter(|grant| in_effect(grant, namespace)), |grant| grant.all)
    }
}

/// Whether a grant is in effect in a namespace, or in the whole cluster.
pub(super) fn in_effect(grant: &EffectiveGrant<'_>, namespace: Option<&str>) -> bool {
    grant.namespace().is_none_or(|own| Some(own) == namespace)
}

/// The union of some of the rights of several grants.
pub(super) fn sum<'h, 'a: 'h>(
    grant: impl Iterator<Item = &'h EffectiveGrant<'a>>,
    rights: impl Fn(&EffectiveGrant<'a>) -> Rights,
) -> Rights {
    grant.fold(Rights::NONE, |sum, grant| sum | rights(grant))
}
