//! Contextual risks: those that lie in who holds a right or how it is held, and not in which.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    evaluate::{Hit, HitKind, HitVisitor, carried_by},
    grants::{EffectiveGrant, SubjectGrants},
    risks::is_powerful,
};
use crate::{
    api::{Risk, Severity, test_spec::PodSecurityLevel},
    checks::{CheckContext, pod_security::levels, scope::Admission},
    inventory::{
        Facts, Inventory, Object, ObjectSource, Slot,
        rbac::{CloudIdentity, MASTERS, RoleKey, RoleNode, ServiceAccountFacts, Subject},
        workload::{ControllerRef, PodFacts, WorkloadFacts},
    },
};

/// More distinct roles than a reviewer of access can weigh for one subject.
pub(super) const MAX_ROLES: usize = 10;
/// More subjects with rights of their own than a reviewer can weigh for one namespace.
pub(super) const MAX_SUBJECTS: usize = 20;

/// A contextual risk that was found, with what its message names.
#[derive(Debug)]
pub(super) enum ContextualRisk<'a> {
    /// Held by whoever can reach the API server, without credentials.
    Anonymous,
    /// Held by everybody, or by every service account.
    Everyone(Risk),
    /// A binding names `system:masters`.
    SystemMasters,
    /// Held by a `default` service account; whether its token is mounted by default.
    DefaultAccount { automount: bool },
    /// The role that is bound does not exist.
    RoleMissing(&'a RoleKey),
    /// The service account that is bound does not exist.
    AccountMissing,
    /// Also an identity in a cloud.
    Cloud(&'a CloudIdentity, Slot),
    /// The subject holds this many distinct roles, more than [`MAX_ROLES`].
    ManyRoles(usize),
    /// A weakly confined workload runs with the account's rights.
    WeakPod { workload: Slot, weakness: &'static str, risk: Risk },
}

impl ContextualRisk<'_> {
    /// The risk by which a control asks for it.
    pub fn risk(&self) -> Risk {
        match self {
            Self::Anonymous => Risk::Anonymous,
            Self::Everyone(_) => Risk::Everyone,
            Self::SystemMasters => Risk::SystemMasters,
            Self::DefaultAccount { .. } => Risk::DefaultServiceAccount,
            Self::RoleMissing(_) | Self::AccountMissing => Risk::Dangling,
            Self::Cloud(..) => Risk::CloudIdentity,
            Self::ManyRoles(_) => Risk::Sprawl,
            Self::WeakPod { .. } => Risk::WeakPodStrongAccount,
        }
    }

    pub fn severity(&self) -> Severity {
        self.risk().severity()
    }
}

/// Whether a risk is contextual, so that rights alone do not tell who carries it.
pub(super) fn is_contextual(risk: Risk) -> bool {
    is_found_in_a_grant(risk)
        || matches!(risk, Risk::CloudIdentity | Risk::Sprawl | Risk::WeakPodStrongAccount)
}

/// Whether a contextual risk is found by looking at one grant.
fn is_found_in_a_grant(risk: Risk) -> bool {
    matches!(
        risk,
        Risk::Anonymous
            | Risk::Everyone
            | Risk::SystemMasters
            | Risk::DefaultServiceAccount
            | Risk::Dangling
    )
}

/// Visits every contextual risk that is asked for and that the subject carries.
pub(super) fn visit_contextual_risks<'a>(
    context: &CheckContext<'a>,
    grants: &SubjectGrants<'a>,
    forbid: &[Risk],
    visit: &mut HitVisitor<'_, 'a>,
) -> ControlFlow<()> {
    let asks_about_grants = forbid.iter().any(|risk| is_found_in_a_grant(*risk));
    for grant in grants.added().filter(|_| asks_about_grants) {
        for contextual in of_grant(context, grants, grant) {
            if forbid.contains(&contextual.risk()) {
                visit(hit(contextual, vec![*grant]))?;
            }
        }
    }
    if forbid.contains(&Risk::CloudIdentity)
        && let Some((slot, facts)) = account(context, grants)
        && let Some(identity) = facts.cloud.first()
    {
        visit(hit(ContextualRisk::Cloud(identity, slot), Vec::new()))?;
    }
    if forbid.contains(&Risk::Sprawl) {
        let roles: BTreeSet<_> = grants.added().map(|grant| grant.source.role).collect();
        if roles.len() > MAX_ROLES {
            // One finding with all its bindings: any of them may be the one too many.
            let by = grants.added().copied().collect();
            visit(hit(ContextualRisk::ManyRoles(roles.len()), by))?;
        }
    }
    if forbid.contains(&Risk::WeakPodStrongAccount) {
        visit_weak_pods(context, grants, visit)?;
    }
    ControlFlow::Continue(())
}

fn hit<'a>(contextual: ContextualRisk<'a>, by: Vec<EffectiveGrant<'a>>) -> Hit<'a> {
    // Of several bindings no single place could be named.
    let namespace = by.first().filter(|_| by.len() == 1).and_then(EffectiveGrant::namespace);
    Hit { kind: HitKind::ContextualRisk(contextual), namespace, by, uncertainty: None }
}

