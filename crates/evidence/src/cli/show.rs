//! `show`: one entry in words, with the proof that it is in the log.

use std::fmt::Write as _;

use comptroller_vocabulary::visible;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Answer, AnswerFormat, CommandError, KEY_BESIDE_THE_LOG, LogArgs, describe_fault};
use crate::{
    data::{OperatorEvent, StoredData},
    describe::{self, Description, Detail, Earlier, Provenance},
    entry::{Data, Entry, EntryError, EntryType},
    log::{InclusionProof, LogReader},
    replay::resolve,
    verify::{LogFault, VerifyError, open_to_verify},
};

/// How many entries are read at a time, backwards from the one that is shown.
const BLOCK: u64 = 4096;

/// Says one entry in words: what it says, what it rests on, what it proves and what it does not.
///
/// Its place in the log is proven first, by the hashes that lead to the root of the signed checkpoint.
/// People are pseudonyms: `person` opens one. Exit code 1: the entry, or what lies beside the log for it,
/// is not right.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The index of the entry; the first has 0.
    index: u64,
    #[command(flatten)]
    log: LogArgs,
    /// How to write the result. JSON has the entry to the letter, and the same words.
    #[arg(short, long, value_enum, default_value_t)]
    output: AnswerFormat,
}

/// An entry of a log, proven and described.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownEntry {
    location: String,
    /// The origin line of the log.
    origin: String,
    /// Whether the key was given, and not taken from beside the log.
    key_given: bool,
    index: u64,
    /// How many entries the checkpoint covers, to whose root the entry leads.
    size: u64,
    /// That root, in base64.
    root: String,
    /// The entry to the letter: its leaf in the log.
    entry: Box<RawValue>,
    /// Of data that lie beside the log, where.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<StoredData>,
    /// Whether what lies beside the log was there, and was what was stored.
    is_whole: bool,
    #[serde(rename = "type")]
    type_: EntryType,
    /// What it is about, such as `Control no-standing-cluster-admin`.
    about: String,
    at: Timestamp,
    /// What the clocks said, in words.
    times: Vec<Detail>,
    words: Description,
}

#[derive(Serialize)]
struct FaultJson<'a> {
    location: &'a str,
    index: u64,
    fault: &'a LogFault,
}

impl ShowArgs {
    /// Reads the entry, its proof, and of what is before it only as much as says where it comes from.
    pub async fn run(&self) -> Result<Answer, CommandError> {
        let (store, key) = (self.log.store()?, self.log.key()?);
        let (location, key_given) = (store.location().to_owned(), key.is_some());
        let shown = match open_to_verify(store, key).await {
            Ok(log) => show(&log, self.index, key_given).await,
            Err(error) => Err(error),
        };
        match (shown, self.output) {
            (Ok(shown), AnswerFormat::Text) => {
                Ok(Answer { text: shown.text(), exit_code: u8::from(!shown.is_whole) })
            }
            (Ok(shown), AnswerFormat::Json) => Answer::json(&shown, u8::from(!shown.is_whole)),
            (Err(VerifyError::Bad(fault)), AnswerFormat::Text) => {
                let text = describe_fault("NOT SHOWN", &location, &fault);
                Ok(Answer { text, exit_code: 1 })
            }
            (Err(VerifyError::Bad(fault)), AnswerFormat::Json) => {
                let json = FaultJson { location: &location, index: self.index, fault: &fault };
                Answer::json(&json, 1)
            }
            (Err(error), _) => Err(CommandError::Verify(error)),
        }
    }
}

