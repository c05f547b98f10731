//! How a control is tested: one typed spec per test, of which a control has exactly one.

pub(crate) mod attestation;
pub(crate) mod backup;
pub(crate) mod cel;
pub(crate) mod encryption;
pub(crate) mod guards;
pub(crate) mod pod_security;
pub(crate) mod presence;
pub(crate) mod rbac;
pub(crate) mod resource_rule;
pub(crate) mod results;
pub(crate) mod workload;

pub use attestation::{
    AttestationTest, Attesters, BarredPerson, ClosedBy, EventKind, EventTrigger, RegisterChange,
    RequiredPart,
};
pub use backup::{BackupSubject, BackupTest};
pub use cel::{CelTest, CelValidation, NamedExpression};
pub use encryption::{
    AtRestEncryption, CertificateCheck, EncryptionTest, GatewayEncryption, IngressEncryption,
    MeshEncryption, StorageClassEncryption,
};
pub use guards::GuardsTest;
use kube_derive::KubeSchema;
pub use pod_security::{PodSecurityLevel, PodSecurityTest};
pub use presence::{PresencePlace, PresenceTest, WhenUnhealthy};
pub use rbac::{AccessRule, AllowedSubject, RbacTest, SubjectKind, SubjectRequirement};
pub use resource_rule::ResourceRule;
pub use results::{ReportKind, RequiredResults, RequiredSubject, ResultsTest, WarningResults};
use serde::{Deserialize, Serialize};
pub use workload::{Requirement, WorkloadTest};

use super::invalid::{FieldPath, Problems};
use comptroller_vocabulary::closed_enum;

/// The table of tests, for macros that make something of each: the kind with its key in the spec, the
/// field of [`TestSpec`], the type of its spec. A new test is one entry here, one file below
/// `test_spec/` and one folder below `checks/` that is called like the field.
macro_rules! with_tests {
    ($make:ident) => {
        $make! {
            /// Who may do what.
            Rbac = "rbac" =>
                /// Who may do what, judged by the effective rights of every subject.
                rbac: RbacTest,
            /// What is encrypted at rest and on the wire.
            Encryption = "encryption" =>
                /// What is encrypted, at rest and on the wire. At least one of its fields is needed.
                encryption: EncryptionTest,
            /// What is backed up, and how recently.
            Backup = "backup" =>
                /// What is backed up, how recently, and whether restoring it was tested.
                backup: BackupTest,
            /// How workloads are confined.
            Workload = "workload" =>
                /// How workloads are confined and where their images come from.
                workload: WorkloadTest,
            /// Which Pod Security level namespaces enforce.
            PodSecurity = "podSecurity" =>
                /// Which Pod Security level namespaces enforce, and what runs in them.
                pod_security: PodSecurityTest,
            /// What an expression says.
            Cel = "cel" =>
                /// What CEL expressions say about resources, in the form of a `ValidatingAdmissionPolicy`.
                cel: CelTest,
            /// What exists and is healthy.
            Presence = "presence" =>
                /// Which resources must exist and be healthy, in the cluster or in each namespace.
                presence: PresenceTest,
            /// What other engines found.
            Results = "results" =>
                /// What the reports of other engines say, such as those of Kyverno, Kubewarden and Trivy.
                results: ResultsTest,
            /// Whether records are bound to their authors.
            Guards = "guards" =>
                /// Whether the admission policies that bind attestations, exceptions and responses to
                /// their authors (config/admission) are in force as this version of the operator ships them.
                guards: GuardsTest,
            /// What people do, and attest.
            Attestation = "attestation" =>
                /// A procedure that people perform again and again, and attest to each time.
                attestation: AttestationTest,
        }
    };
}
pub(crate) use with_tests;

macro_rules! define_test_spec {
    ($(
        $(#[doc = $meaning:literal])+
        $kind:ident = $key:literal => $(#[doc = $doc:literal])+ $field:ident: $spec:ty,
    )+) => {
        closed_enum! {
            /// The kind of a test, which is also its key in the spec.
            pub enum TestKind {
                $($(#[doc = $meaning])+ $kind = $key,)+
            }
        }

        /// How the control is tested: exactly one of these fields.
        #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
        #[x_kube(crates(kube_core = "::kube_core"))]
        #[x_kube(validation = exactly_one_rule())]
        #[serde(rename_all = "camelCase")]
        pub struct TestSpec {
            $(
                $(#[doc = $doc])+
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$spec>,
            )+
        }

        impl TestSpec {
            /// The tests that are given, in the order of [`TestKind`]: one, unless no API server has
            /// seen the object.
            fn given(&self) -> impl Iterator<Item = TestKind> {
                [$(self.$field.as_ref().map(|_| TestKind::$kind)),+].into_iter().flatten()
            }

            /// Adds what is wrong with the test to `problems`. Each spec has a `validate` of its own,
            /// even where its schema says everything, so that none can be forgotten here.
            pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
                if let Err(error) = self.kind() {
                    problems.push(at, error.to_string(), "a control has exactly one test");
                }
                $(
                    if let Some(test) = &self.$field {
                        test.validate(&at.field($key), problems);
                    }
                )+
            }
        }
    };
}

with_tests!(define_test_spec);

/// Why a spec does not have exactly one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TestKindError {
    /// The spec has no test at all.
    #[error("no test is given; write one of {}", known())]
    None,
    /// At least two are given, these first.
    #[error("{0} and {1} are given; write one test and another Control for the other")]
    Several(TestKind, TestKind),
}

impl TestSpec {
    /// Which test it is. An error for an object that no API server has seen, which may have none or
    /// several.
    pub fn kind(&self) -> Result<TestKind, TestKindError> {
        let mut given = self.given();
        match (given.next(), given.next()) {
            (Some(kind), None) => Ok(kind),
            (None, _) => Err(TestKindError::None),
            (Some(first), Some(second)) => Err(TestKindError::Several(first, second)),
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
    // The API server estimates what joining a list costs as more than it allows a rule; adding texts
    // stays below.
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

/// The kind of test stays: the history of the control's states would otherwise speak of another test
/// than the one that people read in its spec.
pub(super) fn same_kind_rule() -> kube_core::Rule {
    kube_core::Rule::new(each(
        |kind| format!("has(self.{kind}) == has(oldSelf.{kind})"),
        " && ",
    ))
    .message("the kind of test cannot change, because the history of the control would then be about something else; create a new Control and delete this one")
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
