//! `evidence prove`: that an entry is in a log, for somebody who has only the key.

use std::{error::Error, path::PathBuf};

use super::{LogArgs, print_json};
use comptroller_evidence::{
    key::VerifierKey,
    log::{InclusionProof, LogReader},
};
use comptroller_report::visible;

/// Proves that an entry is in a log, or checks such a proof.
#[derive(Debug, clap::Args)]
pub struct ProveArgs {
    /// The index of the entry; the first has 0.
    #[arg(required_unless_present = "check", conflicts_with = "check")]
    index: Option<u64>,
    #[command(flatten)]
    log: LogArgs,
    /// Check a proof in JSON instead, with nothing but --key. Exit code 1: it proves nothing.
    #[arg(long, value_name = "FILE", requires = "key")]
    check: Option<PathBuf>,
    /// How to write the proof.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// As JSON, with the entry.
    #[default]
    Json,
    /// As a C2SP tlog-proof, with the entry as its extra data.
    TlogProof,
}

pub(super) async fn run(args: &ProveArgs) -> Result<u8, Box<dyn Error>> {
    let key = args.log.key()?;
    if let (Some(path), Some(key)) = (&args.check, &key) {
        let text = std::fs::read(path)
            .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        return Ok(check(&text, key));
    }
    let log = LogReader::open(args.log.store()?, key).await?;
    let proof = InclusionProof::of(&log, args.index.unwrap_or_default()).await?;
    match args.output {
        Form::Json => print_json(&proof)?,
        Form::TlogProof => print!("{}", proof.to_tlog_proof()),
    }
    Ok(0)
}

fn check(text: &[u8], key: &VerifierKey) -> u8 {
    let checked = InclusionProof::parse(text).and_then(|proof| {
        let head = proof.check(key)?;
        Ok((proof, head))
    });
    match checked {
        Ok((proof, head)) => {
            println!(
                "Proven: entry {} of {} in {}\n{}",
                proof.index,
                head.size,
                visible(&head.origin),
                visible(&proof.entry)
            );
            0
        }
        Err(error) => {
            println!("NOT PROVEN: {}", visible(&error.to_string()));
            1
        }
    }
}
