//! `comptroller report`: the Type I or Type II report, from nothing but the evidence log.

mod cited;
mod closing;
mod output;
mod provenance;
mod push;
mod request;

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use jiff::Timestamp;

use self::{
    closing::Closing,
    provenance::{CheckedLog, ReportRun},
    push::PushArgs,
    request::ReportRequest,
};
use crate::cli::{
    arguments::{self, moment},
    cluster::ClusterArgs,
    evidence::sample::StratifyArgument,
    format_parser::{self, format_parser},
};
use comptroller_core::api::{AuditPeriod, criteria::Category};
use comptroller_evidence::{
    key::VerifierKey,
    log::LogReader,
    replay::{Replayed, replay},
    sample_table::SampleTable,
    store,
    verify::continues,
    witness::{OutsideView, Policy},
};
use comptroller_report::period::{
    FORMATS, PeriodFormat, Rendered, digest,
    fold::PeriodFold,
    model::{DEVIATION_RULE, DeviationRule, PeriodReport, ReportPeriod},
    sampling::SamplingSheet,
};

/// The name of the subcommand that sends a report.
const PUSH: &str = "push";

/// The report, written or sent.
#[derive(Clone, Debug)]
pub enum ReportCommand {
    Write(Box<ReportArgs>),
    Push(Box<PushArgs>),
}

