//! A line of an audit log.

use crate::{event::AuditEvent, reduce::Outcome, reduce::Reducer};

/// Why a line can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not JSON, or an event has another form.
    #[error(
        "it is not an audit event in JSON ({0}); each line must be one event of audit.k8s.io/v1"
    )]
    Json(#[from] serde_json::Error),
    /// It is an object of something else.
    #[error(
        "it is {kind:?} of {api_version:?} and not an Event of audit.k8s.io/v1; take the events out of what wraps them, as docs/audit-stream.md shows"
    )]
    Kind { kind: String, api_version: String },
    /// It lacks what tells a use.
    #[error(
        "the event lacks a user, a verb, a stageTimestamp or the code of its response; export it at the level Metadata or above, with the stage ResponseComplete"
    )]
    Unclear,
}

/// Takes in a line, if there is anything on it.
pub fn import_line(reducer: &mut Reducer, line: &[u8]) -> Result<(), ImportError> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(());
    }
    let event: AuditEvent<'_> = serde_json::from_slice(line)?;
    if event.kind != "Event" || event.api_version != "audit.k8s.io/v1" {
        let short = |text: &str| text.chars().take(64).collect();
        let (kind, api_version) = (short(&event.kind), short(&event.api_version));
        return Err(ImportError::Kind { kind, api_version });
    }
    match reducer.take(&event, None) {
        Outcome::Unclear => Err(ImportError::Unclear),
        _ => Ok(()),
    }
}
