//! Request bodies that the API server accepts whatever text they contain.
//!
//! It parses a server-side apply as YAML. Its parser rejects characters that JSON allows unescaped
//! (U+007F to U+009F, U+FFFE, U+FFFF) and folds others (U+0085, U+2028, U+2029), so that one name would
//! turn into another. As escapes all of them arrive intact.

use axum::http::{
    self, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::{ObjectMeta, PartialObjectMeta, Request, Status},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

/// The subresource that the operator writes.
const STATUS: &str = "status";

/// Asks for the metadata only: an object that can't be parsed here must not make a successful write
/// look like a failed one.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// The media type of a JSON Patch (RFC 6902).
const JSON_PATCH: &str = "application/json-patch+json";

/// JSON with every character escaped that YAML may reject or fold. Characters beyond the basic plane
/// stay as they are: YAML accepts those, but not the pairs of surrogates that JSON would escape them
/// with.
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

/// The size of a status as JSON, in bytes.
pub fn length(status: &impl Serialize) -> usize {
    serde_json::to_vec(status).map_or(0, |json| json.len())
}

/// Applies a status and returns the metadata of the object.
///
/// The API server applies nothing at all to an object with a field that its schema no longer allows.
/// The status of such an object is replaced instead.
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
    // The status belongs to the operator, whoever else has written these fields.
    let params = PatchParams::apply(manager).force();
    let request = Request::new(api.resource_url())
        .patch_subresource(STATUS, name, &params, &Patch::Apply(body))
        .map_err(kube::Error::BuildRequest)?;
    match send(api, request).await {
        // Fields of a replaced status belong to another manager entry, and an apply without them would
        // leave them in the status.
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

/// Whether an apply failed because of the fields that the object already has.
fn is_inapplicable(answer: &Status) -> bool {
    let about_stored_object = ["smd typed", "typed live object"];
    answer.code >= 400 && about_stored_object.iter().any(|text| answer.message.contains(text))
}

/// Whether the status was replaced before.
fn is_replaced(metadata: &ObjectMeta, manager: &str) -> bool {
    metadata.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Update")
            && entry.subresource.as_deref() == Some(STATUS)
    })
}

/// Applies an object and returns its metadata.
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

/// Applies an object of any kind into the collection with this path, and returns its metadata.
pub async fn apply_at(
    client: &Client,
    collection: &str,
    name: &str,
    manager: &str,
    body: &impl Serialize,
) -> kube::Result<PartialObjectMeta> {
    let params = PatchParams::apply(manager).force();
    let request = Request::new(collection)
        .patch_metadata(name, &params, &Patch::Apply(body))
        .map_err(kube::Error::BuildRequest)?;
    send_to(client, request).await
}

async fn send<K>(
    api: &Api<K>,
    request: http::Request<Vec<u8>>,
) -> kube::Result<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    send_to(&api.clone().into_client(), request).await
}

async fn send_to<T: DeserializeOwned>(
    client: &Client,
    request: http::Request<Vec<u8>>,
) -> kube::Result<T> {
    let mut request = request.map(|json| escaped(&json));
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static(METADATA));
    client.request(request).await
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_character_survives() {
        let all: String = ('\0'..=char::MAX).collect();
        let escaped = String::from_utf8(escaped(&serde_json::to_vec(&all).unwrap())).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), json!(all));
        let refused = |c: char| matches!(u32::from(c), 0..=0x1f | 0x7f..=0xffff);
        assert_eq!(escaped.chars().find(|c| refused(*c)), None);
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        let body = json!({"name": "a\"b\\c\nd\u{1f600}"}).to_string();
        assert_eq!(escaped(body.as_bytes()), body.as_bytes());
    }
}
