//! `comptroller evidence`: what an auditor does with a log. Needs no cluster.

mod explain;
pub(crate) mod export;
pub(crate) mod rotate;
pub(crate) mod sample;
pub(crate) mod verdict_replay;

use std::error::Error;

use super::output::to_stdout;
use comptroller_evidence::cli::{Answer, AuditCommand};

/// Read an evidence log.
#[derive(Debug, clap::Args)]
pub struct EvidenceArgs {
    #[command(subcommand)]
    command: EvidenceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum EvidenceCommand {
    /// The commands of the auditor's own verifier.
    #[command(flatten)]
    Audit(AuditCommand),
    /// Write the entries, or the items of registers, as JSON lines or Parquet, by cluster and day.
    Export(export::ExportArgs),
    /// Draw a seeded sample of the items that a control judged, or of a register over a window.
    Sample(sample::SampleArgs),
    /// Say why an item passed or failed a control at a time: it is judged again on the recorded facts.
    Explain(explain::ExplainArgs),
    /// Sign a log with another key from now on.
    RotateKey(rotate::RotateKeyArgs),
}

pub fn run(args: &EvidenceArgs) -> Result<u8, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &args.command {
        EvidenceCommand::Audit(command) => {
            let Answer { text, exit_code } = runtime.block_on(command.run())?;
            to_stdout(|stdout| stdout.write_all(text.as_bytes()))?;
            Ok(exit_code)
        }
        EvidenceCommand::Export(args) => runtime.block_on(export::run(args)),
        EvidenceCommand::Sample(args) => runtime.block_on(sample::run(args)),
        EvidenceCommand::Explain(args) => runtime.block_on(explain::run(args)),
        EvidenceCommand::RotateKey(args) => runtime.block_on(rotate::run(args)),
    }
}
