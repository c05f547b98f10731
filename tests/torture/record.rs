//! The evidence log, as an auditor reads it.

use std::{collections::BTreeMap, sync::Arc};

use comptroller_core::api::State;
use comptroller_evidence::{
    data::{GapCause, OperatorEvent},
    entry::{Data, Entry, EntrySubject},
    log::LogReader,
    store::{self, Store},
    verify::verify,
};
use futures::TryStreamExt as _;

/// A whole log, verified.
#[derive(Debug)]
pub struct Record {
    pub entries: Vec<Entry>,
    pub checkpoint: String,
}

impl Record {
    /// Reads and verifies a log that lies in a directory or a bucket; `since` are checkpoints seen
    /// earlier, which it must continue.
    pub async fn read(store: Arc<dyn Store>, since: &[String]) -> Result<Self, String> {
        for checkpoint in since {
            let verified = verify(Arc::clone(&store), None, Some(checkpoint.as_bytes())).await;
            verified
                .map_err(|error| format!("it does not continue what was published: {error}"))?;
        }
        verify(Arc::clone(&store), None, None).await.map_err(|error| error.to_string())?;
        let log = LogReader::open(store, None).await.map_err(|error| error.to_string())?;
        let entries: Vec<_> = log
            .entries(0..log.size())
            .try_collect()
            .await
            .map_err(|error| format!("entries can't be read: {error}"))?;
        if !entries.iter().zip(0..).all(|((index, _), expected)| *index == expected) {
            return Err("indexes are not contiguous".to_owned());
        }
        let entries: Result<Vec<Entry>, _> =
            entries.iter().map(|(_, bytes)| Entry::parse(bytes)).collect();
        let mut entries = entries.map_err(|error| error.to_string())?;
        for entry in &mut entries {
            let Data::Stored(type_, beside) = &entry.data else { continue };
            let text = log.stored(&beside.stored).await.map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&text);
            entry.data = Data::parse_text(*type_, &text).map_err(|error| error.to_string())?;
        }
        Ok(Self { entries, checkpoint: log.checkpoint().to_owned() })
    }

    pub async fn in_directory(location: &str, since: &[String]) -> Result<Self, String> {
        let store = store::open(location).map_err(|error| error.to_string())?;
        Self::read(store, since).await
    }

    /// What is said of a control: the entry's number and the state.
    pub fn states<'a>(
        &'a self,
        control: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Entry, State)> {
        self.entries.iter().enumerate().filter_map(move |(index, entry)| {
            let about = entry.subject.kind == "Control" && entry.subject.name == control;
            let state = match &entry.data {
                Data::Verdict(verdict) => verdict.state,
                Data::Heartbeat(heartbeat) => heartbeat.state,
                _ => return None,
            };
            about.then_some((index, entry, state))
        })
    }

    /// Verdicts that say what the last one of the control had said.
    pub fn doubles(&self) -> Vec<String> {
        let mut last = std::collections::HashMap::new();
        let mut doubles = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let Data::Verdict(verdict) = &entry.data else { continue };
            let mut said = verdict.clone();
            said.population_list = None;
            if let Some((before, earlier)) = last.insert(&entry.subject, (index, said.clone()))
                && earlier == said
            {
                let name = &entry.subject.name;
                doubles.push(format!("entries {before} and {index} of {name} say the same"));
            }
        }
        doubles
    }

    /// Why and when nothing could be evaluated or recorded, by what could not be.
    pub fn gaps(&self) -> BTreeMap<&EntrySubject, Vec<String>> {
        let mut gaps: BTreeMap<&EntrySubject, Vec<String>> = BTreeMap::new();
        for entry in &self.entries {
            let Data::Gap(gap) = &entry.data else { continue };
            // A busy machine makes the operator wait for its turn now and then.
            if gap.cause == Some(GapCause::Paused) {
                continue;
            }
            let text = format!("{} to {}: {}", gap.from, gap.to, gap.reason);
            gaps.entry(&entry.subject).or_default().push(text);
        }
        gaps
    }

    pub fn starts(&self) -> usize {
        let started = |entry: &&Entry| matches!(&entry.data, Data::Operator(data) if data.event == OperatorEvent::Started);
        self.entries.iter().filter(started).count()
    }
}
