//! What to write into the status of an audit period. Pure, but for the reader's name.

use jiff::Timestamp;

use super::{super::refusal::COMPLETE, following::Followed};
use comptroller_core::api::{
    AuditPeriodStatus, PeriodControls, PeriodPhase,
    condition::{ConditionStatus, READY, condition, set_condition},
};
use comptroller_evidence::{log::LogReader, origin};
use comptroller_report::period::{
    digest,
    model::{PeriodReport, Provenance, Span},
};

fn with_ready(
    mut status: AuditPeriodStatus,
    ready: ConditionStatus,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> AuditPeriodStatus {
    status.observed_generation = generation;
    // Whoever writes it says anew whether all of it could be written.
    status.conditions.retain(|known| known.type_ != COMPLETE);
    set_condition(
        &mut status.conditions,
        condition(READY, ready, reason, message, generation, now),
    );
    status
}

/// A period that can't be summed up. What was known of it stays.
pub fn unready(
    known: &AuditPeriodStatus,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> AuditPeriodStatus {
    with_ready(known.clone(), ConditionStatus::False, reason, message, generation, now)
}

/// A period that lies ahead.
pub fn not_begun(
    known: &AuditPeriodStatus,
    span: Span,
    generation: i64,
    now: Timestamp,
) -> AuditPeriodStatus {
    let message = format!("the period begins at {}", span.start());
    with_ready(known.clone(), ConditionStatus::True, "NotBegun", &message, generation, now)
}

/// A period whose status is final.
pub fn closed(known: &AuditPeriodStatus, generation: i64) -> AuditPeriodStatus {
    let mut status = known.clone();
    status.observed_generation = generation;
    status.conditions.retain(|known| known.type_ != COMPLETE);
    for condition in &mut status.conditions {
        condition.observed_generation = Some(generation);
    }
    status
}

/// A period as the log has it.
pub fn summed(
    known: &AuditPeriodStatus,
    followed: &Followed,
    span: Span,
    generation: i64,
    now: Timestamp,
) -> AuditPeriodStatus {
    let mut status = counted(known, &followed.report);
    if !followed.is_final(span, now) {
        let (reason, message) = if now < span.end() {
            ("Following", "the log is summed up every 5 minutes until the period is over")
        } else {
            (
                "Closing",
                "the period is over, and closes once the log has an entry of after its end, 10 minutes after it at the soonest",
            )
        };
        return with_ready(status, ConditionStatus::True, reason, message, generation, now);
    }
    match digest(&followed.report) {
        Ok(digest) => {
            status.phase = PeriodPhase::Closed;
            status.report_digest = Some(digest);
            let message = "the period is over, and what the status says of it is final";
            with_ready(status, ConditionStatus::True, "Closed", message, generation, now)
        }
        Err(error) => unready(&status, "NoDigest", &error.to_string(), generation, now),
    }
}

fn counted(known: &AuditPeriodStatus, report: &PeriodReport) -> AuditPeriodStatus {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let summary = &report.summary;
    AuditPeriodStatus {
        phase: PeriodPhase::Open,
        coverage: Some(summary.coverage.text()),
        controls: Some(PeriodControls {
            effective: count(summary.no_deviation_observed),
            deviations: count(summary.deviation_observed),
            unknown: count(summary.not_determinable),
            not_applicable: count(summary.not_due),
        }),
        deviations: Some(count(summary.deviations)),
        open_deviations: Some(count(summary.open_deviations)),
        log_size: i64::try_from(report.provenance.log_size).ok(),
        checkpoint: Some(report.provenance.checkpoint.clone()),
        ..known.clone()
    }
}

/// Whether nothing is new but the checkpoint.
pub fn checkpoint_only(known: &AuditPeriodStatus, new: &AuditPeriodStatus) -> bool {
    let checkpoint = (&new.checkpoint, new.log_size);
    let same = AuditPeriodStatus {
        checkpoint: checkpoint.0.clone(),
        log_size: checkpoint.1,
        ..known.clone()
    };
    same == *new
}

/// The provenance of a report that only its summary leaves.
pub fn provenance(reader: &LogReader, location: &str, now: Timestamp) -> Provenance {
    Provenance {
        cluster: origin::cluster(reader.origin()).to_owned(),
        origin: reader.origin().to_owned(),
        source: location.to_owned(),
        checkpoint: reader.checkpoint().to_owned(),
        verifier_key: reader.verifier_key().to_owned(),
        log_size: reader.size(),
        first_entry: 0,
        verification: String::new(),
        run_at: now,
        run_by: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: String::new(),
        verify_command: String::new(),
        completeness: String::new(),
        operators: Vec::new(),
        cosignatures: Vec::new(),
        contradictions: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_report::period::testing::{at, rich};

    const GENERATION: i64 = 2;

    fn span() -> Span {
        rich().period.span
    }

    fn followed(latest: &str) -> Followed {
        Followed { report: rich(), latest: Some(at(latest)) }
    }

    fn ready(status: &AuditPeriodStatus) -> (&str, &str) {
        let [ready] = status.conditions.as_slice() else { panic!("{status:?}") };
        (&ready.status, &ready.reason)
    }

    #[test]
    fn a_period_closes_when_the_log_reaches_beyond_its_end_and_not_before() {
        let none = AuditPeriodStatus::default();
        for (latest, now, phase, reason) in [
            ("2026-09-30T23:00:00Z", "2026-09-30T23:30:00Z", PeriodPhase::Open, "Following"),
            ("2026-09-30T23:00:00Z", "2026-10-09T00:00:00Z", PeriodPhase::Open, "Closing"),
            ("2026-10-01T00:00:01Z", "2026-10-01T00:00:02Z", PeriodPhase::Open, "Closing"),
            ("2026-10-01T00:00:00Z", "2026-10-01T00:10:00Z", PeriodPhase::Closed, "Closed"),
        ] {
            let status = summed(&none, &followed(latest), span(), GENERATION, at(now));
            assert_eq!((status.phase, ready(&status)), (phase, ("True", reason)), "{latest} {now}");
            let digest = (phase == PeriodPhase::Closed).then(|| digest(&rich()).unwrap());
            assert_eq!(status.report_digest, digest);
            assert_eq!(status.observed_generation, GENERATION);
        }
    }

    #[test]
    fn the_counts_are_those_of_the_report() {
        let known = AuditPeriodStatus::default();
        let status = counted(&known, &rich());
        let controls =
            PeriodControls { effective: 1, deviations: 4, unknown: 1, not_applicable: 1 };
        assert_eq!(status.controls, Some(controls));
        assert_eq!((status.deviations, status.open_deviations), (Some(5), Some(2)));
        assert_eq!(status.coverage.as_deref(), Some("99.1%"));
        assert_eq!(status.checkpoint, Some(rich().provenance.checkpoint));
    }

    #[test]
    fn what_was_known_outlives_a_log_that_can_t_be_read() {
        let now = at("2026-09-01T00:00:00Z");
        let none = AuditPeriodStatus::default();
        let good = summed(&none, &followed("2026-08-31T00:00:00Z"), span(), GENERATION, now);
        let bad = unready(&good, "LogUnreadable", "why", GENERATION, now);
        assert_eq!(ready(&bad), ("False", "LogUnreadable"));
        assert_eq!(
            (bad.coverage, bad.checkpoint),
            (good.coverage.clone(), good.checkpoint.clone())
        );
    }

    #[test]
    fn a_new_checkpoint_alone_can_wait_and_a_new_count_can_not() {
        let known = counted(&AuditPeriodStatus::default(), &rich());
        let mut new = known.clone();
        new.checkpoint = Some("other".to_owned());
        new.log_size = Some(9);
        assert!(checkpoint_only(&known, &new));
        new.deviations = Some(6);
        assert!(!checkpoint_only(&known, &new));
    }

    #[test]
    fn a_closed_period_changes_only_its_generation() {
        let now = at("2026-10-02T00:00:00Z");
        let none = AuditPeriodStatus::default();
        let done = summed(&none, &followed("2026-10-01T00:00:00Z"), span(), GENERATION, now);
        let later = closed(&done, GENERATION + 1);
        assert_eq!(later.observed_generation, GENERATION + 1);
        assert_eq!(closed(&later, GENERATION), done);
    }
}
