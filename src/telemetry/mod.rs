//! What the operator reports about itself: metrics for Prometheus, log lines for people and pipelines.
//!
//! [`Metrics`] is passed around and never global, so that two operators in one process don't mix theirs.

mod audit_stream;
mod client;
mod controls;
mod evidence;
mod failure;
mod logging;
mod outage;
mod outflow;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
};

pub use audit_stream::{AuditStreamMetrics, BatchOutcome};
pub use client::{ClientMetrics, CountRequests};
pub use evidence::EvidenceMetrics;
pub use failure::RequestFailure;
pub use logging::{LogFormat, LoggingError, init};
pub use outage::Outages;
pub use outflow::{NotificationOutcome, OutflowMetrics, Receiver, ReportOutcome};

use crate::controllers::verdict_board::OpenCounts;
use comptroller_core::{
    api::{ControlExceptionSpec, ControlSpec, ControlStatus, TestKind},
    engine::{UnreadableKinds, Verdict},
};
use comptroller_recorder::Recorded;
use controls::ControlCollector;

/// In seconds: from what people perceive as immediate to what an alert is for.
const LATENCY_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// In seconds. An evaluation is pure computation, so the buckets start far below a millisecond.
const EVALUATION_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The kind of a reconciled object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileKind {
    Control,
    Exception,
    AuditPeriod,
    Person,
}

impl ReconcileKind {
    const ALL: [Self; 4] = [Self::Control, Self::Exception, Self::AuditPeriod, Self::Person];

    /// The kind as Kubernetes names it.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Control => "Control",
            Self::Exception => "ControlException",
            Self::AuditPeriod => "AuditPeriod",
            Self::Person => "Person",
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Exception => "exception",
            Self::AuditPeriod => "auditperiod",
            Self::Person => "person",
        }
    }
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileOutcome {
    /// A status was written.
    Written,
    /// Nothing had to be written.
    Unchanged,
    /// It failed and will be retried.
    Failed,
}

impl ReconcileOutcome {
    const ALL: [Self; 3] = [Self::Written, Self::Unchanged, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// Why the API server rejects a status each time it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusRefusal {
    /// It can't parse it, or its schema does not allow it.
    Invalid,
    /// The object would be larger than etcd accepts.
    TooLarge,
}

impl StatusRefusal {
    pub const ALL: [Self; 2] = [Self::Invalid, Self::TooLarge];

    /// The reason of the condition `Complete`, and the label of the metric.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "StatusRefused",
            Self::TooLarge => "StatusTooLarge",
        }
    }
}

/// What happened to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    Published,
    /// The API server did not accept it.
    Failed,
    /// The queue was full, or it had waited for too long.
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

/// All metrics of the operator. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<MetricFamilies>);