async fn show(log: &LogReader, index: u64, key_given: bool) -> Result<ShownEntry, VerifyError> {
    let bad = |reason: String| {
        let path = format!("entry {index}");
        VerifyError::Bad(LogFault { index: Some(index), path, reason })
    };
    let proof = InclusionProof::of(log, index).await?;
    let head = proof.check(log.key()).map_err(|error| bad(error.to_string()))?;
    let mut entry = Entry::parse(proof.entry.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let type_ = entry.data.entry_type();
    let mut stored = None;
    if let Data::Stored(type_, data) = &entry.data {
        stored = Some(data.clone());
        if let Some(data) = resolve(log, *type_, data).await? {
            entry.data = data;
        }
    }
    let provenance = provenance(log, index, &entry).await?;
    Ok(ShownEntry {
        location: log.location().to_owned(),
        origin: log.origin().to_owned(),
        key_given,
        index,
        size: head.size,
        root: head.root.to_string(),
        is_whole: !matches!(entry.data, Data::Stored(..)),
        stored,
        type_,
        about: format!("{} {}", entry.subject.kind, entry.subject.name),
        at: entry.at,
        times: describe::times(&entry),
        words: describe::describe(&entry, &provenance),
        entry: RawValue::from_string(proof.entry)
            .map_err(|error| bad(EntryError::Json(error).to_string()))?,
    })
}

/// Who wrote an entry and what they had read, by the entries before it. They are read backwards in
/// blocks, since what says it is most often near.
async fn provenance(log: &LogReader, index: u64, entry: &Entry) -> Result<Provenance, VerifyError> {
    let mut found = Provenance::default();
    let mut is_of_epoch = true;
    let wants_inventory = describe::rests_on_an_inventory(&entry.data);
    let mut end = index.saturating_add(1);
    while end > 0 && (is_of_epoch || (wants_inventory && found.inventory.is_none())) {
        let start = end.saturating_sub(BLOCK);
        let mut block = Provenance::default();
        let mut entries = std::pin::pin!(log.entries(start..end));
        while let Some((number, text)) = entries.try_next().await? {
            // One that can't be read says nothing of this entry; `verify` names it.
            let Ok(mut earlier) = Entry::parse(&text) else { continue };
            let at = earlier.at;
            is_of_epoch &= earlier.epoch == entry.epoch;
            if let Data::Stored(EntryType::Inventory, data) = &earlier.data
                && let Some(data) = resolve(log, EntryType::Inventory, data).await?
            {
                earlier.data = data;
            }
            match earlier.data {
                Data::Operator(data)
                    if data.event == OperatorEvent::Started && earlier.epoch == entry.epoch =>
                {
                    block.writer = Some(Earlier { entry: number, at, data: *data });
                }
                Data::Inventory(data) => {
                    block.inventory = Some(Earlier { entry: number, at, data: *data });
                }
                _ => {}
            }
        }
        // The newest of an epoch comes first, backwards.
        found.writer = found.writer.or(block.writer);
        found.inventory = found.inventory.or(block.inventory);
        is_of_epoch &= found.writer.is_none();
        end = start;
    }
    Ok(found)
}

impl ShownEntry {
    fn text(&self) -> String {
        let mut text = format!(
            "Entry {} of {} in {}\n\n{}\n",
            self.index,
            self.size,
            visible(&self.origin),
            visible(&self.words.says)
        );
        let proven = format!(
            "proven: its hash leads to the root {} that the checkpoint of {} entries signs",
            self.root, self.size
        );
        let mut facts = vec![("in the log", proven), ("type", self.type_.to_string())];
        facts.push(("about", self.about.clone()));
        facts.extend(self.times.iter().map(|time| (time.label, time.text.clone())));
        if let Some(stored) = &self.stored {
            let was =
                if self.is_whole { "read, and has that digest" } else { "NOT there, or another" };
            facts.push((
                "beside the log",
                format!("{} bytes under {}: {was}", stored.bytes, stored.stored),
            ));
        }
        block(&mut text, "The entry", &facts);
        block(&mut text, "What it says", &labelled(&self.words.details));
        for list in &self.words.lists {
            // Writing to a string can't fail.
            let _ = writeln!(text, "\n{}: {}", capital(list.title), list.count);
            items(&mut text, &list.rows);
            let more = list.count - list.rows.len();
            if more > 0 {
                let _ = writeln!(text, "  and {more} more: -o json has the entry to the letter");
            }
        }
        block(&mut text, "What it rests on", &labelled(&self.words.basis));
        text.push_str("\nIt proves\n");
        items(&mut text, &self.words.proves);
        text.push_str("\nIt does not prove\n");
        items(&mut text, &self.words.does_not_prove);
        if !self.key_given {
            text.push('\n');
            text.push_str(KEY_BESIDE_THE_LOG.trim_start());
            text.push('\n');
        }
        text
    }
}

fn labelled(details: &[Detail]) -> Vec<(&'static str, String)> {
    details.iter().map(|detail| (detail.label, detail.text.clone())).collect()
}

/// A heading, and a line for each text, its label as wide as the widest.
fn block(text: &mut String, title: &str, rows: &[(&str, String)]) {
    let Some(width) = rows.iter().map(|(label, _)| label.len()).max() else { return };
    // Writing to a string can't fail.
    let _ = writeln!(text, "\n{title}");
    for (label, row) in rows {
        let _ = writeln!(text, "  {label:width$}  {}", visible(row));
    }
}

fn items(text: &mut String, rows: &[String]) {
    for row in rows {
        let _ = writeln!(text, "  - {}", visible(row));
    }
}

fn capital(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
