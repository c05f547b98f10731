//! Evidence before claim: what a status will say is in the log first, durable and signed.
//!
//! The log is an append-only Merkle tree ([`log`]) over entries ([`entry`], [`data`]) in a
//! directory or a bucket ([`store`]), signed with a key that only the operator has ([`key`]). The
//! operator writes it through [`recorder`], which knows from the [`fold`] of the log what it says
//! already. People are in it as pseudonyms ([`privacy`]).

pub mod data;
pub mod entry;
pub mod export;
pub mod fold;
pub mod key;
pub mod log;
pub mod origin;
pub mod privacy;
pub mod replay;
pub mod sample;
pub mod snapshot;
pub mod store;
pub mod verify;

pub use comptroller_vocabulary::canonical;
