//! `prove`: that an entry is in a log, for somebody who has only the key.

use std::path::PathBuf;

use comptroller_vocabulary::visible;

use super::{Answer, CommandError, LogArgs};
use crate::{
    key::VerifierKey,
    log::{InclusionProof, LogReader},
};

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
    output: ProofFormat,
}

/// How a proof is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ProofFormat {
    /// As JSON, with the entry.
    #[default]
    Json,
    /// As a C2SP tlog-proof, with the entry as its extra data.
    TlogProof,
}

impl ProveArgs {
    /// Reads what the proof needs of the log: a bundle, and a tile for each level.
    pub async fn run(&self) -> Result<Answer, CommandError> {
        let key = self.log.key()?;
        if let (Some(path), Some(key)) = (&self.check, &key) {
            let text = std::fs::read(path).map_err(|source| CommandError::File {
                path: path.display().to_string(),
                source,
            })?;
            return Ok(check(&text, key));
        }
        let log = LogReader::open(self.log.store()?, key).await?;
        // Without --check there is an index: clap refuses anything else.
        let proof = InclusionProof::of(&log, self.index.unwrap_or_default()).await?;
        match self.output {
            ProofFormat::Json => Answer::json(&proof, 0),
            ProofFormat::TlogProof => Ok(Answer { text: proof.to_tlog_proof(), exit_code: 0 }),
        }
    }
}

fn check(text: &[u8], key: &VerifierKey) -> Answer {
    let checked = InclusionProof::parse(text).and_then(|proof| {
        let head = proof.check(key)?;
        Ok((proof, head))
    });
    match checked {
        Ok((proof, head)) => {
            let (origin, entry) = (visible(&head.origin), visible(&proof.entry));
            let (index, size) = (proof.index, head.size);
            let text = format!("Proven: entry {index} of {size} in {origin}\n{entry}\n");
            Answer { text, exit_code: 0 }
        }
        Err(error) => {
            let text = format!("NOT PROVEN: {}\n", visible(&error.to_string()));
            Answer { text, exit_code: 1 }
        }
    }
}
