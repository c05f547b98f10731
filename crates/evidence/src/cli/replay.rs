//! `replay`: how each control stood at a time, by the entries alone.

use std::collections::BTreeMap;

use comptroller_vocabulary::{State, parse_moment, visible};
use jiff::Timestamp;
use serde::Serialize;

use super::{Answer, AnswerFormat, CommandError, LogArgs, describe_fault, table};
use crate::{
    fold::{LogState, VerdictState},
    log::LogReader,
    replay::{ReplayError, replay},
    verify::{LogFault, VerifyError, open_to_verify},
};

/// Replays a log up to a time, and says how each control stood then.
///
/// Every entry is checked against the signed checkpoint while it is read, and the snapshot that the
/// operator keeps beside its log is not used. Exit code 1: an entry is not right.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    log: LogArgs,
    /// As of this time: a day, such as 2026-09-30, which is its first moment, or a time in UTC;
    /// otherwise as of the last entry.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<Timestamp>,
    /// How to write the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: AnswerFormat,
}

impl ReplayArgs {
    /// Reads the whole log, also beyond the time: the clock may have been set back.
    pub async fn run(&self) -> Result<Answer, CommandError> {
        let (store, key) = (self.log.store()?, self.log.key()?);
        let (location, key_given) = (store.location().to_owned(), key.is_some());
        let standings = match open_to_verify(store, key).await {
            Ok(log) => self.standings(&log, key_given).await,
            Err(error) => Err(error),
        };
        match (standings, self.output) {
            (Ok(standings), AnswerFormat::Text) => {
                Ok(Answer { text: standings.describe(), exit_code: 0 })
            }
            (Ok(standings), AnswerFormat::Json) => Answer::json(&standings, 0),
            (Err(VerifyError::Bad(fault)), AnswerFormat::Text) => {
                let text = describe_fault("NOT REPLAYED", &location, &fault);
                Ok(Answer { text, exit_code: 1 })
            }
            (Err(VerifyError::Bad(fault)), AnswerFormat::Json) => {
                Answer::json(&FaultJson { location: &location, fault: &fault }, 1)
            }
            (Err(error), _) => Err(CommandError::Verify(error)),
        }
    }

    async fn standings(
        &self,
        log: &LogReader,
        key_given: bool,
    ) -> Result<ControlStandings, VerifyError> {
        let mut state = LogState::default();
        let mut entries = 0;
        let replayed = replay(log, 0..log.size(), |index, entry| {
            // As a Type I report has it: what was observed at the time itself is in.
            if self.at.is_none_or(|at| entry.at <= at) {
                state.apply(index, entry);
                entries += 1;
            }
        });
        let unresolved = replayed.await.map_err(fault_of)?.unresolved;
        Ok(ControlStandings {
            origin: log.origin().to_owned(),
            key_given,
            at: self.at,
            size: log.size(),
            entries,
            last_at: state.last_at(),
            operator: state.operator().map(|operator| operator.version.clone()),
            unresolved,
            controls: controls_of(&state),
        })
    }
}

/// A log with an entry that is not one is as wrong for `replay` as it is for `verify`.
fn fault_of(error: ReplayError) -> VerifyError {
    match error {
        ReplayError::Log(error) => error.into(),
        ReplayError::Entry { index, error } => VerifyError::Bad(LogFault {
            index: Some(index),
            path: format!("entry {index}"),
            reason: error.to_string(),
        }),
    }
}

#[derive(Serialize)]
struct FaultJson<'a> {
    location: &'a str,
    fault: &'a LogFault,
}

/// How the controls of a log stood at a time.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ControlStandings {
    /// The origin line of the log.
    origin: String,
    /// Whether the key was given, and not taken from beside the log.
    key_given: bool,
    /// The time that was asked for; null: the end of the log.
    at: Option<Timestamp>,
    /// How many entries the log has.
    size: u64,
    /// How many of them were observed up to the time.
    entries: u64,
    /// When the last of those was observed.
    last_at: Option<Timestamp>,
    /// The version of the operator that had started and not stopped; null: none was running.
    operator: Option<String>,
    /// Entries whose data lay beside the log and is missing or wrong: of their controls nothing is
    /// known. `verify` says which.
    unresolved: u64,
    controls: Vec<ControlStanding>,
}

