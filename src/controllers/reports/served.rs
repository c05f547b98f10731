//! Which APIs of policy reports the cluster serves. Pure.

use comptroller_core::inventory::Catalog;
use comptroller_report::policy_report::ReportApi;

/// Which of them are there, each with both of its kinds in the version that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServedApis {
    pub open_reports: bool,
    pub policy_report: bool,
}

impl ServedApis {
    /// What the catalog says. Of a group that can't be discovered for now, what was known stays: an
    /// aggregated API that restarts must not move all reports to the other one.
    pub fn by(catalog: &Catalog, before: Self) -> Self {
        let has = |api: ReportApi| {
            let is_served = |namespaced| {
                let kind = api.kind(namespaced);
                let served = catalog.find_kind(kind.group, kind.kind);
                served.is_some_and(|served| served.versions.iter().any(|it| it == kind.version))
            };
            let group = api.kind(true).group;
            let is_silent = catalog
                .unreachable_groups
                .iter()
                .any(|known| known == group || known.split('/').next() == Some(group));
            if is_silent { before.has(api) } else { is_served(true) && is_served(false) }
        };
        Self {
            open_reports: has(ReportApi::OpenReports),
            policy_report: has(ReportApi::PolicyReport),
        }
    }

    pub fn has(self, api: ReportApi) -> bool {
        match api {
            ReportApi::OpenReports => self.open_reports,
            ReportApi::PolicyReport => self.policy_report,
        }
    }

    pub fn any(self) -> bool {
        self.open_reports || self.policy_report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_core::inventory::{ResourceType, ServedResource};

    fn served(kinds: &[(&str, &str, &str)]) -> Catalog {
        let row = |(group, version, kind): &(&str, &str, &str)| ServedResource {
            resource: ResourceType {
                group: (*group).to_owned(),
                version: (*version).to_owned(),
                kind: (*kind).to_owned(),
                plural: format!("{}s", kind.to_lowercase()),
                namespaced: !kind.starts_with("Cluster"),
            },
            versions: vec![(*version).to_owned()],
        };
        Catalog::new(kinds.iter().map(row).collect())
    }

    #[test]
    fn an_api_counts_with_both_kinds_in_our_version_and_stays_while_it_is_silent() {
        let none = ServedApis::default();
        let open = ServedApis { open_reports: true, policy_report: false };
        let kinds = [
            ("openreports.io", "v1alpha1", "Report"),
            ("openreports.io", "v1alpha1", "ClusterReport"),
        ];
        assert_eq!(ServedApis::by(&served(&kinds), none), open);
        assert_eq!(ServedApis::by(&served(&kinds[..1]), none), none);
        let newer = kinds.map(|(group, _, kind)| (group, "v1", kind));
        assert_eq!(ServedApis::by(&served(&newer), open), none);
        let mut silent = served(&[]);
        silent.unreachable_groups.push("openreports.io".to_owned());
        assert_eq!(ServedApis::by(&silent, open), open);
        assert_eq!(ServedApis::by(&silent, none), none);
    }
}