fn of_grant<'a>(
    context: &CheckContext<'a>,
    grants: &SubjectGrants<'a>,
    grant: &EffectiveGrant<'a>,
) -> Vec<ContextualRisk<'a>> {
    let mut found = Vec::new();
    let subject = &grants.node.subject;
    if subject.is_anonymous() {
        found.push(ContextualRisk::Anonymous);
    }
    // A harmless role for everybody (discovery, one's own rights) is how clusters work.
    let everyone = subject.is_implied_group() && !subject.is_anonymous();
    if everyone && let Some(row) = carried_by(grants, grant, |_| true) {
        found.push(ContextualRisk::Everyone(row.risk));
    }
    if matches!(subject, Subject::Group(name) if **name == *MASTERS) {
        found.push(ContextualRisk::SystemMasters);
    }
    if let Subject::ServiceAccount { name, .. } = subject {
        // A role that does not exist is reported as dangling, not as given to the default account.
        let is_default = **name == *"default";
        if is_default && grant.role.is_some_and(RoleNode::exists) {
            let facts = account(context, grants);
            let automount = facts.and_then(|(_, facts)| facts.automount).unwrap_or(true);
            found.push(ContextualRisk::DefaultAccount { automount });
        }
    }
    // What no manifest has is not known (`missing_manifests`); what no cluster has does not exist.
    if context.inventory.source == ObjectSource::Manifests {
        return found;
    }
    if let Some(role) = grant.role.filter(|role| !role.exists())
        && known(context, role.key().kind(), &role.key().namespace, &role.key().name).is_none()
    {
        found.push(ContextualRisk::RoleMissing(role.key()));
    } else if lacks_account(context, grants) {
        found.push(ContextualRisk::AccountMissing);
    }
    found
}

/// Whether the subject is a service account that does not exist. The cluster makes a `default`
/// account in every namespace; one that can't be read exists.
fn lacks_account(context: &CheckContext<'_>, grants: &SubjectGrants<'_>) -> bool {
    let Subject::ServiceAccount { namespace, name } = &grants.node.subject else {
        return false;
    };
    grants.node.account.is_none()
        && **name != *"default"
        && context.inventory.lookup("", "ServiceAccount", namespace, name).is_none()
}

/// An object of RBAC, readable or not.
fn known<'a>(
    context: &CheckContext<'a>,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Option<&'a Object> {
    context.inventory.lookup(super::GROUP, kind, namespace, name)
}

fn account<'a>(
    context: &CheckContext<'a>,
    grants: &SubjectGrants<'a>,
) -> Option<(Slot, &'a ServiceAccountFacts)> {
    let slot = grants.node.account?;
    match &context.inventory.get(slot)?.facts {
        Facts::ServiceAccount(facts) => Some((slot, facts)),
        _ => None,
    }
}

fn visit_weak_pods<'a>(
    context: &CheckContext<'a>,
    grants: &SubjectGrants<'a>,
    visit: &mut HitVisitor<'_, 'a>,
) -> ControlFlow<()> {
    let Subject::ServiceAccount { namespace, name } = &grants.node.subject else {
        return ControlFlow::Continue(());
    };
    // One way to power is enough: the pod is weak whatever else its account may do.
    let powerful =
        grants.added().find_map(|grant| Some((grant, carried_by(grants, grant, is_powerful)?)));
    let Some((grant, row)) = powerful else {
        return ControlFlow::Continue(());
    };
    // The pods are in the account's namespace, and so are the findings about them.
    if context.scope.admits(context.inventory, namespace) == Admission::Out {
        return ControlFlow::Continue(());
    }
    let mounted = account(context, grants).and_then(|(_, facts)| facts.automount).unwrap_or(true);
    for slot in context.inventory.owners.running_as(namespace, name) {
        let Some(facts) = context.inventory.get(*slot).and_then(root_workload) else {
            continue;
        };
        // Without a token, code in the pod does not have the account's rights.
        if !facts.pod.is_given_token(mounted) {
            continue;
        }
        if let Some(weakness) = weak(context.inventory, &facts.pod) {
            let contextual = ContextualRisk::WeakPod { workload: *slot, weakness, risk: row.risk };
            visit(hit(contextual, vec![*grant]))?;
        }
    }
    ControlFlow::Continue(())
}

/// A workload that no other workload makes: its replicas are no findings of their own.
fn root_workload(object: &Object) -> Option<&WorkloadFacts> {
    let Facts::Workload(facts) = &object.facts else {
        return None;
    };
    let made = facts.controller.as_ref().is_some_and(ControllerRef::has_template);
    (!made).then_some(facts)
}

/// The first control of the baseline level of the Pod Security Standards that the pod violates:
/// code in it is a short way from the node, and from the tokens of every pod there.
fn weak(inventory: &Inventory, pod: &PodFacts) -> Option<&'static str> {
    let version = levels::judged_by(inventory.kubernetes);
    levels::violations(PodSecurityLevel::Baseline, version, pod).next().map(|(control, _)| control)
}
