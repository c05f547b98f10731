//! `comptroller people import`: an export of the HR system into Persons, all of it or nothing.

mod apply;
mod columns;
mod decode;
mod issue;
mod managers;
mod names;
mod output;
mod plan;
mod rows;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use kube::{Api, Client, api::ListParams};

use self::{
    columns::{Mapping, parse_mapping},
    decode::{DecodeError, Encoding},
    issue::Issues,
    plan::Missing,
    rows::{Export, Reading},
};
use crate::cli::{
    cluster::{ClusterArgs, ClusterError, api_message},
    output::to_stdout,
};
use comptroller_core::api::{Person, person::parse_day};

/// The largest export that is read, in bytes: some 100,000 people take 20 MB.
const MAX_BYTES: u64 = 128 << 20;

/// How many people one request lists.
const PAGE: u32 = 500;

/// The exit code when people are missing from the export and nobody said what becomes of them.
const UNDECIDED: u8 = 1;

/// Create and change Persons by an export of the HR system, as CSV with a header.
///
/// Columns are found by their usual names, or by --map. Fields: name (of the object), id, displayName,
/// firstName, lastName, email, username, groups, department, roles, manager, startDate, endDate. A
/// cell of usernames, groups or roles may hold several, separated by ; or |. Nothing is written if
/// anything is wrong. Exit code 0: done. 1: people are missing from the export, and --missing does not
/// say what becomes of them; nothing was written. 2: something is wrong.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// The export, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which column is which field; can be repeated.
    #[arg(long = "map", value_name = "FIELD=COLUMN", value_parser = parse_mapping)]
    mappings: Vec<Mapping>,
    /// Show what would be created, changed and ended, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// What becomes of people who are in the cluster and not in the export: keep, or end with today as
    /// the last day, or end=YYYY-MM-DD. Nobody is ever deleted.
    #[arg(long, value_name = "keep|end[=DAY]", value_parser = parse_missing)]
    missing: Option<MissingArg>,
    /// What separates cells: a comma, a semicolon or tab. Default: what the header has most of.
    #[arg(long, value_name = "CHARACTER", value_parser = parse_delimiter)]
    delimiter: Option<u8>,
    /// How the export is encoded, if it does not begin with a byte order mark.
    #[arg(long, value_enum, value_name = "ENCODING", default_value_t)]
    encoding: Encoding,
    /// The form of dates, such as %d.%m.%Y. Default: YYYY-MM-DD.
    #[arg(long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    date_format: String,
    /// Print the Persons of the export as manifests, to commit to Git, instead of writing them to the
    /// cluster, which is not asked then.
    #[arg(short, long, value_enum, value_name = "FORMAT", conflicts_with_all = ["dry_run", "missing"])]
    output: Option<ManifestFormat>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// The format of manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ManifestFormat {
    /// A stream of Persons.
    Yaml,
}

/// What `--missing` says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum MissingArg {
    Keep,
    /// The last day. None: today.
    End(Option<String>),
}

/// Why nothing was imported, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is no connection to a cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The file can't be read.
    #[error("{} can't be read: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is too large.
    #[error("{} is larger than 128 MiB: split it, or leave out columns that are not imported", .0.display())]
    TooLarge(PathBuf),
    /// The file is no text.
    #[error("{}, {source}", path.display())]
    Decode {
        path: PathBuf,
        #[source]
        source: DecodeError,
    },
    /// Something is wrong with what it says.
    #[error("nothing is imported from {}:\n{issues}", path.display())]
    Issues { path: PathBuf, issues: Issues },
    /// The people of the cluster can't be listed.
    #[error(
        "people can't be listed: {}; install the CRDs, and have an administrator bind you to the ClusterRole comptroller-people-editor",
        api_message(.0)
    )]
    List(#[source] kube::Error),
    /// The API server would refuse some of it.
    #[error("nothing is imported: the API server refuses some of it:\n{0}")]
    Refused(String),
    /// A write failed.
    #[error(
        "{written} of {all} were written, and then: {why}; run the command again, which goes on with the rest"
    )]
    Cut { written: usize, all: usize, why: String },
}

