//! What a report needs of a control's specs, as the log has them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Window, done};
use crate::period::model::{Accepted, Coverage, SpecVersion, Wildcard};
use comptroller_core::api::{Severity, control::DEFAULT_HEARTBEAT};
use comptroller_evidence::data::ObjectChange;
use comptroller_vocabulary::canonical;

/// How long after an entry another is due before nobody is taken to have looked, in heartbeats:
/// three halves. The half is for an operator that restarts.
const VOUCHED_HEARTBEATS: (i32, i32) = (3, 2);

/// A control's spec. It is read field by field rather than as the type of today, since a report
/// of three years ago is to be made again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoggedSpec {
    pub(super) title: String,
    pub(super) objective: Option<String>,
    pub(super) criteria: Vec<String>,
    pub(super) owner: String,
    pub(super) severity: Severity,
    pub(super) test: String,
    pub(super) accepted: Vec<Accepted>,
    pub(super) suspended: bool,
    /// Of a human control, how many different people must attest.
    pub(super) min_attesters: usize,
    /// Stands for the scope and the test: what decides which items are judged, and how.
    pub(super) rule: String,
    /// How long an entry vouches for.
    pub(super) vouched_for: SignedDuration,
}

/// The specs of a control that bear on the window, by time.
#[derive(Clone, Debug, Default)]
pub(super) struct SpecFold(Vec<LoggedVersion>);

/// A spec while it was in force.
#[derive(Clone, Debug)]
struct LoggedVersion {
    from: Timestamp,
    /// None while it is in force.
    to: Option<Timestamp>,
    entry: u64,
    generation: Option<i64>,
    digest: String,
    value: Value,
    spec: LoggedSpec,
}

impl SpecFold {
    /// Takes in a spec; of a change without one nothing is known.
    pub(super) fn note(&mut self, entry: u64, at: Timestamp, data: &ObjectChange, window: Window) {
        let Some(value) = &data.spec else { return };
        self.end(at, window);
        self.0.push(LoggedVersion {
            from: at,
            to: None,
            entry,
            generation: data.generation,
            digest: data.spec_digest.clone().unwrap_or_default(),
            value: value.clone(),
            spec: LoggedSpec::read(value),
        });
    }

    /// The newest is no longer in force.
    pub(super) fn end(&mut self, at: Timestamp, window: Window) {
        if let Some(newest) = self.0.last_mut() {
            newest.to.get_or_insert(at);
        }
        // What ended before the window is of no use to its report.
        let newest = self.0.last().map(|newest| newest.entry);
        self.0.retain(|version| {
            Some(version.entry) == newest
                || version.to.is_none_or(|to| to > window.from)
                // Within the first second of the window, so that it has no length.
                || version.from >= window.from
        });
    }

    /// The newest; None while the log has none.
    pub(super) fn newest(&self) -> Option<&LoggedSpec> {
        self.0.last().map(|version| &version.spec)
    }

    pub(super) fn newest_digest(&self) -> String {
        self.0.last().map(|version| version.digest.clone()).unwrap_or_default()
    }

    /// Stands for the scope and the test of a generation; where the log does not have it, of the
    /// newest. What is judged by the spec of before may be written after that of now.
    pub(super) fn rule(&self, generation: i64) -> &str {
        let versions = self.0.iter().rev();
        let judged = versions.clone().find(|version| version.generation == Some(generation));
        judged.or(self.0.last()).map_or("", |version| version.spec.rule.as_str())
    }

    /// When specs suspended the control, with their entries, by time.
    pub(super) fn suspended(&self) -> Vec<(Timestamp, Timestamp, u64)> {
        let mut all: Vec<(Timestamp, Timestamp, u64)> = Vec::new();
        for version in self.0.iter().filter(|version| version.spec.suspended) {
            let to = version.to.unwrap_or(Timestamp::MAX);
            match all.last_mut() {
                // An edit of something else does not interrupt it.
                Some(before) if before.1 == version.from => before.1 = to,
                _ => all.push((version.from, to, version.entry)),
            }
        }
        all
    }

    fn within(
        &self,
        window: Window,
    ) -> impl Iterator<Item = (Timestamp, Timestamp, &LoggedVersion)> {
        self.0.iter().filter_map(move |version| {
            let (from, to) = (version.from, version.to.unwrap_or(Timestamp::MAX));
            // Entries have whole seconds: one that was in force for less has no length, and is shown.
            let moment = || (from == to && window.touches(from, Some(to))).then_some((from, to));
            let (from, to) = window.clip(from, to).or_else(moment)?;
            Some((from, to, version))
        })
    }

    pub(super) fn report(&self, window: Window) -> Vec<SpecVersion> {
        let version = |(from, to, version): (Timestamp, Timestamp, &LoggedVersion)| SpecVersion {
            from,
            to,
            entry: version.entry,
            spec: version.value.clone(),
            spec_digest: version.digest.clone(),
            title: version.spec.title.clone(),
            severity: version.spec.severity,
            criteria: version.spec.criteria.clone(),
            what_was_done: done::what_was_done(&version.value),
            accepted: version.spec.accepted.clone(),
        };
        self.within(window).map(version).collect()
    }