// By hand: derived, arguments that are required and a subcommand that needs none of them exclude each
// other, or all of them become optional.
impl FromArgMatches for ReportCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.subcommand() {
            Some((PUSH, matches)) => Ok(Self::Push(Box::new(PushArgs::from_arg_matches(matches)?))),
            _ => Ok(Self::Write(Box::new(ReportArgs::from_arg_matches(matches)?))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ReportCommand {
    fn augment_args(command: Command) -> Command {
        ReportArgs::augment_args(command)
            .subcommand(PushArgs::augment_args(Command::new(PUSH)))
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Writes or sends a report; returns the exit code.
pub fn run(command: &ReportCommand) -> Result<u8, Box<dyn std::error::Error>> {
    match command {
        ReportCommand::Write(args) => write(args),
        ReportCommand::Push(args) => push::run(args),
    }
}

/// Write the report for an audit period from the evidence log.
///
/// Exit code 0: the report was written. 1: it was written, but the status of the audit period, or the entry
/// that closes it, has another number. 2: it could not be written, or what it rests on is not right.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// The name of an AuditPeriod in the cluster or in the file. With --from and --to, or --as-of: a name
    /// for the report, which then needs no cluster.
    #[arg(required_unless_present_any = ["from", "as_of", "filename"])]
    pub period: Option<String>,
    /// The evidence log: a directory, or s3://, gs:// or az:// BUCKET/PREFIX.
    #[arg(long, value_name = "URL|DIR", env = "COMPTROLLER_EVIDENCE")]
    pub evidence: String,
    /// The format of the report. Default: html; of a report that is sent, json.
    #[arg(short = 'o', long, value_name = "FORMAT", ignore_case = true, value_parser = format_parser(FORMATS))]
    pub format: Option<&'static PeriodFormat>,
    /// The file to write, or the folder for csv. Default: standard output.
    #[arg(long, value_name = "FILE|DIR")]
    pub output: Option<PathBuf>,
    /// Read the AuditPeriod from this file instead of a cluster.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["from", "as_of"])]
    pub filename: Option<PathBuf>,
    /// The first moment of a Type II period: a day, such as 2027-01-01, or a time in UTC.
    #[arg(long, value_name = "TIME", requires = "to", value_parser = moment)]
    pub from: Option<Timestamp>,
    /// The first moment after a Type II period.
    #[arg(long, value_name = "TIME", requires = "from", value_parser = moment)]
    pub to: Option<Timestamp>,
    /// The point in time of a Type I report, in the same form.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"], value_parser = moment)]
    pub as_of: Option<Timestamp>,
    /// The categories in scope, with --from or --as-of. Security is always included.
    #[arg(long, value_name = "CATEGORY", ignore_case = true, value_delimiter = ',', value_parser = arguments::category())]
    pub categories: Vec<Category>,
    /// The share of the period, in percent, below which nothing is concluded, with --from or --as-of.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub minimum_observation: Option<u8>,
    /// A file with the rule by which deviations are isolated, recurring or systematic: JSON as
    /// `deviationRule` in the report has it. What it lacks is as in the default. The digest of the report is
    /// then another than that of a closed AuditPeriod.
    #[arg(long, value_name = "FILE")]
    pub deviation_rule: Option<PathBuf>,
    /// The verifier key, or a file with it. Without it, the key beside the log is trusted.
    #[arg(long, value_name = "KEY|FILE")]
    pub key: Option<String>,
    /// An older checkpoint that the log must continue.
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Which witnesses count, and how many of them (C2SP tlog-policy), from somewhere else than the log.
    /// Without it the policy beside the log is used, which is the operator's own word, also for a period of
    /// the cluster: the report says so.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Read only this many entries of the log, to reproduce a report that was based on them.
    #[arg(long, value_name = "ENTRIES")]
    pub log_size: Option<u64>,
    /// The seed of the samples. Default: one for each control that nobody picks, the SHA-256 of the lines
    /// `comptroller.dev/sample v1`, the ends of the period, the control and the digest of its population.
    #[arg(long, value_name = "TEXT")]
    pub seed: Option<String>,
    /// How many items to draw: the name of a table, by-size (4:all,50:5,250:10%,25), by-frequency (yearly
    /// 1, quarterly 2, monthly 2, whenever something changes 40) or ad-hoc (50:8,250:15,25); or rows of your
    /// own, such as 50:5 (5 of up to 50), and a last one for everything larger. A size is a number, a share
    /// such as 10%, or all.
    #[arg(long, visible_alias = "table", value_name = "NAME|ROWS", default_value_t)]
    pub sizes: SampleTable,
    /// Draw the samples of registers from each week, month or quarter in which items came, and from those that
    /// stood at the start: one of each if the sample is large enough, and then by their shares.
    #[arg(long, value_enum, value_name = "TIME")]
    pub stratify: Option<StratifyArgument>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Writes the report; returns the exit code.
fn write(args: &ReportArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let made = make(args)?;
    output::write(&made.rendered, args.output.as_deref())?;
    Ok(match made.mismatch {
        None => 0,
        Some(mismatch) => {
            eprintln!("comptroller: {mismatch}");
            1
        }
    })
}

/// A rendered report, and how it contradicts the `AuditPeriod`; None if it does not.
#[derive(Debug)]
pub(crate) struct MadeReport {
    pub rendered: Rendered,
    pub mismatch: Option<String>,
    /// The digest of what the report says, whenever and in whatever format it is made.
    pub digest: String,
}

/// The report of a period that is at hand, with all else as the command has it by default.
#[derive(Debug)]
pub(crate) struct PeriodReportRequest<'a> {
    pub period: &'a AuditPeriod,
    /// Where the evidence log is.
    pub evidence: &'a str,
    /// As `--key` has it.
    pub key: Option<String>,
    /// As `--policy` has it.
    pub policy: Option<PathBuf>,
    pub format: &'static PeriodFormat,
    /// Who asks for it, and who says so.
    pub run_by: String,
}

impl PeriodReportRequest<'_> {
    /// Makes the report; the error says what to do.
    pub async fn make(self) -> Result<MadeReport, String> {
        let request = ReportRequest::of_period(self.period, self.run_by)
            .map_err(|error| error.to_string())?;
        let args = ReportArgs {
            period: Some(request.name.clone()),
            evidence: self.evidence.to_owned(),
            format: Some(self.format),
            output: None,
            filename: None,
            from: None,
            to: None,
            as_of: None,
            categories: Vec::new(),
            minimum_observation: None,
            deviation_rule: None,
            key: self.key,
            since: None,
            policy: self.policy,
            log_size: None,
            seed: None,
            sizes: SampleTable::default(),
            stratify: None,
            cluster: ClusterArgs::default(),
        };
        made(&args, self.format, request, Timestamp::now(), RegisterDetail::Basis)
            .await
            .map_err(|error| error.to_string())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn make(args: &ReportArgs) -> Result<MadeReport, Box<dyn std::error::Error>> {
    // Reading a long log takes time, so mistakes about the output are reported first.
    let format = match args.format {
        Some(format) => format,
        None => format_parser::find(FORMATS, "html")?,
    };
    output::check(format, args.output.as_deref())?;
    render(&ReportArgs { format: Some(format), ..args.clone() }, format).await
}

/// `args` name the format as well: the report says by which command it is made again.
async fn render(
    args: &ReportArgs,
    format: &'static PeriodFormat,
) -> Result<MadeReport, Box<dyn std::error::Error>> {
    let now = Timestamp::now();
    let request = ReportRequest::find(args).await?;
    made(args, format, request, now, RegisterDetail::Items).await
}

/// What a report has of the registers.
#[derive(Clone, Copy, Debug)]
enum RegisterDetail {
    /// Every item, as a report that somebody asks for on the command line.
    Items,
    /// What vouches for them alone: an operator that makes a report for a page has no room for the items.
    Basis,
}

/// Makes the report that was asked for.
async fn made(
    args: &ReportArgs,
    format: &'static PeriodFormat,
    request: ReportRequest,
    now: Timestamp,
    registers: RegisterDetail,
) -> Result<MadeReport, Box<dyn std::error::Error>> {
    request.refuse_future(now)?;
    let (reader, checked) = open(args, &request).await?;
    let mut fold = PeriodFold::new(request.span, &request.categories)
        .with_minimum_observation(request.minimum_observation)
        .with_deviation_rule(deviation_rule(args)?);
    if let RegisterDetail::Items = registers {
        fold = fold.with_register_items();
    }
    let read = replay(&reader, 0..checked.size, |index, entry| fold.apply(index, entry)).await?;
    let run = ReportRun { now, by: request.run_by.clone() };
    let report = finish(&fold, &request, &reader, &checked, &read, &run, args);
    cited::check(&report, format, &reader).await?;
    let mismatch = compare(&report, &request, &checked)?;
    let sheet =
        if format.needs_samples() { Some(draw(&report, &reader, args).await?) } else { None };
    let digest = digest(&report)?;
    Ok(MadeReport { rendered: format.render(&report, sheet.as_ref())?, mismatch, digest })
}

/// The rule that was given, or the default.
fn deviation_rule(args: &ReportArgs) -> Result<DeviationRule, String> {
    let Some(path) = &args.deviation_rule else { return Ok(DEVIATION_RULE) };
    let file = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| {
        let fields = "smallestPopulation, systematicAbovePercent, systematicSameCause and recurringSameItem";
        format!("{file} is not a rule for deviations: {error}; it is a JSON object with the numbers {fields}")
    })
}

/// Opens the log, and checks that it continues the known older checkpoints.
async fn open(
    args: &ReportArgs,
    request: &ReportRequest,
) -> Result<(LogReader, CheckedLog), Box<dyn std::error::Error>> {
    let key = args.key.as_deref().map(VerifierKey::from_argument).transpose()?;
    let policy = args.policy.as_deref().map(Policy::load).transpose()?;
    let reader = LogReader::open(store::open(&args.evidence)?, key).await?;
    let mut older = Vec::new();
    if let Some(path) = &args.since {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        older.push((text, "the older checkpoint that --since gives"));
    }
    let closed = request.closed();
    if let Some(checkpoint) = closed.and_then(|status| status.checkpoint.clone()) {
        older.push((checkpoint, "the checkpoint in the status of the AuditPeriod"));
    }
    let mut extends = Vec::new();
    for (text, what) in older {
        let size = continues(&reader, text.as_bytes()).await?;
        extends.push(format!("{what} ({size} entries)"));
    }
    let closing = if request.status.is_some() && args.log_size.is_none() {
        closing::refuse_too_short(&reader, request).await?;
        Closing::find(&reader, request).await?
    } else {
        None
    };
    // A closed period is reproduced from the entries that its numbers were counted in: as the log says
    // how many those are, since anybody could have written a status.
    let end = closing.as_ref().and_then(|closing| u64::try_from(closing.claim.log_size).ok());
    let size = args.log_size.or(end).unwrap_or_else(|| reader.size());
    if size > reader.size() {
        return Err(format!(
            "{} has {} entries, but the report needs {size}: it was truncated or is an older copy; restore the log",
            args.evidence,
            reader.size()
        )
        .into());
    }
    let outside = OutsideView::read(&reader, policy).await?;
    Ok((reader, CheckedLog { size, extends, closing, outside, is_cut: args.log_size.is_some() }))
}

fn finish(
    fold: &PeriodFold,
    request: &ReportRequest,
    reader: &LogReader,
    checked: &CheckedLog,
    read: &Replayed,
    run: &ReportRun,
    args: &ReportArgs,
) -> PeriodReport {
    let period = ReportPeriod {
        name: request.name.clone(),
        span: request.span,
        categories: request.categories.clone(),
    };
    fold.finish(period, provenance::of(request, reader, checked, read, run, args))
}

/// A message if the status of the `AuditPeriod` or the entry that closes it contradicts the report; None
/// if they agree, or if there is nothing to compare with.
fn compare(
    report: &PeriodReport,
    request: &ReportRequest,
    checked: &CheckedLog,
) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let found: Vec<String> = match &checked.closing {
        Some(closing) => closing.contradictions(report, request, report.deviation_rule)?,
        // With --log-size another report may have been asked for.
        None if checked.is_cut => Vec::new(),
        None => closing::not_closed(request).into_iter().collect(),
    };
    Ok((!found.is_empty()).then(|| found.join("; and ")))
}

/// Draws the samples from the lists beside the log.
async fn draw(
    report: &PeriodReport,
    reader: &LogReader,
    args: &ReportArgs,
) -> Result<SamplingSheet, Box<dyn std::error::Error>> {
    let mut sheet = SamplingSheet::new(report, args.seed.as_deref(), &args.sizes);
    for digest in sheet.lists_to_read() {
        // The sheet says which lists are missing.
        if let Ok(bytes) = reader.stored(&digest).await {
            sheet.read(&String::from_utf8_lossy(&bytes));
        }
    }
    sheet.draw();
    sheet.draw_registers(report, args.stratify.map(StratifyArgument::by));
    Ok(sheet)
}
