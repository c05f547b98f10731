//! The kinds of reports, and who serves them.

use crate::api::test_spec::ReportKind;

/// The API group of Trivy Operator.
pub const TRIVY: &str = "aquasecurity.github.io";

/// A kind of report that an API group serves, in namespaces and for the cluster.
#[derive(Clone, Copy, Debug)]
pub struct ReportApi {
    pub report: ReportKind,
    pub group: &'static str,
    /// The versions that are understood.
    pub versions: &'static [&'static str],
    /// The kinds with their plurals.
    pub kinds: &'static [(&'static str, &'static str)],
}

impl ReportApi {
    /// Whether an object of this kind is one of these reports.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kinds.iter().any(|(known, _)| *known == kind)
    }
}

const fn trivy(report: ReportKind, kinds: &'static [(&'static str, &'static str)]) -> ReportApi {
    ReportApi { report, group: TRIVY, versions: &["v1alpha1"], kinds }
}

/// Every kind of report that is read.
pub const KINDS: &[ReportApi] = &[
    ReportApi {
        report: ReportKind::PolicyReport,
        group: "openreports.io",
        versions: &["v1alpha1"],
        kinds: &[("Report", "reports"), ("ClusterReport", "clusterreports")],
    },
    ReportApi {
        report: ReportKind::PolicyReport,
        group: "wgpolicyk8s.io",
        versions: &["v1alpha2", "v1beta1"],
        kinds: &[
            ("PolicyReport", "policyreports"),
            ("ClusterPolicyReport", "clusterpolicyreports"),
        ],
    },
    trivy(
        ReportKind::VulnerabilityReport,
        &[
            ("VulnerabilityReport", "vulnerabilityreports"),
            ("ClusterVulnerabilityReport", "clustervulnerabilityreports"),
        ],
    ),
    trivy(
        ReportKind::ConfigAuditReport,
        &[
            ("ConfigAuditReport", "configauditreports"),
            ("ClusterConfigAuditReport", "clusterconfigauditreports"),
        ],
    ),
    trivy(ReportKind::ExposedSecretReport, &[("ExposedSecretReport", "exposedsecretreports")]),
    trivy(
        ReportKind::RbacAssessmentReport,
        &[
            ("RbacAssessmentReport", "rbacassessmentreports"),
            ("ClusterRbacAssessmentReport", "clusterrbacassessmentreports"),
        ],
    ),
    trivy(
        ReportKind::InfraAssessmentReport,
        &[
            ("InfraAssessmentReport", "infraassessmentreports"),
            ("ClusterInfraAssessmentReport", "clusterinfraassessmentreports"),
        ],
    ),
];

/// Every kind of report that is read.
pub fn apis() -> impl Iterator<Item = &'static ReportApi> {
    KINDS.iter()
}
