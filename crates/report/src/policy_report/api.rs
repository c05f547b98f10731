//! The two APIs of policy reports.

/// An API of policy reports. Both have the same results, under other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportApi {
    /// `openreports.io`.
    OpenReports,
    /// `wgpolicyk8s.io`, which OpenReports succeeds.
    PolicyReport,
}

/// One kind of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportKind {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
}

impl ReportApi {
    /// Both, the preferred one first.
    pub const ALL: [Self; 2] = [Self::OpenReports, Self::PolicyReport];

    /// The kind of reports in a namespace, or of those of the cluster.
    pub const fn kind(self, namespaced: bool) -> ReportKind {
        let (group, version) = match self {
            Self::OpenReports => ("openreports.io", "v1alpha1"),
            Self::PolicyReport => ("wgpolicyk8s.io", "v1alpha2"),
        };
        let (kind, plural) = match (self, namespaced) {
            (Self::OpenReports, true) => ("Report", "reports"),
            (Self::OpenReports, false) => ("ClusterReport", "clusterreports"),
            (Self::PolicyReport, true) => ("PolicyReport", "policyreports"),
            (Self::PolicyReport, false) => ("ClusterPolicyReport", "clusterpolicyreports"),
        };
        ReportKind { group, version, kind, plural }
    }
}

impl ReportKind {
    /// Group and version as manifests write them.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }
}
