//! What a report needs of a control's spec, as the log has it.

use jiff::SignedDuration;
use serde_json::Value;

use crate::period::model::Accepted;
use comptroller_core::api::{Severity, control::DEFAULT_HEARTBEAT};

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
    /// How long an entry vouches for.
    pub(super) vouched_for: SignedDuration,
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
            vouched_for: vouched_for(spec.get("heartbeat").and_then(Value::as_str)),
        }
    }
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
        assert_eq!(
            LoggedSpec::read(&json!({"title": 3, "test": [], "criteria": {}})),
            LoggedSpec::default()
        );
        let spec = LoggedSpec::read(&json!({
            "title": "T", "objective": "O", "criteria": ["CC6.1", 7], "owner": "o",
            "severity": "Critical", "test": {"rbac": {}},
        }));
        assert_eq!((spec.title.as_str(), spec.objective.as_deref()), ("T", Some("O")));
        assert_eq!((spec.criteria, spec.test.as_str()), (vec!["CC6.1".to_owned()], "rbac"));
        assert_eq!(spec.severity, Severity::Critical);
    }
}
