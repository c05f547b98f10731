//! `comptroller evidence`: what an auditor does with a log, without a cluster.

pub mod export;
mod prove;
pub mod sample;
mod verify;

use std::{error::Error, io::Write as _, sync::Arc};

use serde::Serialize;

use comptroller_evidence::{key::VerifierKey, store};

/// Reads a log of evidence.
#[derive(Debug, clap::Args)]
pub struct EvidenceArgs {
    #[command(subcommand)]
    command: EvidenceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum EvidenceCommand {
    /// Verify a whole log: every hash, every entry, and the signature.
    Verify(verify::VerifyArgs),
    /// Prove that an entry is in a log, or check such a proof.
    Prove(prove::ProveArgs),
    /// Write the entries as JSON lines or Parquet, partitioned by cluster and day.
    Export(export::ExportArgs),
    /// Draw a seeded sample of what a control judged at a time.
    Sample(sample::SampleArgs),
}

/// Which log.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// The log: a directory, or a URL such as `s3://bucket/prefix`, `gs://` or `az://`.
    #[arg(value_name = "DIR|URL", env = "COMPTROLLER_EVIDENCE")]
    location: Option<String>,
    /// The verifier key of the log, or a file that holds it. Without it the key beside the log is
    /// believed, which proves that the log is whole and not whose it is.
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
}

impl LogArgs {
    /// Opens the place of the log.
    pub fn store(&self) -> Result<Arc<dyn store::Store>, Box<dyn Error>> {
        let location = self.location.as_deref().ok_or(
            "which log? Give its directory or URL (s3://bucket/prefix), or set COMPTROLLER_EVIDENCE",
        )?;
        Ok(store::open(location)?)
    }

    /// The key, if one is given.
    pub fn key(&self) -> Result<Option<VerifierKey>, Box<dyn Error>> {
        Ok(self.key.as_deref().map(VerifierKey::from_argument).transpose()?)
    }
}

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For a person.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Runs a subcommand.
pub fn run(args: &EvidenceArgs) -> Result<u8, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &args.command {
        EvidenceCommand::Verify(args) => runtime.block_on(verify::run(args)),
        EvidenceCommand::Prove(args) => runtime.block_on(prove::run(args)),
        EvidenceCommand::Export(args) => runtime.block_on(export::run(args)),
        EvidenceCommand::Sample(args) => runtime.block_on(sample::run(args)),
    }
}

/// Writes JSON on standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}
