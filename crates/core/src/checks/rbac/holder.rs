//! A subject with what it holds in the scope of a control.

use std::cell::OnceCell;

use crate::{
    checks::{CheckContext, scope::Admission},
    inventory::{
        KubernetesVersion,
        rbac::{Grant, Graph, Rights, RoleNode, Subject, SubjectNode},
    },
};

/// A grant, with what it amounts to where it is in effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub grant: &'a Grant,
    pub role: Option<&'a RoleNode>,
    /// The group it was given to, when the subject only belongs to that group.
    pub group: Option<&'a Subject>,
    /// All it amounts to.
    pub all: Rights,
    /// What of it no cluster is born with.
    pub novel: Rights,
    /// Whether its namespace is known to be in scope.
    pub in_scope: bool,
}

impl<'a> Held<'a> {
    /// The grant's namespace; none in the whole cluster.
    pub fn namespace(&self) -> Option<&'a str> {
        (!self.grant.in_cluster()).then_some(&*self.grant.namespace)
    }

    /// Whether it goes beyond what every cluster is born with.
    pub fn is_novel(&self) -> bool {
        !self.grant.is_default || self.role.is_some_and(|role| role.added_rules().next().is_some())
    }

    /// A grant, unless it lies in a namespace out of scope.
    pub fn new(
        grant: &'a Grant,
        group: Option<&'a Subject>,
        context: &CheckContext<'a>,
    ) -> Option<Self> {
        let graph = &context.inventory.rights;
        let role = graph.role(grant.role);
        let rights = |reach: fn(&RoleNode) -> crate::inventory::rbac::Reach| {
            role.map(|role| reach(role).at(grant.in_cluster())).unwrap_or_default()
        };
        let all = rights(RoleNode::reach);
        let novel = if grant.is_default { rights(RoleNode::added) } else { all };
        let admission = context.scope.admits(context.inventory, &grant.namespace);
        (admission != Admission::Out).then_some(Self {
            grant,
            role,
            group,
            all,
            novel,
            in_scope: admission == Admission::In,
        })
    }
}

/// A subject with what it holds.
#[derive(Debug)]
pub(super) struct Holder<'a> {
    pub node: &'a SubjectNode,
    /// What its own bindings give.
    pub own: Vec<Held<'a>>,
    graph: &'a Graph,
    context: &'a CheckContext<'a>,
    groups: OnceCell<Vec<Held<'a>>>,
}

impl<'a> Holder<'a> {
    /// Grants in namespaces out of scope are left out.
    pub fn new(context: &'a CheckContext<'a>, node: &'a SubjectNode) -> Self {
        let own = node.grants.iter().filter_map(|grant| Held::new(grant, None, context));
        Self {
            node,
            own: own.collect(),
            graph: &context.inventory.rights,
            context,
            groups: OnceCell::new(),
        }
    }

    /// Whether a subject holds anything beyond what every cluster is born with: whether it is of the
    /// population.
    pub fn holds_novel(context: &'a CheckContext<'a>, node: &'a SubjectNode) -> bool {
        let own = node.grants.iter().filter_map(|grant| Held::new(grant, None, context));
        own.into_iter().any(|held| held.is_novel())
    }

    /// What its own bindings give beyond what every cluster is born with.
    pub fn novel(&self) -> impl Iterator<Item = &Held<'a>> {
        self.own.iter().filter(|held| held.is_novel())
    }

    /// The version of the API server, where it is known.
    pub fn server(&self) -> Option<KubernetesVersion> {
        self.context.inventory.kubernetes
    }

    /// What it holds only because of the groups that its kind belongs to.
    pub fn groups(&self) -> &[Held<'a>] {
        self.groups.get_or_init(|| {
            self.graph
                .implied_groups(&self.node.subject)
                .flat_map(|group| {
                    let grants = group.grants.iter();
                    grants.filter_map(|grant| Held::new(grant, Some(&group.subject), self.context))
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
        inventory.objects_of("", "Namespace").any(|(_, object)| {
            let admission = self.context.scope.admits(inventory, &object.name);
            admission != Admission::Out && !self.graph.has_quota(&object.name)
        })
    }

    /// All that its own bindings give in a place: what holds in the cluster holds there too.
    pub fn rights_at(&self, namespace: Option<&str>) -> Rights {
        sum(self.own.iter().filter(|held| in_effect(held, namespace)), |held| held.all)
    }
}

/// Whether a grant is in effect in a place.
pub(super) fn in_effect(held: &Held<'_>, namespace: Option<&str>) -> bool {
    held.namespace().is_none_or(|own| Some(own) == namespace)
}

/// The union of some rights of grants.
pub(super) fn sum<'h, 'a: 'h>(
    held: impl Iterator<Item = &'h Held<'a>>,
    rights: impl Fn(&Held<'a>) -> Rights,
) -> Rights {
    held.fold(Rights::NONE, |sum, held| sum | rights(held))
}
