//! One digest for one report, whoever makes it and whenever.

use serde::Serialize;

use super::model::{
    ControlReport, CriterionReport, ExceptionReport, GapReport, IdentityFact, PeriodReport,
    PeriodSummary, Span,
};
use comptroller_core::api::criteria::Category;
use comptroller_evidence::fold::register_windows::RegisterBasis;
use comptroller_vocabulary::canonical;

/// What the digest covers: all that the log says of the span. What varies by run is left out (the
/// name of the period, where and when it was read and by whom, how long the log was by then), and so
/// is what the log says of itself, which has no end.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DigestedReport<'a> {
    origin: &'a str,
    span: Span,
    categories: &'a [Category],
    summary: &'a PeriodSummary,
    controls: &'a [ControlReport],
    criteria: &'a [CriterionReport],
    exceptions: &'a [ExceptionReport],
    gaps: &'a [GapReport],
    identity: &'a [IdentityFact],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registers: Vec<DigestedRegister<'a>>,
}

/// A register in the digest: what vouches for its items, since whoever makes a report need not have them.
#[derive(Serialize)]
struct DigestedRegister<'a> {
    name: &'a str,
    #[serde(flatten)]
    basis: &'a RegisterBasis,
}

/// The SHA-256 of the JSON of a report's facts with sorted keys and no spaces, as `sha256:` and 64
/// hexadecimal digits: its `origin`, `span`, `categories`, `summary`, `controls`, `criteria`,
/// `exceptions`, `gaps` and `identity`, and where there are registers, of each the name and what vouches for
/// it (`registers`, without the items). The `AuditPeriod` has it in its status when the period is over.
pub fn digest(report: &PeriodReport) -> Result<String, serde_json::Error> {
    // Canonical but for the shares of observation, whose few digits have one text everywhere.
    let facts = serde_json::to_value(DigestedReport {
        origin: &report.provenance.origin,
        span: report.period.span,
        categories: &report.period.categories,
        summary: &report.summary,
        controls: &report.controls,
        criteria: &report.criteria,
        exceptions: &report.exceptions,
        gaps: &report.gaps,
        identity: &report.identity,
        registers: report
            .registers
            .iter()
            .map(|register| DigestedRegister { name: &register.name, basis: &register.basis })
            .collect(),
    })?;
    Ok(canonical::sha256(serde_json::to_string(&facts)?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::testing::{at, rich};

    #[test]
    fn who_made_it_and_when_changes_nothing_and_a_fact_does() {
        let known = digest(&rich()).unwrap();
        let mut again = rich();
        again.period.name = "other".to_owned();
        again.provenance.run_at = at("2029-01-01T00:00:00Z");
        again.provenance.run_by = "somebody".to_owned();
        again.provenance.source = "/mnt/copy".to_owned();
        again.provenance.log_size += 1_000_000;
        assert_eq!(digest(&again).unwrap(), known);
        again.controls[0].population_start = None;
        assert_ne!(digest(&again).unwrap(), known);
    }
}
