//! What an auditor does with a log: verify it, prove or show an entry of it, replay it to a time.
//!
//! `comptroller evidence` and `comptroller-verify` have these commands from here, with the same
//! options, texts and exit codes. A command returns its whole output and an exit code; printing is
//! left to the program.

mod person;
mod prove;
mod replay;
mod show;
mod table;
mod verify;

use std::sync::Arc;

use comptroller_vocabulary::visible;
use serde::Serialize;

pub use self::{
    person::{DisclosureArgs, PersonArgs},
    prove::ProveArgs,
    replay::ReplayArgs,
    show::ShowArgs,
    verify::VerifyArgs,
};
use crate::{
    key::{KeyError, VerifierKey},
    log::LogError,
    replay::ReplayError,
    store::{self, Store, StoreError},
    verify::{LogFault, VerifyError},
    witness::PolicyError,
};

/// The exit code of a program that could not do what was asked; 1 says that the log is not right.
pub const FAILURE: u8 = 2;

/// The commands of the verifier, one variant each.
#[derive(Debug, clap::Subcommand)]
pub enum AuditCommand {
    /// Verify a whole log: every hash, every entry, and the signature.
    Verify(VerifyArgs),
    /// Prove that an entry is in a log, or check such a proof.
    Prove(ProveArgs),
    /// Say what one entry says, rests on, proves and does not prove.
    Show(ShowArgs),
    /// Say how each control stood at a time, by the entries of a log.
    Replay(ReplayArgs),
    /// Find the entries about a person, for whoever has the signing key.
    Person(PersonArgs),
    /// Check whom a pseudonym stands for, by a disclosure of the company and without its key.
    Disclosure(DisclosureArgs),
}

impl AuditCommand {
    /// Runs the command to its end; an error says nothing of whether the log is right.
    pub async fn run(&self) -> Result<Answer, CommandError> {
        match self {
            Self::Verify(args) => args.run().await,
            Self::Prove(args) => args.run().await,
            Self::Show(args) => args.run().await,
            Self::Replay(args) => args.run().await,
            Self::Person(args) => args.run().await,
            Self::Disclosure(args) => args.run().await,
        }
    }
}

/// What a command has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For standard output, with its last line break. What the log put into it is escaped.
    pub text: String,
    /// 0, or 1 where the log or the proof is not right.
    pub exit_code: u8,
}

impl Answer {
    fn json(value: &impl Serialize, exit_code: u8) -> Result<Self, CommandError> {
        let text = serde_json::to_string_pretty(value)? + "\n";
        Ok(Self { text, exit_code })
    }
}

/// Why a command could not do what was asked, which says nothing of whether the log is right.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No location was given.
    #[error(
        "which log? Give its directory or URL (s3://bucket/prefix), or set COMPTROLLER_EVIDENCE"
    )]
    NoLocation,
    /// A file that was given, such as a proof.
    #[error("{path} can't be read: {source}")]
    File { path: String, source: std::io::Error },
    /// A file that was to be written.
    #[error("{path} can't be written: {source}")]
    Write { path: String, source: std::io::Error },
    /// The file is not a disclosure.
    #[error("{0} is not a disclosure, as `evidence person --disclose` writes it: {1}")]
    NotADisclosure(String, serde_json::Error),
    /// No entry has a pseudonym of the person that can be opened.
    #[error(
        "nothing is disclosed: no entry names this person by a pseudonym that can be opened; see that the name and the signing key are right"
    )]
    NothingToDisclose,
    /// A log in a bucket has no key beside it.
    #[error("which signing key? Give the file of the log's key with --signing-key FILE")]
    NoSigningKey,
    /// An entry can't be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The key that was given.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The policy that was given.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The place of the log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log can't be read, or is not what its checkpoint vouches for.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log could not be read, or the older checkpoint is not one.
    #[error(transparent)]
    Verify(VerifyError),
    /// The answer has no JSON text.
    #[error("the answer can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Which log, and the key that it must be signed with.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// The log: a directory, or a URL such as `s3://bucket/prefix`, `gs://` or `az://`.
    #[arg(value_name = "DIR|URL", env = "COMPTROLLER_EVIDENCE")]
    location: Option<String>,
    /// The verifier key of the log, or a file that holds it. Without it the key beside the log is
    /// believed, which proves that the log is whole and not whose it is.
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
}

impl LogArgs {
    /// Opens the place of the log; nothing of it is read yet.
    pub fn store(&self) -> Result<Arc<dyn Store>, CommandError> {
        let location = self.location.as_deref().ok_or(CommandError::NoLocation)?;
        Ok(store::open(location)?)
    }

    /// The key that was given; None: the key beside the log is to be believed.
    pub fn key(&self) -> Result<Option<VerifierKey>, CommandError> {
        Ok(self.key.as_deref().map(VerifierKey::from_argument).transpose()?)
    }
}

/// Said where nobody gave a key.
const KEY_BESIDE_THE_LOG: &str = "  The key is the one beside the log. Compare it with the one you were given, or pass that with --key.";

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AnswerFormat {
    /// Lines for a person to read.
    #[default]
    Text,
    /// One JSON document, for programs.
    Json,
}

/// The lines that say what is wrong with a log, and where first.
fn describe_fault(title: &str, location: &str, fault: &LogFault) -> String {
    let place = match fault.index {
        Some(index) => format!("first at entry {index}, "),
        None => String::new(),
    };
    format!(
        "{title}: {}\n  {place}{}: {}\n",
        visible(location),
        visible(&fault.path),
        visible(&fault.reason)
    )
}
