//! `comptroller register`: what is or was in a register, by the log or of the cluster now.

mod answer;
mod cluster;
mod log;
mod print;

use std::error::Error;

use jiff::Timestamp;

use self::answer::RegisterAnswer;
use super::{
    arguments::moment,
    cluster::ClusterArgs,
    output::{RowFormat, to_stdout},
};
use comptroller_core::{nearest::did_you_mean, registers::REGISTERS};
use comptroller_vocabulary::visible;

/// The exit code of a partial answer, and of none.
const INCOMPLETE: u8 = 2;

/// How many reasons are printed.
const SHOWN: usize = 20;

/// Print a register: what is in it now, what was in it at a time, or everything that was in it at some
/// time of a window, with when it came and went.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct RegisterArgs {
    /// The register, such as grants, workloads, volumes, databases, endpoints, namespaces, suppliers or
    /// extensions.
    #[arg(value_name = "NAME")]
    name: String,
    /// The evidence log: a directory, or s3://, gs:// or az:// BUCKET/PREFIX. Without it the register is
    /// derived from the cluster, as it is now.
    #[arg(long, value_name = "URL|DIR", env = "COMPTROLLER_EVIDENCE")]
    evidence: Option<String>,
    /// Derive it from the cluster, whether a log is named or not.
    #[arg(long, conflicts_with_all = ["at", "from", "key"])]
    cluster: bool,
    /// What was in it at this time: a day, such as 2026-09-30, which means its first moment, or a time in
    /// UTC. Default: the end of the log.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "from")]
    at: Option<Timestamp>,
    /// Everything that was in it at some time from this one on.
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "to")]
    from: Option<Timestamp>,
    /// The first moment after that window.
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "from")]
    to: Option<Timestamp>,
    /// The verifier key, or a file with it. Without it, the key beside the log is trusted.
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// The output format. A table has at most 1,000 rows, JSON and CSV have all.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    output: RowFormat,
    #[command(flatten)]
    cluster_args: ClusterArgs,
}

const HELP: &str = "\
Examples:
  register grants                                who may do what in the cluster now
  register grants --evidence LOG                 at the end of the log
  register grants --evidence LOG --at 2026-09-30 as it was then
  register grants --evidence LOG --from 2026-07-01 --to 2026-10-01 -o csv
                                                 all grants of the quarter, a
                                                 short-lived one too

Required permissions, without a log: list on the kinds that the register reads.

In a log people are pseudonyms; `evidence person` opens one.

Exit codes:
  0  all of it is known
  2  there is no answer, or only a part of it: the register is not kept, or it
     was not known for some of the time. Standard error says why.";

/// Why there is no register.
#[derive(Debug, thiserror::Error)]
enum RegisterError {
    #[error("there is no register {name:?}{}; there are {}", did_you_mean(near), known.join(", "))]
    Unknown { name: String, near: Vec<String>, known: Vec<String> },
    #[error(
        "the log in {location} has no register {name}: it is not kept, since nothing needs it or the operator is of an older version; it has {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )]
    NotKept { name: String, location: String, known: Vec<String> },
    #[error(
        "which log? A time needs the evidence log: give it with --evidence, or set COMPTROLLER_EVIDENCE"
    )]
    NoLog,
    #[error(
        "the window ends at {to}, which is not after its start {from}: exchange --from and --to"
    )]
    NoWindow { from: Timestamp, to: Timestamp },
    #[error(
        "the cluster does not answer: {0}; check that it runs and that the kubeconfig names it"
    )]
    Discovery(String),
}

/// Prints a register; returns the exit code.
pub fn run(args: &RegisterArgs) -> Result<u8, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let answer = runtime.block_on(answer(args))?;
    to_stdout(|stdout| match args.output {
        RowFormat::Table => print::table(&answer, stdout),
        RowFormat::Csv => print::csv(&answer, stdout),
        RowFormat::Json => {
            serde_json::to_writer_pretty(&mut *stdout, &answer)?;
            writeln!(stdout)
        }
    })?;
    let unknown = answer.unknown();
    if unknown.is_empty() {
        return Ok(0);
    }
    eprintln!("comptroller: not all of the register is known:");
    for line in unknown.iter().take(SHOWN) {
        eprintln!("comptroller: {}", visible(line));
    }
    if unknown.len() > SHOWN {
        eprintln!("comptroller: and {} more", unknown.len() - SHOWN);
    }
    Ok(INCOMPLETE)
}

async fn answer(args: &RegisterArgs) -> Result<RegisterAnswer, Box<dyn Error>> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(RegisterError::NoWindow { from, to }.into());
    }
    match &args.evidence {
        Some(location) if !args.cluster => log::read(args, location).await,
        _ if args.at.is_some() || args.from.is_some() => Err(RegisterError::NoLog.into()),
        _ => cluster::read(args).await,
    }
}

/// The error for a name that no register has, by the names that are known.
fn unknown<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> RegisterError {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.extend(REGISTERS.iter().map(|register| register.name));
    known.sort_unstable();
    known.dedup();
    let near = comptroller_core::nearest::nearest(name, known.iter().copied());
    RegisterError::Unknown {
        name: name.to_owned(),
        near: near.into_iter().map(str::to_owned).collect(),
        known: known.into_iter().map(str::to_owned).collect(),
    }
}
