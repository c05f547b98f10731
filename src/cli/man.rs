//! `comptroller man`: the manual pages, made from what --help says.

use std::{fs, io, path::PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;

use super::Cli;

/// Where to write the pages.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The folder, such as ~/.local/share/man/man1. It is made if it is not there.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Why the pages were not written.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be written: {source}; check that its folder exists and is writable", path.display())]
pub struct ManError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes a page for the program and one for each command, such as `comptroller-scan.1`.
///
/// # Errors
/// If a file or the folder can't be written.
pub fn run(args: &ManArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let failed = |path: &PathBuf, source| ManError { path: path.clone(), source };
    fs::create_dir_all(&args.dir).map_err(|error| failed(&args.dir, error))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    // Names such as `comptroller-evidence-verify` are known only once the tree is complete.
    command.build();
    let mut commands = vec![command];
    while let Some(command) = commands.pop() {
        let man = Man::new(command.clone())
            .source(concat!("Comptroller ", env!("CARGO_PKG_VERSION")))
            .manual("Comptroller");
        let path = args.dir.join(man.get_filename());
        let mut page = Vec::new();
        man.render(&mut page)?;
        fs::write(&path, page).map_err(|error| failed(&path, error))?;
        commands.extend(command.get_subcommands().filter(|one| !one.is_hide_set()).cloned());
    }
    Ok(0)
}
