//! The provenance of a report: its source, what was verified, and whether it is complete.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{ReportArgs, closing::Closing, request::ReportRequest};
use comptroller_core::api::MINIMUM_OBSERVATION;
use comptroller_evidence::{
    log::LogReader,
    origin,
    replay::Replayed,
    witness::{Contradiction, OutsideView, VouchedDay},
};
use comptroller_report::{
    period::{
        PeriodFormat,
        model::{ContradictedCheckpoint, Cosignature, PolicySource, Provenance, Span},
    },
    shell_word,
};

/// The run that made a report.
#[derive(Clone, Debug)]
pub struct ReportRun {
    /// The time of the run.
    pub now: Timestamp,
    pub by: String,
}

/// The part of the log that a report is based on, and what it was checked against.
#[derive(Clone, Debug)]
pub struct CheckedLog {
    /// How many of its entries the report is based on.
    pub size: u64,
    /// The older checkpoints that it continues, described in words.
    pub extends: Vec<String>,
    /// What others saw of the log.
    pub outside: OutsideView,
    /// The entry that closes the period; None if there is none, or the period is not one of the cluster.
    pub closing: Option<Closing>,
    /// Whether the size was asked for.
    pub is_cut: bool,
}

/// The provenance of a report.
pub fn of(
    request: &ReportRequest,
    reader: &LogReader,
    checked: &CheckedLog,
    read: &Replayed,
    run: &ReportRun,
    args: &ReportArgs,
) -> Provenance {
    let key = if args.key.is_some() { KeySource::Given } else { KeySource::BesideLog };
    let cut = checked.size < reader.size();
    // It is the signed word on the entries that the numbers of a closed period were counted in.
    let closed = checked.closing.as_ref().map(|closing| closing.claim.checkpoint.clone());
    let checkpoint = closed.filter(|_| cut);
    let checkpoint = checkpoint.unwrap_or_else(|| reader.checkpoint().to_owned());
    Provenance {
        cluster: origin::cluster(reader.origin()).to_owned(),
        origin: reader.origin().to_owned(),
        source: args.evidence.clone(),
        verifier_key: reader.verifier_key().to_owned(),
        log_size: checked.size,
        first_entry: 0,
        verification: verification(key, reader.size(), checked),
        run_at: run.now,
        run_by: run.by.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command(request, run, reader.verifier_key(), checked.size, args),
        checkpoint,
        verify_command: verify_command(reader, args),
        completeness: completeness(request.span, checked.size, read),
        operators: Vec::new(),
        cosignatures: cosignatures(&checked.outside),
        policy: policy(&checked.outside),
        contradictions: contradictions(&checked.outside),
        lists: Vec::new(),
    }
}

/// A cluster has no other policy than the operator's: only who makes the report can give one.
fn policy(outside: &OutsideView) -> PolicySource {
    match (outside.policy_given, outside.witnesses.is_empty()) {
        (true, _) => PolicySource::Given,
        (false, false) => PolicySource::BesideLog,
        (false, true) => PolicySource::None,
    }
}

fn cosignatures(outside: &OutsideView) -> Vec<Cosignature> {
    let signed = |day: &VouchedDay| Cosignature {
        witness: day.witnesses.join(", "),
        at: day.at,
        log_size: day.size,
    };
    outside.days.iter().map(signed).collect()
}

fn contradictions(outside: &OutsideView) -> Vec<ContradictedCheckpoint> {
    let contradicted = |one: &Contradiction| ContradictedCheckpoint {
        log_size: one.size,
        checkpoint: one.checkpoint.clone(),
        reason: one.reason.clone(),
    };
    outside.contradicted.iter().map(contradicted).collect()
}

/// Where the verifier key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeySource {
    /// The user gave it.
    Given,
    /// It lies beside the log.
    BesideLog,
}

fn verification(key: KeySource, size: u64, checked: &CheckedLog) -> String {
    let key = match key {
        KeySource::Given => "the verifier key that was given",
        KeySource::BesideLog => {
            "the key that lies beside the log, which whoever writes the log could have put there: compare it with one from an independent source"
        }
    };
    // Writing into a String can't fail.
    let mut text = format!(
        "The signature of the checkpoint of {size} entries was verified with {key}. Each entry that was read was hashed and is part of that checkpoint."
    );
    if checked.extends.is_empty() {
        text.push_str(" No older checkpoint was given, so the log was not shown to continue one.");
    } else {
        let _ = write!(text, " The log continues {}.", checked.extends.join(" and "));
    }
    if checked.outside.policy_given {
        match checked.outside.days.last() {
            Some(day) => {
                let _ = write!(
                    text,
                    " A quorum of the witnesses of the policy that was given saw {} entries of it at {}.",
                    day.size, day.at
                );
            }
            None => text.push_str(
                " No checkpoint beside the log has the cosignatures that the policy asks for which was given.",
            ),
        }
    }
    text
}

