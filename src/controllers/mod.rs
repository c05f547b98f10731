//! The shell: watches feed the engine, reconcilers write what it says back.
//!
//! One task owns the engine ([`host`]); the watches and discovery of [`source`](crate::source) send
//! it facts. Reconcilers read its verdicts from a [`board`], record
//! them as evidence ([`recording`]), decide purely what to write ([`status`]), and write it.

pub mod adoption;
pub mod anchor;
pub mod audit_period;
pub mod board;
pub mod body;
pub mod control;
pub mod departed;
pub mod events;
pub mod exception;
pub mod freshness;
pub mod host;
pub mod leader;
pub mod listening;
pub mod measured;
pub mod occurrences;
pub mod operator;
pub mod recording;
pub mod refusal;
pub mod retries;
pub mod status;
pub mod unreadable;
pub mod witness;
pub mod writer;
