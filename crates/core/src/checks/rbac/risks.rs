//! The risks that are made of rights: which rights, where they matter, how bad it is.
//!
//! The other risks lie in who holds a right or how, not in which: see `contextual_risks`.

use crate::{
    api::{Risk, Severity},
    inventory::{
        KubernetesVersion,
        rbac::{Right, Rights},
    },
};

use Severity::High;

pub(super) use super::risk_table::ROWS;

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
pub(super) struct RiskRow {
    pub risk: Risk,
    /// What the holder can do, as a sentence goes on after the subject.
    pub can: &'static str,
    /// The ways to it, each of which suffices: one right of each set.
    pub ways: &'static [Way],
    /// Rights of which one suffices to API servers before [`CREATE_ALONE`].
    pub before: Rights,
    /// The first API server that knows the rights it takes; None when all do.
    pub since: Option<KubernetesVersion>,
    /// Where it can be held.
    pub zones: Zones,
    /// When held in the whole cluster.
    pub in_cluster: Severity,
    /// When held in a namespace.
    pub in_namespace: Severity,
    /// When held in one of [`PRIVILEGED_NAMESPACES`].
    pub in_privileged: Severity,
    /// What makes it worse; None when nothing does.
    pub worse: Option<Aggravation>,
    /// A risk that says the same and more: when both are asked for and found, that one is reported.
    pub unless: Option<Risk>,
}

/// What it takes together: one right of each set.
pub(super) type Way = &'static [Rights];

/// Since then, a GET that becomes a `WebSocket` to exec, attach or portforward takes `create` too.
pub(super) const CREATE_ALONE: KubernetesVersion = KubernetesVersion::minor(35);

/// Whether rights amount to a risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Yes,
    /// They do if the API server is older than [`CREATE_ALONE`], and nobody knows whether it is.
    IfBeforeCreateAlone,
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
pub(super) struct Aggravation {
    /// The rights that do, held by any binding.
    pub with: Rights,
    /// How bad it then is in the cluster; in a namespace one step less.
    pub severity: Severity,
    /// How the message goes on after [`RiskRow::can`].
    pub says: &'static str,
}

impl RiskRow {
    /// Whether rights amount to the risk, whatever the API server.
    pub fn matches(&self, rights: Rights) -> bool {
        self.way(rights).is_some()
    }

    /// The first way to the risk that rights open; None when they open none.
    pub fn way(&self, rights: Rights) -> Option<Way> {
        let open = |way: &&Way| way.iter().all(|any_of| rights.intersects(*any_of));
        self.ways.iter().find(open).copied()
    }

    /// Whether rights amount to the risk on an API server; None means that they do not.
    pub fn carried(&self, rights: Rights, server: Option<KubernetesVersion>) -> Option<Carried> {
        // An older API server does not know the right, and grants nothing by it.
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
            None => Some(Carried::IfBeforeCreateAlone),
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

    pub const fn in_namespace(mut self, severity: Severity) -> Self {
        self.in_namespace = severity;
        self.in_privileged = severity;
        self
    }

    pub const fn in_privileged(mut self, severity: Severity) -> Self {
        self.in_privileged = severity;
        self
    }

    pub const fn only_in(mut self, namespace: &'static str) -> Self {
        self.zones = Zones::Only(namespace);
        self
    }

    pub const fn worse(mut self, with: Rights, severity: Severity, says: &'static str) -> Self {
        self.worse = Some(Aggravation { with, severity, says });
        self
    }

    pub const fn unless(mut self, risk: Risk) -> Self {
        self.unless = Some(risk);
        self
    }

    pub const fn before(mut self, right: Right) -> Self {
        self.before = Rights::of(&[right]);
        self
    }

    pub const fn since(mut self, minor: u32) -> Self {
        self.since = Some(KubernetesVersion::minor(minor));
        self
    }
}

/// Every verb on every resource: what `cluster-admin` gives.
pub(super) const EVERYTHING: Rights =
    Rights::of(&[Right::ReadAll, Right::CreateAll, Right::ChangeAll, Right::DeleteAll]);

/// The row of a risk; None for a contextual one.
pub(super) fn risk_row(risk: Risk) -> Option<&'static RiskRow> {
    ROWS.iter().find(|row| row.risk == risk)
}

/// Whether a risk makes a role powerful: it leads beyond the holder's own rights.
pub(super) fn is_powerful(risk: Risk) -> bool {
    // In their order, the risks up to this one lead to other identities or to the node.
    risk <= Risk::CreateVolumes || risk == Risk::WriteWebhooks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(right: Right) -> Rights {
        Rights::of(&[right])
    }

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
            let contextual = matches!(
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
            assert_eq!(rows, usize::from(!contextual), "{risk}");
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
