//! The log: entries in a Merkle tree under a signed checkpoint, laid out as C2SP tlog-tiles has it.
//!
//! Beside the objects of that specification lie `verifier-key`, `pending`, `stored/sha256/<hex>`
//! (data larger than an entry), `rotation/` (keys that were replaced) and `aside/` (what was found and could not be explained).
//!
//! # How an append is one step, and why two writers can't fork the log
//!
//! 1. `pending` is replaced by compare-and-swap with the leaves and the tree that they follow. From
//!    here on they will be in the log, whoever finishes it.
//! 2. Bundles and tiles are created, and then the checkpoint is replaced by compare-and-swap. All of
//!    these bytes follow from the tree and `pending` alone (Ed25519 signatures do, too), so that it
//!    does not matter who writes them, how often, or who dies in between: nothing is written twice
//!    with two contents.
//! 3. Only then does [`LogWriter::append`] return.
//!
//! A writer that takes over first replaces `pending` with the same leaves and a new nonce, and then
//! finishes them. From that moment every step 1 of the writer before it fails, since `pending` is
//! never again what it knew, and it returns [`LogError::Fenced`] for ever. What it may still be
//! doing is steps 2 of leaves that the new writer finishes as well: the same bytes at the same
//! paths, and a checkpoint whose swap fails once the new writer has gone on. The lock of a directory
//! is only a courtesy that says so earlier.
//!
//! `pending` is sealed with a secret of the signing key: whoever can write to the store can not have
//! entries signed by leaving them there.

mod bundle;
mod checkpoint;
mod error;
mod path;
mod pending;
mod proof;
mod reader;
mod recovery;
mod rotation;
mod tiles;
mod tree;
mod writer;

#[cfg(test)]
mod tests;

pub use checkpoint::Head;
pub use error::LogError;
pub use path::bundle_of;
pub(crate) use proof::check_continues;
pub use proof::{InclusionProof, ProofError};
pub use reader::LogReader;
pub use recovery::Recovered;
pub use rotation::{Rotation, rotate_key};
pub use writer::{Appended, LogWriter};

pub(crate) use path::FULL;
pub use reader::key_beside;
pub(crate) use tiles::Tiles;

/// The object that holds the verifier key, beside the log.
pub const VERIFIER_KEY: &str = "verifier-key";

/// The object that holds the signed tree head.
pub const CHECKPOINT: &str = "checkpoint";
