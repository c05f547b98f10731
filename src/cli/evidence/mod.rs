//! `comptroller evidence`: what an auditor does with a log, without a cluster.

pub mod export;
pub mod sample;

use std::error::Error;

use comptroller_evidence::cli::{Answer, AuditCommand};

/// Reads a log of evidence.
#[derive(Debug, clap::Args)]
pub struct EvidenceArgs {
    #[command(subcommand)]
    command: EvidenceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum EvidenceCommand {
    /// What the auditor's verifier can do as well.
    #[command(flatten)]
    Audit(AuditCommand),
    /// Write the entries as JSON lines or Parquet, partitioned by cluster and day.
    Export(export::ExportArgs),
    /// Draw a seeded sample of what a control judged at a time.
    Sample(sample::SampleArgs),
}

/// Runs a subcommand.
pub fn run(args: &EvidenceArgs) -> Result<u8, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &args.command {
        EvidenceCommand::Audit(command) => {
            let Answer { text, exit_code } = runtime.block_on(command.run())?;
            super::scan::to_stdout(|stdout| stdout.write_all(text.as_bytes()))?;
            Ok(exit_code)
        }
        EvidenceCommand::Export(args) => runtime.block_on(export::run(args)),
        EvidenceCommand::Sample(args) => runtime.block_on(sample::run(args)),
    }
}