    /// The patterns in force in the window that accept or leave out everything.
    pub(super) fn wildcards(&self, window: Window) -> Vec<Wildcard> {
        let mut all = Vec::new();
        for (from, to, version) in self.within(window) {
            for (field, pattern) in wildcards(&version.value) {
                all.push(Wildcard { from, to, field, pattern, entry: version.entry });
            }
        }
        all
    }

    /// The times of the window by the scope and the test in force, those that are the same and follow
    /// each other as one.
    fn by_rule(&self, window: Window) -> Vec<(Timestamp, Timestamp, &str)> {
        let mut all: Vec<(Timestamp, Timestamp, &str)> = Vec::new();
        for (from, to, version) in self.within(window) {
            // While it is suspended nothing is judged, by whatever rule.
            if version.spec.suspended {
                continue;
            }
            match all.last_mut() {
                Some(before) if before.2 == version.spec.rule => before.1 = to,
                _ => all.push((from, to, version.spec.rule.as_str())),
            }
        }
        all
    }

    /// A time of the window for which another scope or test was in force than before and after: whatever
    /// it asked, who edited it twice may have left out what was bad then. None where there is none.
    pub(super) fn in_between(&self, window: Window) -> Option<(Timestamp, Timestamp)> {
        let times = self.by_rule(window);
        let [_, between @ .., last] = times.as_slice() else { return None };
        let first = between.first()?;
        Some((first.0, last.0))
    }

    /// When another scope or test came into force, of which neither that of before nor that of after
    /// was for this share of the window, in percent; None where one was.
    pub(super) fn divided(&self, window: Window, minimum_observation: u8) -> Option<Timestamp> {
        let times = self.by_rule(window);
        let [before, after] = times.as_slice() else { return None };
        let longest = [before, after].map(|one| one.1.duration_since(one.0)).into_iter().max()?;
        let share = Coverage {
            observed_seconds: longest.as_secs(),
            expected_seconds: window.to.duration_since(window.from).as_secs(),
        };
        (!share.reaches(minimum_observation)).then_some(after.0)
    }
}

impl Default for LoggedSpec {
    fn default() -> Self {
        Self {
            title: String::new(),
            objective: None,
            criteria: Vec::new(),
            owner: String::new(),
            severity: Severity::Medium,
            test: String::new(),
            accepted: Vec::new(),
            suspended: false,
            min_attesters: 1,
            rule: rule(&Value::Null),
            vouched_for: vouched_for(None),
        }
    }
}

impl LoggedSpec {
    pub(super) fn read(spec: &Value) -> Self {
        let text = |field: &str| spec.get(field).and_then(Value::as_str).map(str::to_owned);
        let criteria = spec.get("criteria").and_then(Value::as_array);
        let kind = spec.get("test").and_then(Value::as_object);
        let severity = spec.get("severity").and_then(Value::as_str).and_then(|name| {
            Severity::ALL.iter().copied().find(|severity| severity.as_str() == name)
        });
        Self {
            title: text("title").unwrap_or_default(),
            objective: text("objective"),
            criteria: criteria
                .into_iter()
                .flatten()
                .filter_map(|id| id.as_str().map(str::to_owned))
                .collect(),
            owner: text("owner").unwrap_or_default(),
            severity: severity.unwrap_or(Severity::Medium),
            test: kind.and_then(|kind| kind.keys().next().cloned()).unwrap_or_default(),
            accepted: accepted(spec),
            suspended: spec.get("suspend").and_then(Value::as_bool).unwrap_or_default(),
            min_attesters: spec
                .pointer("/test/attestation/minAttesters")
                .and_then(Value::as_u64)
                .and_then(|count| usize::try_from(count).ok())
                .unwrap_or(1)
                .max(1),
            rule: rule(spec),
            vouched_for: vouched_for(spec.get("heartbeat").and_then(Value::as_str)),
        }
    }
}

fn rule(spec: &Value) -> String {
    let of = |field: &str| spec.get(field).cloned().unwrap_or_default();
    canonical::sha256(json!([of("scope"), of("test")]).to_string().as_bytes())
}

/// The patterns below fields that allow or leave out which match everything, by where they are.
fn wildcards(spec: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for root in ["test", "scope"] {
        if let Some(value) = spec.get(root) {
            find_wildcards(value, &format!("/{root}"), false, &mut found);
        }
    }
    found
}

fn find_wildcards(value: &Value, at: &str, accepts: bool, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let accepts = accepts || name.starts_with("allow") || name.starts_with("exclude");
                // Why it is accepted is a text, and no pattern.
                if name != "reason" {
                    find_wildcards(value, &format!("{at}/{name}"), accepts, found);
                }
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                find_wildcards(value, &format!("{at}/{place}"), accepts, found);
            }
        }
        Value::String(pattern) if accepts && matches_everything(pattern) => {
            found.push((at.to_owned(), pattern.clone()));
        }
        _ => {}
    }
}

