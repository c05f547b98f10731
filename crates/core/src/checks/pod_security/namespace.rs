//! The level that a namespace enforces, as its labels say it (KEP-2579).

use super::levels::lacking;
use crate::{
    api::test_spec::PodSecurityLevel,
    checks::workload::describe::short,
    inventory::{KubernetesVersion, facts::NamespaceFacts},
};

const LEVEL_LABEL: &str = "pod-security.kubernetes.io/enforce";
const VERSION_LABEL: &str = "pod-security.kubernetes.io/enforce-version";

/// What is wrong with a namespace's labels, for an API server of this version; None when nothing is. A
/// default in the configuration of the API server is not visible, so a namespace without the label does
/// not enforce anything that could be proved.
pub(super) fn judge(
    facts: &NamespaceFacts,
    minimum: PodSecurityLevel,
    server: KubernetesVersion,
) -> Option<String> {
    let level = match facts.labels.get(LEVEL_LABEL) {
        None => return Some(format!("has no label {LEVEL_LABEL}: set it to {minimum}")),
        Some("restricted") => PodSecurityLevel::Restricted,
        Some("baseline") => PodSecurityLevel::Baseline,
        Some("privileged") => return Some(format!("enforces privileged: set it to {minimum}")),
        Some(other) => {
            return Some(format!(
                "has label {LEVEL_LABEL} with {:?}, which is not a level: set it to {minimum}",
                short(other)
            ));
        }
    };
    // The API server takes a version of the future for its own, so only an older one is pinned.
    let pinned = facts.labels.get(VERSION_LABEL).and_then(pinned).filter(|it| *it < server);
    let missing = lacking((level, pinned.unwrap_or(server)), (minimum, server));
    let set_level =
        if level < minimum { format!("set {LEVEL_LABEL} to {minimum}") } else { String::new() };
    // By what is enforced, not by the label alone: a pinned version may lack controls of its own level.
    match pinned {
        _ if missing.is_empty() => None,
        None => Some(format!("enforces {level}: {set_level}")),
        Some(version) => Some(format!(
            "enforces {level} of v{version}, which lacks {} of {minimum}: {set_level}{}set {VERSION_LABEL} to latest",
            missing.join(", "),
            if set_level.is_empty() { "" } else { ", and " },
        )),
    }
}

/// The version of a label, as the API server reads it. None for `latest`, and for what it can't read, which
/// counts as the latest, as does its absence.
fn pinned(version: &str) -> Option<KubernetesVersion> {
    let minor = version.strip_prefix("v1.")?;
    let written = minor == "0" || !minor.starts_with('0');
    let digits = minor.bytes().all(|byte| byte.is_ascii_digit());
    (written && digits).then(|| minor.parse().ok().map(KubernetesVersion::minor))?
}