struct MetricFamilies {
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
    clock_difference: GaugeVec,
    outages: Outages,
    evidence: EvidenceMetrics,
    outflow: OutflowMetrics,
    audit_stream: AuditStreamMetrics,
    client: ClientMetrics,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics in a new registry, together with those of the process.
    ///
    /// # Errors
    /// If a metric is defined twice or has an invalid name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Self::register(registry)
    }

    /// Metrics in `registry`, which must not have any of them yet.
    ///
    /// # Errors
    /// If it has, or if a metric has an invalid name.
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
        let families = MetricFamilies {
            controls: ControlCollector::new()?,
            detection: Histogram::with_opts(histogram(
                "comptroller_detection_latency_seconds",
                "Time from the arrival of a change to the written status. Alert when the 99th percentile stays above 5 s.",
                LATENCY_BUCKETS,
            ))?,
            evaluation: HistogramVec::new(
                histogram(
                    "comptroller_evaluation_duration_seconds",
                    "How long evaluations took, by kind of test. One that stays above 1 s delays every control.",
                    EVALUATION_BUCKETS,
                ),
                &["test"],
            )?,
            pass: Histogram::with_opts(histogram(
                "comptroller_evaluation_pass_duration_seconds",
                "How long it took to evaluate every control affected by one batch of changes.",
                EVALUATION_BUCKETS,
            ))?,
            reconciles: IntCounterVec::new(
                Opts::new(
                    "comptroller_reconciles_total",
                    "Reconciles by kind and outcome. Alert when failed rises for 15 minutes.",
                ),
                &["kind", "outcome"],
            )?,
            reconcile_duration: HistogramVec::new(
                histogram(
                    "comptroller_reconcile_duration_seconds",
                    "How long a reconcile took, including the write.",
                    LATENCY_BUCKETS,
                ),
                &["kind"],
            )?,
            statuses_refused: IntCounterVec::new(
                Opts::new(
                    "comptroller_statuses_refused_total",
                    "Statuses that the API server rejected and that were written without their texts, by kind and reason. Alert when it rises: findings are not shown.",
                ),
                &["kind", "reason"],
            )?,
            events: IntCounterVec::new(
                Opts::new(
                    "comptroller_events_total",
                    "Events by what happened to them. What a lost event would have said is in the status of the control.",
                ),
                &["outcome"],
            )?,
            watch_failures: IntCounterVec::new(
                Opts::new(
                    "comptroller_watch_failures_total",
                    "Failed lists and watches, by resource. Alert when it rises for 15 minutes: controls over the resource turn Unknown.",
                ),
                &["resource"],
            )?,
            unreadable: IntGaugeVec::new(
                Opts::new(
                    "comptroller_unreadable_kinds",
                    "Kinds that some control needs and that can't be read, by reason: Forbidden (a permission is missing) or WatchStale (nothing was received for a minute; Controls, exceptions and discovery count too). Alert when it is not 0 for 10 minutes.",
                ),
                &["reason"],
            )?,
            leader: IntGauge::new(
                "comptroller_leader",
                "Whether this replica leads and therefore writes (1) or stands by (0). Alert when the sum over the replicas is not 1 for 2 minutes.",
            )?,
            clock_difference: GaugeVec::new(
                Opts::new(
                    "comptroller_clock_difference_seconds",
                    "How far the operator's clock is ahead of the API server's; negative when it is behind. Beyond 60 s nothing is claimed: alert when it is beyond 30 s either way for 5 minutes.",
                ),
                &[],
            )?,
            evidence: EvidenceMetrics::new()?,
            outflow: OutflowMetrics::new()?,
            audit_stream: AuditStreamMetrics::new()?,
            client: ClientMetrics::new(outages.clone())?,
            outages,
            registry,
        };
        families.register(build)?;
        Ok(Self(Arc::new(families)))
    }

    /// All metrics in the text format of Prometheus ([`CONTENT_TYPE`]).
    ///
    /// # Errors
    /// If a metric can't be encoded.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }

    /// Says how a control stands, by the log where there is one.
    pub fn observe_control(&self, name: &str, spec: &ControlSpec, recorded: &Recorded<Verdict>) {
        self.0.controls.observe_control(name, spec, recorded);
    }

    /// Says how a control stands while the log can't be written: in the state that its status has,
    /// with how much is open now. None as that: it was never judged.
    pub fn observe_unrecorded_control(
        &self,
        name: &str,
        spec: &ControlSpec,
        status: &ControlStatus,
        open: Option<OpenCounts>,
    ) {
        self.0.controls.observe_unrecorded_control(name, spec, status, open);
    }

    /// Sets the labels of a control and keeps its state, which is Unknown at first.
    pub fn declare_control(&self, name: &str, spec: &ControlSpec) {
        self.0.controls.declare_control(name, spec);
    }

    /// Sets when a control was last evaluated, with or without a change. Ignores a control that was not
    /// observed: a reconcile that ends after a deletion must not leave a series behind.
    pub fn control_evaluated(&self, name: &str, at: Timestamp) {
        self.0.controls.control_evaluated(name, at);
    }

    /// Removes every series of a control.
    pub fn forget_control(&self, name: &str) {
        self.0.controls.forget_control(name);
    }

    /// Sets when an exception expires, and for which controls it is.
    pub fn observe_exception(&self, name: &str, spec: &ControlExceptionSpec) {
        self.0.controls.observe_exception(name, spec);
    }

    /// Removes every series of an exception.
    pub fn forget_exception(&self, name: &str) {
        self.0.controls.forget_exception(name);
    }

    /// Counts one evaluation of a control with this kind of test.
    pub fn evaluated(&self, test: TestKind, took: Duration) {
        self.0.evaluation.with_label_values(&[test.as_str()]).observe(took.as_secs_f64());
    }

    /// Counts one evaluation of every control affected by a batch of changes.
    pub fn evaluation_pass(&self, took: Duration) {
        self.0.pass.observe(took.as_secs_f64());
    }

    /// Counts a written status; `latency` is since the arrival of the change behind it.
    pub fn detected(&self, latency: Duration) {
        self.0.detection.observe(latency.as_secs_f64());
    }

    /// Counts a failed list or watch. There is a series for each kind that was ever watched.
    pub fn watch_failed(&self, resource: &str) {
        self.0.watch_failures.with_label_values(&[&*label(resource)]).inc();
    }

    /// Sets how many kinds can't be read, by reason.
    pub fn unreadable(&self, kinds: UnreadableKinds) {
        for (reason, count) in kinds.by_reason() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.0.unreadable.with_label_values(&[reason.as_str()]).set(count);
        }
    }

    /// The log of outages of the API server.
    pub fn outages(&self) -> &Outages {
        &self.0.outages
    }

    pub fn reconciled(&self, kind: ReconcileKind, outcome: ReconcileOutcome, took: Duration) {
        self.0.reconciles.with_label_values(&[kind.as_str(), outcome.as_str()]).inc();
        self.0.reconcile_duration.with_label_values(&[kind.as_str()]).observe(took.as_secs_f64());
    }

    /// Counts a status that was rejected and is written without its texts.
    pub fn status_refused(&self, kind: ReconcileKind, refusal: StatusRefusal) {
        self.0.statuses_refused.with_label_values(&[kind.as_str(), refusal.reason()]).inc();
    }

    pub fn event(&self, outcome: EventOutcome) {
        self.0.events.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Sets whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.0.leader.set(leads.into());
    }

    /// Sets how far the operator's clock is ahead of the API server's. None: it is not known.
    pub fn clocks(&self, difference: Option<SignedDuration>) {
        if let Some(difference) = difference {
            let gauge = self.0.clock_difference.with_label_values::<&str>(&[]);
            gauge.set(difference.as_secs_f64());
        }
    }

    /// The metrics of the evidence log.
    pub fn evidence(&self) -> &EvidenceMetrics {
        &self.0.evidence
    }

    /// The metrics of what leaves for other tools.
    pub fn outflow(&self) -> &OutflowMetrics {
        &self.0.outflow
    }

    /// The metrics of the audit stream.
    pub fn audit_stream(&self) -> &AuditStreamMetrics {
        &self.0.audit_stream
    }

    /// A layer for [`kube::client::ClientBuilder`] that counts the requests of a client.
    pub fn client_layer(&self) -> CountRequests {
        CountRequests::new(self.0.client.clone())
    }
}

