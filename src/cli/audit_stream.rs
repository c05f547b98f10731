//! The flags of `comptroller run` for the audit stream.

use std::path::PathBuf;

use jiff::SignedDuration;

use crate::audit_stream::{AuditStream, StreamConfig};
use crate::telemetry::Metrics;
use comptroller_core::api::Duration;
use comptroller_recorder::Evidence;
use comptroller_usage::BreakGlass;

/// How long an event may take at least: a heartbeat is sent each second then.
const SHORTEST_LATE: SignedDuration = SignedDuration::from_secs(2);

/// The longest times that are of use: a day's uses are told by the day.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// How the API server's audit events are taken.
#[derive(Debug, clap::Args)]
pub struct AuditStreamArgs {
    /// Take the API server's audit events at /audit, and record who used which right. The API server must
    /// be told to send them: see docs/audit-stream.md.
    #[arg(long, requires = "evidence", conflicts_with = "insecure")]
    audit_stream: bool,
    /// The authority by whose client certificates the API server is known, in PEM. It must sign nothing
    /// else: who has a certificate of it can make events up. Without it, the API server sends a token whose
    /// user may post to /audit.
    #[arg(long, value_name = "FILE", requires = "audit_stream")]
    audit_stream_client_ca: Option<PathBuf>,
    /// How long an event may take to arrive before the log says that the stream has a gap. The API server
    /// itself waits for up to 30 s to fill a batch.
    #[arg(long, value_name = "DURATION", default_value = "2m", requires = "audit_stream", value_parser = late)]
    audit_stream_late: SignedDuration,
    /// How often to record what was heard: as much is a gap if the process is killed.
    #[arg(long, value_name = "DURATION", default_value = "15m", requires = "audit_stream", value_parser = record_every)]
    audit_stream_record: SignedDuration,
    /// Access that is for emergencies only, so that each use of it is recorded: user:NAME, group:NAME or
    /// binding:NAME, where NAME may have * and ?. Can be repeated.
    #[arg(long, value_name = "RULE", requires = "audit_stream")]
    break_glass: Vec<String>,
}

impl AuditStreamArgs {
    /// The authority of the API server's client certificate.
    pub fn client_authorities(&self) -> Option<PathBuf> {
        self.audit_stream_client_ca.clone()
    }

    /// The stream. None if nobody wants it.
    pub fn stream(
        &self,
        evidence: &Evidence,
        metrics: &Metrics,
    ) -> Result<Option<AuditStream>, Box<dyn std::error::Error>> {
        if !self.audit_stream {
            return Ok(None);
        }
        let break_glass = BreakGlass::parse(&self.break_glass)
            .map_err(|error| format!("--break-glass: {error}"))?;
        let config = StreamConfig {
            late: self.audit_stream_late,
            record_every: self.audit_stream_record,
            break_glass,
        };
        Ok(Some(AuditStream::new(config, evidence.clone(), metrics)?))
    }
}

fn late(text: &str) -> Result<SignedDuration, String> {
    length(text, SHORTEST_LATE)
}

fn record_every(text: &str) -> Result<SignedDuration, String> {
    length(text, SignedDuration::from_secs(1))
}

fn length(text: &str, shortest: SignedDuration) -> Result<SignedDuration, String> {
    let duration: Duration = text.parse().map_err(|error| format!("{error}"))?;
    match duration.exact() {
        Some(length) if length >= shortest && length <= LONGEST => Ok(length),
        _ => Err(format!("it must be from {} s to a day, such as 2m", shortest.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_bounds() {
        for (text, expected) in [
            ("2m", Some(120)),
            ("2s", Some(2)),
            ("1d", Some(86_400)),
            ("1s", None),
            ("25h", None),
            ("1mo", None),
            ("-2m", None),
            ("soon", None),
        ] {
            assert_eq!(late(text).ok().map(|length| length.as_secs()), expected, "{text}");
        }
    }
}
