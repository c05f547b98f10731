//! What to write into the status of an audit period. Pure, but for the reader's name.

use jiff::Timestamp;

use super::{
    super::refusal::COMPLETE,
    following::{Followed, Times},
};
use comptroller_core::api::{
    AuditPeriodStatus, PeriodPhase,
    condition::{ConditionStatus, READY, condition, set_condition},
};
use comptroller_evidence::{log::LogReader, origin};
use comptroller_report::period::{
    PeriodClaim,
    model::{PolicySource, Provenance, Span},
};

/// The condition that says that somebody wrote a status that the log does not bear.
pub const STATUS_PUT_BACK: &str = "StatusPutBack";

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

/// A period that an entry of the log says to be closed, with the numbers of that entry.
pub fn closed(
    known: &AuditPeriodStatus,
    claim: &PeriodClaim,
    generation: i64,
    now: Timestamp,
) -> AuditPeriodStatus {
    let status = claim.status(PeriodPhase::Closed, known);
    let message = "the period is over, and what the status says of it is final and recorded";
    with_ready(status, ConditionStatus::True, "Closed", message, generation, now)
}

/// A period that is to close: its entry is not in the log yet, so nothing is final.
pub fn closing(
    known: &AuditPeriodStatus,
    claim: &PeriodClaim,
    generation: i64,
    now: Timestamp,
) -> AuditPeriodStatus {
    let so_far = PeriodClaim { report_digest: None, ..claim.clone() };
    let status = so_far.status(PeriodPhase::Open, known);
    let message = "the period is over, and closes once an entry of the log says so";
    with_ready(status, ConditionStatus::True, "Closing", message, generation, now)
}

/// A period as the log has it so far.
pub fn summed(
    known: &AuditPeriodStatus,
    followed: &Followed,
    span: Span,
    generation: i64,
    times: Times,
) -> AuditPeriodStatus {
    let status = PeriodClaim::so_far(&followed.report).status(PeriodPhase::Open, known);
    let (reason, message) = match times.server {
        _ if times.now < span.end() => {
            ("Following", "the log is summed up every 5 minutes until the period is over")
        }
        None => (
            "ClockUnknown",
            "the period closes by the API server's time, which has not been known for two minutes: see that the API server answers the operator",
        ),
        Some(_) => (
            "Closing",
            "the period is over, and closes once a control was judged, or confirmed by a heartbeat, 10 minutes or more after its end",
        ),
    };
    with_ready(status, ConditionStatus::True, reason, message, generation, times.now)
}

/// What is left of a status that the log does not bear: nothing of what it claims.
pub fn without_claim(known: &AuditPeriodStatus) -> AuditPeriodStatus {
    AuditPeriodStatus {
        observed_generation: known.observed_generation,
        conditions: known.conditions.clone(),
        ..AuditPeriodStatus::default()
    }
}

