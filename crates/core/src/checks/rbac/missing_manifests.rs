//! What manifests lack to judge a subject: they are an excerpt of a cluster, so that a pass for want of
//! a manifest would be a guess.

use super::{RbacCheck, describe::bounded, grants::SubjectGrants};
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
    pub(super) fn missing_manifests(
        &self,
        context: &CheckContext<'_>,
        grants: &SubjectGrants<'_>,
    ) -> Vec<Finding> {
        let inventory = context.inventory;
        // A cluster shows all there is: what it lacks does not exist.
        if inventory.source != ObjectSource::Manifests {
            return Vec::new();
        }
        let subject = &grants.node.subject;
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
        // Only where the control asks about accounts: other risks lie in the bindings, which are there.
        let about_account = ABOUT_ACCOUNTS.iter().any(|risk| self.forbids(*risk))
            && is_account_without_manifest(context, grants);
        for grant in grants.added() {
            let role =
                grant.role.and_then(|role| Some((role.key(), unknown_rules(inventory, role)?)));
            if let Some((key, unknown)) = role {
                say("RoleNotKnown", grant.source.binding, unknown.of_binding(key));
            } else if about_account {
                let message = format!(
                    "binds {subject}, which is not among the manifests, so it is not known whether it exists, what it is and which pods run as it: {}",
                    remedy(context, subject)
                );
                say("AccountNotKnown", grant.source.binding, message);
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
fn is_account_without_manifest(context: &CheckContext<'_>, grants: &SubjectGrants<'_>) -> bool {
    let subject = &grants.node.subject;
    let Subject::ServiceAccount { namespace, name } = subject else {
        return false;
    };
    grants.node.account.is_none()
        && **name != *"default"
        && !is_account_of_every_cluster(subject)
        && context.inventory.lookup("", "ServiceAccount", namespace, name).is_none()
}
