//! What leaves the operator for other tools, as metrics: policy reports, notifications and alerts.

use prometheus::{IntCounterVec, IntGauge, Opts, core::Collector};

/// What happened to a policy report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    Written,
    /// The API server rejected its texts, and it was written without them.
    Refused,
    Deleted,
    /// The API server did not answer, or denied it.
    Failed,
}

impl ReportOutcome {
    const ALL: [Self; 4] = [Self::Written, Self::Refused, Self::Deleted, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Refused => "refused",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
        }
    }
}

/// Who is told of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    Webhook,
    Alertmanager,
}

impl Receiver {
    const ALL: [Self; 2] = [Self::Webhook, Self::Alertmanager];

    /// The label of the metric, and its name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Alertmanager => "alertmanager",
        }
    }
}

/// What happened to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationOutcome {
    Delivered,
    /// The receiver did not take it; it is tried again.
    Failed,
    /// The receiver refuses it, or did not take it for a day.
    Dropped,
}

impl NotificationOutcome {
    const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Dropped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// The families `comptroller_policy_report*` and `comptroller_notification*`. Clones share them.
#[derive(Clone, Debug)]
pub struct OutflowMetrics {
    reports: IntCounterVec,
    not_listed: IntGauge,
    notifications: IntCounterVec,
}

impl OutflowMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let families = Self {
            reports: IntCounterVec::new(
                Opts::new(
                    "comptroller_policy_report_writes_total",
                    "Policy reports by what happened to them. Alert when failed rises for 15 minutes: dashboards that read reports show what was so before.",
                ),
                &["outcome"],
            )?,
            not_listed: IntGauge::new(
                "comptroller_policy_report_results_not_listed",
                "Results that policy reports have no room for; a row of the report counts them. What is missing is in the evidence log.",
            )?,
            notifications: IntCounterVec::new(
                Opts::new(
                    "comptroller_notifications_total",
                    "Notifications by receiver and by what happened to them. Alert when failed rises for 15 minutes, or when anything is dropped: somebody was not told.",
                ),
                &["receiver", "outcome"],
            )?,
        };
        // Prometheus can only see the first failure as an increase if the series was 0 before.
        for outcome in ReportOutcome::ALL {
            families.reports.with_label_values(&[outcome.as_str()]);
        }
        for receiver in Receiver::ALL {
            for outcome in NotificationOutcome::ALL {
                families.notifications.with_label_values(&[receiver.as_str(), outcome.as_str()]);
            }
        }
        Ok(families)
    }

    pub fn report(&self, outcome: ReportOutcome) {
        self.reports.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Sets how many results are in no report for want of room.
    pub fn results_not_listed(&self, count: usize) {
        self.not_listed.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn notification(&self, receiver: Receiver, outcome: NotificationOutcome) {
        self.notifications.with_label_values(&[receiver.as_str(), outcome.as_str()]).inc();
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 3] {
        [
            Box::new(self.reports.clone()),
            Box::new(self.not_listed.clone()),
            Box::new(self.notifications.clone()),
        ]
    }
}
