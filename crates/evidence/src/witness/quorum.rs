//! Whether a quorum of witnesses saw a log, as a policy asks for it.

use jiff::Timestamp;
use serde::Serialize;

use super::{kept::days_kept, outside::is_contradiction, policy::Policy};
use crate::log::{Head, LogError, LogReader};

/// The newest checkpoint of a log that a quorum cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quorum {
    /// How many entries it covers.
    pub size: u64,
    /// The first of the cosignatures; None where the policy needs none.
    pub at: Option<Timestamp>,
    /// Who cosigned it.
    pub witnesses: Vec<String>,
}

/// Why a policy is not met.
#[derive(Debug, thiserror::Error)]
pub enum QuorumError {
    /// Nobody, or not enough of them, cosigned.
    #[error(
        "no checkpoint of it has the cosignatures that the policy asks for: {0} were looked at; give one that was cosigned with --since, or the policy of the witnesses that the operator ran with"
    )]
    NotMet(usize),
    /// The policy is for other logs.
    #[error("the policy names logs, and the key of this one, {0}, is none of theirs")]
    AnotherLog(String),
    /// What was cosigned is another log.
    #[error("a quorum cosigned a checkpoint that it does not continue: {0}")]
    Contradicted(LogError),
    /// The log can't be read.
    #[error(transparent)]
    Log(LogError),
}

impl Quorum {
    /// Looks for the newest checkpoint that meets a policy, among those kept beside the log and
    /// another that somebody kept. The log must continue it.
    pub async fn of(
        log: &LogReader,
        policy: &Policy,
        other: Option<&[u8]>,
    ) -> Result<Self, QuorumError> {
        if !policy.names_log(log.key()) {
            return Err(QuorumError::AnotherLog(log.key().to_string()));
        }
        if policy.is_met(&[]) {
            return Ok(Self { size: log.size(), at: None, witnesses: Vec::new() });
        }
        let mut notes: Vec<Vec<u8>> = other.map(<[u8]>::to_vec).into_iter().collect();
        for path in days_kept(&**log.store()).await.map_err(failed)? {
            let object = log.store().get(&path).await.map_err(failed)?;
            notes.extend(object.map(|object| object.bytes.to_vec()));
        }
        let looked_at = notes.len();
        let mut met: Vec<(Head, Self)> =
            notes.iter().filter_map(|note| Self::read(log, policy, note)).collect();
        met.sort_by_key(|(head, _)| head.size);
        // The newest says all that the others say, unless the log contradicts it.
        let (head, quorum) = met.pop().ok_or(QuorumError::NotMet(looked_at))?;
        match log.check_continues(&head).await {
            Ok(()) => Ok(quorum),
            Err(error) if is_contradiction(&error) => Err(QuorumError::Contradicted(error)),
            Err(error) => Err(QuorumError::Log(error)),
        }
    }

    fn read(log: &LogReader, policy: &Policy, note: &[u8]) -> Option<(Head, Self)> {
        let head = log.open_checkpoint(note).ok()?;
        let cosignatures = policy.cosignatures(note);
        if !policy.is_met(&cosignatures) {
            return None;
        }
        let at = cosignatures.iter().map(|it| it.at).min();
        let witnesses = cosignatures.into_iter().map(|it| it.witness).collect();
        let quorum = Self { size: head.size, at, witnesses };
        Some((head, quorum))
    }
}

fn failed(error: crate::store::StoreError) -> QuorumError {
    QuorumError::Log(error.into())
}
