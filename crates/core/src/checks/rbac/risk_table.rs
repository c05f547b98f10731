//! The table of risks that are made of rights.

use super::risks::{RiskRow, Way, Zones};
use crate::{
    api::{
        Risk,
        Severity::{self, Critical, High, Low, Medium},
    },
    inventory::rbac::{Right, Rights},
};

const KUBE_SYSTEM: &str = "kube-system";

/// A risk in the cluster as in a namespace.
const fn any(risk: Risk, severity: Severity, can: &'static str, ways: &'static [Way]) -> RiskRow {
    RiskRow {
        risk,
        can,
        ways,
        before: Rights::NONE,
        since: None,
        zones: Zones::Any,
        in_cluster: severity,
        in_namespace: severity,
        in_privileged: severity,
        worse: None,
        unless: None,
    }
}

/// A risk of rights on cluster-scoped resources.
const fn cluster(
    risk: Risk,
    severity: Severity,
    can: &'static str,
    ways: &'static [Way],
) -> RiskRow {
    RiskRow { zones: Zones::Cluster, ..any(risk, severity, can, ways) }
}

const fn one(right: Right) -> Rights {
    Rights::of(&[right])
}

/// Who creates everything has cluster-admin in three requests: a service account
/// `clusterrole-aggregation-controller` in kube-system where there is none, a token of it, and with
/// that token a role, since every API server makes a binding that lets it escalate.
const CREATE_ALL: &[Way] = &[&[one(Right::CreateAll)]];
/// Who reads, creates and changes everything in a namespace owns it and its service accounts.
const OWN_ALL: &[Way] = &[&[one(Right::ReadAll), one(Right::CreateAll), one(Right::ChangeAll)]];
/// A binding is written only by who may bind its role or holds all of it. What a `ClusterRole`
/// gives is bound in the cluster or in a namespace, what a Role gives in its own.
const BIND: &[Way] = &[
    &[one(Right::BindClusterRoles), one(Right::WriteClusterBindings)],
    &[Rights::of(&[Right::BindClusterRoles, Right::BindRoles]), one(Right::WriteRoleBindings)],
];
const ESCALATE: &[Way] = &[
    &[one(Right::EscalateClusterRoles), one(Right::WriteClusterRoles)],
    &[one(Right::EscalateRoles), one(Right::WriteRoles)],
];
/// A request names one user or account; groups, a UID or extra fields only come with it.
const IMPERSONATE: &[Way] = &[
    &[Rights::of(&[Right::ImpersonateUsers, Right::ImpersonateAccounts])],
    &[one(Right::ImpersonateGroups), one(Right::ImpersonateSomebody)],
];
const CONSTRAINED: &[Way] = &[
    &[one(Right::ConstrainedUsers), one(Right::OnUsers)],
    &[one(Right::ConstrainedGroups), one(Right::ConstrainedSomebody), one(Right::OnUsers)],
    &[one(Right::ConstrainedAccounts), one(Right::OnAccounts)],
    &[one(Right::ConstrainedNodes), one(Right::OnNodes)],
];

