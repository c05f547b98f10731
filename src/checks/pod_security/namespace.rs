//! The level that a namespace enforces, as its labels say it (KEP-2579).

use crate::{
    api::test_spec::PodSecurityLevel, checks::workload::wording::short,
    inventory::facts::NamespaceFacts,
};

const LEVEL_LABEL: &str = "pod-security.kubernetes.io/enforce";
const VERSION_LABEL: &str = "pod-security.kubernetes.io/enforce-version";

/// What is wrong with a namespace's labels. A default in the configuration of the API server is
/// not visible, so a namespace without the label does not enforce anything that could be proved.
pub(super) fn judge(facts: &NamespaceFacts, minimum: PodSecurityLevel) -> Option<String> {
    let problem = match facts.labels.get(LEVEL_LABEL) {
        None => format!("has no label {LEVEL_LABEL}"),
        Some("restricted") => return None,
        Some("baseline") if minimum == PodSecurityLevel::Baseline => return None,
        Some(level @ ("privileged" | "baseline")) => format!("enforces {level}"),
        Some(other) => {
            format!("has label {LEVEL_LABEL} with {:?}, which is no level", short(other))
        }
    };
    let pinned = match facts.labels.get(VERSION_LABEL) {
        None | Some("latest") => String::new(),
        Some(version) => format!(
            "; {VERSION_LABEL} pins the rules of {}, so newer ones do not apply",
            short(version)
        ),
    };
    Some(format!("{problem}: set it to {minimum}{pinned}"))
}
