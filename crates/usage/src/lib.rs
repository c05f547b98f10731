//! Audit events of the API server, reduced to who used which right and when last. Pure.
//!
//! Events come by the thousand a second and none is kept: a [`Reducer`] takes from each what a review
//! asks for, bounded whatever is sent, and says what it had no room for. [`Heartbeats`] tells in which
//! times the stream was whole. What is recorded of both is a
//! [`UsageData`](comptroller_evidence::usage::UsageData), and a [`UsageSummary`] adds them up again.
//!
//! Everything in an event may come from whoever made the request, its `auditID` included: it is
//! hostile.

mod break_glass;
mod event;
mod facts;
mod heartbeats;
mod import;
mod record;
mod reduce;
mod seen;
mod summary;

pub use self::{
    break_glass::{BreakGlass, BreakGlassError},
    event::{AuditEvent, ListError, read_list},
    facts::Facts,
    heartbeats::{Heartbeats, Hole},
    import::{ImportError, import_line},
    record::{MAX_PART, RecordError, entries, pseudonymized},
    reduce::{Limits, Outcome, Reducer},
    summary::{LastUseAnswer, UsageSummary},
};
