//! Runs CEL programs over an object, while the whole object is in memory.

use comptroller_cel::{AdmissionRequest, FailedValidation, PolicyOutcome, PreparedObject, Program};

use super::{CelResult, ObjectSource, ResourceType};

/// The longest text that is kept for an object, in bytes. There is one for every object that
/// fails, so it is far shorter than what the API server would answer.
pub(crate) const MAX_TEXT: usize = 300;

/// Runs programs over one object; the results are in the order of the programs.
pub fn judge_all<'a>(
    programs: impl Iterator<Item = &'a Program>,
    object: &serde_json::Value,
    resource: &ResourceType,
    namespace: &str,
    name: &str,
    source: ObjectSource,
) -> Box<[CelResult]> {
    let request = AdmissionRequest {
        group: &resource.group,
        version: &resource.version,
        kind: &resource.kind,
        resource: &resource.plural,
        namespace,
        name,
    };
    let prepared = match source {
        ObjectSource::Cluster => PreparedObject::new(object, &request),
        ObjectSource::Manifests => {
            PreparedObject::from_manifest(object, &request, resource.namespaced)
        }
    };
    programs.map(|program| result(program.judge(&prepared))).collect()
}

fn result(outcome: PolicyOutcome) -> CelResult {
    match outcome {
        PolicyOutcome::NotMatched => CelResult::NotMatched,
        PolicyOutcome::Pass => CelResult::Pass,
        PolicyOutcome::Fail(failures) => CelResult::Fail(
            failures
                .into_iter()
                .map(|FailedValidation { validation, message, .. }| {
                    (validation, shortened(message))
                })
                .collect(),
        ),
        PolicyOutcome::Unknown(reason) => CelResult::Unknown(shortened(reason.to_string())),
    }
}

fn shortened(mut text: String) -> Box<str> {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text.into()
}
