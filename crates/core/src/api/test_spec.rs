//! How a control is tested: one typed spec per test, of which a control has exactly one.

pub mod attestation;
pub mod backup;
pub mod cel;
pub mod encryption;
pub mod pod_security;
pub mod rbac;
pub mod workload;

pub use attestation::{AttestationTest, Attesters, RequiredPart};
pub use backup::{BackupSubject, BackupTest};
pub use cel::{CelResource, CelTest, CelValidation, NamedExpression};
pub use encryption::{
    AtRestEncryption, CertificateCheck, EncryptionTest, GatewayEncryption, IngressEncryption,
    MeshEncryption, StorageClassEncryption,
};
use kube_derive::KubeSchema;
pub use pod_security::{PodSecurityLevel, PodSecurityTest};
pub use rbac::{AccessRule, AllowedSubject, RbacTest, SubjectKind};
use serde::{Deserialize, Serialize};
pub use workload::{Requirement, WorkloadTest};

use super::invalid::{FieldPath, Problems};
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// The kind of a test, which is also its key in the spec.
    pub enum TestKind {
        /// Who may do what.
        Rbac = "rbac",
        /// What is encrypted at rest and on the wire.
        Encryption = "encryption",
        /// What is backed up, and how recently.
        Backup = "backup",
        /// How workloads are confined.
        Workload = "workload",
        /// Which Pod Security level namespaces enforce.
        PodSecurity = "podSecurity",
        /// What an expression says.
        Cel = "cel",
        /// What people do, and attest.
        Attestation = "attestation",
    }
}

/// Exactly one test.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = exactly_one_rule())]
#[serde(rename_all = "camelCase")]
pub struct TestSpec {
    /// Who may do what, judged on the effective rights of every subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rbac: Option<RbacTest>,
    /// What is encrypted, at rest and on the wire. At least one of its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionTest>,
    /// What is backed up, how recently, and whether restoring it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupTest>,
    /// How workloads are confined and where their images come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadTest>,
    /// Which Pod Security level namespaces enforce, and what runs in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurityTest>,
    /// What CEL expressions say of resources, in the shape of a `ValidatingAdmissionPolicy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cel: Option<CelTest>,
    /// A procedure that people perform again and again, and attest each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<AttestationTest>,
}

/// Why a spec has no single test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TestKindError {
    /// No test at all.
    #[error("no test is given; write one of {}", known())]
    None,
    /// Two tests or more.
    #[error("{0} and {1} are given; write one test and another Control for the other")]
    Several(TestKind, TestKind),
}

impl TestSpec {
    /// Which test it is. An object that passed no API server may have none or several.
    pub fn kind(&self) -> Result<TestKind, TestKindError> {
        let mut given = self.given();
        match (given.next(), given.next()) {
            (Some(kind), None) => Ok(kind),
            (None, _) => Err(TestKindError::None),
            (Some(first), Some(second)) => Err(TestKindError::Several(first, second)),
        }
    }

    fn given(&self) -> impl Iterator<Item = TestKind> {
        // Destructured in full, so that a new test cannot be forgotten here.
        let Self { rbac, encryption, backup, workload, pod_security, cel, attestation } = self;
        [
            rbac.as_ref().map(|_| TestKind::Rbac),
            encryption.as_ref().map(|_| TestKind::Encryption),
            backup.as_ref().map(|_| TestKind::Backup),
            workload.as_ref().map(|_| TestKind::Workload),
            pod_security.as_ref().map(|_| TestKind::PodSecurity),
            cel.as_ref().map(|_| TestKind::Cel),
            attestation.as_ref().map(|_| TestKind::Attestation),
        ]
        .into_iter()
        .flatten()
    }

    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        if let Err(error) = self.kind() {
            problems.push(at, error.to_string(), "a control has exactly one test");
        }
        if let Some(test) = &self.rbac {
            test.validate(&at.field("rbac"), problems);
        }
        if let Some(test) = &self.encryption {
            test.validate(&at.field("encryption"), problems);
        }
        if let Some(test) = &self.backup {
            test.validate(&at.field("backup"), problems);
        }
        if let Some(test) = &self.workload {
            test.validate(&at.field("workload"), problems);
        }
        if let Some(test) = &self.cel {
            test.validate(&at.field("cel"), problems);
        }
        if let Some(test) = &self.attestation {
            test.validate(&at.field("attestation"), problems);
        }
    }
}

fn known() -> String {
    TestKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

fn each(expression: impl Fn(&str) -> String, separator: &str) -> String {
    let parts: Vec<String> = TestKind::ALL.iter().map(|kind| expression(kind.as_str())).collect();
    parts.join(separator)
}

fn exactly_one_rule() -> kube_core::Rule {
    // Joining a list would be within no budget of the API server, adding texts is.
    let count = each(|kind| format!("(has(self.{kind}) ? 1 : 0)"), " + ");
    let given = each(|kind| format!("(has(self.{kind}) ? ' {kind}' : '')"), " + ");
    let known = known();
    kube_core::Rule {
        rule: format!("{count} == 1"),
        message: Some(kube_core::Message::Expression(format!(
            "'exactly one test is needed, of {known}; given:' + ({count} == 0 ? ' none' : {given})"
        ))),
        ..kube_core::Rule::default()
    }
}

/// A control that turned to another test would falsify the history of its states.
pub(super) fn same_kind_rule() -> kube_core::Rule {
    kube_core::Rule::new(each(
        |kind| format!("has(self.{kind}) == has(oldSelf.{kind})"),
        " && ",
    ))
    .message("the kind of test cannot change, since the history of the control would then speak of something else; create a new Control and delete this one")
    .reason(kube_core::Reason::FieldValueForbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_that_of_the_single_test() {
        let minimum = PodSecurityLevel::Baseline;
        let pod_security = Some(PodSecurityTest { minimum });
        let one = TestSpec { pod_security, ..TestSpec::default() };
        assert_eq!(one.kind(), Ok(TestKind::PodSecurity));
        let two = TestSpec { rbac: Some(RbacTest::default()), pod_security, ..TestSpec::default() };
        let several = TestKindError::Several(TestKind::Rbac, TestKind::PodSecurity);
        assert_eq!(two.kind(), Err(several));
        assert_eq!(TestSpec::default().kind(), Err(TestKindError::None));
    }

    #[test]
    fn a_kind_is_named_by_its_key_in_the_spec() {
        let minimum = PodSecurityLevel::Restricted;
        let spec =
            TestSpec { pod_security: Some(PodSecurityTest { minimum }), ..TestSpec::default() };
        let written = serde_json::to_value(&spec).unwrap();
        assert_eq!(written, serde_json::json!({"podSecurity": {"minimum": "restricted"}}));
        let kind = spec.kind().unwrap();
        assert!(written.get(kind.as_str()).is_some());
        assert_eq!(kind.to_string(), "podSecurity");
    }
}
