//! The levels of the Pod Security Standards, as each minor of Kubernetes enforces them.
//!
//! A control that changed was only ever relaxed: by an earlier version it refuses what it refuses by
//! a later one, and more. So one version lacks of another only whole controls.

use super::{baseline, restricted};
use crate::{
    api::test_spec::PodSecurityLevel,
    inventory::{KubernetesVersion, workload::PodFacts},
};

/// The newest version whose controls are known here; newer ones are judged by it.
pub const NEWEST: KubernetesVersion = KubernetesVersion::minor(37);

/// Looks for a violation in a pod by the rules of a version: says what to change, or None when the pod
/// conforms.
pub(super) type FindViolation = fn(&PodFacts, KubernetesVersion) -> Option<String>;

/// One control of the Pod Security Standards.
pub(super) struct PodSecurityRule {
    /// Its name, which findings carry.
    pub name: &'static str,
    /// The level that brings it.
    pub level: PodSecurityLevel,
    /// The first minor that has it.
    pub since: u32,
    /// The control of the level below that it tightens, and so makes superfluous.
    pub replaces: Option<&'static str>,
    pub judge: FindViolation,
}

impl PodSecurityRule {
    /// Whether a pod that meets this one also meets the other.
    fn covers(&self, other: &Self) -> bool {
        let same = self.name == other.name && self.level == other.level;
        same || self.replaces == Some(other.name) && other.level == PodSecurityLevel::Baseline
    }
}

/// The version whose rules a pod is judged by: the API server's, or the newest that is known where that is
/// newer or, as for manifests, not known.
pub fn judged_by(server: Option<KubernetesVersion>) -> KubernetesVersion {
    server.map_or(NEWEST, |server| server.min(NEWEST))
}

/// A pod's violations of a level: the name of the control, and what to change.
pub fn violations(
    level: PodSecurityLevel,
    version: KubernetesVersion,
    pod: &PodFacts,
) -> impl Iterator<Item = (&'static str, String)> + use<'_> {
    rules(level, version).filter_map(move |rule| Some((rule.name, (rule.judge)(pod, version)?)))
}

/// The names of the controls that `wanted` enforces and `enforced` does not.
pub(super) fn lacking(
    enforced: (PodSecurityLevel, KubernetesVersion),
    wanted: (PodSecurityLevel, KubernetesVersion),
) -> Vec<&'static str> {
    let covered =
        |one: &PodSecurityRule| rules(enforced.0, enforced.1).any(|rule| rule.covers(one));
    rules(wanted.0, wanted.1).filter(|rule| !covered(rule)).map(|rule| rule.name).collect()
}

/// The controls of a level. Restricted is baseline with more, some of it in the place of what it tightens.
fn rules(
    level: PodSecurityLevel,
    version: KubernetesVersion,
) -> impl Iterator<Item = &'static PodSecurityRule> {
    let known = move |rule: &&PodSecurityRule| rule.since <= version.minor;
    let above: &[PodSecurityRule] = match level {
        PodSecurityLevel::Baseline => &[],
        PodSecurityLevel::Restricted => restricted::RULES,
    };
    let replaced = move |below: &PodSecurityRule| {
        above.iter().filter(known).any(|stricter| stricter.replaces == Some(below.name))
    };
    // A tightened control replaces the one below, or a pod would get two findings for one field.
    let kept = baseline::RULES.iter().filter(move |rule| !replaced(rule));
    kept.chain(above).filter(known)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_replaced_rule_exists_and_names_are_unique_within_a_level() {
        for rule in restricted::RULES {
            if let Some(name) = rule.replaces {
                assert!(baseline::RULES.iter().any(|below| below.name == name), "{name}");
            }
        }
        for minor in 0..=NEWEST.minor {
            for level in [PodSecurityLevel::Baseline, PodSecurityLevel::Restricted] {
                let version = KubernetesVersion::minor(minor);
                let names: BTreeSet<&str> = rules(level, version).map(|rule| rule.name).collect();
                assert_eq!(names.len(), rules(level, version).count(), "{level} {version}");
            }
        }
        for (level, count) in [(PodSecurityLevel::Baseline, 12), (PodSecurityLevel::Restricted, 15)]
        {
            assert_eq!(rules(level, NEWEST).count(), count, "{level}");
        }
    }

    #[test]
    fn old_versions_lack_whole_controls() {
        use PodSecurityLevel::{Baseline, Restricted};
        let of = |level, minor| (level, KubernetesVersion::minor(minor));
        for (enforced, wanted, expected) in [
            (of(Restricted, 37), of(Restricted, 37), &[][..]),
            (of(Restricted, 37), of(Baseline, 37), &[]),
            (of(Restricted, 34), of(Restricted, 37), &[]),
            (of(Baseline, 34), of(Baseline, 37), &[]),
            (of(Baseline, 33), of(Baseline, 37), &["HostProbesAndLifecycle"]),
            (of(Baseline, 24), of(Baseline, 33), &[]),
            (of(Restricted, 22), of(Restricted, 33), &["RunAsUser"]),
            (of(Restricted, 21), of(Restricted, 33), &["RunAsUser", "Capabilities"]),
            (of(Restricted, 18), of(Baseline, 33), &["Seccomp"]),
            (
                of(Restricted, 0),
                of(Restricted, 37),
                &[
                    "HostProbesAndLifecycle",
                    "PrivilegeEscalation",
                    "RunAsUser",
                    "Seccomp",
                    "Capabilities",
                ],
            ),
        ] {
            assert_eq!(lacking(enforced, wanted), expected, "{enforced:?} {wanted:?}");
        }
    }
}
