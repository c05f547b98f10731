//! The built-in risks of access rights: what `forbid` names and what findings and reports print.

use super::Severity;
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// A right, or a combination of rights, that leads further than its rule suggests.
    pub enum Risk {
        /// Everything in the whole cluster, or creating objects of every kind, which leads there.
        ClusterAdmin = "ClusterAdmin",
        /// Reads, creates and changes everything in a namespace, and so has the rights of all its accounts.
        NamespaceAdmin = "NamespaceAdmin",
        /// A wildcard for verbs, resources or API groups, which also grants kinds that do not exist yet.
        Wildcard = "Wildcard",
        /// The verb escalate on roles together with writing them: may write rights that the writer lacks.
        Escalate = "Escalate",
        /// The verb bind on roles together with writing bindings: may bind roles that the writer does not hold.
        Bind = "Bind",
        /// Writes role bindings, and so passes on the rights already held.
        WriteBindings = "WriteBindings",
        /// Writes roles, and so passes on rights already held or extends an aggregated role.
        WriteRoles = "WriteRoles",
        /// Acts as another user, group or service account.
        Impersonate = "Impersonate",
        /// Acts as another identity through the constrained impersonation verbs of Kubernetes 1.36.
        ConstrainedImpersonate = "ConstrainedImpersonate",
        /// Reads Secrets; list and watch reveal their content as get does.
        ReadSecrets = "ReadSecrets",
        /// Writes Secrets; reading one back can reveal the token of a service account.
        WriteSecrets = "WriteSecrets",
        /// Requests a token of a service account.
        MintTokens = "MintTokens",
        /// Approves certificate requests, and so obtains a client certificate for any identity.
        ApproveCertificates = "ApproveCertificates",
        /// Signs certificate requests in the name of a signer.
        SignCertificates = "SignCertificates",
        /// Reaches the kubelet through nodes/proxy: runs commands in any pod without admission or audit.
        NodesProxy = "NodesProxy",
        /// Creates pods, and so runs as any service account of the namespace and mounts its Secrets.
        CreatePods = "CreatePods",
        /// Writes workloads that create pods, with the reach of creating pods.
        WriteWorkloads = "WriteWorkloads",
        /// Changes running pods, their images among others.
        WritePods = "WritePods",
        /// Runs commands in containers and reads the token of the pod.
        Exec = "Exec",
        /// Attaches to running containers.
        Attach = "Attach",
        /// Adds debug containers to running pods.
        EphemeralContainers = "EphemeralContainers",
        /// Opens connections into pods and services, bypassing network policies.
        PortForward = "PortForward",
        /// Creates persistent volumes, which together with pods give access to the disk of a node.
        CreateVolumes = "CreateVolumes",
        /// Writes admission webhooks: reads or alters every request, or disables controls.
        WriteWebhooks = "WriteWebhooks",
        /// Writes admission policies or their bindings, and so disables controls.
        WriteAdmissionPolicies = "WriteAdmissionPolicies",
        /// Writes the policies, exceptions or settings of a policy engine.
        WritePolicyEngines = "WritePolicyEngines",
        /// Changes namespaces, and so their Pod Security labels and what network policies select.
        WriteNamespaces = "WriteNamespaces",
        /// Changes nodes or evicts pods, and so draws pods onto a chosen node.
        WriteNodes = "WriteNodes",
        /// Writes the status of pods or services, by which traffic can be intercepted.
        WriteObjectStatus = "WriteObjectStatus",
        /// Writes services, endpoints, ingresses, gateways or network policies.
        RedirectTraffic = "RedirectTraffic",
        /// Writes the configuration of cluster DNS or the mapping of cloud identities.
        WriteCriticalConfig = "WriteCriticalConfig",
        /// Writes resource definitions or aggregated APIs, and so takes over a kind or a group.
        ExtendApi = "ExtendApi",
        /// Deletes collections, workloads or Secrets.
        MassDelete = "MassDelete",
        /// Deletes events, or writes log agents or evidence.
        HideTraces = "HideTraces",
        /// Rights of requests without credentials, beyond what every cluster grants them.
        Anonymous = "Anonymous",
        /// A powerful role for all users or for all service accounts.
        Everyone = "Everyone",
        /// The group system:masters, which passes every authorizer and cannot be revoked.
        SystemMasters = "SystemMasters",
        /// Rights of a default service account, which every pod of the namespace inherits.
        DefaultServiceAccount = "DefaultServiceAccount",
        /// A weakly confined pod that runs as a powerful service account.
        WeakPodStrongAccount = "WeakPodStrongAccount",
        /// A binding whose role or subject does not exist, so that whoever takes the name takes the rights.
        Dangling = "Dangling",
        /// Writes delivery resources, and so deploys with the rights of the delivery system.
        WriteDelivery = "WriteDelivery",
        /// Creates objects without a quota that limits them.
        Exhaust = "Exhaust",
        /// A service account that is also an identity in the cloud.
        CloudIdentity = "CloudIdentity",
        /// Many subjects in a namespace or many roles on a subject: rights that nobody can review.
        Sprawl = "Sprawl",
    }
}

impl Risk {
    /// The number of the risk in reports: `R01` to `R44`.
    pub fn id(self) -> String {
        format!("R{:02}", self as u8 + 1)
    }

    /// How bad the risk is at its widest reach. A check may judge a narrower case milder.
    pub const fn severity(self) -> Severity {
        match self {
            Self::ClusterAdmin
            | Self::Escalate
            | Self::Bind
            | Self::Impersonate
            | Self::ReadSecrets
            | Self::WriteSecrets
            | Self::MintTokens
            | Self::ApproveCertificates
            | Self::SignCertificates
            | Self::NodesProxy
            | Self::WriteWebhooks
            | Self::WriteAdmissionPolicies
            | Self::WriteCriticalConfig
            | Self::Anonymous
            | Self::Everyone
            | Self::SystemMasters => Severity::Critical,
            Self::NamespaceAdmin
            | Self::ConstrainedImpersonate
            | Self::CreatePods
            | Self::WriteWorkloads
            | Self::WritePods
            | Self::Exec
            | Self::Attach
            | Self::EphemeralContainers
            | Self::CreateVolumes
            | Self::WritePolicyEngines
            | Self::WriteNamespaces
            | Self::WriteNodes
            | Self::ExtendApi
            | Self::HideTraces
            | Self::WeakPodStrongAccount
            | Self::WriteDelivery => Severity::High,
            Self::Wildcard
            | Self::WriteBindings
            | Self::WriteRoles
            | Self::PortForward
            | Self::WriteObjectStatus
            | Self::RedirectTraffic
            | Self::MassDelete
            | Self::DefaultServiceAccount
            | Self::Dangling => Severity::Medium,
            Self::Exhaust | Self::CloudIdentity | Self::Sprawl => Severity::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_order_of_the_names() {
        assert_eq!(Risk::ALL.len(), 44);
        assert_eq!(Risk::ClusterAdmin.id(), "R01");
        assert_eq!(Risk::ReadSecrets.id(), "R10");
        assert_eq!(Risk::Exec.id(), "R19");
        assert_eq!(Risk::Dangling.id(), "R40");
        assert_eq!(Risk::Sprawl.id(), "R44");
    }

    #[test]
    fn every_meaning_is_one_line() {
        for risk in Risk::ALL {
            let meaning = risk.meaning();
            assert!(meaning.ends_with('.') && meaning.len() < 110, "{risk}: {meaning}");
        }
    }
}
