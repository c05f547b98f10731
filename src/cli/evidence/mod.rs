//! `comptroller evidence`: what is done with a log, without a cluster.

pub mod export;
pub mod sample;

/// What to do with a log.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum EvidenceCommand {
    /// Write the entries as JSON lines or Parquet, partitioned by cluster and day.
    Export(export::ExportArgs),
    /// Draw a seeded sample of what a control judged at a time.
    Sample(sample::SampleArgs),
}

/// Does it, and returns the exit code.
pub fn run(command: &EvidenceCommand) -> Result<u8, Box<dyn std::error::Error>> {
    match command {
        EvidenceCommand::Export(args) => export::run(args),
        EvidenceCommand::Sample(args) => sample::run(args),
    }
}
