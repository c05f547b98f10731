//! `comptroller people`: who works here, as the company's own records say it.

mod import;

use clap::Subcommand;

/// What to do with people.
#[derive(Debug, clap::Args)]
pub struct PeopleArgs {
    #[command(subcommand)]
    command: PeopleCommand,
}

#[derive(Debug, Subcommand)]
enum PeopleCommand {
    /// Create and change Persons by an export of the HR system, as CSV.
    Import(import::ImportArgs),
}

/// Runs the command and returns its exit code.
pub fn run(args: &PeopleArgs) -> Result<u8, Box<dyn std::error::Error>> {
    match &args.command {
        PeopleCommand::Import(args) => import::run(args),
    }
}
