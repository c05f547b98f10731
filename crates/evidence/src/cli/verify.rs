//! `verify`: whether all of a log is right, and if not, where it first is not.

use std::path::PathBuf;

use comptroller_vocabulary::visible;
use serde::Serialize;

use super::{Answer, AnswerFormat, CommandError, KEY_BESIDE_THE_LOG, LogArgs, describe_fault};
use crate::{
    time_check::TimeAnomaly,
    verify::{LogFault, Verified, VerifyError, read_checkpoint, verify},
};

/// Verifies a log. Exit code 0: all of it is right; 1: it is not; 2: it could not be read.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    log: LogArgs,
    /// A checkpoint of this log that was kept elsewhere: the log must continue it. Nothing else
    /// notices that the end of a log was cut off.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// How to write the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: AnswerFormat,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifyJson<'a> {
    location: &'a str,
    verified: bool,
    key_given: bool,
    #[serde(flatten)]
    log: Option<&'a Verified>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a LogFault>,
}

impl VerifyArgs {
    /// Reads the whole log.
    pub async fn run(&self) -> Result<Answer, CommandError> {
        let (store, key) = (self.log.store()?, self.log.key()?);
        let key_given = key.is_some();
        let since = self.since.as_deref().map(read_checkpoint).transpose()?;
        let location = store.location().to_owned();
        let result = match verify(store, key, since.as_deref()).await {
            Ok(log) => Ok(log),
            Err(VerifyError::Bad(fault)) => Err(fault),
            Err(error) => return Err(CommandError::Verify(error)),
        };
        let exit_code = u8::from(result.is_err());
        if self.output == AnswerFormat::Json {
            let (log, fault) = (result.as_ref().ok(), result.as_ref().err());
            let verified = result.is_ok();
            let json = VerifyJson { location: &location, verified, key_given, log, fault };
            return Answer::json(&json, exit_code);
        }
        let text = match &result {
            Ok(log) => describe(&location, log, key_given),
            Err(fault) => describe_fault("NOT VERIFIED", &location, fault),
        };
        Ok(Answer { text, exit_code })
    }
}

fn describe(location: &str, log: &Verified, key_given: bool) -> String {
    let mut lines = vec![
        format!("Verified: {} entries of {}", log.size, visible(location)),
        format!("  log   {}", visible(&log.origin)),
        format!("  root  {}", log.root),
        format!("  key   {}", visible(&log.verifier_key)),
    ];
    if let (Some(first), Some(last)) = (log.first_at, log.last_at) {
        lines.extend([format!("  from  {first}"), format!("  to    {last}")]);
    }
    if log.stored > 0 {
        lines.push(format!("  data beside the log: {} references followed", log.stored));
    }
    // What was not checked is said as plainly as what was: a log can be whole and still lack its end.
    lines.push(match log.since {
        Some(size) => format!("  It continues the older checkpoint of {size} entries."),
        None => "  Whether its end was cut off, only an older checkpoint can tell: --since FILE"
            .to_owned(),
    });
    lines.extend(describe_times(log));
    if !key_given {
        lines.push(KEY_BESIDE_THE_LOG.to_owned());
    }
    lines.join("\n") + "\n"
}

/// How many of the entries whose time can't be believed are written for people.
const SHOWN_ANOMALIES: usize = 20;

/// Where the times of the log can't be believed: the log is whole, and its writer's clock was not right.
fn describe_times(log: &Verified) -> Vec<String> {
    if log.time_anomaly_count == 0 {
        return Vec::new();
    }
    let mut lines = vec![format!(
        "  Time falls, or differs from the API server's by more than a minute, in {} entries:",
        log.time_anomaly_count
    )];
    let shown = log.time_anomalies.iter().take(SHOWN_ANOMALIES);
    lines.extend(shown.map(|TimeAnomaly { entry, at, server_time, fault }| {
        let server =
            server_time.map_or_else(|| "unknown".to_owned(), |server_time| server_time.to_string());
        format!("    entry {entry}: {fault}, operator {at}, API server {server}")
    }));
    let shown = log.time_anomalies.len().min(SHOWN_ANOMALIES) as u64;
    if log.time_anomaly_count > shown {
        let more = log.time_anomaly_count - shown;
        lines.push(format!("    and {more} more; -o json names up to 100"));
    }
    lines
}