fn parse_missing(text: &str) -> Result<MissingArg, String> {
    match text.split_once('=') {
        None if text == "keep" => Ok(MissingArg::Keep),
        None if text == "end" => Ok(MissingArg::End(None)),
        Some(("end", day)) if parse_day(day).is_some() => Ok(MissingArg::End(Some(day.to_owned()))),
        _ => Err("write keep, end, or end=YYYY-MM-DD".to_owned()),
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte] if *byte != b'"' && !byte.is_ascii_alphanumeric() => Ok(*byte),
            _ => Err("write one character, such as ; or tab".to_owned()),
        },
    }
}

/// Runs the command and returns its exit code.
pub fn run(args: &ImportArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let mut issues = Issues::default();
    let mut export = read(args, &mut issues)?;
    if args.output.is_some() {
        managers::resolve(&mut export, &[], &mut issues);
        refuse(args, issues)?;
        to_stdout(|out| output::manifests(&export, out))?;
        return Ok(0);
    }
    Ok(import(args, export, issues)?)
}

/// Everybody of the export.
fn read(args: &ImportArgs, issues: &mut Issues) -> Result<Export, ImportError> {
    let path = || args.file.clone();
    let bytes = bytes(&args.file).map_err(|source| ImportError::Read { path: path(), source })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ImportError::TooLarge(path()));
    }
    let text = decode::decode(&bytes, args.encoding)
        .map_err(|source| ImportError::Decode { path: path(), source })?;
    drop(bytes);
    let reading = Reading {
        delimiter: args.delimiter,
        date_format: &args.date_format,
        mappings: &args.mappings,
    };
    Ok(rows::read(&text, &reading, issues))
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more than is taken tells a file that is too large from one that just fits.
    if path == Path::new("-") {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn refuse(args: &ImportArgs, issues: Issues) -> Result<(), ImportError> {
    if issues.is_empty() {
        return Ok(());
    }
    Err(ImportError::Issues { path: args.file.clone(), issues })
}

#[tokio::main(flavor = "current_thread")]
async fn import(
    args: &ImportArgs,
    mut export: Export,
    mut issues: Issues,
) -> Result<u8, ImportError> {
    // What the cluster knows adds nothing to a row that is wrong by itself.
    refuse(args, std::mem::take(&mut issues))?;
    let client: Client = args.cluster.client().await?;
    let api: Api<Person> = Api::all(client);
    let people = list(&api).await?;
    let missing = match &args.missing {
        None => Missing::Ask,
        Some(MissingArg::Keep) => Missing::Keep,
        Some(MissingArg::End(day)) => Missing::End(day.clone().unwrap_or_else(today)),
    };
    let others = plan::others(&export, &people);
    managers::resolve(&mut export, &others, &mut issues);
    let plan = plan::plan(&export, &people, &missing, &mut issues);
    refuse(args, issues)?;
    let undecided = missing == Missing::Ask && !plan.missing.is_empty();
    if args.dry_run {
        print(|out| output::table(&plan, &missing, out));
    } else if undecided {
        print(|out| output::undecided(&plan, out));
    } else {
        apply::apply(&api, &plan).await?;
        print(|out| output::summary(&plan, &missing, out));
    }
    Ok(if undecided { UNDECIDED } else { 0 })
}

/// Prints what was done or would be. That it was done does not depend on whether it can be told.
fn print(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) {
    if let Err(error) = to_stdout(write) {
        eprintln!("comptroller: standard output can't be written: {error}");
    }
}

/// Today in UTC, by the clock of this machine.
fn today() -> String {
    Timestamp::now().to_zoned(TimeZone::UTC).date().to_string()
}

async fn list(api: &Api<Person>) -> Result<Vec<Person>, ImportError> {
    let mut people = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await.map_err(ImportError::List)?;
        people.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok(people),
        }
    }
}
