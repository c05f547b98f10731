//! Statuses are read as far as they can be. Whoever may write one may write anything that the schema
//! admits, and an unreadable status must not make the spec beside it unreadable.

use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// Reads what can be read of an object; a field that can't be read is absent. `read` says where it
/// could not.
pub(super) fn read<T: Default>(mut object: Value, read: impl Fn(&Value) -> Result<T, Path>) -> T {
    loop {
        let path = match read(&object) {
            Ok(done) => return done,
            Err(path) => path,
        };
        // Only a field of the top level is dropped: what is inside it may depend on the rest.
        let removed = match (path.iter().next(), object.as_object_mut()) {
            (Some(Segment::Map { key }), Some(fields)) => fields.remove(key).is_some(),
            _ => false,
        };
        // No field to drop: not an object, or an error without a path. Going on would never end.
        if !removed {
            return T::default();
        }
    }
}

/// Makes statuses with `#[serde(remote = "Self")]` readable as far as they can be.
macro_rules! lenient {
    ($status:ty) => {
        impl serde::Serialize for $status {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$status>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $status {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let object = serde_json::Value::deserialize(deserializer)?;
                Ok($crate::api::lenient::read(object, |object| {
                    let mut track = serde_path_to_error::Track::new();
                    let tracked = serde_path_to_error::Deserializer::new(object, &mut track);
                    <$status>::deserialize(tracked).map_err(|_| track.path())
                }))
            }
        }
    };
}

pub(super) use lenient;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::api::{AuditPeriodStatus, ControlExceptionStatus, ControlStatus, State};

    #[test]
    fn what_is_readable_of_a_status_is_read() {
        let status: ControlStatus = serde_json::from_value(json!({
            "state": "Failing", "since": [], "failing": 3, "lastEvaluated": "never",
            "findings": [{"rule": 1}], "conditions": {}, "reason": "FindingsOpen", "more": 1,
        }))
        .unwrap();
        assert_eq!((status.state, status.failing), (State::Failing, 3));
        assert_eq!((status.since, status.findings.len()), (None, 0));
        for odd in [json!([]), json!("x"), json!(null), json!({"state": []}), json!({"phase": 1})] {
            assert_eq!(
                serde_json::from_value::<ControlStatus>(odd.clone()).unwrap(),
                ControlStatus::default()
            );
            assert_eq!(
                serde_json::from_value::<ControlExceptionStatus>(odd.clone()).unwrap(),
                ControlExceptionStatus::default()
            );
            assert_eq!(
                serde_json::from_value::<AuditPeriodStatus>(odd).unwrap(),
                AuditPeriodStatus::default()
            );
        }
    }

    #[test]
    fn a_status_is_written_as_it_was() {
        let status = json!({
            "observedGeneration": 1, "state": "Failing", "reason": "FindingsOpen", "failing": 3,
            "population": 4, "excepted": 0, "unknown": 0, "since": "2026-10-01T00:00:00Z",
        });
        let read: ControlStatus = serde_json::from_value(status.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), status);
    }
}