/// Whether a pattern has nothing but wildcards.
pub(super) fn matches_everything(pattern: &str) -> bool {
    pattern.contains('*') && pattern.chars().all(|c| matches!(c, '*' | '?' | '/' | ':'))
}

/// The subjects that an rbac test allows, and what the scope leaves out.
fn accepted(spec: &Value) -> Vec<Accepted> {
    let list =
        |pointer: &str| spec.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let text = |entry: &Value, field: &str| entry.get(field)?.as_str().map(str::to_owned);
    let named = |entry: &Value| {
        let place = text(entry, "namespace").map(|namespace| namespace + "/").unwrap_or_default();
        match (text(entry, "kind"), text(entry, "name")) {
            (Some(kind), Some(name)) => Some(format!("{kind} {place}{name}")),
            _ => Some(format!("everything in Namespace {}", text(entry, "namespace")?)),
        }
    };
    let entries = list("/test/rbac/allow")
        .chain(list("/scope/exclude"))
        .filter_map(|entry| Some(Accepted { what: named(entry)?, reason: text(entry, "reason") }));
    let namespaces = list("/scope/excludeNamespaces")
        .filter_map(Value::as_str)
        .map(|name| Accepted { what: format!("everything in Namespace {name}"), reason: None });
    entries.chain(namespaces).collect()
}

fn vouched_for(heartbeat: Option<&str>) -> SignedDuration {
    let exact = |duration: comptroller_core::api::Duration| duration.exact();
    // What can't be read is taken for the default: a wrong field must not make a report impossible.
    let heartbeat = heartbeat
        .and_then(|text| text.parse().ok())
        .and_then(exact)
        .or_else(|| exact(DEFAULT_HEARTBEAT))
        .unwrap_or_default();
    heartbeat
        .checked_mul(VOUCHED_HEARTBEATS.0)
        .map_or(heartbeat, |long| long / VOUCHED_HEARTBEATS.1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_vouches_for_one_and_a_half_heartbeats() {
        for (heartbeat, minutes) in
            [(json!(null), 90), (json!("1h"), 90), (json!("10m"), 15), (json!("nonsense"), 90)]
        {
            let spec = LoggedSpec::read(&json!({"heartbeat": heartbeat}));
            assert_eq!(spec.vouched_for, SignedDuration::from_mins(minutes), "{heartbeat}");
        }
    }

    #[test]
    fn a_wildcard_that_accepts_everything_is_found_wherever_it_is() {
        let found = wildcards(&json!({
            "scope": {"exclude": [{"kind": "Pod", "name": "*", "reason": "*"}]},
            "test": {
                "rbac": {
                    "allow": [{"kind": "Group", "name": "ops*"}, {"kind": "User", "name": "*"}],
                    "rules": [{"verbs": ["*"]}],
                },
                "workload": {"allowedRegistries": ["**/*"]},
            },
        }));
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "/test/rbac/allow/1/name",
                "/test/workload/allowedRegistries/0",
                "/scope/exclude/0/name",
            ]
        );
    }

    #[test]
    fn what_is_accepted_is_told_with_its_reason() {
        let spec = LoggedSpec::read(&json!({
            "scope": {
                "excludeNamespaces": ["sandbox"],
                "exclude": [
                    {"namespace": "calico-system", "reason": "the network"},
                    {"kind": "Service", "namespace": "edge", "name": "door", "reason": "the door"},
                    {"kind": "Namespace", "name": "velero", "reason": "its agent"},
                    {"reason": "of nothing"}, 7,
                ],
            },
            "test": {"rbac": {"allow": [
                {"kind": "ServiceAccount", "namespace": "velero", "name": "velero", "reason": "restores"},
                {"kind": "Group", "name": "break-glass"},
            ]}},
        }));
        let told: Vec<(&str, Option<&str>)> = spec
            .accepted
            .iter()
            .map(|accepted| (accepted.what.as_str(), accepted.reason.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("ServiceAccount velero/velero", Some("restores")),
                ("Group break-glass", None),
                ("everything in Namespace calico-system", Some("the network")),
                ("Service edge/door", Some("the door")),
                ("Namespace velero", Some("its agent")),
                ("everything in Namespace sandbox", None),
            ]
        );
    }

    #[test]
    fn what_is_missing_or_of_another_shape_is_left_empty() {
        let read = LoggedSpec::read(&json!({"title": 3, "test": [], "criteria": {}}));
        assert_eq!(read, LoggedSpec { rule: read.rule.clone(), ..LoggedSpec::default() });
        let spec = LoggedSpec::read(&json!({
            "title": "T", "objective": "O", "criteria": ["CC6.1", 7], "owner": "o",
            "severity": "Critical", "test": {"rbac": {}},
        }));
        assert_eq!((spec.title.as_str(), spec.objective.as_deref()), ("T", Some("O")));
        assert_eq!((spec.criteria, spec.test.as_str()), (vec!["CC6.1".to_owned()], "rbac"));
        assert_eq!(spec.severity, Severity::Critical);
    }
}
