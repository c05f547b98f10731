//! What manifests do not tell of a subject: they are an excerpt, so that a pass would be a guess.

use super::{RbacCheck, holder::Holder, wording::bounded};
use crate::{
    api::Risk,
    checks::{CheckContext, Finding, reference},
    inventory::{
        ObjectSource, Slot,
        rbac::{Subject, is_account_of_every_cluster, unknown_rules},
    },
};

/// The risks that depend on an account's own manifest, or on the pods that run as it.
const ABOUT_ACCOUNTS: [Risk; 3] = [Risk::Dangling, Risk::CloudIdentity, Risk::WeakPodStrongAccount];

impl RbacCheck {
    /// Bindings whose role no manifest shows, and the account that none shows where the control
    /// asks about it. Nothing in a cluster, which shows all there is.
    pub(super) fn untold(&self, context: &CheckContext<'_>, holder: &Holder<'_>) -> Vec<Finding> {
        let inventory = context.inventory;
        if inventory.source != ObjectSource::Manifests {
            return Vec::new();
        }
        let subject = &holder.node.subject;
        let mut found = Vec::new();
        let mut say = |rule: &'static str, binding: Slot, message: String| {
            let Some(resource) = reference(inventory, binding) else {
                return;
            };
            found.push(Finding {
                rule: rule.into(),
                severity: None,
                resource,
                subject: Some(subject.to_string()),
                message: bounded(message),
            });
        };
        let about_account = ABOUT_ACCOUNTS.iter().any(|risk| self.forbids(*risk))
            && is_untold_account(context, holder);
        for held in holder.novel() {
            let role =
                held.role.and_then(|role| Some((role.key(), unknown_rules(inventory, role)?)));
            if let Some((key, unknown)) = role {
                say("RoleNotKnown", held.grant.binding, unknown.of_binding(key));
            } else if about_account {
                let message = format!(
                    "binds {subject}, which is not among the manifests, so nobody can say whether it exists, what it is and which pods run as it: {}",
                    remedy(context, subject)
                );
                say("AccountNotKnown", held.grant.binding, message);
            }
        }
        found
    }
}

/// What to do about an account that no manifest shows. A chart names no namespace in its objects, and
/// the full name of its account in its bindings.
fn remedy(context: &CheckContext<'_>, subject: &Subject) -> String {
    if let Subject::ServiceAccount { namespace, name } = subject
        && context.inventory.lookup("", "ServiceAccount", "default", name).is_some()
    {
        return format!(
            "give --namespace {namespace} if the manifests without a namespace go there, or add its manifest"
        );
    }
    "add its manifest".to_owned()
}

/// Whether the subject is a service account that no manifest shows. Every namespace has its
/// `default`, and the control plane makes accounts of its own.
fn is_untold_account(context: &CheckContext<'_>, holder: &Holder<'_>) -> bool {
    let subject = &holder.node.subject;
    let Subject::ServiceAccount { namespace, name } = subject else {
        return false;
    };
    holder.node.account.is_none()
        && **name != *"default"
        && !is_account_of_every_cluster(subject)
        && context.inventory.lookup("", "ServiceAccount", namespace, name).is_none()
}
