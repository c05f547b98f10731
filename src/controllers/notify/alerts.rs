//! Alerts for Alertmanager: what is wrong now, sent again before it expires, and ended when it is over.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    controllers::{
        reports::{FindingsBoard, FindingsSnapshot},
        status,
    },
    outbound::{Sent, Target},
    telemetry::{Metrics, NotificationOutcome, Receiver},
};
use comptroller_core::api::State;
use comptroller_recorder::{Evidence, Writing};

/// How often all alerts are sent: Alertmanager forgets those that are not.
const EVERY: Duration = Duration::from_secs(30);

/// How soon after a change.
const GATHER: Duration = Duration::from_secs(1);

/// For how long an alert is good: it outlives a restart of the operator.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(3);

/// How often it is said that an alert is over: one receiver of several may not hear it at once.
const ENDINGS: u8 = 3;

/// How many alerts one request has.
const PAGE: usize = 200;

/// How long nothing may be recorded before that is an alert.
const BLIP: SignedDuration = SignedDuration::from_secs(10);

/// An alert, as version 2 of Alertmanager's API has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
}

/// What tells alerts apart.
type AlertKey = BTreeMap<&'static str, String>;

/// What is wrong, without until when that is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    labels: AlertKey,
    annotations: BTreeMap<&'static str, String>,
    since: Timestamp,
}

/// Alerts that are sent, and those that are over.
#[derive(Debug, Default)]
pub struct Alerts {
    active: BTreeMap<AlertKey, Problem>,
    /// Those that are over since a time, with how often that is still to be said.
    over: BTreeMap<AlertKey, (Problem, Timestamp, u8)>,
}

impl Alerts {
    /// Takes in what is wrong now; what was, and is not any more, is over.
    pub fn update(&mut self, problems: Vec<Problem>, now: Timestamp) {
        let before = std::mem::take(&mut self.active);
        self.active =
            problems.into_iter().map(|problem| (problem.labels.clone(), problem)).collect();
        for (key, problem) in before {
            if !self.active.contains_key(&key) {
                self.over.insert(key, (problem, now, ENDINGS));
            }
        }
        let active = &self.active;
        self.over.retain(|key, _| !active.contains_key(key));
    }

    /// All that is to be sent now.
    pub fn to_send(&self, now: Timestamp) -> Vec<Alert> {
        let alert = |problem: &Problem, ends_at: Timestamp| Alert {
            labels: problem.labels.clone(),
            annotations: problem.annotations.clone(),
            starts_at: problem.since.to_string(),
            ends_at: ends_at.to_string(),
        };
        let active = self.active.values().map(|problem| alert(problem, now + GOOD_FOR));
        active.chain(self.over.values().map(|(problem, end, _)| alert(problem, *end))).collect()
    }

    /// They were sent.
    pub fn sent(&mut self) {
        self.over.retain(|_, (_, _, left)| {
            *left -= 1;
            *left > 0
        });
    }
}

/// What is wrong, by what is recorded: controls that fail or are not known to hold, and obligations that
/// are overdue.
pub fn problems(snapshot: &FindingsSnapshot, now: Timestamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, known) in snapshot.controls() {
        let verdict = known.recorded.value();
        let labels = |alert: &str| {
            BTreeMap::from([
                ("alertname", alert.to_owned()),
                ("control", name.clone()),
                ("severity", known.severity.as_str().to_ascii_lowercase()),
                ("owner", known.owner.to_string()),
            ])
        };
        let alert = match verdict.state {
            State::Failing => Some("ComptrollerControlFailing"),
            State::Unknown => Some("ComptrollerControlUnknown"),
            State::Passing | State::Excepted | State::NotApplicable => None,
        };
        if let Some(alert) = alert {
            let annotations = BTreeMap::from([
                ("summary", format!("Control {name} is {}", verdict.state.as_str())),
                ("description", verdict.message.clone()),
                ("criteria", known.criteria.join(", ")),
            ]);
            problems.push(Problem { labels: labels(alert), annotations, since: verdict.since });
        }
        let overdue = verdict.occurrences.iter().filter(|one| !one.phase.is_closed());
        for one in overdue.filter(|one| one.due.0 <= now) {
            let mut labels = labels("ComptrollerObligationOverdue");
            labels.insert("period", one.period.clone());
            let annotations = BTreeMap::from([
                ("summary", format!("Control {name} was due for {}", one.period)),
                (
                    "description",
                    format!(
                        "it was due at {} and counts as late until {}",
                        one.due.0, one.grace_until.0
                    ),
                ),
                ("criteria", known.criteria.join(", ")),
            ]);
            problems.push(Problem { labels, annotations, since: one.due.0 });
        }
    }
    problems
}

