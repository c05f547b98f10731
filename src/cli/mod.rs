//! The command line: a file or folder for each subcommand.

mod arguments;
pub(crate) mod attest;
mod cluster;
mod completion;
pub mod crds;
pub(crate) mod evidence;
mod format_parser;
pub(crate) mod gap;
mod man;
mod output;
pub mod pack;
mod register;
pub(crate) mod report;
pub(crate) mod run;
pub mod scan;
pub(crate) mod ui;
pub(crate) mod who_can;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use self::cluster::api_message;
use comptroller_vocabulary::visible_lines;

/// The exit code of a command that failed.
const FAILURE: u8 = 2;

/// Checks SOC 2 controls on Kubernetes continuously, and keeps evidence of what it finds.
#[derive(Debug, Parser)]
#[command(name = "comptroller", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the operator: evaluate every Control continuously and write its status.
    Run(run::RunArgs),
    /// Evaluate the controls once, over manifests or a cluster.
    Scan(scan::ScanArgs),
    /// Compare the controls with the SOC 2 criteria: which are covered, and which pass.
    Gap(gap::GapArgs),
    /// List the subjects that may do something, and by which binding.
    WhoCan(who_can::WhoCanArgs),
    /// Record that a person performed the procedure that a control requires.
    Attest(attest::AttestArgs),
    /// Write the Type I or Type II report for an audit period.
    Report(report::ReportCommand),
    /// Print a register, such as that of all grants: now, at a time, or over a window.
    Register(register::RegisterArgs),
    /// Show the controls, their history and the audit periods in a browser.
    Ui(ui::UiArgs),
    /// Read an evidence log: verify it, prove an entry, export it, draw samples.
    Evidence(evidence::EvidenceArgs),
    /// Rebuild verdicts from what an evidence log stores, and compare them with what it recorded.
    Replay(evidence::verdict_replay::VerdictReplayArgs),
    /// Print the built-in controls, with the profiles of a distribution and add-ons.
    Pack(pack::PackArgs),
    /// Print the CustomResourceDefinitions, or write them as JSON Schemas for editors.
    Crds(crds::CrdsArgs),
    /// Print a completion script for a shell.
    Completion(completion::CompletionArgs),
    /// Write the manual pages.
    Man(man::ManArgs),
}

/// Runs a command and returns its exit code, which is 2 if it failed; the reason is then on standard
/// error.
pub fn main(cli: Cli) -> ExitCode {
    // One provider for all TLS connections. An error only means that a test has installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match cli.command {
        CliCommand::Run(args) => run::run(&args).map(|()| 0),
        CliCommand::WhoCan(args) => who_can::run(&args),
        CliCommand::Scan(args) => scan::run(&args),
        CliCommand::Gap(args) => gap::run(&args),
        CliCommand::Attest(args) => attest::run(&args),
        CliCommand::Report(args) => report::run(&args),
        CliCommand::Register(args) => register::run(&args),
        CliCommand::Ui(args) => ui::run(&args),
        CliCommand::Evidence(args) => evidence::run(&args),
        CliCommand::Replay(args) => evidence::verdict_replay::run(&args),
        CliCommand::Pack(args) => pack::run(&args),
        CliCommand::Crds(args) => crds::run(&args),
        CliCommand::Completion(args) => completion::run(&args),
        CliCommand::Man(args) => man::run(&args),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        // It may have text from an API server, a file or a bucket, which could control the terminal.
        eprintln!("comptroller: {}", visible_lines(&error.to_string()));
        FAILURE
    }))
}
