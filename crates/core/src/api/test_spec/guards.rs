//! `guards`: whether records are bound to their authors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::invalid::{FieldPath, Problems};

/// Whether the admission policies that bind attestations, exceptions and responses to their authors
/// are in force as this version of the operator ships them.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GuardsTest {
    /// The operator's namespace, in which the ConfigMap comptroller-record-writers lists who may
    /// write records for others. Default: comptroller-system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

impl GuardsTest {
    /// The schema says everything.
    #[allow(clippy::unused_self, reason = "every test has a validate, so that none is forgotten")]
    pub(crate) fn validate(&self, _: &FieldPath, _: &mut Problems) {}
}
