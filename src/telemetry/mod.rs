//! What the operator says of itself: metrics for Prometheus, log lines for people and pipelines.
//!
//! [`Metrics`] is injected, never global, so that two operators in one process don't mix.

mod client;
mod controls;
mod evidence;
mod logging;
mod outage;
mod outage_text;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};

pub use client::{ClientMetrics, CountRequests};
pub use evidence::EvidenceMetrics;
pub use logging::{LoggingError, init};
pub use outage::{Failure, Outages};

use comptroller_core::{
    api::{ControlSpec, TestKind},
    engine::{UnreadableKinds, Verdict},
};
use controls::ControlCollector;

/// From what a person calls at once to what an alert is for.
const LATENCY_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// An evaluation is pure computation: it starts far below a millisecond.
const EVALUATION_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a reconcile is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileKind {
    /// A Control.
    Control,
    /// A `ControlException`.
    Exception,
    /// An `AuditPeriod`.
    AuditPeriod,
}

impl ReconcileKind {
    const ALL: [Self; 3] = [Self::Control, Self::Exception, Self::AuditPeriod];

    /// The kind of the object.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Control => "Control",
            Self::Exception => "ControlException",
            Self::AuditPeriod => "AuditPeriod",
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Exception => "exception",
            Self::AuditPeriod => "auditperiod",
        }
    }
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A status was written.
    Written,
    /// The status was already so.
    Unchanged,
    /// It failed and will be tried again.
    Failed,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Written, Self::Unchanged, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// Why the API server refuses a status whenever it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It can't read it, or its schema does not admit it.
    Invalid,
    /// With it the object would be larger than etcd takes.
    TooLarge,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Invalid, Self::TooLarge];

    /// The reason of the condition that says so, and the label.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "StatusRefused",
            Self::TooLarge => "StatusTooLarge",
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// It was published.
    Published,
    /// The API server did not take it.
    Failed,
    /// Too many waited, or it had waited for too long.
    Dropped,
}

impl EventOutcome {
    const ALL: [Self; 3] = [Self::Published, Self::Failed, Self::Dropped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// Every metric of the operator. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

struct Families {
    registry: Registry,
    controls: ControlCollector,
    detection: Histogram,
    evaluation: HistogramVec,
    pass: Histogram,
    reconciles: IntCounterVec,
    reconcile_duration: HistogramVec,
    statuses_refused: IntCounterVec,
    events: IntCounterVec,
    watch_failures: IntCounterVec,
    unreadable: IntGaugeVec,
    leader: IntGauge,
    outages: Outages,
    evidence: EvidenceMetrics,
    client: ClientMetrics,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics in a registry of their own, beside those of the process.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Self::register(registry)
    }

    /// Metrics in `registry`, which must not hold any of them yet.
    pub fn register(registry: Registry) -> Result<Self, prometheus::Error> {
        let build = IntGaugeVec::new(
            Opts::new(
                "comptroller_build_info",
                "The running version; always 1. Alert when replicas differ for longer than a rollout takes.",
            ),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let outages = Outages::default();
        let families = Families {
            controls: ControlCollector::new()?,
            detection: Histogram::with_opts(histogram(
                "comptroller_detection_latency_seconds",
                "From the arrival of a change to the status that says so. Alert when the 99th percentile stays above 5 s.",
                LATENCY_BUCKETS,
            ))?,
            evaluation: HistogramVec::new(
                histogram(
                    "comptroller_evaluation_duration_seconds",
                    "How long judging with a test took. A test that stays above 1 s delays every control.",
                    EVALUATION_BUCKETS,
                ),
                &["test"],
            )?,
            pass: Histogram::with_opts(histogram(
                "comptroller_evaluation_pass_duration_seconds",
                "How long one evaluation of every control that a batch of changes touched took.",
                EVALUATION_BUCKETS,
            ))?,
            reconciles: IntCounterVec::new(
                Opts::new(
                    "comptroller_reconciles_total",
                    "Reconciles by what was reconciled and how it ended. Alert when failed rises for 15 minutes.",
                ),
                &["kind", "outcome"],
            )?,
            reconcile_duration: HistogramVec::new(
                histogram(
                    "comptroller_reconcile_duration_seconds",
                    "How long a reconcile took, writing included.",
                    LATENCY_BUCKETS,
                ),
                &["kind"],
            )?,
            statuses_refused: IntCounterVec::new(
                Opts::new(
                    "comptroller_statuses_refused_total",
                    "Statuses that the API server refused, by kind and reason, and that were written without their texts. Alert when it rises: findings are not shown.",
                ),
                &["kind", "reason"],
            )?,
            events: IntCounterVec::new(
                Opts::new(
                    "comptroller_events_total",
                    "Events by what became of them. The status of a control has what a lost event would have said.",
                ),
                &["outcome"],
            )?,
            watch_failures: IntCounterVec::new(
                Opts::new(
                    "comptroller_watch_failures_total",
                    "Lists and watches that failed, by resource. Alert when it rises for 15 minutes: controls over the resource turn Unknown.",
                ),
                &["resource"],
            )?,
            unreadable: IntGaugeVec::new(
                Opts::new(
                    "comptroller_unreadable_kinds",
                    "How many kinds that some control needs can't be read, by reason: Forbidden (a right is missing) or WatchStale (nothing was heard for a minute; Controls, exceptions and discovery count, too). Alert when it is not 0 for 10 minutes.",
                ),
                &["reason"],
            )?,
            leader: IntGauge::new(
                "comptroller_leader",
                "Whether this replica leads and so writes (1) or stands by (0). Alert when the sum over the replicas is not 1 for 2 minutes.",
            )?,
            evidence: EvidenceMetrics::new()?,
            client: ClientMetrics::new(outages.clone())?,
            outages,
            registry,
        };
        families.register(build)?;
        Ok(Self(Arc::new(families)))
    }

    /// Every metric in the text format of Prometheus ([`CONTENT_TYPE`]).
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }

    /// Says how a control stands. A control without a verdict is Unknown and has no numbers.
    pub fn observe_control(&self, name: &str, spec: &ControlSpec, verdict: Option<&Verdict>) {
        self.0.controls.observe_control(name, spec, verdict);
    }

    /// Says what a control is. How it stands stays what was said of it; at first it is Unknown.
    pub fn declare_control(&self, name: &str, spec: &ControlSpec) {
        self.0.controls.declare_control(name, spec);
    }

    /// Says when a control was last evaluated, with or without a change. A control that was not
    /// observed is passed over: a reconcile that ends after a deletion leaves nothing behind.
    pub fn control_evaluated(&self, name: &str, at: Timestamp) {
        self.0.controls.control_evaluated(name, at);
    }

    /// Removes every series of a control.
    pub fn forget_control(&self, name: &str) {
        self.0.controls.forget_control(name);
    }

    /// Says when an exception ends.
    pub fn observe_exception(&self, name: &str, expires: Timestamp) {
        self.0.controls.observe_exception(name, expires);
    }

    /// Removes every series of an exception.
    pub fn forget_exception(&self, name: &str) {
        self.0.controls.forget_exception(name);
    }

    /// One judgement with a test took so long.
    pub fn evaluated(&self, test: TestKind, took: Duration) {
        self.0.evaluation.with_label_values(&[test.as_str()]).observe(took.as_secs_f64());
    }

    /// One evaluation of all that a batch of changes touched took so long.
    pub fn evaluation_pass(&self, took: Duration) {
        self.0.pass.observe(took.as_secs_f64());
    }

    /// A status was written so long after the change behind it arrived.
    pub fn detected(&self, latency: Duration) {
        self.0.detection.observe(latency.as_secs_f64());
    }

    /// A list or watch of a resource failed. There are as many series as kinds were watched.
    pub fn watch_failed(&self, resource: &str) {
        self.0.watch_failures.with_label_values(&[&*label(resource)]).inc();
    }

    /// So many kinds can't be read, each for one reason.
    pub fn unreadable(&self, kinds: UnreadableKinds) {
        for (reason, count) in kinds.by_reason() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.0.unreadable.with_label_values(&[reason.as_str()]).set(count);
        }
    }