/// Says in a status that another was put back, and what that said.
pub fn put_back(
    mut status: AuditPeriodStatus,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> AuditPeriodStatus {
    // A second time is another event: the time of the condition is that of the last.
    status.conditions.retain(|known| known.type_ != STATUS_PUT_BACK);
    let said = condition(
        STATUS_PUT_BACK,
        ConditionStatus::True,
        "NotBorneByLog",
        message,
        generation,
        now,
    );
    set_condition(&mut status.conditions, said);
    status
}

/// How a status that somebody wrote differs from the one that was written here last; None if it says
/// the same, whatever else changed.
pub fn tampered(written: &AuditPeriodStatus, found: &AuditPeriodStatus) -> Option<String> {
    let said = |status: &AuditPeriodStatus| {
        status.conditions.iter().any(|one| one.type_ == STATUS_PUT_BACK)
    };
    if written.phase != found.phase {
        return Some(format!("phase was {}, not {}", found.phase, written.phase));
    }
    let claim = |status: &AuditPeriodStatus| {
        PeriodClaim::of_closed(&AuditPeriodStatus { phase: PeriodPhase::Closed, ..status.clone() })
    };
    let differences =
        claim(written).zip(claim(found)).map(|(ours, found)| ours.differences(&found));
    match differences {
        Some(differences) if !differences.is_empty() => Some(differences.join(", ")),
        _ if said(written) && !said(found) => {
            Some(format!("the condition {STATUS_PUT_BACK} was taken away"))
        }
        _ => None,
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
        policy: PolicySource::None,
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

    fn followed() -> Followed {
        Followed { report: rich(), closes_at: None }
    }

    fn ready(status: &AuditPeriodStatus) -> (&str, &str) {
        let ready = status.conditions.iter().find(|one| one.type_ == READY).unwrap();
        (&ready.status, &ready.reason)
    }

    #[test]
    fn a_period_that_is_over_waits_for_the_log_and_for_the_api_server_s_time() {
        let none = AuditPeriodStatus::default();
        for (now, server, reason) in [
            ("2026-09-30T23:30:00Z", None, "Following"),
            ("2026-10-01T00:00:00Z", Some("2026-10-01T00:00:00Z"), "Closing"),
            ("2026-10-09T00:00:00Z", None, "ClockUnknown"),
        ] {
            let times = Times { now: at(now), server: server.map(at) };
            let status = summed(&none, &followed(), span(), GENERATION, times);
            assert_eq!((status.phase, ready(&status)), (PeriodPhase::Open, ("True", reason)));
            assert_eq!((status.report_digest, status.observed_generation), (None, GENERATION));
        }
    }

    #[test]
    fn a_closed_period_says_what_its_entry_says_whatever_the_status_said() {
        let now = at("2026-10-02T00:00:00Z");
        let claim = PeriodClaim::closing(&rich()).unwrap();
        let forged = AuditPeriodStatus { deviations: Some(0), ..AuditPeriodStatus::default() };
        let open = closing(&forged, &claim, GENERATION, now);
        assert_eq!((open.phase, open.report_digest.as_ref()), (PeriodPhase::Open, None));
        let done = closed(&forged, &claim, GENERATION, now);
        assert_eq!(PeriodClaim::of_closed(&done), Some(claim.clone()));
        assert_eq!(ready(&done), ("True", "Closed"));
        assert_eq!(closed(&done, &claim, GENERATION, now), done);
    }

    #[test]
    fn what_was_known_outlives_a_log_that_can_t_be_read() {
        let now = at("2026-09-01T00:00:00Z");
        let none = AuditPeriodStatus::default();
        let times = Times { now, server: Some(now) };
        let good = summed(&none, &followed(), span(), GENERATION, times);
        let bad = unready(&good, "LogUnreadable", "why", GENERATION, now);
        assert_eq!(ready(&bad), ("False", "LogUnreadable"));
        assert_eq!(
            (bad.coverage, bad.checkpoint),
            (good.coverage.clone(), good.checkpoint.clone())
        );
    }

    #[test]
    fn a_new_checkpoint_alone_can_wait_and_a_new_count_can_not() {
        let none = AuditPeriodStatus::default();
        let known = PeriodClaim::so_far(&rich()).status(PeriodPhase::Open, &none);
        let mut new = known.clone();
        new.checkpoint = Some("other".to_owned());
        new.log_size = Some(9);
        assert!(checkpoint_only(&known, &new));
        new.deviations = Some(6);
        assert!(!checkpoint_only(&known, &new));
    }

    #[test]
    fn what_somebody_else_wrote_is_told_from_what_is_not_of_ours() {
        let now = at("2026-10-02T00:00:00Z");
        let claim = PeriodClaim::closing(&rich()).unwrap();
        let done = closed(&AuditPeriodStatus::default(), &claim, GENERATION, now);
        let announced = put_back(done.clone(), "why", GENERATION, now);
        let mut other = done.clone();
        set_condition(
            &mut other.conditions,
            condition("Reviewed", ConditionStatus::True, "Yes", "", GENERATION, now),
        );
        assert_eq!(tampered(&done, &other), None);
        let open = AuditPeriodStatus { phase: PeriodPhase::Open, ..done.clone() };
        let more = AuditPeriodStatus { coverage: Some("100.0%".to_owned()), ..done.clone() };
        for (written, found, why) in [
            (&open, &done, "phase was Closed, not Open"),
            (&done, &more, "coverage is 100.0%, not 98.9%"),
            (&announced, &done, "was taken away"),
        ] {
            let found = tampered(written, found).unwrap();
            assert!(found.contains(why), "{found}");
        }
        assert_eq!(PeriodClaim::of_closed(&without_claim(&done)), None);
    }
}
