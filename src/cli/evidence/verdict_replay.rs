//! `comptroller replay`: rebuilds verdicts from what the log stores, and compares them with what it recorded.

mod basis;
mod rebuild;

use jiff::Timestamp;
use serde::Serialize;

use self::{
    basis::{Basis, find},
    rebuild::rebuild,
};
use crate::cli::output::to_stdout;
use comptroller_evidence::{
    cli::{AnswerFormat, LogArgs},
    entry::{Data, Entry},
    log::LogReader,
    replay::{ReplayError, replay},
    sample::{Size, draw},
};
use comptroller_vocabulary::visible;

/// The exit code where nothing differs and something could not be rebuilt.
const INCOMPLETE: u8 = 2;

/// How many entries that are not equal are named.
const NAMED: usize = 50;

/// Rebuild verdicts from what the log stores, and compare them with what it recorded.
///
/// A verdict is judged again by the specs of its time on the facts of an inventory: of the newest one before it, or
/// of the first one after it, where the log records no change of the control in between. Where there is neither,
/// the log does not hold the facts as of that entry, and that is said.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes:\n  0  all are equal\n  1  one differs from what the log recorded\n  2  none differs, and not all could be rebuilt"
)]
pub struct VerdictReplayArgs {
    /// The entry of a verdict or heartbeat; the first of the log has 0.
    #[arg(required_unless_present = "sample", conflicts_with = "sample")]
    index: Option<u64>,
    /// Draw this many entries of verdicts at random.
    #[arg(long, value_name = "N")]
    sample: Option<u64>,
    /// The seed of the sample. Default: the root of the log's checkpoint, which nobody picks.
    #[arg(long, value_name = "TEXT", requires = "sample")]
    seed: Option<String>,
    #[command(flatten)]
    log: LogArgs,
    /// The output format.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    output: AnswerFormat,
}

/// Why nothing is rebuilt.
#[derive(Debug, thiserror::Error)]
enum VerdictReplayError {
    #[error(
        "entry {0} is not a verdict or heartbeat of a control, but {1}: there is nothing to rebuild"
    )]
    NotAVerdict(u64, String),
    #[error("the log has {size} entries, numbered from 0: there is no entry {index}")]
    NoEntry { index: u64, size: u64 },
}

/// How the entries came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcomes {
    /// The origin line of the log.
    origin: String,
    /// The seed of the sample; null where an entry was given.
    seed: Option<String>,
    equal: usize,
    different: usize,
    not_rebuilt: usize,
    entries: Vec<RebuiltEntry>,
}

/// How one entry came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuiltEntry {
    entry: u64,
    at: Timestamp,
    control: String,
    /// The entry of the inventory whose facts were judged; null where none was.
    inventory: Option<u64>,
    #[serde(flatten)]
    outcome: Outcome,
}

/// What became of a verdict.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all_fields = "camelCase")]
pub enum Outcome {
    Equal,
    Different { fields: Vec<DifferentField> },
    NotRebuilt { why: String },
}

/// A field that is another than the log recorded.
#[derive(Debug, Serialize)]
pub struct DifferentField {
    field: &'static str,
    recorded: String,
    rebuilt: String,
}

/// Rebuilds and prints; returns the exit code.
pub fn run(args: &VerdictReplayArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcomes = runtime.block_on(outcomes(args))?;
    to_stdout(|stdout| match args.output {
        AnswerFormat::Text => stdout.write_all(outcomes.text().as_bytes()),
        AnswerFormat::Json => {
            serde_json::to_writer_pretty(&mut *stdout, &outcomes)?;
            writeln!(stdout)
        }
    })?;
    Ok(outcomes.exit_code())
}

