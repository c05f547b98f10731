//! `verify`: whether all of a log is right, and if not, where it first is not.

use std::{path::PathBuf, sync::Arc};

use comptroller_vocabulary::visible;
use serde::Serialize;

use super::{Answer, AnswerFormat, CommandError, KEY_BESIDE_THE_LOG, LogArgs, describe_fault};
use crate::{
    key::VerifierKey,
    log::{CHECKPOINT, LogReader},
    store::Store,
    time_check::TimeAnomaly,
    verify::{LogFault, Verified, VerifyError, read_checkpoint, verify},
    witness::{Policy, Quorum, QuorumError},
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
    /// Whose cosignatures the log must have, and how many of them (C2SP tlog-policy): a quorum of
    /// witnesses must have seen it. Nothing else shows that the holder of its key did not make up
    /// the past.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
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
    cosigned: Option<&'a Quorum>,
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
        let policy = self.policy.as_deref().map(Policy::load).transpose()?;
        let result = match verify(Arc::clone(&store), key.clone(), since.as_deref()).await {
            Ok(log) => match &policy {
                Some(policy) => cosigned(store, key, policy, since.as_deref())
                    .await?
                    .map(|quorum| (log, Some(quorum))),
                None => Ok((log, None)),
            },
            Err(VerifyError::Bad(fault)) => Err(fault),
            Err(error) => return Err(CommandError::Verify(error)),
        };
        let exit_code = u8::from(result.is_err());
        if self.output == AnswerFormat::Json {
            let (found, fault) = (result.as_ref().ok(), result.as_ref().err());
            let log = found.map(|(log, _)| log);
            let cosigned = found.and_then(|(_, quorum)| quorum.as_ref());
            let verified = result.is_ok();
            let json =
                VerifyJson { location: &location, verified, key_given, log, cosigned, fault };
            return Answer::json(&json, exit_code);
        }
        let text = match &result {
            Ok((log, quorum)) => describe(&location, log, quorum.as_ref(), key_given),
            Err(fault) => describe_fault("NOT VERIFIED", &location, fault),
        };
        Ok(Answer { text, exit_code })
    }
}

/// Whether a quorum of witnesses saw the log; the error says why not.
async fn cosigned(
    store: Arc<dyn Store>,
    key: Option<VerifierKey>,
    policy: &Policy,
    since: Option<&[u8]>,
) -> Result<Result<Quorum, LogFault>, CommandError> {
    let log = LogReader::open(store, key).await?;
    Ok(match Quorum::of(&log, policy, since).await {
        Ok(quorum) => Ok(quorum),
        Err(QuorumError::Log(error)) => return Err(error.into()),
        Err(error) => {
            let path = CHECKPOINT.to_owned();
            Err(LogFault { index: None, path, reason: error.to_string() })
        }
    })
}

/// Until which entry others vouch for the log.
fn describe_quorum(log: &Verified, quorum: Option<&Quorum>) -> String {
    match quorum {
        None => "  Whether others saw it, only its witnesses can tell: --policy FILE".to_owned(),
        Some(Quorum { at: None, .. }) => "  The policy asks for no cosignature.".to_owned(),
        Some(Quorum { size, at: Some(at), witnesses }) => {
            let rest = log.size.saturating_sub(*size);
            format!(
                "  A quorum of witnesses saw {size} entries at {at}: {}; {rest} came after that.",
                visible(&witnesses.join(", "))
            )
        }
    }
}

fn describe(location: &str, log: &Verified, quorum: Option<&Quorum>, key_given: bool) -> String {
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
    lines.push(describe_quorum(log, quorum));
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