impl MetricFamilies {
    fn register(&self, build: IntGaugeVec) -> Result<(), prometheus::Error> {
        // Prometheus can only see the first failure as an increase if the series was 0 before.
        for kind in ReconcileKind::ALL {
            for outcome in ReconcileOutcome::ALL {
                self.reconciles.with_label_values(&[kind.as_str(), outcome.as_str()]);
            }
            for refusal in StatusRefusal::ALL {
                self.statuses_refused.with_label_values(&[kind.as_str(), refusal.reason()]);
            }
        }
        for outcome in EventOutcome::ALL {
            self.events.with_label_values(&[outcome.as_str()]);
        }
        for (reason, _) in UnreadableKinds::default().by_reason() {
            self.unreadable.with_label_values(&[reason.as_str()]);
        }
        let collectors: [Box<dyn Collector>; 13] = [
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
            Box::new(self.clock_difference.clone()),
        ];
        let collectors = collectors
            .into_iter()
            .chain(self.evidence.collectors())
            .chain(self.outflow.collectors())
            .chain(self.audit_stream.collectors())
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

/// Text from the cluster as a label value: of bounded length, and without control characters, which the
/// text format would pass on to terminals.
fn label(text: &str) -> String {
    const LONGEST: usize = 253;
    text.chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .take(LONGEST)
        .collect()
}
