//! The risks that lie in who holds a right or how it is held.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    evaluate::{Hit, Visit, What, carried_by},
    holder::{Held, Holder},
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

/// A risk of who holds something, or how.
#[derive(Debug)]
pub(super) enum Circumstance<'a> {
    /// Held without credentials.
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
    /// Too many roles.
    ManyRoles(usize),
    /// A weakly confined workload runs with the account's rights.
    WeakPod { workload: Slot, weakness: &'static str, risk: Risk },
}

impl Circumstance<'_> {
    /// The risk it is.
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

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.risk().severity()
    }
}

/// Whether a risk lies in who holds a right or how it is held.
pub(super) fn is_one(risk: Risk) -> bool {
    of_a_grant(risk)
        || matches!(risk, Risk::CloudIdentity | Risk::Sprawl | Risk::WeakPodStrongAccount)
}

/// Whether it is found in one grant.
fn of_a_grant(risk: Risk) -> bool {
    matches!(
        risk,
        Risk::Anonymous
            | Risk::Everyone
            | Risk::SystemMasters
            | Risk::DefaultServiceAccount
            | Risk::Dangling
    )
}

/// Visits every such risk that is asked for and that the subject carries.
pub(super) fn visit_circumstances<'a>(
    context: &CheckContext<'a>,
    holder: &Holder<'a>,
    forbid: &[Risk],
    visit: &mut Visit<'_, 'a>,
) -> ControlFlow<()> {
    let grants = forbid.iter().any(|risk| of_a_grant(*risk));
    for held in holder.novel().filter(|_| grants) {
        for circumstance in of_grant(context, holder, held) {
            if forbid.contains(&circumstance.risk()) {
                visit(hit(circumstance, vec![*held]))?;
            }
        }
    }
    if forbid.contains(&Risk::CloudIdentity)
        && let Some((slot, facts)) = account(context, holder)
        && let Some(identity) = facts.cloud.first()
    {
        visit(hit(Circumstance::Cloud(identity, slot), Vec::new()))?;
    }
    if forbid.contains(&Risk::Sprawl) {
        let roles: BTreeSet<_> = holder.novel().map(|held| held.grant.role).collect();
        if roles.len() > MAX_ROLES {
            let by = holder.novel().copied().collect();
            visit(hit(Circumstance::ManyRoles(roles.len()), by))?;
        }
    }
    if forbid.contains(&Risk::WeakPodStrongAccount) {
        visit_weak_pods(context, holder, visit)?;
    }
    ControlFlow::Continue(())
}

fn hit<'a>(circumstance: Circumstance<'a>, by: Vec<Held<'a>>) -> Hit<'a> {
    let namespace = by.first().filter(|_| by.len() == 1).and_then(Held::namespace);
    Hit { what: What::Circumstance(circumstance), namespace, by, doubt: None }
}

fn of_grant<'a>(
    context: &CheckContext<'a>,
    holder: &Holder<'a>,
    held: &Held<'a>,
) -> Vec<Circumstance<'a>> {
    let mut found = Vec::new();
    let subject = &holder.node.subject;
    if subject.is_anonymous() {
        found.push(Circumstance::Anonymous);
    }
    let everyone = subject.is_implied_group() && !subject.is_anonymous();
    if everyone && let Some(row) = carried_by(holder, held, |_| true) {
        found.push(Circumstance::Everyone(row.risk));
    }
    if matches!(subject, Subject::Group(name) if **name == *MASTERS) {
        found.push(Circumstance::SystemMasters);
    }
    if let Subject::ServiceAccount { name, .. } = subject {
        let is_default = **name == *"default";
        if is_default && held.role.is_some_and(RoleNode::exists) {
            let facts = account(context, holder);
            let automount = facts.and_then(|(_, facts)| facts.automount).unwrap_or(true);
            found.push(Circumstance::DefaultAccount { automount });
        }
    }
    // What no manifest has is not known; what no cluster has does not exist.
    if context.inventory.source == ObjectSource::Manifests {
        return found;
    }
    if let Some(role) = held.role.filter(|role| !role.exists())
        && known(context, role.key().kind(), &role.key().namespace, &role.key().name).is_none()
    {
        found.push(Circumstance::RoleMissing(role.key()));
    } else if lacks_account(context, holder) {
        found.push(Circumstance::AccountMissing);
    }
    found
}

/// Whether the subject is a service account that does not exist. The cluster makes a `default`
/// account in every namespace; one that can't be read exists.
fn lacks_account(context: &CheckContext<'_>, holder: &Holder<'_>) -> bool {
    let Subject::ServiceAccount { namespace, name } = &holder.node.subject else {
        return false;
    };
    holder.node.account.is_none()
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
    holder: &Holder<'a>,
) -> Option<(Slot, &'a ServiceAccountFacts)> {
    let slot = holder.node.account?;
    match &context.inventory.get(slot)?.facts {
        Facts::ServiceAccount(facts) => Some((slot, facts)),
        _ => None,
    }
}

fn visit_weak_pods<'a>(
    context: &CheckContext<'a>,
    holder: &Holder<'a>,
    visit: &mut Visit<'_, 'a>,
) -> ControlFlow<()> {
    let Subject::ServiceAccount { namespace, name } = &holder.node.subject else {
        return ControlFlow::Continue(());
    };
    let powerful =
        holder.novel().find_map(|held| Some((held, carried_by(holder, held, is_powerful)?)));
    let Some((held, row)) = powerful else {
        return ControlFlow::Continue(());
    };
    if context.scope.admits(context.inventory, namespace) == Admission::Out {
        return ControlFlow::Continue(());
    }
    let mounted = account(context, holder).and_then(|(_, facts)| facts.automount).unwrap_or(true);
    for slot in context.inventory.owners.running_as(namespace, name) {
        let Some(facts) = context.inventory.get(*slot).and_then(root_workload) else {
            continue;
        };
        if !facts.pod.is_given_token(mounted) {
            continue;
        }
        if let Some(weakness) = weak(context.inventory, &facts.pod) {
            let circumstance = Circumstance::WeakPod { workload: *slot, weakness, risk: row.risk };
            visit(hit(circumstance, vec![*held]))?;
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
    let version = levels::known(inventory.kubernetes);
    levels::violations(PodSecurityLevel::Baseline, version, pod).next().map(|(control, _)| control)
}