fn not_recorded(reason: &str, why: &str, since: Timestamp) -> Problem {
    Problem {
        labels: BTreeMap::from([
            ("alertname", "ComptrollerEvidenceNotRecorded".to_owned()),
            ("severity", "critical".to_owned()),
            ("reason", reason.to_owned()),
        ]),
        annotations: BTreeMap::from([
            ("summary", "No evidence is recorded, and no control is known to hold".to_owned()),
            ("description", why.to_owned()),
        ]),
        since,
    }
}

/// Sends alerts for as long as the operator runs.
pub async fn run(target: Target, board: Arc<FindingsBoard>, evidence: Evidence, metrics: Metrics) {
    let target = target.below("/api/v2/alerts");
    let mut changed = board.subscribe();
    let mut writing = evidence.subscribe();
    let mut alerts = Alerts::default();
    let mut failing = false;
    loop {
        tokio::select! {
            Ok(()) = changed.changed() => {}
            Ok(()) = writing.changed() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        tokio::time::sleep(GATHER).await;
        changed.mark_unchanged();
        writing.mark_unchanged();
        let snapshot = board.snapshot();
        let now = evidence.clock().now();
        match evidence.writing() {
            Writing::Open(opening) if snapshot.is_whole_of(opening) => {
                alerts.update(problems(&snapshot, now), now);
            }
            Writing::Failing { obstacle, why, since } => {
                let mut all = problems(&snapshot, now);
                if now.duration_since(since) >= BLIP {
                    all.push(not_recorded(status::reason_of(obstacle), &why, since));
                }
                alerts.update(all, now);
            }
            // Who leads says it, and until then what was sent stands for a while.
            Writing::Standby => {
                alerts = Alerts::default();
                continue;
            }
            Writing::Opening | Writing::Open(_) => continue,
        }
        let is_sent = send(&target, &alerts.to_send(now), &metrics, &mut failing).await;
        if is_sent {
            alerts.sent();
        }
    }
}

async fn send(target: &Target, alerts: &[Alert], metrics: &Metrics, failing: &mut bool) -> bool {
    for page in alerts.chunks(PAGE) {
        let body = serde_json::to_vec(page).unwrap_or_default();
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
        let why = match target.post(headers, body).await {
            Sent::Accepted => {
                metrics
                    .outflow()
                    .notification(Receiver::Alertmanager, NotificationOutcome::Delivered);
                continue;
            }
            // All are sent again in any case.
            Sent::Refused(why) | Sent::Denied(why) | Sent::Failed(why) => why,
        };
        metrics.outflow().notification(Receiver::Alertmanager, NotificationOutcome::Failed);
        // Logged when it begins to fail, not each time.
        if !std::mem::replace(failing, true) {
            tracing::warn!(
                receiver = target.host(),
                "Alertmanager takes no alerts; they are sent again: {why}"
            );
        }
        return false;
    }
    if !alerts.is_empty() && std::mem::take(failing) {
        tracing::info!(receiver = target.host(), "Alertmanager takes alerts again");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(control: &str) -> Problem {
        Problem {
            labels: BTreeMap::from([("control", control.to_owned())]),
            annotations: BTreeMap::new(),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_alert_is_good_until_after_the_next_and_its_end_is_said_thrice() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let mut alerts = Alerts::default();
        alerts.update(vec![problem("a"), problem("b")], now);
        let sent = alerts.to_send(now);
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].ends_at, "2026-11-30T12:03:00Z");
        alerts.sent();
        alerts.update(vec![problem("b")], now);
        for _ in 0..ENDINGS {
            let ends: Vec<String> = alerts.to_send(now).into_iter().map(|it| it.ends_at).collect();
            assert_eq!(ends, ["2026-11-30T12:03:00Z", "2026-11-30T12:00:00Z"]);
            alerts.sent();
        }
        assert_eq!(alerts.to_send(now).len(), 1);
        // One that begins again is not over.
        alerts.update(Vec::new(), now);
        alerts.update(vec![problem("b")], now);
        assert_eq!(alerts.to_send(now).len(), 1);
    }
}
