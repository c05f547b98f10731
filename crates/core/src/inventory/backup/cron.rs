//! A `CronJob` (`batch/v1`) that says which claims it backs up.
//!
//! The contract: `comptroller.dev/backs-up` on the `CronJob`, in the namespace of the claims. As a label
//! its value is the name of one claim; as an annotation, which takes precedence, it is several names
//! separated by commas, or `*` for every claim of the namespace. The newest success is
//! `status.lastSuccessfulTime`, so the job has to fail if the backup does.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inventory::{
    facts::{MetadataOnly, ProjectionError},
    intern::{Interner, Symbol},
};

/// The key of the label and of the annotation.
pub const BACKS_UP: &str = "comptroller.dev/backs-up";

/// What the backup check reads of a `CronJob`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CronFacts {
    /// `status.lastSuccessfulTime`. None if no run has succeeded.
    pub last_success: Option<Timestamp>,
    /// Whether it does not run at present (`spec.suspend`).
    pub suspended: bool,
    /// The claims, as the label or the annotation lists them.
    pub backs_up: Symbol,
}

impl CronFacts {
    /// Whether it backs up a claim of its namespace.
    pub fn covers(&self, claim: &str) -> bool {
        self.claims().any(|name| name == "*" || name == claim)
    }

    /// The names of the claims, or `*`.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.backs_up.as_str().split(',').map(str::trim)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CronJob {
    spec: Option<CronJobSpec>,
    status: Option<CronJobStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CronJobSpec {
    suspend: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CronJobStatus {
    last_successful_time: Option<String>,
}

/// What the backup check reads of a `CronJob`. None if it backs up nothing, so that its runs change no
/// facts.
pub fn read(
    object: &Value,
    interner: &Interner,
) -> Result<Option<Box<CronFacts>>, ProjectionError> {
    let metadata = MetadataOnly::deserialize(object)?.metadata;
    let value = |map: Option<std::collections::BTreeMap<String, String>>| {
        map.and_then(|mut map| map.remove(BACKS_UP)).filter(|value| !value.trim().is_empty())
    };
    let Some(backs_up) = value(metadata.annotations).or_else(|| value(metadata.labels)) else {
        return Ok(None);
    };
    let job = CronJob::deserialize(object)?;
    let last = job.status.unwrap_or_default().last_successful_time;
    Ok(Some(Box::new(CronFacts {
        last_success: super::parse_time("status.lastSuccessfulTime", last.as_deref())?,
        suspended: job.spec.unwrap_or_default().suspend == Some(true),
        backs_up: interner.intern(&backs_up),
    })))
}
