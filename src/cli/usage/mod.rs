//! `comptroller usage`: who used which right, by audit events of a file or by the log of an operator
//! that hears them.

mod import;
mod output;
mod show;

use std::error::Error;

/// Say who used which right, and when last.
#[derive(Debug, clap::Args)]
pub struct UsageArgs {
    #[command(subcommand)]
    command: UsageCommand,
}

#[derive(Debug, clap::Subcommand)]
enum UsageCommand {
    /// Reduce audit logs to last uses: files of JSON lines, as kube-apiserver writes them.
    Import(import::ImportArgs),
    /// Say what the operator has heard and recorded: people are pseudonyms.
    Show(show::ShowArgs),
}

pub fn run(args: &UsageArgs) -> Result<u8, Box<dyn Error>> {
    match &args.command {
        UsageCommand::Import(args) => import::run(args),
        UsageCommand::Show(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(show::run(args))
        }
    }
}
