//! `podSecurity`: the Pod Security level that namespaces enforce.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::invalid::{FieldPath, Problems};
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// A level of the Pod Security Standards.
    pub enum PodSecurityLevel {
        /// Prevents known ways to break out of a container.
        Baseline = "baseline",
        /// Requires the hardening that is current best practice.
        Restricted = "restricted",
    }
}

/// Every namespace enforces at least this level, and what runs in it meets the level.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PodSecurityTest {
    /// The lowest acceptable level of the Pod Security Standards: baseline or restricted.
    pub minimum: PodSecurityLevel,
}

impl PodSecurityTest {
    /// The schema says everything: `minimum` is required and has two values.
    #[allow(clippy::unused_self, reason = "every test has a validate, so that none is forgotten")]
    pub(crate) fn validate(self, _: &FieldPath, _: &mut Problems) {}
}
