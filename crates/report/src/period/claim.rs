//! What the status of an `AuditPeriod` claims: the numbers of a report, with the log that they were
//! counted in. The entry that closes the period holds the same.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    digest,
    model::{PeriodReport, PeriodSummary},
};
use comptroller_core::api::{AuditPeriodStatus, PeriodControls, PeriodPhase};
use comptroller_vocabulary::canonical::CanonicalError;

/// The numbers of a period.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PeriodClaim {
    /// The share of the time of all controls for which there is evidence, such as `99.2%`.
    pub coverage: String,
    /// Of how many controls the log says what.
    pub controls: PeriodControls,
    /// How many deviations there were.
    pub deviations: i64,
    /// How many of them were still open.
    pub open_deviations: i64,
    /// How many entries the log had that they were counted in.
    pub log_size: i64,
    /// The signed checkpoint of that log.
    pub checkpoint: String,
    /// The digest of the report. None while the period is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_digest: Option<String>,
}

impl PeriodClaim {
    /// What a report comes to while its period is open.
    pub fn so_far(report: &PeriodReport) -> Self {
        let summary = &report.summary;
        Self {
            coverage: summary.coverage.text(),
            controls: controls(summary),
            deviations: count(summary.deviations),
            open_deviations: count(summary.open_deviations),
            log_size: i64::try_from(report.provenance.log_size).unwrap_or(i64::MAX),
            checkpoint: report.provenance.checkpoint.clone(),
            report_digest: None,
        }
    }

    /// What the report of a period that is over comes to.
    pub fn closing(report: &PeriodReport) -> Result<Self, CanonicalError> {
        Ok(Self { report_digest: Some(digest(report)?), ..Self::so_far(report) })
    }

    /// What an entry claims; None if it is of another form.
    pub fn read(claim: &Value) -> Option<Self> {
        serde_json::from_value(claim.clone()).ok()
    }

    /// What a status of a closed period claims. None of an open one, which claims nothing for good. A
    /// number that is missing from it is none.
    pub fn of_closed(status: &AuditPeriodStatus) -> Option<Self> {
        (status.phase == PeriodPhase::Closed).then(|| Self {
            coverage: status.coverage.clone().unwrap_or_default(),
            controls: status.controls.unwrap_or_default(),
            deviations: status.deviations.unwrap_or(-1),
            open_deviations: status.open_deviations.unwrap_or(-1),
            log_size: status.log_size.unwrap_or(-1),
            checkpoint: status.checkpoint.clone().unwrap_or_default(),
            report_digest: status.report_digest.clone(),
        })
    }

    /// The status that claims this; its conditions and generation are those that were known.
    pub fn status(&self, phase: PeriodPhase, known: &AuditPeriodStatus) -> AuditPeriodStatus {
        AuditPeriodStatus {
            phase,
            coverage: Some(self.coverage.clone()),
            controls: Some(self.controls),
            deviations: Some(self.deviations),
            open_deviations: Some(self.open_deviations),
            log_size: Some(self.log_size),
            checkpoint: Some(self.checkpoint.clone()),
            report_digest: self.report_digest.clone(),
            observed_generation: known.observed_generation,
            conditions: known.conditions.clone(),
        }
    }

