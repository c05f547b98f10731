//! Bodies that the API server takes whatever text is in them.
//!
//! It reads a server-side apply as YAML, and the reader refuses characters that JSON admits raw
//! (U+007F to U+009F, U+FFFE, U+FFFF) and folds others (U+0085, U+2028, U+2029), so that one name
//! would turn into another. As escapes all of them arrive as they are.

use axum::http::{
    self, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};
use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
    core::{ObjectMeta, PartialObjectMeta, Request, Status},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

/// The subresource that the operator writes.
const STATUS: &str = "status";

/// Asks for the metadata alone: an object that can't be read must not fail a write that succeeded.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// The media type of a JSON Patch (RFC 6902).
const JSON_PATCH: &str = "application/json-patch+json";

/// JSON with what YAML may refuse or fold as escapes. Beyond the basic plane YAML takes every
/// character raw, and no pair of surrogates.
pub fn escaped(json: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(json.len());
    for chunk in json.utf8_chunks() {
        for c in chunk.valid().chars() {
            let code = u32::from(c);
            if matches!(code, 0x7f..=0xffff) {
                escaped.extend_from_slice(format!("\\u{code:04x}").as_bytes());
            } else {
                escaped.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    escaped
}

/// How long a status is, in bytes as they are stored.
pub fn length(status: &impl Serialize) -> usize {
    serde_json::to_vec(status).map_or(0, |json| json.len())
}

/// Applies a status and answers with the metadata of the object.
///
/// To an object that holds what its schema does not admit, of an older schema, the API server applies
/// nothing at all. Then the status is replaced.
pub async fn apply_status<K>(
    api: &Api<K>,
    name: &str,
    manager: &str,
    status: &impl Serialize,
) -> kube::Result<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": name},
        "status": status,
    });
    let params = PatchParams::apply(manager).force();
    let request = Request::new(api.resource_url())
        .patch_subresource(STATUS, name, &params, &Patch::Apply(body))
        .map_err(kube::Error::BuildRequest)?;
    match send(api, request).await {
        // What was replaced once is not taken back by an apply that lacks it.
        Ok(answer) if !is_replaced(&answer.metadata, manager) => Ok(answer),
        Err(kube::Error::Api(answer)) if !is_inapplicable(&answer) => Err(kube::Error::Api(answer)),
        Ok(_) | Err(kube::Error::Api(_)) => replace_status(api, name, manager, status).await,
        Err(error) => Err(error),
    }
}

async fn replace_status<K>(
    api: &Api<K>,
    name: &str,
    manager: &str,
    status: &impl Serialize,
) -> kube::Result<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let steps = json!([{"op": "add", "path": "/status", "value": status}]);
    let mut request = Request::new(api.resource_url())
        .patch_subresource(STATUS, name, &params, &Patch::Merge(steps))
        .map_err(kube::Error::BuildRequest)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON_PATCH));
    send(api, request).await
}

/// Whether an apply fails because of what the object holds already.
fn is_inapplicable(answer: &Status) -> bool {
    let of_what_is_there = ["smd typed", "typed live object"];
    answer.code >= 400 && of_what_is_there.iter().any(|text| answer.message.contains(text))
}

/// Whether the status was replaced before.
fn is_replaced(metadata: &ObjectMeta, manager: &str) -> bool {
    metadata.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Update")
            && entry.subresource.as_deref() == Some(STATUS)
    })
}

/// Applies an object and answers with its metadata.
pub async fn apply<K>(
    api: &Api<K>,
    name: &str,
    manager: &str,
    body: &impl Serialize,
) -> kube::Result<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let params = PatchParams::apply(manager).force();
    let request = Request::new(api.resource_url())
        .patch_metadata(name, &params, &Patch::Apply(body))
        .map_err(kube::Error::BuildRequest)?;
    send(api, request).await
}

async fn send<K>(
    api: &Api<K>,
    request: http::Request<Vec<u8>>,
) -> kube::Result<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut request = request.map(|json| escaped(&json));
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static(METADATA));
    api.clone().into_client().request(request).await
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_character_is_read_back_as_it_was() {
        let all: String = ('\0'..=char::MAX).collect();
        let escaped = String::from_utf8(escaped(&serde_json::to_vec(&all).unwrap())).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), json!(all));
        let refused = |c: char| matches!(u32::from(c), 0..=0x1f | 0x7f..=0xffff);
        assert_eq!(escaped.chars().find(|c| refused(*c)), None);
    }

    #[test]
    fn what_is_plain_stays_as_it_is() {
        let body = json!({"name": "a\"b\\c\nd\u{1f600}"}).to_string();
        assert_eq!(escaped(body.as_bytes()), body.as_bytes());
    }
}
