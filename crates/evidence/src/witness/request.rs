//! What is sent to a witness, and what its answers mean (C2SP tlog-witness). Pure.

use tlog_tiles::Hash;

/// A request `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is taken to have cosigned last; 0 where that is not known.
    pub old: u64,
    /// The size of the checkpoint.
    pub size: u64,
    /// The body of the request.
    pub body: String,
}

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Signature lines, which are still to be verified.
    Cosigned(String),
    /// It cosigned this size last, and not the one that was named: ask again from there.
    LastSize(u64),
    /// It saw another history.
    Refused(Refusal),
    /// It can't cosign now, or not for this log.
    Failed(String),
}

/// How the log contradicts what a witness saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The witness cosigned a longer log.
    Longer {
        /// How many entries it saw.
        seen: u64,
        /// How many the log has.
        size: u64,
    },
    /// The witness cosigned another log of this size.
    Another {
        /// How many entries it saw.
        seen: u64,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Longer { seen, size } => write!(
                f,
                "it cosigned a checkpoint of {seen} entries, and the log has {size}: the log was put back from an older copy or cut"
            ),
            Self::Another { seen } => write!(
                f,
                "it cosigned another log of {seen} entries under this key: the log was rewritten, or two logs are signed with one key"
            ),
        }
    }
}

impl AddCheckpoint {
    /// A request with a proof that the tree of the checkpoint continues that of `old`.
    pub fn new(old: u64, size: u64, proof: &[Hash], checkpoint: &str) -> Self {
        let hashes: Vec<String> = proof.iter().map(|hash| format!("{hash}\n")).collect();
        Self { old, size, body: format!("old {old}\n{}\n{checkpoint}", hashes.concat()) }
    }

    /// What an HTTP answer means.
    pub fn answer(&self, status: u16, content_type: &str, body: &str) -> Answer {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match status {
            200 => Answer::Cosigned(body.to_owned()),
            409 if media_type.eq_ignore_ascii_case("text/x.tlog.size") => {
                match body.trim_end_matches('\n').parse::<u64>() {
                    Ok(seen) if seen > self.size => {
                        Answer::Refused(Refusal::Longer { seen, size: self.size })
                    }
                    // The size agrees, so that it is the root that does not.
                    Ok(seen) if seen == self.old => Answer::Refused(Refusal::Another { seen }),
                    Ok(seen) => Answer::LastSize(seen),
                    Err(_) => Answer::Failed("it answered 409 without a size".to_owned()),
                }
            }
            // It has the size that was named, and roots that differ.
            409 if self.old == self.size => Answer::Refused(Refusal::Another { seen: self.old }),
            422 => Answer::Refused(Refusal::Another { seen: self.old }),
            404 => Answer::Failed(
                "it does not know this log (404): have its operator add the origin and the verifier key, both in the ConfigMap comptroller-evidence"
                    .to_owned(),
            ),
            403 => Answer::Failed(
                "it does not know the key of this log (403): have its operator add the verifier key, which is in the ConfigMap comptroller-evidence"
                    .to_owned(),
            ),
            other => {
                let said: String = body.chars().filter(|c| !c.is_control()).take(200).collect();
                Answer::Failed(format!("it answered {other}: {said}"))
            }
        }
    }
}