/// The table, in the order of the risks' numbers.
pub(super) const ROWS: &[RiskRow] = &[
    any(
        Risk::ClusterAdmin,
        Critical,
        "can create every kind of object, and so become cluster-admin",
        CREATE_ALL,
    )
    .only_in(KUBE_SYSTEM),
    any(Risk::NamespaceAdmin, High, "can read, create and change everything", OWN_ALL),
    any(
        Risk::Wildcard,
        Medium,
        "holds a wildcard, which includes kinds that do not exist yet,",
        &[&[one(Right::Wildcard)]],
    ),
    any(Risk::Escalate, Critical, "can write roles with rights it does not hold", ESCALATE)
        .in_namespace(High)
        .in_privileged(Critical),
    any(Risk::Bind, Critical, "can bind roles with rights it does not hold", BIND)
        .in_namespace(High)
        .in_privileged(Critical),
    any(
        Risk::WriteBindings,
        Medium,
        "can pass on its rights in bindings",
        &[&[Rights::of(&[Right::WriteClusterBindings, Right::WriteRoleBindings])]],
    )
    .unless(Risk::Bind),
    any(
        Risk::WriteRoles,
        Medium,
        "can write roles, aggregated ones among them, with the rights it holds",
        &[&[Rights::of(&[Right::WriteClusterRoles, Right::WriteRoles])]],
    )
    .unless(Risk::Escalate),
    any(Risk::Impersonate, Critical, "can act as somebody else", IMPERSONATE)
        .in_namespace(High)
        .in_privileged(Critical),
    any(
        Risk::ConstrainedImpersonate,
        High,
        "can act as somebody else for some requests",
        CONSTRAINED,
    )
    .since(35),
    any(Risk::ReadSecrets, Critical, "can read every Secret", &[&[one(Right::ReadSecrets)]])
        .in_namespace(High)
        .in_privileged(Critical),
    any(Risk::WriteSecrets, High, "can write Secrets", &[&[one(Right::WriteSecrets)]])
        .in_namespace(Medium)
        .in_privileged(High)
        .worse(
            Rights::of(&[Right::ReadSecrets, Right::ChangeSecrets]),
            Critical,
            "and read back the token of a service account that is put into one",
        ),
    any(
        Risk::MintTokens,
        Critical,
        "can request a token of every service account",
        &[&[one(Right::MintTokens)]],
    )
    .in_namespace(High)
    .in_privileged(Critical),
    cluster(
        Risk::ApproveCertificates,
        Critical,
        "can approve a client certificate in anybody's name",
        &[&[one(Right::UpdateApproval), one(Right::ApproveSigner)]],
    )
    .worse(one(Right::RequestCertificates), Critical, "and request it"),
    cluster(
        Risk::SignCertificates,
        Critical,
        "can issue certificates in the name of a signer of client certificates",
        &[&[one(Right::UpdateCertificates), one(Right::SignSigner)]],
    ),
    cluster(
        Risk::NodesProxy,
        Critical,
        "can run commands in every pod past audit and admission",
        &[&[one(Right::NodesProxy)]],
    ),
    any(
        Risk::CreatePods,
        High,
        "can run pods as every service account",
        &[&[one(Right::CreatePods)]],
    ),
    any(
        Risk::WriteWorkloads,
        High,
        "can run pods as every service account through workloads",
        &[&[one(Right::WriteWorkloads)]],
    ),
    any(Risk::WritePods, High, "can change what pods run", &[&[one(Right::WritePods)]]),
    any(Risk::Exec, High, "can run commands in pods", &[&[one(Right::Exec)]])
        .before(Right::ExecByGet),
    any(Risk::Attach, High, "can attach to pods", &[&[one(Right::Attach)]])
        .before(Right::AttachByGet),
    any(
        Risk::EphemeralContainers,
        High,
        "can add debug containers to pods",
        &[&[one(Right::EphemeralContainers)]],
    ),
    any(
        Risk::PortForward,
        Medium,
        "can connect to pods and services past network policies",
        &[&[one(Right::PortForward)]],
    )
    .before(Right::PortForwardByGet),
    cluster(
        Risk::CreateVolumes,
        Medium,
        "can offer a node's disk as a persistent volume",
        &[&[one(Right::CreateVolumes)]],
    )
    .worse(
        Rights::of(&[Right::CreatePods, Right::WriteWorkloads]),
        High,
        "and mount it in a pod",
    ),
    cluster(
        Risk::WriteWebhooks,
        Critical,
        "can read, alter or let pass requests by changing webhooks",
        &[&[one(Right::WriteWebhooks)]],
    ),
    cluster(
        Risk::WriteAdmissionPolicies,
        Critical,
        "can change or switch off admission policies",
        &[&[one(Right::WriteAdmissionPolicies)]],
    ),
    any(
        Risk::WritePolicyEngines,
        High,
        "can weaken the policies of a policy engine",
        &[&[one(Right::WritePolicyEngines)]],
    ),
    any(
        Risk::WriteNamespaces,
        High,
        "can change the labels that Pod Security and network policies go by",
        &[&[one(Right::WriteNamespaces)]],
    ),
    cluster(Risk::WriteNodes, Medium, "can change nodes", &[&[one(Right::WriteNodes)]]).worse(
        one(Right::RemovePods),
        High,
        "and drive pods onto a chosen one",
    ),
    any(
        Risk::WriteObjectStatus,
        Medium,
        "can intercept traffic through the status of pods or services",
        &[&[one(Right::WriteObjectStatus)]],
    )
    .in_namespace(Low),
    any(
        Risk::RedirectTraffic,
        Medium,
        "can redirect or open traffic",
        &[&[one(Right::RedirectTraffic)]],
    ),
    any(
        Risk::WriteCriticalConfig,
        High,
        "can change cluster DNS or the mapping of cloud identities",
        &[&[Rights::of(&[Right::WriteDnsConfig, Right::WriteIdentityMap])]],
    )
    .only_in("kube-system"),
    cluster(
        Risk::ExtendApi,
        High,
        "can take over kinds and API groups",
        &[&[one(Right::ExtendApi)]],
    ),
    any(
        Risk::MassDelete,
        Medium,
        "can delete workloads, Secrets or storage",
        &[&[one(Right::MassDelete)]],
    ),
    any(Risk::HideTraces, High, "can remove or forge traces", &[&[one(Right::HideTraces)]]),
    any(
        Risk::WriteDelivery,
        High,
        "can deploy with the rights of the delivery system",
        &[&[one(Right::WriteDelivery)]],
    ),
    any(Risk::Exhaust, Low, "can create objects without a quota", &[&[one(Right::CreateObjects)]]),
];
