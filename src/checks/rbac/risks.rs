//! The risks that are made of rights: which rights, where they matter, how bad it is.
//!
//! The other risks lie in who holds a right or how, not in which: see `circumstances`.

use crate::{
    api::{Risk, Severity},
    inventory::{
        KubernetesVersion,
        rbac::{Right, Rights},
    },
};

use Severity::{Critical, High, Low, Medium};

/// Namespaces whose Secrets, accounts and pods are as good as the cluster: the control plane's,
/// ours, and those of the delivery, certificate and policy systems as they are usually named.
pub(super) const PRIVILEGED_NAMESPACES: &[&str] = &[
    "kube-system",
    "comptroller-system",
    "argocd",
    "flux-system",
    "cert-manager",
    "kyverno",
    "gatekeeper-system",
];

const KUBE_SYSTEM: &str = "kube-system";

/// A risk that is made of rights.
#[derive(Debug)]
pub(super) struct Row {
    pub risk: Risk,
    /// What the holder can do, as a sentence goes on after the subject.
    pub can: &'static str,
    /// The ways to it, each of which suffices: one right of each set.
    pub ways: &'static [Way],
    /// Rights of which one suffices to API servers before [`CREATE_ALONE`].
    pub before: Rights,
    /// The first API server that knows what it takes.
    pub since: Option<KubernetesVersion>,
    /// Where it can be held.
    pub zones: Zones,
    /// When held in the whole cluster.
    pub in_cluster: Severity,
    /// When held in a namespace.
    pub in_namespace: Severity,
    /// When held in one of [`PRIVILEGED_NAMESPACES`].
    pub in_privileged: Severity,
    /// What makes it worse.
    pub worse: Option<Worse>,
    /// A risk that says the same and more: when both are asked for and found, that one is told.
    pub unless: Option<Risk>,
}

/// What it takes together: one right of each set.
pub(super) type Way = &'static [Rights];

/// Since then, a GET that becomes a `WebSocket` to exec, attach or portforward takes `create` too.
pub(super) const CREATE_ALONE: KubernetesVersion = KubernetesVersion::minor(35);

/// Whether rights amount to a risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// They do.
    Yes,
    /// They do if the API server is older than [`CREATE_ALONE`], and nobody knows whether it is.
    IfOld,
}

/// Where a risk can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zones {
    /// Only in the whole cluster.
    Cluster,
    /// In the whole cluster or in a namespace.
    Any,
    /// In the whole cluster or in this namespace.
    Only(&'static str),
}

/// What turns a latent risk into one that can be used at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worse {
    /// The rights that do, held by any binding.
    pub with: Rights,
    /// How bad it then is in the cluster; in a namespace one step less.
    pub severity: Severity,
    /// What to say of it.
    pub says: &'static str,
}

impl Row {
    /// Whether rights amount to the risk, whatever the API server.
    pub fn matches(&self, rights: Rights) -> bool {
        self.way(rights).is_some()
    }

    /// The first way to the risk that rights open.
    pub fn way(&self, rights: Rights) -> Option<Way> {
        let open = |way: &&Way| way.iter().all(|any_of| rights.intersects(*any_of));
        self.ways.iter().find(open).copied()
    }

    /// Whether rights amount to the risk on an API server; None means that they do not.
    pub fn carried(&self, rights: Rights, server: Option<KubernetesVersion>) -> Option<Carried> {
        if self.since.is_some_and(|since| server.is_some_and(|server| server < since)) {
            return None;
        }
        if self.matches(rights) {
            return Some(Carried::Yes);
        }
        if !rights.intersects(self.before) {
            return None;
        }
        match server {
            None => Some(Carried::IfOld),
            Some(server) => (server < CREATE_ALONE).then_some(Carried::Yes),
        }
    }

    /// Every right that contributes to the risk.
    pub fn all(&self) -> Rights {
        self.ways.iter().copied().flatten().fold(self.before, |all, any_of| all | *any_of)
    }

    /// Whether it can take several rights together.
    pub fn is_compound(&self) -> bool {
        self.ways.iter().any(|way| way.len() > 1)
    }

    /// Whether rights contribute to the risk.
    pub fn touches(&self, rights: Rights) -> bool {
        rights.intersects(self.all())
    }

    /// Whether the risk can be held in a namespace, or in the cluster when there is none.
    pub fn applies(&self, namespace: Option<&str>) -> bool {
        match (self.zones, namespace) {
            (_, None) | (Zones::Any, Some(_)) => true,
            (Zones::Cluster, Some(_)) => false,
            (Zones::Only(only), Some(namespace)) => only == namespace,
        }
    }

