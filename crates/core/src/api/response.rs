//! `DeviationResponse`: what management says to a deviation of a control.
// Each printcolumn repeats the same keys.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    invalid::{FieldPath, InvalidSpec, Problems},
    structural, time,
};

/// Management's response to a deviation: its cause, what is done about it, and who answers for that.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "comptroller.dev",
    version = "v1alpha1",
    kind = "DeviationResponse",
    plural = "deviationresponses",
    singular = "deviationresponse",
    shortname = "dr",
    category = "comptroller",
    derive = "PartialEq",
    doc = "Management's response to a deviation of a control: the cause, the response, and the owner \
           of the corrective action. It is given by the authenticated user, and nothing in it can \
           change; to correct it, write a new response that names the old one.",
    printcolumn(name = "Control", type_ = "string", json_path = ".spec.control"),
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.owner"),
    printcolumn(name = "Responded-By", type_ = "string", json_path = ".spec.respondedBy"),
    printcolumn(name = "Corrected-By", type_ = "string", json_path = ".spec.correctiveActionBy"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self == oldSelf")
        .message("a DeviationResponse cannot change; write a new one that names this one in spec.corrects")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("!has(self.recordedBy) || self.recordedBy != self.respondedBy")
        .message("recordedBy is for whoever writes on behalf of another person; leave it out to respond for yourself")
        .field_path(".recordedBy")
)]
#[serde(rename_all = "camelCase")]
pub struct DeviationResponseSpec {
    /// The name of the control that deviated.
    #[schemars(length(min = 1, max = 253))]
    pub control: String,
    /// The items that deviated. If omitted, the response is to every deviation of the control, from
    /// the time in from on if that is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64))]
    pub items: Vec<DeviatingItem>,
    /// The beginning of the deviations that the response is to. If omitted, all up to the creation
    /// of the response.
    #[serde(default, deserialize_with = "time::optional", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = time::is_a_time())]
    pub from: Option<Time>,
    /// Why it came to the deviation.
    #[schemars(length(min = 1, max = 4096))]
    pub cause: String,
    /// What was done about it and what will be, for the auditor to read.
    #[schemars(length(min = 1, max = 4096))]
    pub response: String,
    /// Who owns the corrective action: a person or a team.
    #[schemars(length(min = 1, max = 512))]
    pub owner: String,
    /// Who responds for management: the user name that the API server knows. It must be the user who
    /// writes the response, except for writers that the cluster's administrator has named.
    #[schemars(length(min = 1, max = 512))]
    pub responded_by: String,
    /// Who wrote the response on behalf of respondedBy: the user name that the API server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub recorded_by: Option<String>,
    /// By when the corrective action will be done.
    #[serde(default, deserialize_with = "time::optional", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = time::is_a_time())]
    pub corrective_action_by: Option<Time>,
    /// The name of the `DeviationResponse` that this one corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub corrects: Option<String>,
}

/// An item that deviated.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DeviatingItem {
    /// The API group and version of the item. If omitted, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub api_version: Option<String>,
    /// The kind of the item.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its namespace. If omitted, the item has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl DeviationResponseSpec {
    /// Checks everything that the API server would refuse, for files that no API server has seen.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        let mut problems = Problems::default();
        structural::check_spec::<DeviationResponse>(self, &mut problems);
        // Equal names would say nothing, and suggest that somebody else wrote the response.
        if self.recorded_by.as_ref() == Some(&self.responded_by) {
            problems.push(
                &FieldPath::new("spec.recordedBy"),
                "is the same as respondedBy",
                "leave it out to respond for yourself",
            );
        }
        problems.into_result()
    }
}
