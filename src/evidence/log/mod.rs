//! The log: entries in a Merkle tree under a signed checkpoint, as C2SP tlog-tiles has it.

mod error;
mod reader;
mod writer;

pub use error::LogError;
pub use reader::LogReader;
pub use writer::{Appended, LogWriter};

/// The object that holds the verifier key, beside the log.
pub const VERIFIER_KEY: &str = "verifier-key";

/// The object that holds the signed tree head.
pub const CHECKPOINT: &str = "checkpoint";
