//! What can be believed of the status of a control, by whoever reads it without having evaluated it.

use jiff::Timestamp;

use super::{Control, ControlStatus, Duration, State};

/// How late a status may be, in addition to two heartbeats, before it counts as stale.
const SLACK: Duration = Duration::from_secs(300);

/// What can be believed of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is about this generation, and was renewed in time.
    Known(State),
    /// Nobody has evaluated the control.
    NotEvaluated,
    /// It is about another generation of the spec, and said this.
    OtherSpec(State),
    /// It said this, and was last renewed then: too long ago.
    Stale(State, Timestamp),
}

impl Standing {
    /// Of a control, as its object says it.
    pub fn of(control: &Control, now: Timestamp) -> Self {
        let Some(ControlStatus { state, observed_generation, last_evaluated: Some(last), .. }) =
            &control.status
        else {
            return Self::NotEvaluated;
        };
        let heartbeat = control.spec.heartbeat();
        if *observed_generation != control.metadata.generation.unwrap_or_default() {
            Self::OtherSpec(*state)
        } else if now > SLACK.add_to(heartbeat.add_to(heartbeat.add_to(last.0))) {
            Self::Stale(*state, last.0)
        } else {
            Self::Known(*state)
        }
    }

    /// The state that can be claimed: unknown, unless the status can be believed.
    pub fn state(self) -> State {
        match self {
            Self::Known(state) => state,
            Self::NotEvaluated | Self::OtherSpec(_) | Self::Stale(..) => State::Unknown,
        }
    }

    /// Why that is the state, in one CamelCase word: what `status` says, if it can be believed.
    pub fn reason(self, status: Option<&ControlStatus>) -> &str {
        match self {
            Self::Known(_) => status.map_or("", |status| &status.reason),
            Self::NotEvaluated => "NotEvaluated",
            Self::OtherSpec(_) => "SpecChanged",
            Self::Stale(..) => "StatusStale",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn control(status: serde_json::Value) -> Control {
        serde_json::from_value(json!({
            "apiVersion": "comptroller.dev/v1alpha1",
            "kind": "Control",
            "metadata": {"name": "admins", "generation": 3},
            "spec": {
                "title": "Nobody is cluster-admin", "criteria": ["CC6.1"], "owner": "security",
                "severity": "High", "test": {"rbac": {"forbid": ["ClusterAdmin"]}},
            },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn only_a_fresh_status_of_this_generation_counts() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let status = |generation: i64| {
            json!({"observedGeneration": generation, "state": "Passing", "reason": "NoFindings",
                "lastEvaluated": "2026-11-22T10:00:00Z"})
        };
        let now = at("2026-11-22T12:05:00Z");
        let later = at("2026-11-22T12:05:01Z");
        for (status, now, state, reason) in [
            (status(3), now, State::Passing, "NoFindings"),
            (status(3), later, State::Unknown, "StatusStale"),
            (status(2), now, State::Unknown, "SpecChanged"),
            (serde_json::Value::Null, now, State::Unknown, "NotEvaluated"),
        ] {
            let control = control(status);
            let standing = Standing::of(&control, now);
            assert_eq!(
                (standing.state(), standing.reason(control.status.as_ref())),
                (state, reason)
            );
        }
    }
}
