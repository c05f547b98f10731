//! Whether an object is healthy, by its kind.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inventory::program::shortened;

/// How an object is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    Healthy,
    /// It is not, and why, as a phrase that follows its name.
    Unhealthy(Box<str>),
    /// It is not known, and why.
    Undecided(Box<str>),
}

impl Health {
    fn unhealthy(why: String) -> Self {
        Self::Unhealthy(shortened(why))
    }
}

/// Whether it is a run that has not ended, and so says nothing yet.
pub(super) fn is_under_way((group, kind): (&str, &str), object: &Value) -> bool {
    (group, kind) == ("batch", "Job")
        && !["Complete", "SuccessCriteriaMet", "Failed"]
            .iter()
            .any(|of| condition(object, of).is_some_and(|found| status(found) == "True"))
}

/// The field with the time that an object of a kind counts by, where the test names none.
pub(super) fn time_field((group, kind): (&str, &str)) -> &'static str {
    match (group, kind) {
        ("batch", "Job") => "status.completionTime",
        ("batch", "CronJob") => "status.lastSuccessfulTime",
        _ => "metadata.creationTimestamp",
    }
}

/// Whether an object is healthy.
pub(super) fn of((group, kind): (&str, &str), object: &Value) -> Health {
    match (group, kind) {
        ("batch", "Job") => job(object),
        ("batch", "CronJob") => cron_job(object),
        _ if is_behind(object) => Health::Undecided(
            "its controller has not acted on the latest change yet; if this stays, the controller does not run".into(),
        ),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet" | "ReplicaSet") | ("", "ReplicationController") => replicas(object),
        _ => by_conditions(object),
    }
}

/// Whether the status is of an earlier spec (kstatus).
fn is_behind(object: &Value) -> bool {
    let observed = object["status"]["observedGeneration"].as_i64();
    let generation = object["metadata"]["generation"].as_i64();
    observed.zip(generation).is_some_and(|(observed, generation)| observed < generation)
}

fn daemon_set(object: &Value) -> Health {
    let status = &object["status"];
    let (wanted, ready) = (count(&status["desiredNumberScheduled"]), count(&status["numberReady"]));
    if wanted == 0 {
        // It exists and does nothing, which is what a wrong nodeSelector does to a log collector.
        return Health::Unhealthy("is scheduled on no node".into());
    }
    if ready < wanted {
        return Health::unhealthy(format!("is ready on {ready} of {wanted} nodes"));
    }
    Health::Healthy
}

fn deployment(object: &Value) -> Health {
    let wanted = wanted_replicas(object);
    if wanted == 0 {
        return Health::Unhealthy("is scaled to zero".into());
    }
    // Its own rule for how many may be missing during a rollout.
    match condition(object, "Available") {
        Some(found) if status(found) == "True" => Health::Healthy,
        _ => {
            let available = count(&object["status"]["availableReplicas"]);
            Health::unhealthy(format!("is not available: {available} of {wanted} replicas are"))
        }
    }
}

fn replicas(object: &Value) -> Health {
    let (wanted, status) = (wanted_replicas(object), &object["status"]);
    if wanted == 0 {
        return Health::Unhealthy("is scaled to zero".into());
    }
    let ready = status.get("availableReplicas").unwrap_or(&status["readyReplicas"]);
    let ready = count(ready);
    if ready < wanted {
        return Health::unhealthy(format!("has {ready} of {wanted} replicas available"));
    }
    Health::Healthy
}

fn job(object: &Value) -> Health {
    match condition(object, "Failed") {
        Some(found) if status(found) == "True" => {
            Health::unhealthy(format!("failed{}", why(found)))
        }
        _ => Health::Healthy,
    }
}

fn cron_job(object: &Value) -> Health {
    if object["spec"]["suspend"] == true {
        return Health::Unhealthy("is suspended: set spec.suspend to false".into());
    }
    if object["status"]["lastSuccessfulTime"].as_str().is_none_or(str::is_empty) {
        return Health::Unhealthy("has never succeeded".into());
    }
    Health::Healthy
}

/// By the conditions that Kubernetes' conventions know, as kstatus reads them. An object without any
/// is healthy in that it exists.
fn by_conditions(object: &Value) -> Health {
    for (of, what) in [("Stalled", "is stalled"), ("Reconciling", "is still being reconciled")] {
        if let Some(found) = condition(object, of).filter(|found| status(found) == "True") {
            return Health::unhealthy(format!("{what}{}", why(found)));
        }
    }
    // Some kinds of Kubernetes have these in place of Ready: an APIService, a CRD.
    for of in ["Ready", "Available", "Established"] {
        match condition(object, of) {
            Some(found) if status(found) != "True" => {
                return Health::unhealthy(format!(
                    "has the condition {of} {}{}",
                    shown(found),
                    why(found)
                ));
            }
            Some(_) => return Health::Healthy,
            None => {}
        }
    }
    Health::Healthy
}

fn wanted_replicas(object: &Value) -> i64 {
    // Absent means 1, as the API server sets it.
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn condition<'a>(object: &'a Value, of: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == of)
}

fn status(condition: &Value) -> &str {
    condition["status"].as_str().unwrap_or_default()
}

/// The status of a condition for a sentence: a hostile one may be long, or no text.
fn shown(condition: &Value) -> &str {
    match status(condition) {
        "False" => "False",
        _ => "Unknown",
    }
}

/// What a condition says of itself, for the end of a sentence.
fn why(condition: &Value) -> String {
    let texts = ["reason", "message"].map(|field| condition[field].as_str().unwrap_or_default());
    let mut why = String::new();
    for text in texts.into_iter().filter(|text| !text.is_empty()) {
        why.push_str(": ");
        why.push_str(text);
    }
    why
}