fn completeness(span: Span, size: u64, read: &Replayed) -> String {
    let Some(latest) = read.latest else {
        return "The log has no entries, so the report is empty.".to_owned();
    };
    let mut text = format!("All entries from 0 to {} were read. ", size.saturating_sub(1));
    if span.is_over(latest) {
        let _ = write!(text, "The newest is from {latest}, after the end of the period.");
    } else {
        let _ = write!(
            text,
            "The newest is from {latest}, before the end of the period: this report does not cover the whole period."
        );
    }
    if let Some(first) = read.first_unresolved {
        let _ = write!(
            text,
            " The data of {} of them, the first being {first}, should lie beside the log and is missing or wrong; the report says nothing about the affected controls from then until their next entry.",
            read.unresolved
        );
    }
    text
}

/// The command that reproduces the report, without a cluster, and even after the log has grown.
fn command(
    request: &ReportRequest,
    run: &ReportRun,
    key: &str,
    size: u64,
    args: &ReportArgs,
) -> String {
    let mut words = vec!["comptroller report".to_owned(), shell_word(&request.name).into_owned()];
    let mut option = |name: &str, value: &str| words.push(format!("{name} {}", shell_word(value)));
    match request.span {
        Span::TypeI { as_of } => option("--as-of", &as_of.to_string()),
        Span::TypeII { from, to } => {
            option("--from", &from.to_string());
            // A period that is not over is reported up to now; the same command run later would cover more.
            let to = if run.now > from { to.min(run.now) } else { to };
            option("--to", &to.to_string());
        }
    }
    let categories: Vec<&str> = request.categories.iter().map(|one| one.as_str()).collect();
    option("--categories", &categories.join(","));
    if request.minimum_observation != MINIMUM_OBSERVATION {
        option("--minimum-observation", &request.minimum_observation.to_string());
    }
    if let Some(rule) = &args.deviation_rule {
        option("--deviation-rule", &rule.display().to_string());
    }
    option("--evidence", &args.evidence);
    option("--key", key);
    if let Some(policy) = &args.policy {
        option("--policy", &policy.display().to_string());
    }
    option("--log-size", &size.to_string());
    if let Some(format) = args.format {
        option("-o", format.name);
    }
    if args.format.is_some_and(PeriodFormat::needs_samples) {
        if let Some(seed) = &args.seed {
            option("--seed", seed);
        }
        option("--sizes", &args.sizes.to_string());
    }
    words.join(" ")
}

fn verify_command(reader: &LogReader, args: &ReportArgs) -> String {
    let mut words = format!(
        "comptroller evidence verify {} --key {}",
        shell_word(&args.evidence),
        shell_word(reader.verifier_key())
    );
    if let Some(policy) = &args.policy {
        // Writing into a String can't fail.
        let _ = write!(words, " --policy {}", shell_word(&policy.display().to_string()));
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use comptroller_core::api::criteria::Category;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ReportArgs,
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_command_reproduces_the_report_after_the_log_has_grown() {
        let span =
            Span::TypeII { from: at("2026-01-01T00:00:00Z"), to: at("2026-02-01T00:00:00Z") };
        let request = ReportRequest {
            name: "q3".to_owned(),
            span,
            categories: vec![Category::Security],
            minimum_observation: 95,
            uid: None,
            status: None,
            run_by: String::new(),
        };
        let line = ["report", "q3", "--evidence", "my log", "-o", "sample"];
        let args = Line::try_parse_from(line).unwrap().args;
        let command_at = |now: &str| {
            let run = ReportRun { now: at(now), by: String::new() };
            command(&request, &run, "key+1", 9, &args)
        };
        let over = command_at("2026-03-01T00:00:00Z");
        for part in [
            "comptroller report q3 --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --cat",
            " --evidence 'my log' --key key+1 --log-size 9 -o sample --sizes 4:all,50:5,250:10%,25",
        ] {
            assert!(over.contains(part), "{part}: {over}");
        }
        assert!(command_at("2026-01-15T00:00:00Z").contains("--to 2026-01-15T00:00:00Z"));
    }

    #[test]
    fn missing_verification_is_stated() {
        let checked = CheckedLog {
            size: 7,
            extends: Vec::new(),
            closing: None,
            outside: OutsideView::default(),
            is_cut: false,
        };
        let text = verification(KeySource::BesideLog, 7, &checked);
        assert!(text.contains("lies beside the log") && text.contains("No older checkpoint"));
        let checked =
            CheckedLog { extends: vec!["an older one (5 entries)".to_owned()], ..checked };
        let text = verification(KeySource::Given, 7, &checked);
        assert!(text.ends_with("The log continues an older one (5 entries)."), "{text}");
    }

    #[test]
    fn an_incomplete_report_says_so() {
        let span =
            Span::TypeII { from: at("2026-01-01T00:00:00Z"), to: at("2026-02-01T00:00:00Z") };
        let mut read = Replayed { latest: Some(at("2026-01-31T23:00:00Z")), ..Replayed::default() };
        assert!(completeness(span, 9, &read).contains("does not cover the whole period"));
        read.latest = Some(at("2026-02-01T00:00:00Z"));
        let whole = completeness(span, 9, &read);
        assert!(whole.contains("from 0 to 8") && whole.contains("after the end of the period"));
        read = Replayed { unresolved: 2, first_unresolved: Some(4), ..read };
        assert!(completeness(span, 9, &read).contains("The data of 2 of them, the first being 4"));
        assert!(completeness(span, 0, &Replayed::default()).contains("no entries"));
    }
}