    /// Every number that another claim has otherwise, as texts such as `coverage is 100.0%, not 99.2%`.
    /// `other` is the one that is wrong.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (self.numbers(), other.numbers());
        ours.into_iter()
            .zip(theirs)
            .filter(|(ours, theirs)| ours != theirs)
            .map(|((name, ours), (_, theirs))| format!("{name} is {theirs}, not {ours}"))
            .collect()
    }

    fn numbers(&self) -> Vec<(&'static str, String)> {
        let PeriodControls {
            no_deviation_observed,
            deviation_observed,
            not_determinable,
            not_due,
            accepted_risk,
            effective,
            deviations,
            unknown,
            not_applicable,
        } = self.controls;
        let count = |count: i64| {
            // As a number that a status lacks is read.
            if count < 0 { "missing".to_owned() } else { count.to_string() }
        };
        let mut lines = self.checkpoint.lines();
        vec![
            ("coverage", self.coverage.clone()),
            ("controls.noDeviationObserved", count(no_deviation_observed)),
            ("controls.deviationObserved", count(deviation_observed)),
            ("controls.notDeterminable", count(not_determinable)),
            ("controls.notDue", count(not_due)),
            ("controls.acceptedRisk", count(accepted_risk)),
            ("controls.effective", count(effective)),
            ("controls.deviations", count(deviations)),
            ("controls.unknown", count(unknown)),
            ("controls.notApplicable", count(not_applicable)),
            ("deviations", count(self.deviations)),
            ("openDeviations", count(self.open_deviations)),
            ("logSize", count(self.log_size)),
            // The whole of it is long, and its root says the rest: it is compared, and its size is named.
            (
                "checkpoint",
                match (lines.nth(1), lines.next()) {
                    (Some(size), Some(root)) => {
                        format!("one of {size} entries with the root {root}")
                    }
                    _ => "missing".to_owned(),
                },
            ),
            ("reportDigest", self.report_digest.clone().unwrap_or_else(|| "missing".to_owned())),
        ]
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn controls(summary: &PeriodSummary) -> PeriodControls {
    let no_deviation_observed = count(summary.no_deviation_observed);
    let deviation_observed = count(summary.deviation_observed);
    let not_determinable = count(summary.not_determinable);
    let not_due = count(summary.not_due);
    PeriodControls {
        no_deviation_observed,
        deviation_observed,
        not_determinable,
        not_due,
        accepted_risk: count(summary.accepted_risk),
        effective: no_deviation_observed,
        deviations: deviation_observed,
        unknown: not_determinable,
        not_applicable: not_due,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::testing::rich;

    #[test]
    fn a_claim_reads_back_from_an_entry_and_from_a_status() {
        let claim = PeriodClaim::closing(&rich()).unwrap();
        assert_eq!(PeriodClaim::read(&serde_json::to_value(&claim).unwrap()), Some(claim.clone()));
        let none = AuditPeriodStatus::default();
        let status = claim.status(PeriodPhase::Closed, &none);
        assert_eq!(PeriodClaim::of_closed(&status), Some(claim.clone()));
        assert_eq!(PeriodClaim::of_closed(&claim.status(PeriodPhase::Open, &none)), None);
        assert_eq!(PeriodClaim::read(&Value::Null), None);
    }

    #[test]
    fn every_number_of_a_claim_is_compared() {
        let claim = PeriodClaim::closing(&rich()).unwrap();
        assert_eq!(claim.differences(&claim), Vec::<String>::new());
        let json = serde_json::to_value(&claim).unwrap();
        let mut changed = 0;
        for (field, value) in json.as_object().unwrap() {
            let fields: Vec<(String, Value)> = match value {
                Value::Object(inner) => {
                    inner.keys().map(|key| (format!("/{field}/{key}"), 77.into())).collect()
                }
                Value::Number(_) => vec![(format!("/{field}"), 77.into())],
                _ => vec![(format!("/{field}"), "other".into())],
            };
            for (pointer, other) in fields {
                let mut forged = json.clone();
                *forged.pointer_mut(&pointer).unwrap() = other;
                let found = claim.differences(&PeriodClaim::read(&forged).unwrap());
                let name = pointer.trim_start_matches('/').replace('/', ".");
                assert_eq!(found.len(), 1, "{pointer}: {found:?}");
                assert!(found[0].starts_with(&format!("{name} is ")), "{pointer}: {found:?}");
                changed += 1;
            }
        }
        assert_eq!(changed, 15);
    }

    #[test]
    fn what_a_forged_status_lacks_is_a_difference() {
        let claim = PeriodClaim::closing(&rich()).unwrap();
        let bare = AuditPeriodStatus { phase: PeriodPhase::Closed, ..AuditPeriodStatus::default() };
        let found = claim.differences(&PeriodClaim::of_closed(&bare).unwrap()).join("; ");
        for missing in ["deviations is missing", "logSize is missing", "checkpoint is missing"] {
            assert!(found.contains(missing), "{found}");
        }
    }
}
