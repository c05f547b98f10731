//! What every control of the pack must say of the generated cluster, counted while it is planted.
//!
//! Nothing here asks the product: each generator function says of each object it makes what a
//! reader of the control's objective would say of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// The controls of `config/soc2` that judge the cluster.
pub const JUDGED: [&str; 29] = [
    "batch-runs-succeed",
    "certificates-do-not-expire",
    "changes-go-through-delivery",
    "databases-are-backed-up",
    "evidence-cannot-be-hidden",
    "evidence-is-guarded",
    "exec-is-restricted",
    "gateways-have-tls",
    "guards-are-protected",
    "guards-fail-closed",
    "images-are-pinned-and-known",
    "ingress-has-tls",
    "namespaces-are-described",
    "no-anonymous-access",
    "no-dangling-bindings",
    "no-privilege-escalation-rights",
    "no-standing-cluster-admin",
    "pod-security-baseline",
    "pod-security-restricted-in-production",
    "production-can-be-restored",
    "production-is-redundant",
    "rights-come-through-groups",
    "secrets-encrypted-at-rest",
    "secrets-readers-are-known",
    "services-stay-inside",
    "users-are-known",
    "volumes-are-backed-up",
    "volumes-are-encrypted",
    "workloads-are-operable",
];

/// Those that ask people, of whom a generated cluster has none, and which have just begun.
pub const ATTESTED: [&str; 25] = [
    "access-is-reviewed",
    "assets-are-inventoried",
    "capacity-is-reviewed",
    "continuity-plan-is-reviewed",
    "control-changes-are-reviewed",
    "deleted-controls-are-explained",
    "deviations-get-a-response",
    "disaster-recovery-is-exercised",
    "evidence-gaps-are-explained",
    "exceptions-are-reviewed",
    "incident-response-is-exercised",
    "insurance-is-reviewed",
    "internal-audit-is-performed",
    "logs-and-alerts-are-reviewed",
    "long-failures-are-escalated",
    "penetration-test-is-performed",
    "phishing-is-simulated",
    "policies-are-reviewed",
    "restores-are-exercised",
    "risks-are-assessed",
    "roles-are-reviewed",
    "security-is-governed",
    "security-training-is-given",
    "vendors-are-reviewed",
    "vulnerabilities-are-triaged",
];

/// The items that each control must judge, by name, and those of them that must fail.
#[derive(Debug, Default)]
pub struct Ledger {
    controls: BTreeMap<&'static str, Items>,
}

#[derive(Debug, Default)]
struct Items {
    population: BTreeSet<String>,
    failing: BTreeSet<String>,
}

/// The verdict of a control, as its status shows it or as it must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub state: String,
    pub population: i64,
    pub failing: i64,
    /// Expected to be 0: whatever is planted can be judged.
    pub unknown: i64,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} failing of {}", self.state, self.failing, self.population)?;
        if self.unknown > 0 { write!(f, ", {} unknown", self.unknown) } else { Ok(()) }
    }
}

impl Ledger {
    /// A control judges an item. One that fails for any reason fails, however often it is named.
    pub fn judge(&mut self, control: &'static str, item: &str, fails: bool) {
        let items = self.controls.entry(control).or_default();
        items.population.insert(item.to_owned());
        if fails {
            items.failing.insert(item.to_owned());
        }
    }

    /// What the control must say.
    pub fn verdict(&self, control: &str) -> Verdict {
        let (population, failing) = self
            .controls
            .get(control)
            .map_or((0, 0), |items| (items.population.len(), items.failing.len()));
        let state = match (population, failing) {
            (0, _) => "NotApplicable",
            (_, 0) => "Passing",
            _ => "Failing",
        };
        Verdict {
            state: state.to_owned(),
            population: number(population),
            failing: number(failing),
            unknown: 0,
        }
    }

    /// What every control of the pack must say.
    pub fn verdicts(&self) -> BTreeMap<String, Verdict> {
        let pack = JUDGED.iter().chain(&ATTESTED);
        pack.map(|control| ((*control).to_owned(), self.verdict(control))).collect()
    }
}

/// A line for every control that says something else than it must.
pub fn differences(
    expected: &BTreeMap<String, Verdict>,
    got: &BTreeMap<String, Verdict>,
) -> Vec<String> {
    let names: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
    let line = |name: &String| match (expected.get(name), got.get(name)) {
        (Some(expected), Some(got)) if expected == got => None,
        (Some(expected), Some(got)) => Some(format!("{name}: expected {expected}; got {got}")),
        (Some(expected), None) => Some(format!("{name}: expected {expected}; got no verdict")),
        (None, got) => Some(format!("{name}: nothing is planted for it; got {got:?}")),
    };
    names.into_iter().filter_map(line).collect()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
