//! `evidence verify`: whether all of a log is right, and if not, where it first is not.

use std::{error::Error, path::PathBuf};

use serde::Serialize;

use super::{LogArgs, Output, print_json};
use comptroller_evidence::verify::{Fault, Verified, VerifyError, read_checkpoint, verify};
use comptroller_report::visible;

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
    output: Output,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    location: &'a str,
    verified: bool,
    key_given: bool,
    #[serde(flatten)]
    log: Option<&'a Verified>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a Fault>,
}

pub(super) async fn run(args: &VerifyArgs) -> Result<u8, Box<dyn Error>> {
    let (store, key) = (args.log.store()?, args.log.key()?);
    let key_given = key.is_some();
    let since = args.since.as_deref().map(read_checkpoint).transpose()?;
    let location = store.location().to_owned();
    let result = match verify(store, key, since.as_deref()).await {
        Ok(log) => Ok(log),
        Err(VerifyError::Bad(fault)) => Err(fault),
        Err(error) => return Err(error.into()),
    };
    if args.output == Output::Json {
        let (log, fault) = (result.as_ref().ok(), result.as_ref().err());
        let verified = result.is_ok();
        print_json(&Answer { location: &location, verified, key_given, log, fault })?;
    } else {
        match &result {
            Ok(log) => print!("{}", describe(&location, log, key_given)),
            Err(fault) => print!("{}", accuse(&location, fault)),
        }
    }
    Ok(u8::from(result.is_err()))
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
    lines.push(match log.since {
        Some(size) => format!("  It continues the older checkpoint of {size} entries."),
        None => "  Whether its end was cut off, only an older checkpoint can tell: --since FILE"
            .to_owned(),
    });
    if !key_given {
        lines.push("  The key is the one beside the log. Compare it with the one you were given, or pass that with --key.".to_owned());
    }
    lines.join("\n") + "\n"
}

fn accuse(location: &str, fault: &Fault) -> String {
    let place = match fault.index {
        Some(index) => format!("first at entry {index}, "),
        None => String::new(),
    };
    format!(
        "NOT VERIFIED: {}\n  {place}{}: {}\n",
        visible(location),
        visible(&fault.path),
        visible(&fault.reason)
    )
}
