//! `Attestation`: a person's statement that a procedure was performed, with what proves it.
// Each printcolumn repeats the same keys.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    invalid::{InvalidSpec, Problems},
    structural, time,
};
use comptroller_vocabulary::closed_enum;

/// A SHA-256 digest as specs write it.
const SHA256: &str = "^[0-9a-f]{64}$";

closed_enum! {
    /// How the procedure went.
    pub enum AttestationOutcome {
        /// The procedure was performed, and nothing is left to do.
        Completed = "Completed",
        /// The procedure was performed, and what it found is followed up elsewhere.
        CompletedWithFindings = "CompletedWithFindings",
    }
}

/// What was performed, by whom, when, and what proves it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "comptroller.dev",
    version = "v1alpha1",
    kind = "Attestation",
    plural = "attestations",
    singular = "attestation",
    shortname = "att",
    category = "comptroller",
    derive = "PartialEq",
    doc = "A record that a procedure was performed: it answers one occurrence of a control with an \
           attestation test. It is attested by the authenticated user, and nothing in it can change; \
           to correct it, write a new record that names the old one.",
    printcolumn(name = "Control", type_ = "string", json_path = ".spec.control"),
    printcolumn(name = "Period", type_ = "string", json_path = ".spec.period"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".spec.outcome"),
    printcolumn(name = "Attested-By", type_ = "string", json_path = ".spec.attestedBy"),
    printcolumn(name = "Performed", type_ = "date", json_path = ".spec.performedAt"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self == oldSelf")
        .message("an Attestation cannot change; write a new one that names this one in spec.corrects")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("!has(self.recordedBy) || self.recordedBy != self.attestedBy")
        .message("recordedBy is for whoever writes on behalf of another person; leave it out to attest for yourself")
        .field_path(".recordedBy")
)]
#[serde(rename_all = "camelCase")]
pub struct AttestationSpec {
    /// The name of the control that this record answers.
    #[schemars(length(min = 1, max = 253))]
    pub control: String,
    /// The occurrence that this record answers, as status.occurrences of the control names it: 2026,
    /// 2026-Q4, 2026-11, the day on which the occurrence begins, or event-17.
    #[schemars(length(min = 1, max = 32))]
    pub period: String,
    /// Who attests: the user name that the API server knows. It must be the user who writes the
    /// record, except for writers that the cluster's administrator has named.
    #[schemars(length(min = 1, max = 512))]
    pub attested_by: String,
    /// Who wrote the record on behalf of attestedBy: the user name that the API server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub recorded_by: Option<String>,
    /// When the procedure was performed.
    #[serde(deserialize_with = "time::required")]
    #[x_kube(validation = time::is_a_time())]
    pub performed_at: Time,
    /// What was done and what the result was, for the auditor to read.
    #[schemars(length(min = 1, max = 4096))]
    pub summary: String,
    /// The people who took part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub participants: Vec<String>,
    /// What proves it, such as minutes, a report or a ticket: where each is kept, and its digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    pub artifacts: Vec<Artifact>,
    /// The version of what was reviewed, such as the version of a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub version: Option<String>,
    /// How the procedure went.
    pub outcome: AttestationOutcome,
    /// The name of the Attestation that this one corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub corrects: Option<String>,
}

/// What proves that the procedure was performed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Where the artifact is kept.
    #[schemars(length(min = 1, max = 2048))]
    pub uri: String,
    /// Its SHA-256 digest, as 64 lower-case hexadecimal digits.
    #[schemars(length(min = 64, max = 64), regex(pattern = SHA256))]
    pub sha256: String,
    /// Its media type, such as application/pdf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub media_type: Option<String>,
}

impl AttestationSpec {
    /// Checks everything that the API server would refuse, for files that no API server has seen.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        let mut problems = Problems::default();
        structural::check_spec::<Attestation>(self, &mut problems);
        // Equal names would say nothing, and suggest that somebody else wrote the record.
        if self.recorded_by.as_ref() == Some(&self.attested_by) {
            problems.push(
                &super::invalid::FieldPath::new("spec.recordedBy"),
                "is the same as attestedBy",
                "leave it out to attest for yourself",
            );
        }
        problems.into_result()
    }
}
