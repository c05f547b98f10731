//! The evidence log as metrics. Without a log there is no series of it.

use comptroller_recorder::Observer;
use jiff::Timestamp;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, core::Collector};

/// The families `comptroller_evidence_*`. Clones share them.
#[derive(Clone, Debug)]
pub struct EvidenceMetrics {
    entries: IntGaugeVec,
    checkpoint: GaugeVec,
    appends: IntCounterVec,
    failures: IntCounterVec,
    put_back: IntGaugeVec,
    finished: IntCounterVec,
    quarantined: IntCounterVec,
}

impl EvidenceMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        // Without labels, but as families: a log that is not kept has no size.
        let none: &[&str] = &[];
        Ok(Self {
            entries: IntGaugeVec::new(
                Opts::new(
                    "comptroller_evidence_log_entries",
                    "How many entries the evidence log has. Alert when it falls: entries of a log are never removed.",
                ),
                none,
            )?,
            checkpoint: GaugeVec::new(
                Opts::new(
                    "comptroller_evidence_last_checkpoint_timestamp_seconds",
                    "When the log last got a signed checkpoint. Alert when it is older than two heartbeats: nothing is recorded.",
                ),
                none,
            )?,
            appends: IntCounterVec::new(
                Opts::new(
                    "comptroller_evidence_appends_total",
                    "Appends to the evidence log, each of a batch of entries under one signed checkpoint. Entries for each append tell how much a slow store gathers.",
                ),
                none,
            )?,
            failures: IntCounterVec::new(
                Opts::new(
                    "comptroller_evidence_append_failures_total",
                    "Attempts to open or write the evidence log that failed. Alert when it rises: no new verdict is claimed until it is written again.",
                ),
                none,
            )?,
            put_back: IntGaugeVec::new(
                Opts::new(
                    "comptroller_evidence_log_put_back",
                    "1 while the evidence log is not, or not all of, what was recorded before: an older copy, or none. Alert at once.",
                ),
                none,
            )?,
            finished: IntCounterVec::new(
                Opts::new(
                    "comptroller_evidence_recovered_entries_total",
                    "Entries of appends that were cut short, by a crash or a store that failed, and that were finished when the log was opened again. Nothing is lost; a number that keeps rising points at the store.",
                ),
                none,
            )?,
            quarantined: IntCounterVec::new(
                Opts::new(
                    "comptroller_evidence_quarantined_objects_total",
                    "Objects of the log's store that could not be explained when the log was opened, and that were moved to its folder aside/. Alert when it rises: somebody wrote there, or the store lost something.",
                ),
                none,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 7] {
        [
            Box::new(self.entries.clone()),
            Box::new(self.checkpoint.clone()),
            Box::new(self.appends.clone()),
            Box::new(self.failures.clone()),
            Box::new(self.put_back.clone()),
            Box::new(self.finished.clone()),
            Box::new(self.quarantined.clone()),
        ]
    }
}

impl Observer for EvidenceMetrics {
    fn begun(&self) {
        // A rate needs a first value of 0, or the first failure is no increase.
        self.appends.with_label_values::<&str>(&[]);
        self.failures.with_label_values::<&str>(&[]);
        self.finished.with_label_values::<&str>(&[]);
        self.quarantined.with_label_values::<&str>(&[]);
        self.put_back(false);
    }

    fn appended(&self, size: u64, at: Timestamp) {
        self.appends.with_label_values::<&str>(&[]).inc();
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.entries.with_label_values::<&str>(&[]).set(size);
        self.checkpoint.with_label_values::<&str>(&[]).set(at.as_duration().as_secs_f64());
    }

    fn failed(&self) {
        self.failures.with_label_values::<&str>(&[]).inc();
    }

    fn put_back(&self, is: bool) {
        self.put_back.with_label_values::<&str>(&[]).set(i64::from(is));
    }

    fn recovered(&self, finished: u64, quarantined: usize) {
        self.finished.with_label_values::<&str>(&[]).inc_by(finished);
        let quarantined = u64::try_from(quarantined).unwrap_or(u64::MAX);
        self.quarantined.with_label_values::<&str>(&[]).inc_by(quarantined);
    }

    fn ended(&self) {
        self.entries.reset();
        self.checkpoint.reset();
        self.put_back(false);
    }
}
