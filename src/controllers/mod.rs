//! The shell: watches feed the engine, and reconcilers claim what is recorded.
//!
//! One task owns the engine ([`host`]); the watches and discovery of [`source`](crate::source) send
//! it facts. What an evaluation found goes to the recorder, one batch at a time ([`record`]),
//! and what the log holds is published on a [`verdict_board`]. Reconcilers read nothing else; they
//! decide purely what to write ([`status`]), and write it ([`writer`]). Every kind of ours is run the
//! same way ([`kinds`]).

pub(crate) mod audit_period;
pub mod body;
pub(crate) mod checkpoint_publisher;
pub(crate) mod cluster_knowledge;
pub(crate) mod control;
pub(crate) mod cosigning;
pub mod events;
pub(crate) mod exception;
pub(crate) mod freshness;
pub(crate) mod governed_objects;
pub(crate) mod guard;
pub(crate) mod host;
pub(crate) mod kinds;
pub mod leader;
pub(crate) mod listening;
pub(crate) mod notify;
pub(crate) mod occurrences;
pub(crate) mod operator;
pub(crate) mod person;
pub(crate) mod reachability;
pub(crate) mod record;
pub mod refusal;
pub(crate) mod reports;
pub(crate) mod retries;
pub(crate) mod status;
pub(crate) mod takeover;
pub(crate) mod unreadable;
pub(crate) mod verdict_board;
pub mod writer;
