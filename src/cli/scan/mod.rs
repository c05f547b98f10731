//! `comptroller scan`: one evaluation over manifests or a cluster.

mod absent;
mod cluster;
mod controls;
mod intake;
mod progress;
mod sources;
mod unrendered;

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;

pub use self::cluster::{ScanClusterError, unreadable};
use self::{controls::Rules, intake::Intake, progress::Progress, sources::Sources};
use crate::{
    api::ControlSpec,
    cli::cluster::ClusterArgs,
    inventory::manifest::{Found, Limits, ManifestError},
    report::{self, Evaluation, Format, ReportedError, TableStyle},
};

/// The longest document that is read where nobody says otherwise, in MiB.
pub const MAX_DOCUMENT_MIB: u16 = 64;

/// What to scan, by what, and how to say what was found.
///
/// Exit code 0: every control passes, is excepted or has nothing to judge. 1: a control fails.
/// 2: something could not be evaluated or read.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ScanArgs {
    /// Manifests: files, folders, or - for standard input.
    #[arg(value_name = "PATH", required_unless_present = "cluster")]
    pub paths: Vec<PathBuf>,
    /// Evaluate a live cluster instead, by its own controls unless --controls names others.
    #[arg(long, conflicts_with = "paths")]
    pub cluster: bool,
    /// Which cluster.
    #[command(flatten)]
    pub cluster_args: ClusterArgs,
    /// Files or folders with controls and exceptions; may be repeated. Controls among the
    /// manifests count too. Without any, the built-in SOC 2 pack is used.
    #[arg(long, value_name = "PATH")]
    pub controls: Vec<PathBuf>,
    /// How to write what was found.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: Output,
    /// Exit with 0 although a control could not be evaluated; it is reported all the same.
    #[arg(long)]
    pub allow_unknown: bool,
    /// The longest document to read, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = MAX_DOCUMENT_MIB, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub max_document_size: u16,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For a person.
    #[default]
    Table,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for code review.
    Sarif,
    /// JUnit XML, for CI.
    Junit,
}

impl Output {
    /// The format, as standard output can show it.
    pub fn format(self) -> Format {
        match self {
            Self::Table => Format::Table(table_style()),
            Self::Json => Format::Json,
            Self::Sarif => Format::Sarif,
            Self::Junit => Format::Junit,
        }
    }
}

/// Scans, prints, and returns the exit code.
pub fn run(args: &ScanArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let now = Timestamp::now();
    let evaluation = if args.cluster { evaluate_cluster(args, now)? } else { evaluate(args, now) };
    print(&evaluation, args.output)?;
    Ok(evaluation.exit_code(args.allow_unknown))
}

/// Evaluates the manifests as they are at a time.
pub fn evaluate(args: &ScanArgs, now: Timestamp) -> Evaluation {
    let given = !args.controls.is_empty();
    let mut rules = if given { Rules::read(&args.controls) } else { Rules::builtin() };
    let mut sources = Sources::find(&args.paths);
    let limits =
        Limits { document_bytes: usize::from(args.max_document_size) << 20, ..Limits::default() };
    let progress = Progress::start(sources.iter().len());
    let mut intake = Intake::new(&rules, None, now);
    read_all(&sources, limits, &progress, &mut intake);
    let found = intake.take_rules();
    if !given && !found.controls.is_empty() {
        rules = Rules::default();
    }
    rules.merge(found);
    if intake.must_reread() {
        intake = Intake::new(&rules, Some(intake.into_learned()), now);
        progress.again();
        read_all(&sources, limits, &progress, &mut intake);
    }
    drop(progress);
    intake.fail_unrendered(&sources);
    sources.fail_empty(&intake);
    let mut evaluation = intake.evaluate(&rules);
    let before = rules.errors.into_iter().chain(sources.errors);
    evaluation.errors.splice(0..0, before);
    evaluation
}

/// Evaluates a live cluster as it is at a time.
pub fn evaluate_cluster(
    args: &ScanArgs,
    now: Timestamp,
) -> Result<Evaluation, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(cluster::evaluate(args, now))?)
}

/// Reads every document of these paths, for commands that judge no control.
pub fn sources_of(
    paths: &[PathBuf],
    take: &mut dyn FnMut(Result<Found, ManifestError>),
) -> Vec<ReportedError> {
    let sources = Sources::find(paths);
    let mut errors = sources.errors.clone();
    errors.extend(sources.unrendered.iter().map(|folder| ReportedError {
        file: Some(Arc::clone(&folder.file)),
        message: folder.message.clone(),
        ..ReportedError::default()
    }));
    for source in sources.iter() {
        if let Err(error) = sources.read(source, Limits::default(), take) {
            let file = Some(Arc::clone(&source.name));
            errors.push(ReportedError {
                file,
                message: error.to_string(),
                ..ReportedError::default()
            });
        }
    }
    errors
}

/// The controls that these files hold, by name, without any judgement.
pub fn controls_of(paths: &[PathBuf]) -> (Vec<(String, Arc<ControlSpec>)>, Vec<ReportedError>) {
    let rules = Rules::read(paths);
    let controls = rules.controls.into_iter().map(|(name, (spec, _))| (name, spec)).collect();
    (controls, rules.errors)
}

fn read_all(sources: &Sources, limits: Limits, progress: &Progress, intake: &mut Intake) {
    for source in sources.iter() {
        intake.begin_file(source);
        let read = sources.read(source, limits, &mut |found| intake.take(found, source.named));
        if let Err(error) = read {
            intake.fail(error.to_string());
        }
        progress.advance();
    }
}

/// Prints an evaluation to standard output.
pub fn print(evaluation: &Evaluation, output: Output) -> io::Result<()> {
    to_stdout(|stdout| report::write(evaluation, output.format(), stdout))
}

/// Writes to standard output. Who closes the pipe early has read enough.
pub fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Colours and wrapping only where a person looks on (<https://no-color.org>).
pub fn table_style() -> TableStyle {
    if !io::stdout().is_terminal() {
        return TableStyle::default();
    }
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let (_, columns) = console::Term::stdout().size();
    TableStyle { colour: !set("NO_COLOR") && !dumb, width: Some(usize::from(columns)) }
}
