//! `comptroller report`: the Type I or Type II report, from the evidence log alone.

mod output;
mod provenance;
mod wanted;

use std::path::PathBuf;

use jiff::Timestamp;

use self::{
    output::{Format, Rendered},
    provenance::{Checked, Run},
    wanted::Wanted,
};
use crate::cli::{cluster::ClusterArgs, time::moment};
use comptroller_core::api::criteria::Category;
use comptroller_evidence::{
    key::VerifierKey,
    log::LogReader,
    replay::{Replayed, replay},
    sample::SizeTable,
    store,
    verify::continues,
};
use comptroller_report::period::{
    digest,
    fold::PeriodFold,
    model::{ReportPeriod, PeriodReport},
    sampling::{self, SamplingSheet},
};

/// Write the report over an audit period, from the evidence log.
///
/// Exit code 0: the report is written. 1: it is written, and it is not the one whose digest the
/// closed audit period has in its status. 2: it can't be made.
#[derive(Clone, Debug, clap::Args)]
pub struct ReportArgs {
    /// The name of an audit period in the cluster or in the file; with --from and --to or --as-of,
    /// a name for the report, and no cluster is asked.
    #[arg(required_unless_present_any = ["from", "as_of", "filename"])]
    pub period: Option<String>,
    /// The evidence log: a directory, or s3://, gs:// or az:// BUCKET/PREFIX.
    #[arg(long, value_name = "URL|DIR", env = "COMPTROLLER_EVIDENCE")]
    pub evidence: String,
    /// How to write the report.
    #[arg(short = 'o', long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
    /// Where to write it: a file, or for csv and sample a folder; standard output without it.
    #[arg(long, value_name = "FILE|DIR")]
    pub output: Option<PathBuf>,
    /// Read the audit period from this file instead of a cluster.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["from", "as_of"])]
    pub filename: Option<PathBuf>,
    /// The first moment of a Type II period: a day, such as 2027-01-01, or a time in UTC.
    #[arg(long, value_name = "TIME", requires = "to", value_parser = moment)]
    pub from: Option<Timestamp>,
    /// The first moment after a Type II period.
    #[arg(long, value_name = "TIME", requires = "from", value_parser = moment)]
    pub to: Option<Timestamp>,
    /// The time of a Type I report, in the same form.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"], value_parser = moment)]
    pub as_of: Option<Timestamp>,
    /// The categories in scope with --from or --as-of; Security is always one of them.
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',', value_parser = category)]
    pub categories: Vec<Category>,
    /// The verifier key, or a file with it. Without it the key beside the log is believed.
    #[arg(long, value_name = "KEY|FILE")]
    pub key: Option<String>,
    /// An older checkpoint, that the log must begin with.
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Read the log only as far as it was with so many entries: a report made then can be made again.
    #[arg(long, value_name = "ENTRIES")]
    pub log_size: Option<u64>,
    /// The seed of the samples; otherwise the digest of the checkpoint.
    #[arg(long, value_name = "TEXT")]
    pub seed: Option<String>,
    /// How many are drawn, by the size of the population: rows such as 50:5 (5 of up to 50), and a
    /// last one for all that is larger. A size is a number, a share such as 10%, or all.
    #[arg(long, value_name = "TABLE", default_value_t)]
    pub sizes: SizeTable,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

fn category(text: &str) -> Result<Category, String> {
    let names: Vec<&str> = Category::ALL.iter().map(|one| one.as_str()).collect();
    let known = Category::ALL.iter().find(|one| one.as_str().eq_ignore_ascii_case(text));
    known.copied().ok_or_else(|| format!("write one of {}", names.join(", ")))
}

/// Writes the report; returns the exit code.
pub fn run(args: &ReportArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let made = make(args)?;
    output::write(&made.rendered, args.output.as_deref())?;
    Ok(match made.mismatch {
        None => 0,
        Some(said) => {
            eprintln!("comptroller: {said}");
            1
        }
    })
}

