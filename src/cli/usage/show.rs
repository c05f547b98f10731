//! `comptroller usage show`: what the entries of a log come to.

use std::pin::pin;

use futures::StreamExt as _;
use jiff::Timestamp;

use super::output::{self, UsageTable};
use crate::cli::output::{RowFormat, to_stdout};
use comptroller_evidence::{
    cli::LogArgs,
    entry::{Data, Entry, EntryType},
    log::LogReader,
    usage::AUDIT_STREAM,
};
use comptroller_usage::{Limits, UsageSummary};

/// Say who used which right and when last, by the log of an operator that hears the audit stream.
///
/// Each entry is verified against the signed checkpoint. People are pseudonyms; `comptroller evidence
/// person` says which is whose. In a time of which a gap tells, nothing is known not to have been used.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    #[command(flatten)]
    log: LogArgs,
    /// Only what was heard after this time, such as 2026-07-01 or 2026-07-01T09:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = crate::cli::arguments::moment)]
    from: Option<Timestamp>,
    /// Only what was heard before this time.
    #[arg(long, value_name = "TIME", value_parser = crate::cli::arguments::moment)]
    to: Option<Timestamp>,
    /// The output format.
    #[arg(short, long, value_enum, default_value_t)]
    output: RowFormat,
}

/// Reads the log, and prints what it says of the stream.
pub async fn run(args: &ShowArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let reader = LogReader::open(args.log.store()?, args.log.key()?).await?;
    let mut entries = pin!(reader.entries(0..reader.size()));
    let mut summary = UsageSummary::new(Limits::IMPORT.facts);
    let is_wanted = |from: Timestamp, to: Timestamp| {
        args.from.is_none_or(|wanted| to >= wanted) && args.to.is_none_or(|wanted| from < wanted)
    };
    while let Some(entry) = entries.next().await {
        let (index, leaf) = entry?;
        let entry =
            Entry::parse(&leaf).map_err(|error| format!("entry {index} can't be read: {error}"))?;
        match entry.data {
            Data::Usage(data) if is_wanted(data.from, data.to) => summary.add(*data),
            Data::Gap(gap) if entry.subject.kind == AUDIT_STREAM && is_wanted(gap.from, gap.to) => {
                summary.add_gap(&gap);
            }
            Data::Other(EntryType::Usage, _) | Data::Stored(EntryType::Usage, _) => {
                return Err(format!(
                    "entry {index} has a form that this version does not read: use a newer one"
                )
                .into());
            }
            _ => {}
        }
    }
    let (heard, gaps) = (summary.heard().to_vec(), summary.gaps().to_vec());
    let events = summary.events();
    let table = UsageTable { facts: summary.take_facts(), events, heard, gaps };
    to_stdout(|stdout| output::write(&table, args.output, stdout))?;
    Ok(0)
}