/// How one control stood.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ControlStanding {
    name: String,
    /// Unknown where the log holds no verdict.
    state: State,
    /// Why, in one CamelCase word; absent where no verdict says it.
    reason: Option<String>,
    /// When it entered the state.
    since: Option<Timestamp>,
    /// How many findings were open and not excepted.
    findings: usize,
    /// How many were open and excepted.
    excepted_findings: usize,
    /// How many items were judged.
    population: u64,
    /// When its last verdict or heartbeat was observed: nobody vouches for it much longer.
    last_at: Option<Timestamp>,
    /// The entry of that.
    entry: Option<u64>,
}

fn controls_of(state: &LogState) -> Vec<ControlStanding> {
    let recorded = state.controls().filter(|(_, control)| control.deleted.is_none());
    let mut verdicts: BTreeMap<&str, Option<&VerdictState>> =
        recorded.map(|(name, control)| (name, control.verdict.as_ref())).collect();
    // A control that was declared and never judged would otherwise not be missed.
    for (name, _) in state.objects_of("Control") {
        verdicts.entry(name).or_default();
    }
    verdicts.into_iter().map(|(name, verdict)| ControlStanding::new(name, verdict)).collect()
}

impl ControlStandings {
    fn describe(&self) -> String {
        let time = self.at.map_or("its end".to_owned(), |at| at.to_string());
        let mut lines = vec![
            format!("Controls at {time}, by {} of {} entries", self.entries, self.size),
            format!("  log         {}", visible(&self.origin)),
            format!("  last entry  {}", or_dash(self.last_at)),
            match &self.operator {
                Some(version) => format!("  operator    {} was running", visible(version)),
                None => "  operator    none was running".to_owned(),
            },
        ];
        if self.unresolved > 0 {
            lines.push(format!(
                "  The data of {} entries is missing or wrong beside the log: verify says which.",
                self.unresolved
            ));
        }
        if !self.key_given {
            lines.push(super::KEY_BESIDE_THE_LOG.to_owned());
        }
        let mut rows = vec![
            ["CONTROL", "STATE", "SINCE", "FINDINGS", "EXCEPTED", "POPULATION", "LAST SEEN"]
                .map(str::to_owned),
        ];
        rows.extend(self.controls.iter().map(ControlStanding::row));
        format!("{}\n\n{}", lines.join("\n"), table::render(&rows))
    }
}

impl ControlStanding {
    fn new(name: &str, verdict: Option<&VerdictState>) -> Self {
        let findings = || verdict.into_iter().flat_map(|verdict| verdict.findings.values());
        Self {
            name: name.to_owned(),
            state: verdict.map_or(State::Unknown, |verdict| verdict.state),
            reason: verdict
                .map(|verdict| verdict.reason.clone())
                .filter(|reason| !reason.is_empty()),
            since: verdict.map(|verdict| verdict.since),
            findings: findings().filter(|finding| finding.exception.is_none()).count(),
            excepted_findings: findings().filter(|finding| finding.exception.is_some()).count(),
            population: verdict.map_or(0, |verdict| verdict.population),
            last_at: verdict.map(|verdict| verdict.last_at),
            entry: verdict.map(|verdict| verdict.last_entry),
        }
    }

    fn row(&self) -> [String; 7] {
        [
            visible(&self.name).into_owned(),
            self.state.to_string(),
            or_dash(self.since),
            self.findings.to_string(),
            self.excepted_findings.to_string(),
            self.population.to_string(),
            or_dash(self.last_at),
        ]
    }
}

fn or_dash(at: Option<Timestamp>) -> String {
    at.map_or("-".to_owned(), |at| at.to_string())
}
