//! The audit stream as metrics. Without a stream there is no series of it.

use jiff::Timestamp;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, core::Collector};

use comptroller_evidence::usage::EventCounts;

/// What happened to a batch of audit events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    Taken,
    /// There was no room, or this replica does not lead: the API server sends it again.
    Deferred,
    /// It was too long, too slow, or no list of events: the API server may not send it again.
    Refused,
}

impl BatchOutcome {
    const ALL: [Self; 3] = [Self::Taken, Self::Deferred, Self::Refused];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
        }
    }
}

/// The families `comptroller_audit_stream_*`. Clones share them.
#[derive(Clone, Debug)]
pub struct AuditStreamMetrics {
    batches: IntCounterVec,
    events: IntCounterVec,
    holes: IntCounterVec,
    silent: IntGaugeVec,
    heard_until: GaugeVec,
}

impl AuditStreamMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        // As families, since most operators have no stream.
        let none: &[&str] = &[];
        Ok(Self {
            batches: IntCounterVec::new(
                Opts::new(
                    "comptroller_audit_stream_batches_total",
                    "Batches of audit events by what happened to them. Alert when refused rises: the API server drops such a batch.",
                ),
                &["outcome"],
            )?,
            events: IntCounterVec::new(
                Opts::new(
                    "comptroller_audit_stream_events_total",
                    "Recorded audit events by what became of them. One that is unclear, or an overflow, makes it not known which rights were not used.",
                ),
                &["outcome"],
            )?,
            holes: IntCounterVec::new(
                Opts::new(
                    "comptroller_audit_stream_gaps_total",
                    "Times in which audit events may have been missed, once they are over. The evidence log has the bounds of each.",
                ),
                none,
            )?,
            silent: IntGaugeVec::new(
                Opts::new(
                    "comptroller_audit_stream_silent",
                    "1 while the operator's own requests do not come back in the audit stream in time. Alert when it lasts for 5 minutes: who uses what is not heard.",
                ),
                none,
            )?,
            heard_until: GaugeVec::new(
                Opts::new(
                    "comptroller_audit_stream_heard_until_timestamp_seconds",
                    "Until when the audit stream is known to have been heard; 0 before it ever was.",
                ),
                none,
            )?,
        })
    }

    /// There is a stream, of which this process says nothing yet.
    pub fn begun(&self) {
        // A rate needs a first value of 0, or the first failure is no increase.
        for outcome in BatchOutcome::ALL {
            self.batches.with_label_values(&[outcome.as_str()]);
        }
        self.holes.with_label_values::<&str>(&[]);
        self.recorded(EventCounts::default());
    }

    pub fn batch(&self, outcome: BatchOutcome) {
        self.batches.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Events that are recorded now.
    pub fn recorded(&self, events: EventCounts) {
        let EventCounts { taken, duplicates, refused, other, unclear, overflow } = events;
        for (outcome, count) in [
            ("taken", taken),
            ("duplicate", duplicates),
            ("refused", refused),
            ("other", other),
            ("unclear", unclear),
            ("overflow", overflow),
        ] {
            self.events.with_label_values(&[outcome]).inc_by(count);
        }
    }

    /// Events may have been missed for a time that is over.
    pub fn missed(&self) {
        self.holes.with_label_values::<&str>(&[]).inc();
    }

    /// Whether events may be missing now, and until when the stream was heard.
    pub fn heard(&self, is_silent: bool, until: Option<Timestamp>) {
        self.silent.with_label_values::<&str>(&[]).set(i64::from(is_silent));
        let until = until.map_or(0.0, |until| until.as_duration().as_secs_f64());
        self.heard_until.with_label_values::<&str>(&[]).set(until);
    }

    /// Another replica hears the stream.
    pub fn ended(&self) {
        self.silent.reset();
        self.heard_until.reset();
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 5] {
        [
            Box::new(self.batches.clone()),
            Box::new(self.events.clone()),
            Box::new(self.holes.clone()),
            Box::new(self.silent.clone()),
            Box::new(self.heard_until.clone()),
        ]
    }
}
