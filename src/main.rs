//! Parses the arguments and calls the command line.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    comptroller::cli::main(comptroller::cli::Cli::parse())
}
