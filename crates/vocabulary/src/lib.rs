//! The words that the resources, the evidence log and the reports share, each with one meaning.
//!
//! The log outlives every version of the API, and an auditor verifies it without Kubernetes. So
//! what it writes is defined here, below both.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that fails must say where"
    )
)]

pub mod canonical;
mod closed_enum;
mod endings;
mod hex;
mod occurrence_phase;
mod resource_ref;
mod severity;
mod state;
mod time;
mod visible;

pub use self::{
    endings::{FindingEnding, PopulationCause},
    hex::hex,
    occurrence_phase::{MAX_OCCURRENCE_RECORDS, OccurrencePhase},
    resource_ref::ResourceRef,
    severity::Severity,
    state::State,
    time::{NotAMoment, parse_moment, whole_seconds},
    visible::{clipped, is_hidden, lines_in_full, visible, visible_lines},
};
#[cfg(feature = "schema")]
#[doc(hidden)]
pub use schemars;
#[doc(hidden)]
pub use serde;
