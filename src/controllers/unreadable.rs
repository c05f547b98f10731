//! What is wrong with an object that the API server accepted and that can't be parsed here, such as one
//! of an older schema. The watch has only the error; the object itself shows which field it is.

use std::time::Duration;

use kube::{
    Api, Resource,
    api::ListParams,
    core::{Request, error_boundary::InvalidObject},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use comptroller_core::api::structural;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Explains why an object can't be parsed: field by field, or with the parser's error alone if the
/// object can't be fetched.
pub async fn explain<K>(api: &Api<K>, name: &str, invalid: &InvalidObject) -> String
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let fields = match tokio::time::timeout(TIMEOUT, raw(api, name)).await {
        Ok(Ok(Some(object))) => problems::<K>(object),
        _ => None,
    };
    fields.unwrap_or_else(|| format!("spec: can't be read: {}", invalid.error))
}

/// The object as it is stored, by a list, since the operator may `list` and not `get` it. None if it is
/// gone.
async fn raw<K>(api: &Api<K>, name: &str) -> kube::Result<Option<Value>>
where
    K: Resource<DynamicType = ()> + Clone,
{
    let one = ListParams::default().fields(&format!("metadata.name={name}"));
    let request = Request::new(api.resource_url()).list(&one).map_err(kube::Error::BuildRequest)?;
    let mut list: Value = api.clone().into_client().request(request).await?;
    Ok(list.pointer_mut("/items/0").map(Value::take))
}

/// Every field that can't be parsed; None if all can.
fn problems<K>(mut object: Value) -> Option<String>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    structural::read::<K>(&object).err().map(|invalid| invalid.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use comptroller_core::api::ControlException;

    #[test]
    fn the_field_is_named() {
        let object = |expires: Value| {
            json!({
                "apiVersion": "comptroller.dev/v1alpha1", "kind": "ControlException",
                "metadata": {
                    "name": "e", "uid": "1", "resourceVersion": "7", "generation": 1,
                    "creationTimestamp": "2026-11-01T00:00:00Z",
                    "managedFields": [{"manager": "kubectl", "operation": "Update"}],
                },
                "spec": {
                    "controls": ["c"], "resources": [{"kind": "Pod", "name": "p"}],
                    "reason": "because", "requestedBy": "jane", "expires": expires,
                },
                "status": {"phase": []},
            })
        };
        let text = problems::<ControlException>(object(json!([])));
        assert_eq!(text, Some("spec.expires: must be a string, not a list; put it in quotes if it looks like something else".to_owned()));
        assert_eq!(problems::<ControlException>(object(json!("2027-01-31T00:00:00Z"))), None);
    }
}
