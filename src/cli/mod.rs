//! The command line: a file or folder for each subcommand.

pub mod attest;
pub mod cluster;
pub mod crds;
pub mod evidence;
mod format_parser;
pub mod gap;
mod output;
pub mod pack;
pub mod report;
pub mod run;
pub mod scan;
pub mod time;
pub mod who_can;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use comptroller_vocabulary::visible_lines;

/// Could not do what was asked.
const FAILURE: u8 = 2;

/// Keeps SOC 2 controls true on Kubernetes, and proves it.
#[derive(Debug, Parser)]
#[command(name = "comptroller", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator: evaluate every Control continuously and write its status.
    Run(run::RunArgs),
    /// Evaluate the controls once, over manifests or a cluster.
    Scan(scan::ScanArgs),
    /// Say which criteria the controls cover, and how those stand.
    Gap(gap::GapArgs),
    /// Say who may do something, and by which binding.
    WhoCan(who_can::WhoCanArgs),
    /// Record that somebody performed what a control asks of people.
    Attest(attest::AttestArgs),
    /// Write the Type I or Type II report over an audit period.
    Report(report::ReportArgs),
    /// Read a log of evidence: verify it, prove an entry, export it, draw samples.
    Evidence(evidence::EvidenceArgs),
    /// Print the built-in controls, with the profiles of a distribution and its add-ons.
    Pack(pack::PackArgs),
    /// Print the custom resource definitions.
    Crds(CrdsArgs),
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// Where to print the definitions.
#[derive(Debug, clap::Args)]
struct CrdsArgs {
    /// Write one file for each definition into this folder, instead of printing them.
    #[arg(long, value_name = "DIR")]
    dir: Option<std::path::PathBuf>,
}

/// Runs a command; its exit code is 0, or 2 with the reason on standard error.
pub fn main(cli: Cli) -> ExitCode {
    // One provider for every TLS connection; an error only says that a test installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match cli.command {
        Command::Run(args) => run::run(&args).map(|()| 0),
        Command::WhoCan(args) => who_can::run(&args),
        Command::Scan(args) => scan::run(&args),
        Command::Gap(args) => gap::run(&args),
        Command::Attest(args) => attest::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Evidence(args) => evidence::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Crds(args) => crds(&args),
        Command::Completion { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "comptroller",
                &mut std::io::stdout(),
            );
            Ok(0)
        }
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        // An API server, a file or a bucket may have put anything into it.
        eprintln!("comptroller: {}", visible_lines(&error.to_string()));
        FAILURE
    }))
}

fn crds(args: &CrdsArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let Some(dir) = &args.dir else {
        print!("{}", crds::render_stream()?);
        return Ok(0);
    };
    let failed = |path: &std::path::Path, error: std::io::Error| {
        format!("{} can't be written: {error}", path.display())
    };
    std::fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    for file in crds::render_files()? {
        let path = dir.join(&file.name);
        std::fs::write(&path, &file.content).map_err(|error| failed(&path, error))?;
    }
    Ok(0)
}
