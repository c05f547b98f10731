//! `comptroller evidence`.
pub mod export;
pub mod sample;
/// Commands on a log.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum EvidenceCommand {
    /// Write the entries as JSON lines or Parquet.
    Export(export::ExportArgs),
    /// Draw a seeded sample of what a control judged.
    Sample(sample::SampleArgs),
}
/// Runs.
pub fn run(command: &EvidenceCommand) -> Result<u8, Box<dyn std::error::Error>> {
    match command {
        EvidenceCommand::Export(args) => export::run(args),
        EvidenceCommand::Sample(args) => sample::run(args),
    }
}
