//! The evidence log as metrics. Without a log there is no series of it.

use comptroller_recorder::Observer;
use jiff::Timestamp;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, core::Collector};

/// The families `comptroller_evidence_*` and `comptroller_register_*`. Clones share them.
#[derive(Clone, Debug)]
pub struct EvidenceMetrics {
    entries: IntGaugeVec,
    checkpoint: GaugeVec,
    appends: IntCounterVec,
    failures: IntCounterVec,
    put_back: IntGaugeVec,
    finished: IntCounterVec,
    quarantined: IntCounterVec,
    cosigned: GaugeVec,
    witness_failures: IntCounterVec,
    witness_refuses: IntGaugeVec,
    register_items: IntGaugeVec,
    register_changes: IntCounterVec,
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
            cosigned: GaugeVec::new(
                Opts::new(
                    "comptroller_evidence_witness_last_cosignature_timestamp_seconds",
                    "When a witness last cosigned the log, by its own clock; 0 before it did. Alert when it is older than a day: nobody outside vouches for the log.",
                ),
                &["witness"],
            )?,
            witness_failures: IntCounterVec::new(
                Opts::new(
                    "comptroller_evidence_witness_failures_total",
                    "Attempts to have the log cosigned that failed, as when the witness is down. Evidence is recorded all the same.",
                ),
                &["witness"],
            )?,
            witness_refuses: IntGaugeVec::new(
                Opts::new(
                    "comptroller_evidence_witness_refuses",
                    "1 while a witness does not cosign the log since it saw another one, or more of it. Alert at once: the log was put back, cut or rewritten.",
                ),
                &["witness"],
            )?,
            register_items: IntGaugeVec::new(
                Opts::new(
                    "comptroller_register_items",
                    "How many items a register has, such as that of all grants, by its newest entry in the evidence log.",
                ),
                &["register"],
            )?,
            register_changes: IntCounterVec::new(
                Opts::new(
                    "comptroller_register_changes_total",
                    "Items of a register that came, went or changed, as the evidence log has them.",
                ),
                &["register"],
            )?,
        })
    }

    /// A witness is asked from now on.
    pub fn witness_begun(&self, url: &str) {
        self.cosigned.with_label_values(&[url]).set(0.0);
        self.witness_failures.with_label_values(&[url]);
        self.witness_refuses.with_label_values(&[url]).set(0);
    }

    /// A witness cosigned the log, at this time by its own clock.
    pub fn witness_cosigned(&self, url: &str, at: Timestamp) {
        self.cosigned.with_label_values(&[url]).set(at.as_duration().as_secs_f64());
        self.witness_refuses.with_label_values(&[url]).set(0);
    }

    /// A witness did not answer, or not as it should.
    pub fn witness_failed(&self, url: &str) {
        self.witness_failures.with_label_values(&[url]).inc();
    }

    /// A witness saw another log.
    pub fn witness_refuses(&self, url: &str) {
        self.witness_refuses.with_label_values(&[url]).set(1);
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 12] {
        [
            Box::new(self.entries.clone()),
            Box::new(self.checkpoint.clone()),
            Box::new(self.appends.clone()),
            Box::new(self.failures.clone()),
            Box::new(self.put_back.clone()),
            Box::new(self.finished.clone()),
            Box::new(self.quarantined.clone()),
            Box::new(self.cosigned.clone()),
            Box::new(self.witness_failures.clone()),
            Box::new(self.witness_refuses.clone()),
            Box::new(self.register_items.clone()),
            Box::new(self.register_changes.clone()),
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

    fn register_recorded(&self, register: &str, items: u64, changes: usize) {
        let items = i64::try_from(items).unwrap_or(i64::MAX);
        self.register_items.with_label_values(&[register]).set(items);
        let changes = u64::try_from(changes).unwrap_or(u64::MAX);
        self.register_changes.with_label_values(&[register]).inc_by(changes);
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
        self.register_items.reset();
        self.put_back(false);
    }
}
