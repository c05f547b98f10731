//! `podSecurity`: the Pod Security level that namespaces enforce.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// A level of the Pod Security Standards.
    pub enum PodSecurityLevel {
        /// Refuses known ways out of a container.
        Baseline = "baseline",
        /// Asks for the hardening that is current practice.
        Restricted = "restricted",
    }
}

/// Namespaces enforce at least this level, and what runs in them meets it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PodSecurityTest {
    /// The least level of the Pod Security Standards: baseline or restricted.
    pub minimum: PodSecurityLevel,
}
