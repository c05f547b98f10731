//! `results`: what other engines found, as their reports say it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    Duration, Glob, Severity,
    invalid::{FieldPath, Problems},
    selector,
};
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// Which reports are read, those of the cluster and those in namespaces alike.
    pub enum ReportKind {
        /// Reports of openreports.io and of wgpolicyk8s.io, as Kyverno, Kubewarden and others write them.
        PolicyReport = "PolicyReport",
        /// What Trivy Operator found in images.
        VulnerabilityReport = "VulnerabilityReport",
        /// What Trivy Operator found in the configuration of workloads and other resources.
        ConfigAuditReport = "ConfigAuditReport",
        /// Where Trivy Operator found secrets in images.
        ExposedSecretReport = "ExposedSecretReport",
        /// What Trivy Operator found in roles.
        RbacAssessmentReport = "RbacAssessmentReport",
        /// What Trivy Operator found in the parts of Kubernetes itself.
        InfraAssessmentReport = "InfraAssessmentReport",
    }
}

closed_enum! {
    /// What follows from a result that is a warning: a rule that is not met and not scored.
    #[derive(Default)]
    pub enum WarningResults {
        /// Nothing; the resource counts as judged.
        #[default]
        Pass = "Pass",
        /// It is a finding.
        Fail = "Fail",
    }
}

closed_enum! {
    /// What must have a result.
    pub enum RequiredSubject {
        /// Every workload in scope; a result about a pod or a `ReplicaSet` of it is one about it.
        Workloads = "Workloads",
        /// Every namespace in scope. A result about anything in it will do.
        Namespaces = "Namespaces",
    }
}

/// The results of other engines, taken as evidence: each resource that a report is about passes, fails
/// or is Unknown by what the reports say of it. Reports that Comptroller itself writes never count.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ResultsTest {
    /// The kinds of reports to read. Each of them must be served, or the control is Unknown.
    #[schemars(length(min = 1, max = 6), extend("x-kubernetes-list-type" = "set"))]
    pub reports: Vec<ReportKind>,
    /// Patterns for the engine that wrote a result, as its field source has it, such as kyverno: *
    /// matches any text, and case does not matter. If omitted, any engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub sources: Vec<Glob>,
    /// Patterns for the policy that a result is about: of Trivy the id of the vulnerability or check. If
    /// omitted, every policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub policies: Vec<Glob>,
    /// Patterns for the category of a result. If omitted, every category.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub categories: Vec<Glob>,
    /// The lowest severity of a result that fails. One without a severity always fails. If omitted,
    /// results of every severity do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_severity: Option<Severity>,
    /// What follows from a result that is a warning: Pass (the default) or Fail.
    #[serde(default, skip_serializing_if = "is_default")]
    pub warnings: WarningResults,
    /// How old a result may be. An older one says nothing about today, so what it is about is Unknown.
    pub max_age: Duration,
    /// What must have a result, so that what no engine looked at is a finding. If omitted, only what
    /// reports are about is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<RequiredResults>,
}

/// What must have a result.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RequiredResults {
    /// What must have a result: Workloads or Namespaces. One that is younger than maxAge and has none
    /// yet is not counted.
    pub of: RequiredSubject,
    /// Only those with these labels. If omitted, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector::schema")]
    pub selector: Option<LabelSelector>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ResultsTest {
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        for (field, patterns) in [
            ("sources", &self.sources),
            ("policies", &self.policies),
            ("categories", &self.categories),
        ] {
            for (position, pattern) in patterns.iter().enumerate() {
                pattern.validate(&at.field(field).index(position), problems);
            }
        }
        self.max_age.validate(&at.field("maxAge"), problems);
        if let Some(selector) = self.require.as_ref().and_then(|require| require.selector.as_ref())
        {
            selector::validate(selector, &at.field("require").field("selector"), problems);
        }
    }
}
