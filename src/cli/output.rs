//! How a subcommand writes rows: for whom.

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For a person.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For a spreadsheet.
    Csv,
}