/// A report, and how it differs from what the `AuditPeriod` says.
struct Made {
    rendered: Rendered,
    mismatch: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn make(args: &ReportArgs) -> Result<Made, Box<dyn std::error::Error>> {
    let now = Timestamp::now();
    // What can't be written is said before a long log is read.
    args.format.check(args.output.as_deref())?;
    let wanted = Wanted::find(args).await?;
    let (reader, checked) = open(args, &wanted).await?;
    let mut fold = PeriodFold::new(wanted.span, &wanted.categories);
    let read = replay(&reader, 0..checked.size, |index, entry| fold.apply(index, entry)).await?;
    let run = Run { now, by: wanted.run_by.clone() };
    let report = finish(&fold, &wanted, &reader, &checked, &read, &run, args);
    let mismatch = compare(&report, &wanted)?;
    let sheet = if args.format == Format::Sample {
        Some(draw(&report, &reader, args).await?)
    } else {
        None
    };
    Ok(Made { rendered: output::render(&report, sheet.as_ref(), args.format)?, mismatch })
}

/// Opens the log, and checks it against older checkpoints that are known.
async fn open(
    args: &ReportArgs,
    wanted: &Wanted,
) -> Result<(LogReader, Checked), Box<dyn std::error::Error>> {
    let key = args.key.as_deref().map(VerifierKey::from_argument).transpose()?;
    let reader = LogReader::open(store::open(&args.evidence)?, key).await?;
    let mut older = Vec::new();
    if let Some(path) = &args.since {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        older.push((text, "the older checkpoint that --since gives"));
    }
    let closed = wanted.closed();
    if let Some(checkpoint) = closed.and_then(|status| status.checkpoint.clone()) {
        older.push((checkpoint, "the checkpoint in the status of the AuditPeriod"));
    }
    let mut extends = Vec::new();
    for (text, what) in older {
        let size = continues(&reader, text.as_bytes()).await?;
        extends.push(format!("{what} ({size} entries)"));
    }
    let end = closed.and_then(|status| u64::try_from(status.log_size?).ok());
    let size = args.log_size.or(end).unwrap_or_else(|| reader.size());
    if size > reader.size() {
        return Err(format!(
            "{} has {} entries, and the report is to rest on {size}: it was cut or is an older copy; restore the log",
            args.evidence,
            reader.size()
        )
        .into());
    }
    Ok((reader, Checked { size, extends }))
}

fn finish(
    fold: &PeriodFold,
    wanted: &Wanted,
    reader: &LogReader,
    checked: &Checked,
    read: &Replayed,
    run: &Run,
    args: &ReportArgs,
) -> PeriodReport {
    let period = ReportPeriod {
        name: wanted.name.clone(),
        span: wanted.span,
        categories: wanted.categories.clone(),
    };
    fold.finish(period, provenance::of(wanted, reader, checked, read, run, args))
}

/// What is to be said if a closed `AuditPeriod` has another digest.
fn compare(
    report: &PeriodReport,
    wanted: &Wanted,
) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let Some(known) = wanted.closed().and_then(|status| status.report_digest.as_ref()) else {
        return Ok(None);
    };
    let ours = digest(report)?;
    Ok((ours != *known).then(|| {
        format!(
            "the digest of this report is {ours}, and the status of AuditPeriod {} says {known}: it was closed by another version, the log is another one, or the status was changed",
            wanted.name
        )
    }))
}

/// Draws the samples from the lists beside the log.
async fn draw(
    report: &PeriodReport,
    reader: &LogReader,
    args: &ReportArgs,
) -> Result<SamplingSheet, Box<dyn std::error::Error>> {
    let seed =
        args.seed.clone().unwrap_or_else(|| sampling::default_seed(&report.provenance.checkpoint));
    let mut sheet = SamplingSheet::new(report, &seed, &args.sizes);
    for digest in sheet.lists_to_draw_from() {
        // A list that is gone stays missing in the sheet, which says so.
        if let Ok(bytes) = reader.stored(&digest).await {
            sheet.draw(&String::from_utf8_lossy(&bytes), &args.sizes);
        }
    }
    Ok(sheet)
}
