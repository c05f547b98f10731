//! The auditor's verifier: checks a log, proves its entries and replays it, without a cluster and
//! without the program that wrote it.

#![allow(clippy::disallowed_methods, reason = "a program prints")]

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use comptroller_evidence::cli::{Answer, AuditCommand, FAILURE};
use comptroller_vocabulary::visible_lines;

/// Checks a log of evidence, without a cluster and without trust in whoever wrote it.
#[derive(Debug, Parser)]
#[command(name = "comptroller-verify", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: AuditCommand,
}

fn main() -> ExitCode {
    let code = run(&Arguments::parse().command).unwrap_or_else(|error| {
        // A file or a folder may have put anything into it.
        eprintln!("comptroller-verify: {}", visible_lines(&error.to_string()));
        FAILURE
    });
    ExitCode::from(code)
}

fn run(command: &AuditCommand) -> Result<u8, Box<dyn std::error::Error>> {
    // One thread folds; hashing is handed to threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let Answer { text, exit_code } = runtime.block_on(command.run())?;
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads may have seen enough, such as `head`; the exit code still says what was found.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit_code),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(exit_code),
    }
}
