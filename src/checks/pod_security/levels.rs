//! The levels of the Pod Security Standards, as Kubernetes 1.36 enforces them.

use super::{baseline, restricted};
use crate::{api::test_spec::PodSecurityLevel, inventory::workload::PodFacts};

/// One control of the standards.
pub(super) struct Rule {
    /// Its name, which findings carry.
    pub name: &'static str,
    /// The control of the level below that it makes superfluous.
    pub replaces: Option<&'static str>,
    /// What to change, or nothing when the pod conforms.
    pub judge: fn(&PodFacts) -> Option<String>,
}

/// A pod's violations of a level: the name of the control, and what to change.
pub fn violations(
    level: PodSecurityLevel,
    pod: &PodFacts,
) -> impl Iterator<Item = (&'static str, String)> + use<'_> {
    rules(level).filter_map(|rule| Some((rule.name, (rule.judge)(pod)?)))
}

/// The controls of a level. Restricted is baseline with more, some of it in the place of what it tightens.
fn rules(level: PodSecurityLevel) -> impl Iterator<Item = &'static Rule> {
    let above = match level {
        PodSecurityLevel::Baseline => &[],
        PodSecurityLevel::Restricted => restricted::RULES,
    };
    let kept = baseline::RULES
        .iter()
        .filter(move |rule| !above.iter().any(|stricter| stricter.replaces == Some(rule.name)));
    kept.chain(above)
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
        for (level, count) in [(PodSecurityLevel::Baseline, 12), (PodSecurityLevel::Restricted, 15)]
        {
            let names: BTreeSet<&str> = rules(level).map(|rule| rule.name).collect();
            assert_eq!(names.len(), rules(level).count(), "{level}");
            assert_eq!(names.len(), count, "{level}");
        }
    }
}