    /// What is logged of trouble with the API server.
    pub fn outages(&self) -> &Outages {
        &self.0.outages
    }

    /// A reconcile ended.
    pub fn reconciled(&self, kind: ReconcileKind, outcome: Outcome, took: Duration) {
        self.0.reconciles.with_label_values(&[kind.as_str(), outcome.as_str()]).inc();
        self.0.reconcile_duration.with_label_values(&[kind.as_str()]).observe(took.as_secs_f64());
    }

    /// A status was refused, and is written without its texts.
    pub fn status_refused(&self, kind: ReconcileKind, refusal: Refusal) {
        self.0.statuses_refused.with_label_values(&[kind.as_str(), refusal.reason()]).inc();
    }

    /// An event was published, or not.
    pub fn event(&self, outcome: EventOutcome) {
        self.0.events.with_label_values(&[outcome.as_str()]).inc();
    }

    /// This replica leads, or does not.
    pub fn leads(&self, leads: bool) {
        self.0.leader.set(leads.into());
    }

    /// What is counted of the evidence log.
    pub fn evidence(&self) -> &EvidenceMetrics {
        &self.0.evidence
    }

    /// A layer for [`kube::client::ClientBuilder`] that counts the requests of a client.
    pub fn client_layer(&self) -> CountRequests {
        CountRequests::new(self.0.client.clone())
    }
}

impl Families {
    fn register(&self, build: IntGaugeVec) -> Result<(), prometheus::Error> {
        // A rate needs a first value of 0, or the first failure is no increase.
        for kind in ReconcileKind::ALL {
            for outcome in Outcome::ALL {
                self.reconciles.with_label_values(&[kind.as_str(), outcome.as_str()]);
            }
            for refusal in Refusal::ALL {
                self.statuses_refused.with_label_values(&[kind.as_str(), refusal.reason()]);
            }
        }
        for outcome in EventOutcome::ALL {
            self.events.with_label_values(&[outcome.as_str()]);
        }
        for (reason, _) in UnreadableKinds::default().by_reason() {
            self.unreadable.with_label_values(&[reason.as_str()]);
        }
        let collectors: [Box<dyn Collector>; 12] = [
            Box::new(build),
            Box::new(self.controls.clone()),
            Box::new(self.detection.clone()),
            Box::new(self.evaluation.clone()),
            Box::new(self.pass.clone()),
            Box::new(self.reconciles.clone()),
            Box::new(self.reconcile_duration.clone()),
            Box::new(self.statuses_refused.clone()),
            Box::new(self.events.clone()),
            Box::new(self.watch_failures.clone()),
            Box::new(self.unreadable.clone()),
            Box::new(self.leader.clone()),
        ];
        let collectors = collectors
            .into_iter()
            .chain(self.evidence.collectors())
            .chain(self.client.collectors());
        for collector in collectors {
            self.registry.register(collector)?;
        }
        Ok(())
    }
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(buckets.to_vec())
}

/// Text from the cluster as a label value: of bounded length and without control characters,
/// which the text format would pass on to terminals.
fn label(text: &str) -> String {
    const LONGEST: usize = 253;
    text.chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .take(LONGEST)
        .collect()
}
