//! `comptroller completion`: shell completion.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, output::to_stdout};

/// The shell to complete for.
#[derive(Debug, clap::Args)]
pub struct CompletionArgs {
    /// The shell that the script is for.
    shell: Shell,
}

/// Prints the completion script.
///
/// # Errors
/// If standard output can't be written.
pub fn run(args: &CompletionArgs) -> Result<u8, Box<dyn std::error::Error>> {
    to_stdout(|stdout| {
        clap_complete::generate(args.shell, &mut Cli::command(), "comptroller", &mut &mut *stdout);
        Ok(())
    })?;
    Ok(0)
}