async fn outcomes(args: &VerdictReplayArgs) -> Result<Outcomes, Box<dyn std::error::Error>> {
    let reader = LogReader::open(args.log.store()?, args.log.key()?).await?;
    let (wanted, seed) = match (args.index, args.sample) {
        (Some(index), _) => (vec![given(&reader, index).await?], None),
        (None, count) => {
            let root = || reader.head().root.to_string();
            let seed = args.seed.clone().unwrap_or_else(root);
            (drawn(&reader, &seed, count.unwrap_or_default()).await?, Some(seed))
        }
    };
    let bases = find(&reader, &wanted).await?;
    let entries = rebuild(&reader, bases).await?;
    let count = |is: fn(&Outcome) -> bool| entries.iter().filter(|one| is(&one.outcome)).count();
    Ok(Outcomes {
        origin: reader.origin().to_owned(),
        seed,
        equal: count(|outcome| matches!(outcome, Outcome::Equal)),
        different: count(|outcome| matches!(outcome, Outcome::Different { .. })),
        not_rebuilt: count(|outcome| matches!(outcome, Outcome::NotRebuilt { .. })),
        entries,
    })
}

/// The entry that was asked for, which must be a verdict or heartbeat of a control.
async fn given(reader: &LogReader, index: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let size = reader.size();
    if index >= size {
        return Err(VerdictReplayError::NoEntry { index, size }.into());
    }
    let mut found = None;
    replay(reader, index..index + 1, |_, entry| {
        found = (!is_verdict(entry)).then(|| entry.data.entry_type().to_string());
    })
    .await?;
    match found {
        Some(type_) => Err(VerdictReplayError::NotAVerdict(index, type_).into()),
        None => Ok(index),
    }
}

fn is_verdict(entry: &Entry) -> bool {
    matches!(entry.data, Data::Verdict(_) | Data::Heartbeat(_)) && entry.subject.kind == "Control"
}

/// Entries of verdicts, drawn as [`draw`] draws from the lines of their numbers.
async fn drawn(reader: &LogReader, seed: &str, count: u64) -> Result<Vec<u64>, ReplayError> {
    let mut population = String::new();
    replay(reader, 0..reader.size(), |index, entry| {
        if matches!(entry.data, Data::Verdict(_)) && is_verdict(entry) {
            population.push_str(&index.to_string());
            population.push('\n');
        }
    })
    .await?;
    let sample = draw(&population, seed, &Size::Count(count));
    Ok(sample.items.iter().filter_map(|item| item.item.parse().ok()).collect())
}

impl RebuiltEntry {
    fn new(basis: &Basis, outcome: Outcome) -> Self {
        Self {
            entry: basis.entry,
            at: basis.at,
            control: basis.control.clone(),
            inventory: basis.inventory.as_ref().ok().map(|inventory| inventory.entry),
            outcome,
        }
    }

    fn line(&self) -> String {
        let about = format!("entry {}, Control {} at {}", self.entry, self.control, self.at);
        let said = match &self.outcome {
            Outcome::Equal => {
                format!("equal, on the facts of entry {}", self.inventory.unwrap_or_default())
            }
            Outcome::NotRebuilt { why } => format!("can't be rebuilt: {why}"),
            Outcome::Different { fields } => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|one| format!("{} was {} and is {}", one.field, one.recorded, one.rebuilt))
                    .collect();
                format!("DIFFERENT: {}", fields.join("; "))
            }
        };
        format!("{about}: {said}")
    }
}

impl Outcomes {
    fn exit_code(&self) -> u8 {
        if self.different > 0 {
            1
        } else if self.not_rebuilt > 0 || self.equal == 0 {
            INCOMPLETE
        } else {
            0
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![format!(
            "{} equal, {} different, {} can't be rebuilt, of {} in {}",
            self.equal,
            self.different,
            self.not_rebuilt,
            self.entries.len(),
            visible(&self.origin)
        )];
        lines.extend(self.seed.iter().map(|seed| format!("drawn by the seed {}", visible(seed))));
        let is_one = self.entries.len() == 1;
        let told =
            self.entries.iter().filter(|one| is_one || !matches!(one.outcome, Outcome::Equal));
        let told: Vec<&RebuiltEntry> = told.collect();
        lines.extend(told.iter().take(NAMED).map(|one| visible(&one.line()).into_owned()));
        if told.len() > NAMED {
            lines.push(format!("and {} more: -o json has all", told.len() - NAMED));
        }
        lines.join("\n") + "\n"
    }
}
