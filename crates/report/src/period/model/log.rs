//! What the log says of itself, and of who could have written it.

use jiff::Timestamp;
use serde::Serialize;

use comptroller_evidence::time_check::TimeAnomaly;
use comptroller_vocabulary::closed_enum;

/// What a reader must know of the log before believing it.
#[derive(Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LogReport {
    /// Whether the log continues every checkpoint that was found published when it was opened; None
    /// where no entry says so.
    pub continues_published: Option<bool>,
    /// The newest checkpoint that was found published and is not continued, or else the newest that was
    /// found; None when there was none.
    pub published: Option<String>,
    /// The days of the period on which a quorum of the witnesses of a policy signed the log. Worth as
    /// much as where the policy comes from.
    pub vouched_days: u64,
    /// Where the policy comes from that says which witnesses count.
    pub policy: PolicySource,
    /// The days of the period.
    pub days: u64,
    /// Where the clocks disagree, or time falls, by entry.
    pub time_anomalies: Vec<TimeAnomaly>,
}

closed_enum! {
    /// Where the policy comes from that says which witnesses count, and how many of them.
    #[derive(Default)]
    pub enum PolicySource {
        /// Whoever made the report gave it.
        Given = "given",
        /// It was found beside the log, where whoever writes the log put it.
        BesideLog = "besideLog",
        /// There was none.
        #[default]
        None = "none",
    }
}

impl PolicySource {
    /// What it makes of the days that are vouched for, in one sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Given => {
                "Which witnesses count, and how many of them, is as the policy says that was given with --policy."
            }
            Self::BesideLog => {
                "Which witnesses count is the operator's own word: the policy was found beside the log, and whoever rewrites the log can write that too, so get one from elsewhere and give it with --policy."
            }
            Self::None => "No policy says which witnesses count, so nobody vouches for the log.",
        }
    }
}

/// A witness that signed a checkpoint of the log.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Cosignature {
    /// The name of the witness, as its key has it.
    pub witness: String,
    /// When it signed.
    pub at: Timestamp,
    /// How many entries the checkpoint has.
    pub log_size: u64,
}

/// A checkpoint that the log does not continue.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ContradictedCheckpoint {
    /// How many entries it covers.
    pub log_size: u64,
    /// The signed note.
    pub checkpoint: String,
    /// How the log contradicts it.
    pub reason: String,
}

/// Who wrote the log from a time on.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OperatorReport {
    /// When it began to write; it may lie before the period.
    pub from: Timestamp,
    /// The name of the instance.
    pub instance: String,
    /// The image, with its digest; None outside a pod and in old entries.
    pub image: Option<String>,
    /// The version of the program.
    pub version: String,
    /// The command line, without the program.
    pub flags: Vec<String>,
    /// The user that the API server knew it as; None where no entry has it.
    pub user: Option<String>,
    /// The node; None outside a pod and in old entries.
    pub node: Option<String>,
    /// The entry that says so.
    pub entry: u64,
}

/// Something that bears on who could have written the evidence.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IdentityFact {
    /// Since when; not before the period.
    pub from: Timestamp,
    /// Until when; None when it still was so at the end of the period.
    pub to: Option<Timestamp>,
    /// What it is, in one sentence.
    pub what: String,
    /// Who, where it is about people or accounts: pseudonyms and accounts, by name.
    pub who: Vec<String>,
    /// Whether records of this time are not bound to their authors.
    pub author_not_bound: bool,
    /// The entry that says so.
    pub entry: u64,
}
