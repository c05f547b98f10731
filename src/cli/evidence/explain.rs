//! `comptroller evidence explain`: why an item passed or failed a control at a time, judged again on
//! the facts that the log kept.

pub(super) mod answer;
pub(super) mod past;
pub(super) mod world;

use jiff::Timestamp;

use self::{answer::Explanation, past::Past, world::World};
use crate::cli::{arguments::moment, output::to_stdout};
use comptroller_core::{api::ControlSpec, nearest::nearest};
use comptroller_evidence::{
    cli::{AnswerFormat, LogArgs},
    fold::LogState,
    log::{LogError, LogReader},
    replay::ReplayError,
};
use comptroller_report::visible;

/// Say why an item passed or failed a control at a time.
///
/// The item is judged again: by the spec of the control that was in force then, on the facts of the
/// newest inventory before that time, which the operator records once a day. What the log recorded
/// then is compared with it.
///
/// People are pseudonyms in the log and in the answer. Exit code 1: the log is not right, or what it
/// recorded can't be explained by it.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    log: LogArgs,
    /// The control that judged the item.
    #[arg(long, value_name = "NAME")]
    control: String,
    /// The item: KIND/NAMESPACE/NAME, or KIND/NAME of what is in no namespace, such as
    /// Deployment/shop/web or User/person:1f0c. The kind, and then the namespace, may be left out
    /// where only one item is meant.
    #[arg(long, value_name = "ITEM")]
    item: String,
    /// The time: a day, such as 2026-09-30, which means its first moment, or a time in UTC. Default:
    /// the end of the log.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// The output format.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    output: AnswerFormat,
}

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("the log has no entry up to {0}: check --at")]
    Empty(Timestamp),
    #[error("the log has no Control {control} at {at}{}", meant(.near))]
    NoControl {
        control: String,
        at: Timestamp,
        /// The names that may have been meant.
        near: Vec<String>,
    },
    #[error(
        "the spec of Control {control} that was in force at {at} is not in the log, or is of another version: {why}"
    )]
    NoSpec { control: String, at: Timestamp, why: String },
    #[error(
        "Control {0} is about what people do: its occurrences, with the records that answer them, are in the log and in the report. Nothing is judged again"
    )]
    Attestation(String),
    #[error(
        "the log has no inventory up to {at}{}: what was judged can't be judged again",
        first.map(|(entry, first)| format!(" (the first is entry {entry}, of {first})")).unwrap_or_default()
    )]
    NoInventory {
        at: Timestamp,
        /// The first entry that has one, and its time.
        first: Option<(u64, Timestamp)>,
    },
    #[error("no item of Control {control} and no object of the inventory is called {item:?}{}", meant(.near))]
    NoItem { control: String, item: String, near: Vec<String> },
    #[error("{item:?} may mean {}: give the kind and the namespace, as they are here", .which.join(" or "))]
    Ambiguous { item: String, which: Vec<String> },
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Log(#[from] LogError),
    /// A list beside the log is missing, or is not what was stored.
    #[error("entry {entry}, {what}: {why}")]
    List { entry: u64, what: String, why: String },
}

impl ExplainError {
    /// Whether the log is not right, unlike what was asked of it.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::List { .. } | Self::Replay(ReplayError::Entry { .. }) => true,
            Self::Log(error) | Self::Replay(ReplayError::Log(error)) => {
                matches!(error, LogError::Broken { .. } | LogError::Stored { .. })
            }
            _ => false,
        }
    }
}

fn meant(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}

/// Judges an item again and prints why it passes or fails.
pub async fn run(args: &ExplainArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let reader = LogReader::open(args.log.store()?, args.log.key()?).await?;
    let explanation = match explain(&reader, args).await {
        Ok(explanation) => explanation,
        Err(error) if error.is_fault() => {
            let location = visible(reader.location());
            to_stdout(|out| match args.output {
                AnswerFormat::Text => {
                    writeln!(out, "NOT EXPLAINED: {location}\n  {}", visible(&error.to_string()))
                }
                AnswerFormat::Json => {
                    let fault = serde_json::json!({
                        "location": reader.location(), "fault": error.to_string(),
                    });
                    writeln!(out, "{fault:#}")
                }
            })?;
            return Ok(1);
        }
        Err(error) => return Err(error.into()),
    };
    to_stdout(|out| match args.output {
        AnswerFormat::Text => out.write_all(explanation.describe().as_bytes()),
        AnswerFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &explanation)?;
            writeln!(out)
        }
    })?;
    Ok(explanation.exit_code())
}

async fn explain(reader: &LogReader, args: &ExplainArgs) -> Result<Explanation, ExplainError> {
    let past = Past::read(reader, &args.control, args.at).await?;
    let spec = spec_of(&past.state, &args.control, past.at)?;
    if spec.test.attestation.is_some() {
        return Err(ExplainError::Attestation(args.control.clone()));
    }
    let Some(inventory) = &past.inventory else {
        return Err(ExplainError::NoInventory { at: past.at, first: past.later_inventory });
    };
    let world = World::build(reader, &past.state, past.at, inventory).await?;
    let chosen = world.choose(&args.control, &args.item)?;
    Ok(Explanation::new(reader, &args.control, &past, inventory, &world, &spec, &chosen))
}

/// The spec of a control as it was in force at a time, by the log up to then.
pub(super) fn spec_of(
    state: &LogState,
    control: &str,
    at: Timestamp,
) -> Result<ControlSpec, ExplainError> {
    let Some(object) = state.object("Control", control) else {
        let known = state.objects_of("Control").map(|(name, _)| name);
        let near = nearest(control, known).into_iter().map(str::to_owned).collect();
        return Err(ExplainError::NoControl { control: control.to_owned(), at, near });
    };
    let no_spec = |why: String| ExplainError::NoSpec { control: control.to_owned(), at, why };
    let spec = object.spec.clone().ok_or_else(|| no_spec("it could not be read".to_owned()))?;
    serde_json::from_value(spec).map_err(|error| no_spec(error.to_string()))
}