    /// How bad it is in a place, for a holder of these rights there.
    pub fn severity(&self, namespace: Option<&str>, held: Rights) -> Severity {
        let worse = self.worse.filter(|worse| held.intersects(worse.with));
        match namespace {
            None => worse.map_or(self.in_cluster, |worse| worse.severity),
            Some(name) if PRIVILEGED_NAMESPACES.contains(&name) => {
                worse.map_or(self.in_privileged, |worse| worse.severity.max(self.in_privileged))
            }
            Some(_) => worse.map_or(self.in_namespace, |worse| worse.severity.min(High)),
        }
    }

    const fn in_namespace(mut self, severity: Severity) -> Self {
        self.in_namespace = severity;
        self.in_privileged = severity;
        self
    }

    const fn in_privileged(mut self, severity: Severity) -> Self {
        self.in_privileged = severity;
        self
    }

    const fn only_in(mut self, namespace: &'static str) -> Self {
        self.zones = Zones::Only(namespace);
        self
    }

    const fn worse(mut self, with: Rights, severity: Severity, says: &'static str) -> Self {
        self.worse = Some(Worse { with, severity, says });
        self
    }

    const fn unless(mut self, risk: Risk) -> Self {
        self.unless = Some(risk);
        self
    }

    const fn before(mut self, right: Right) -> Self {
        self.before = one(right);
        self
    }

    const fn since(mut self, minor: u32) -> Self {
        self.since = Some(KubernetesVersion::minor(minor));
        self
    }
}

/// A risk in the cluster as in a namespace.
const fn any(risk: Risk, severity: Severity, can: &'static str, ways: &'static [Way]) -> Row {
    Row {
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
const fn cluster(risk: Risk, severity: Severity, can: &'static str, ways: &'static [Way]) -> Row {
    Row { zones: Zones::Cluster, ..any(risk, severity, can, ways) }
}

const fn one(right: Right) -> Rights {
    Rights::of(&[right])
}

/// Who creates everything has cluster-admin in three requests: a service account
/// `clusterrole-aggregation-controller` in kube-system where there is none, a token of it, and with
/// that token a role, since every API server is born with a binding that lets it escalate.
const CREATE_ALL: &[Way] = &[&[one(Right::CreateAll)]];
/// Who reads, creates and changes everything in a namespace owns it and its service accounts.
const OWN_ALL: &[Way] = &[&[one(Right::ReadAll), one(Right::CreateAll), one(Right::ChangeAll)]];
/// Literally everything.
pub(super) const EVERYTHING: Rights =
    Rights::of(&[Right::ReadAll, Right::CreateAll, Right::ChangeAll, Right::DeleteAll]);

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
pub(super) const ROWS: &[Row] = &[
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

/// The row of a risk that is made of rights.
pub(super) fn row_of(risk: Risk) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.risk == risk)
}

/// The risks that make a role powerful: what follows leads beyond the holder's own rights.
pub(super) fn is_powerful(risk: Risk) -> bool {
    risk <= Risk::CreateVolumes || risk == Risk::WriteWebhooks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_reach_is_as_severe_as_the_risk() {
        for row in ROWS {
            let everything = Rights::of(Right::ALL);
            let worst = row.severity(None, everything).max(row.in_privileged);
            if row.risk != Risk::WriteCriticalConfig {
                assert_eq!(worst, row.risk.severity(), "{}", row.risk);
            }
            assert!(row.in_namespace <= row.in_cluster, "{}", row.risk);
        }
    }

    #[test]
    fn every_risk_of_rights_has_one_row() {
        for risk in Risk::ALL {
            let circumstance = matches!(
                risk,
                Risk::Anonymous
                    | Risk::Everyone
                    | Risk::SystemMasters
                    | Risk::DefaultServiceAccount
                    | Risk::WeakPodStrongAccount
                    | Risk::Dangling
                    | Risk::CloudIdentity
                    | Risk::Sprawl
            );
            let rows = ROWS.iter().filter(|row| row.risk == *risk).count();
            assert_eq!(rows, usize::from(!circumstance), "{risk}");
        }
    }

    #[test]
    fn every_right_serves_a_risk() {
        for right in Right::ALL {
            let used = ROWS.iter().any(|row| {
                row.touches(one(*right))
                    || row.worse.is_some_and(|worse| worse.with.intersects(one(*right)))
            });
            let beside = EVERYTHING.intersects(one(*right)) || *right == Right::Named;
            assert!(used || beside, "{right:?}");
        }
    }
}
