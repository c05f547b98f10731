//! The risks that are made of rights: which rights, where they matter, how bad it is.
//!
//! The other risks lie in who holds a right or how, not in which: see `circumstances`.

use crate::{
    api::{Risk, Severity},
    inventory::rbac::{Right, Rights},
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

/// A risk that is made of rights.
#[derive(Debug)]
pub(super) struct Row {
    pub risk: Risk,
    /// What the holder can do, as a sentence goes on after the subject.
    pub can: &'static str,
    /// The rights it takes: one of each set.
    pub needs: &'static [Rights],
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
    pub unless: Option<(Risk, Rights)>,
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
    /// Whether rights amount to the risk.
    pub fn matches(&self, rights: Rights) -> bool {
        self.needs.iter().all(|any_of| rights.intersects(*any_of))
    }

    /// Whether rights contribute to the risk.
    pub fn touches(&self, rights: Rights) -> bool {
        self.needs.iter().any(|any_of| rights.intersects(*any_of))
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
            Some(name) if PRIVILEGED_NAMESPACES.contains(&name) => self.in_privileged,
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

    const fn unless(mut self, risk: Risk, rights: Rights) -> Self {
        self.unless = Some((risk, rights));
        self
    }
}

/// A risk in the cluster as in a namespace.
const fn any(risk: Risk, severity: Severity, can: &'static str, needs: &'static [Rights]) -> Row {
    Row {
        risk,
        can,
        needs,
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
    needs: &'static [Rights],
) -> Row {
    Row { zones: Zones::Cluster, ..any(risk, severity, can, needs) }
}

const fn one(right: Right) -> Rights {
    Rights::of(&[right])
}

/// Every verb on everything: written as `*`, or as the eight verbs that exist for objects. Who
/// writes the eight lacks only verbs such as `bind` or `impersonate`, and can give those away to
/// themself through an object that runs with them; the literal star must not be the only form
/// that is found.
pub(super) const EVERYTHING: &[Rights] = &[
    one(Right::GetAll),
    one(Right::ListAll),
    one(Right::WatchAll),
    one(Right::CreateAll),
    one(Right::UpdateAll),
    one(Right::PatchAll),
    one(Right::DeleteAll),
    one(Right::DeleteCollectionAll),
];

/// The table, in the order of the risks' numbers.
pub(super) const ROWS: &[Row] = &[
    cluster(Risk::ClusterAdmin, Critical, "can do everything in the cluster", EVERYTHING),
    any(Risk::NamespaceAdmin, High, "can do everything", EVERYTHING),
    any(
        Risk::Wildcard,
        Medium,
        "holds a wildcard, which includes kinds that do not exist yet,",
        &[one(Right::Wildcard)],
    ),
    any(
        Risk::Escalate,
        Critical,
        "can write roles with rights it does not hold",
        &[one(Right::Escalate)],
    )
    .in_namespace(High),
    any(Risk::Bind, High, "can bind roles with rights it does not hold", &[one(Right::Bind)])
        .in_namespace(Medium)
        .worse(one(Right::WriteBindings), Critical, "and write the bindings"),
    any(
        Risk::WriteBindings,
        Medium,
        "can pass on its rights in bindings",
        &[one(Right::WriteBindings)],
    )
    .unless(Risk::Bind, one(Right::Bind)),
    any(
        Risk::WriteRoles,
        Medium,
        "can write roles, aggregated ones among them,",
        &[one(Right::WriteRoles)],
    )
    .unless(Risk::Escalate, one(Right::Escalate)),
    any(Risk::Impersonate, Critical, "can act as somebody else", &[one(Right::Impersonate)])
        .in_namespace(High)
        .in_privileged(Critical),
    any(
        Risk::ConstrainedImpersonate,
        High,
        "can act as somebody else for some requests",
        &[one(Right::ConstrainedWhom), one(Right::ConstrainedWhat)],
    ),
    any(Risk::ReadSecrets, Critical, "can read every Secret", &[one(Right::ReadSecrets)])
        .in_namespace(High)
        .in_privileged(Critical),
    any(
        Risk::WriteSecrets,
        Critical,
        "can write Secrets and so have a service account's token put into one",
        &[one(Right::WriteSecrets)],
    )
    .in_namespace(Medium)
    .in_privileged(Critical),
    any(
        Risk::MintTokens,
        Critical,
        "can request a token of every service account",
        &[one(Right::MintTokens)],
    )
    .in_namespace(High)
    .in_privileged(Critical),
    cluster(
        Risk::ApproveCertificates,
        Critical,
        "can approve a client certificate in anybody's name",
        &[one(Right::UpdateApproval), one(Right::ApproveSigner)],
    )
    .worse(one(Right::RequestCertificates), Critical, "and request it"),
    cluster(
        Risk::SignCertificates,
        Critical,
        "can sign a client certificate in anybody's name",
        &[one(Right::UpdateCertificates), one(Right::SignSigner)],
    ),
    cluster(
        Risk::NodesProxy,
        Critical,
        "can run commands in every pod past audit and admission",
        &[one(Right::NodesProxy)],
    ),
    any(Risk::CreatePods, High, "can run pods as every service account", &[one(Right::CreatePods)]),
    any(
        Risk::WriteWorkloads,
        High,
        "can run pods as every service account through workloads",
        &[one(Right::WriteWorkloads)],
    ),
    any(Risk::WritePods, High, "can change what pods run", &[one(Right::WritePods)]),
    any(Risk::Exec, High, "can run commands in pods", &[one(Right::Exec)]),
    any(Risk::Attach, High, "can attach to pods", &[one(Right::Attach)]),
    any(
        Risk::EphemeralContainers,
        High,
        "can add debug containers to pods",
        &[one(Right::EphemeralContainers)],
    ),
    any(
        Risk::PortForward,
        Medium,
        "can connect to pods and services past network policies",
        &[one(Right::PortForward)],
    ),
    cluster(
        Risk::CreateVolumes,
        High,
        "can mount a node's disk as a persistent volume",
        &[one(Right::CreateVolumes)],
    ),
    cluster(
        Risk::WriteWebhooks,
        Critical,
        "can read and alter every request through webhooks",
        &[one(Right::WriteWebhooks)],
    ),
    cluster(
        Risk::WriteAdmissionPolicies,
        Critical,
        "can switch off admission policies",
        &[one(Right::WriteAdmissionPolicies)],
    ),
    any(
        Risk::WritePolicyEngines,
        High,
        "can weaken the policies of a policy engine",
        &[one(Right::WritePolicyEngines)],
    ),
    any(
        Risk::WriteNamespaces,
        High,
        "can change the labels that Pod Security and network policies go by",
        &[one(Right::WriteNamespaces)],
    ),
    cluster(Risk::WriteNodes, Medium, "can change nodes", &[one(Right::WriteNodes)]).worse(
        one(Right::RemovePods),
        High,
        "and drive pods onto a chosen one",
    ),
    any(
        Risk::WriteObjectStatus,
        Medium,
        "can intercept traffic through the status of pods or services",
        &[one(Right::WriteObjectStatus)],
    )
    .in_namespace(Low),
    any(
        Risk::RedirectTraffic,
        Medium,
        "can redirect or open traffic",
        &[one(Right::RedirectTraffic)],
    ),
    any(
        Risk::WriteCriticalConfig,
        High,
        "can change cluster DNS or the mapping of cloud identities",
        &[Rights::of(&[Right::WriteDnsConfig, Right::WriteIdentityMap])],
    )
    .only_in("kube-system"),
    cluster(Risk::ExtendApi, High, "can take over kinds and API groups", &[one(Right::ExtendApi)]),
    any(
        Risk::MassDelete,
        Medium,
        "can delete workloads, Secrets or storage",
        &[one(Right::MassDelete)],
    ),
    any(Risk::HideTraces, High, "can remove or forge traces", &[one(Right::HideTraces)]),
    any(
        Risk::WriteDelivery,
        High,
        "can deploy with the rights of the delivery system",
        &[one(Right::WriteDelivery)],
    ),
    any(Risk::Exhaust, Low, "can create objects without a quota", &[one(Right::CreateObjects)]),
];

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
            assert!(used, "{right:?}");
        }
    }
}
