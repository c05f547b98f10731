//! What others know of the log: before a leadership appends, the log must be the one they know.
//!
//! A log that was put back from an older copy, or deleted and begun anew, is whole and signed.
//! Only what was kept elsewhere tells that there was more: the published checkpoint, which covers
//! all but the last minute, and the statuses, which cite entries to the last.

use futures::FutureExt;
use jiff::Timestamp;

use super::SignedCheckpoint;
use comptroller_evidence::{
    log::{LogError, LogReader},
    verify::{self, VerifyError},
};

/// What others know of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterKnowledge {
    /// What the `ConfigMap` of the log says.
    pub published: Published,
    /// What statuses cite; none of them is both older and shorter than another.
    cited: Vec<Citation>,
}

/// What is published of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Published {
    /// Nothing was ever published, or all of it is gone.
    #[default]
    Nothing,
    /// An administrator took the checkpoint out: another log may be begun.
    Withdrawn,
    /// The newest checkpoint that was published.
    Checkpoint(SignedCheckpoint),
}

/// That a status cites an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// How many entries the log had by then.
    pub log_size: u64,
    /// When that was. None: the status does not say.
    pub at: Option<Timestamp>,
    /// Whose status it is, such as `Control no-standing-cluster-admin`.
    pub by: String,
}

/// What lies where the log belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundLog<'a> {
    /// Which log it would be.
    pub origin: &'a str,
    /// The key that it would be signed with, if that is known.
    pub verifier_key: Option<&'a str>,
    /// How many entries it has.
    pub size: u64,
    /// When the first of them was written.
    pub begun: Option<Timestamp>,
}

/// Why a log is not appended to.
#[derive(Debug, thiserror::Error)]
pub enum NotTheLog {
    /// Nothing lies at the place of the log, and others know of one there.
    #[error(
        "there is no evidence log in {location}, though {shown}: it was deleted, or its volume is not mounted. Keep that as a proof, and restore the newest copy of the log with its key. {CONSENT}"
    )]
    Gone {
        location: String,
        /// Who knows of it, such as a status that cites an entry.
        shown: String,
    },
    /// The log has fewer entries than others know of.
    #[error(
        "the evidence log in {location} has {size} entries, though {shown}: an older copy was put back, and going on from it would fork the log. Keep that as a proof, and restore the newest copy. {CONSENT}"
    )]
    Shorter {
        location: String,
        /// How many entries it has.
        size: u64,
        /// What shows that there were more.
        shown: String,
    },
    /// Another log is published.
    #[error(
        "the ConfigMap comptroller-evidence publishes the log {published}, and this would be {ours}: restore that log with its key, or correct --evidence and --evidence-key. {CONSENT}"
    )]
    Another {
        /// The log that is published.
        published: String,
        /// The log that was found.
        ours: String,
    },
    /// It is not what was signed before.
    #[error(
        "the evidence log in {location} does not continue the checkpoint that {keeper}: {reason}. It was put back from an older copy, cut or rewritten. Keep that checkpoint as a proof, and restore the newest copy. {CONSENT}"
    )]
    Discontinued {
        location: String,
        /// Who has the checkpoint, such as `is published`.
        keeper: &'static str,
        /// How its tree contradicts the checkpoint.
        reason: String,
    },
}

/// What to do where nothing can be restored.
const CONSENT: &str = "If it is lost for good, keep what there is, set `checkpoint` in the data of the ConfigMap comptroller-evidence to an empty text, and begin another log in an empty place, with a key of its own";

impl ClusterKnowledge {
    /// What is published, before anything is cited.
    pub fn of(published: Published) -> Self {
        Self { published, cited: Vec::new() }
    }

    /// Takes in what a status cites.
    pub fn cite(&mut self, new: Citation) {
        let covers =
            |one: &Citation, other: &Citation| one.log_size >= other.log_size && one.at >= other.at;
        if !self.cited.iter().any(|known| covers(known, &new)) {
            self.cited.retain(|known| !covers(&new, known));
            self.cited.push(new);
        }
    }

    /// The longest log that is cited, of those cited since it was begun.
    fn longest(&self, begun: Option<Timestamp>) -> Option<&Citation> {
        self.cited
            .iter()
            // What was cited before the log was begun is of the log before it; in the same second it
            // may be of either, and an older copy must not be signed on. A status that does
            // not say when is taken for a new one.
            .filter(|cited| cited.at.is_none() || cited.at >= begun)
            .max_by_key(|cited| cited.log_size)
    }
}

/// Whether what was found can be the log that others know. What is published must be continued as
/// well, which takes its tree.
pub(super) fn judge(
    location: &str,
    found: FoundLog<'_>,
    knowledge: &ClusterKnowledge,
) -> Result<(), NotTheLog> {
    let location = location.to_owned();
    if let Published::Checkpoint(checkpoint) = &knowledge.published {
        let shown = || {
            let size = size_of(checkpoint).map_or_else(|| "entries".to_owned(), entries);
            format!("the checkpoint of one with {size} is published")
        };
        // What is not said there is not another's.
        let other = |published: &str, ours: &str| !published.is_empty() && published != ours;
        let other_origin = other(&checkpoint.origin, found.origin);
        let other_key = found.verifier_key.is_some_and(|key| other(&checkpoint.verifier_key, key));
        if other_origin || other_key {
            let published = format!("{} ({})", checkpoint.origin, checkpoint.verifier_key);
            let ours = format!("{} ({})", found.origin, found.verifier_key.unwrap_or("no key yet"));
            return Err(NotTheLog::Another { published, ours });
        }
        if found.size == 0 && size_of(checkpoint) != Some(0) {
            return Err(NotTheLog::Gone { location, shown: shown() });
        }
    }
    let Some(cited) = knowledge.longest(found.begun) else { return Ok(()) };
    let shown = format!(
        "the status of {} cites one with {} (status.evidence)",
        cited.by,
        entries(cited.log_size)
    );
    match found.size {
        // Whoever withdraws the checkpoint knows that there was a log.
        0 if knowledge.published == Published::Withdrawn => Ok(()),
        0 => Err(NotTheLog::Gone { location, shown }),
        size if size < cited.log_size => Err(NotTheLog::Shorter { location, size, shown }),
        _ => Ok(()),
    }
}

/// Checks that a log continues a checkpoint that was kept.
pub(super) async fn check_continues(
    log: &LogReader,
    checkpoint: &SignedCheckpoint,
    keeper: &'static str,
) -> Result<(), CheckError> {
    match verify::continues(log, checkpoint.text.as_bytes()).boxed().await {
        Ok(_) => Ok(()),
        // It could not be read, which says nothing.
        Err(VerifyError::Unreadable(error)) => Err(error.into()),
        Err(error) => {
            let (location, reason) = (log.location().to_owned(), error.to_string());
            Err(NotTheLog::Discontinued { location, keeper, reason }.into())
        }
    }
}

/// Why a log was not found to be the one that others know.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is another, or not all of it.
    #[error(transparent)]
    Not(#[from] NotTheLog),
    /// It can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The second line of a checkpoint. None: it is none.
fn size_of(checkpoint: &SignedCheckpoint) -> Option<u64> {
    checkpoint.text.lines().nth(1)?.parse().ok()
}

fn entries(size: u64) -> String {
    if size == 1 { "1 entry".to_owned() } else { format!("{size} entries") }
}

#[cfg(test)]
mod tests;
