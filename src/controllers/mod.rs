//! The shell: watches feed the engine, and reconcilers claim what is recorded.
//!
//! One task owns the engine ([`host`]); the watches and discovery of [`source`](crate::source) send
//! it facts. What an evaluation found goes to the recorder, one batch at a time ([`record`]),
//! and what the log holds is published on a [`verdict_board`]. Reconcilers read nothing else; they
//! decide purely what to write ([`status`]), and write it ([`writer`]). Every kind of ours is run the
//! same way ([`kinds`]).

pub mod audit_period;
pub mod body;
pub mod checkpoint_publisher;
pub mod control;
pub mod events;
pub mod exception;
pub mod freshness;
pub mod host;
pub mod kinds;
pub mod leader;
pub mod listening;
pub mod occurrences;
pub mod operator;
pub mod record;
pub mod refusal;
pub mod register;
pub mod retries;
pub mod status;
pub mod takeover;
pub mod unreadable;
pub mod verdict_board;
pub mod witness;
pub mod writer;
