//! Evidence before claim: what a status will say is in the log first, durable and signed.
//!
//! The log is an append-only Merkle tree ([`log`]) over entries ([`entry`], [`data`]) in a
//! directory or a bucket ([`store`]), signed with a key that only the operator has ([`key`]). What
//! the entries come to, control by control, is their [`fold`]. People are in the log as pseudonyms
//! ([`privacy`]), of which the company can open one to an auditor ([`pseudonym`]). Others vouch for the
//! log as it was ([`witness`]).
//!
//! The crate knows neither Kubernetes nor the controls: an auditor builds the verifier from it alone
//! (`comptroller-verify`, whose commands are in [`cli`]), and it reads a log of any version of the API.

#![allow(clippy::disallowed_methods, reason = "a log is files, and its readers are told the time")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that fails must say where"
    )
)]

#[cfg(feature = "cli")]
pub mod cli;

pub mod data;
pub mod describe;
pub mod entry;
pub mod export;
pub mod fold;
pub mod inventory;
pub mod key;
pub mod log;
pub mod origin;
mod pasted;
pub mod people;
pub mod population;
pub mod privacy;
pub mod pseudonym;
pub mod register;
pub mod register_sample;
pub mod replay;
pub mod sample;
pub mod sample_table;
pub mod snapshot;
pub mod store;
pub mod time_check;
pub mod usage;
pub mod verify;
pub mod witness;

pub use comptroller_vocabulary::canonical;
