//! `backup`: what is backed up, how recently, and whether restoring it was tested.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    Duration,
    invalid::{FieldPath, Problems},
    selector,
};
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// What is backed up.
    pub enum BackupSubject {
        /// The volumes that workloads claim.
        PersistentVolumeClaims = "PersistentVolumeClaims",
        /// Namespaces as a whole.
        Namespaces = "Namespaces",
        /// Databases that are run by an operator.
        Databases = "Databases",
    }
}

/// Each subject has a successful backup that is recent enough, made by any backup tool that the
/// cluster has.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BackupTest {
    /// What must be backed up: `PersistentVolumeClaims`, `Namespaces` or `Databases`.
    pub of: BackupSubject,
    /// Only subjects with these labels. If omitted, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector::schema")]
    pub selector: Option<LabelSelector>,
    /// How old the newest successful backup may be: the recovery point objective.
    pub max_age: Duration,
    /// How often a restore must be tested. If omitted, restores are not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_test_every: Option<Duration>,
}

impl BackupTest {
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        if let Some(selector) = &self.selector {
            selector::validate(selector, &at.field("selector"), problems);
        }
        self.max_age.validate(&at.field("maxAge"), problems);
        if let Some(every) = self.restore_test_every {
            every.validate(&at.field("restoreTestEvery"), problems);
        }
    }
}
