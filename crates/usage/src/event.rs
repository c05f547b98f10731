//! An event of `audit.k8s.io/v1`, as far as it is read.
//!
//! <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The API that is read.
const API_VERSION: &str = "audit.k8s.io/v1";

/// An event. A text that it lacks is empty.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditEvent<'a> {
    #[serde(borrow)]
    pub api_version: Cow<'a, str>,
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// The identity of the request, which its sender may choose.
    #[serde(borrow, rename = "auditID")]
    pub audit_id: Cow<'a, str>,
    /// `RequestReceived`, `ResponseStarted`, `ResponseComplete` or `Panic`.
    #[serde(borrow)]
    pub stage: Cow<'a, str>,
    #[serde(borrow, rename = "requestURI")]
    pub request_uri: Cow<'a, str>,
    #[serde(borrow)]
    pub verb: Cow<'a, str>,
    #[serde(borrow)]
    pub user: EventUser<'a>,
    /// Whom the user acted as. None where nobody was impersonated.
    #[serde(borrow)]
    pub impersonated_user: Option<EventUser<'a>>,
    /// What the request was about. None for a path that is no resource.
    #[serde(borrow)]
    pub object_ref: Option<ObjectReference<'a>>,
    /// None before there is a response.
    pub response_status: Option<ResponseStatus>,
    #[serde(borrow)]
    pub request_received_timestamp: Cow<'a, str>,
    #[serde(borrow)]
    pub stage_timestamp: Cow<'a, str>,
    #[serde(borrow)]
    pub annotations: Option<Annotations<'a>>,
}

/// A user, as the API server authenticated them.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct EventUser<'a> {
    #[serde(borrow)]
    pub username: Cow<'a, str>,
    #[serde(borrow)]
    pub groups: Vec<Cow<'a, str>>,
}

/// What a request was about.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference<'a> {
    #[serde(borrow)]
    pub api_group: Cow<'a, str>,
    #[serde(borrow)]
    pub resource: Cow<'a, str>,
    #[serde(borrow)]
    pub subresource: Cow<'a, str>,
    #[serde(borrow)]
    pub namespace: Cow<'a, str>,
    #[serde(borrow)]
    pub name: Cow<'a, str>,
}

/// How the API server answered.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct ResponseStatus {
    /// The code of HTTP. 0: it does not say.
    pub code: i32,
}

/// The annotations that are read.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct Annotations<'a> {
    /// What policies had to say, as JSON.
    #[serde(borrow, rename = "validation.policy.admission.k8s.io/validation_failure")]
    pub validation_failure: Cow<'a, str>,
    /// By which binding the request was allowed.
    #[serde(borrow, rename = "authorization.k8s.io/reason")]
    pub authorization_reason: Cow<'a, str>,
}

/// Why a body is not a list of events.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It has another form.
    #[error("the body is not an EventList of audit.k8s.io/v1 in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is a list of something else.
    #[error(
        "the body is {kind} of {api_version}, and not an EventList of audit.k8s.io/v1: set --audit-webhook-version=audit.k8s.io/v1"
    )]
    Kind { kind: String, api_version: String },
}

/// Reads an `EventList` and hands over each event as it is read, so that a list of a million empty events
/// takes no more memory than one. Of a body that is no list, the events before the mistake were handed
/// over; says how many were.
pub fn read_list(body: &[u8], mut take: impl FnMut(&AuditEvent<'_>)) -> Result<u64, ListError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let list = ListReader(&mut take).deserialize(&mut reader)?;
    reader.end()?;
    if list.kind == "EventList" && list.api_version == API_VERSION {
        return Ok(list.count);
    }
    let short = |text: String| text.chars().take(64).collect();
    Err(ListError::Kind { kind: short(list.kind), api_version: short(list.api_version) })
}

#[derive(Default)]
struct ListHead {
    kind: String,
    api_version: String,
    count: u64,
}

struct ListReader<'f, F>(&'f mut F);

impl<'de, F: FnMut(&AuditEvent<'_>)> DeserializeSeed<'de> for ListReader<'_, F> {
    type Value = ListHead;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<ListHead, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&AuditEvent<'_>)> Visitor<'de> for ListReader<'_, F> {
    type Value = ListHead;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an EventList")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListHead, A::Error> {
        let mut head = ListHead::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "kind" => head.kind = map.next_value()?,
                "apiVersion" => head.api_version = map.next_value()?,
                "items" => head.count += map.next_value_seed(ItemsReader(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }
}

struct ItemsReader<'f, F>(&'f mut F);

impl<'de, F: FnMut(&AuditEvent<'_>)> DeserializeSeed<'de> for ItemsReader<'_, F> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<u64, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&AuditEvent<'_>)> Visitor<'de> for ItemsReader<'_, F> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while let Some(event) = items.next_element::<AuditEvent<'de>>()? {
            (self.0)(&event);
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_event_by_event_whatever_the_order_of_its_fields() {
        let body = br#"{"items":[{"auditID":"a","user":{"username":"j\u00fcrgen","extra":{"x":["y"]}},
            "requestObject":{"deep":[1,{"x":null}]}},{}],"metadata":{},"apiVersion":"audit.k8s.io/v1","kind":"EventList"}"#;
        let mut users = Vec::new();
        let count = read_list(body, |event| users.push(event.user.username.to_string())).unwrap();
        assert_eq!((count, users), (2, vec!["j\u{fc}rgen".to_owned(), String::new()]));
    }

    #[test]
    fn what_is_no_list_says_so() {
        for (body, reason) in [
            ("", "EOF"),
            ("[]", "invalid type"),
            ("{}", "and not an EventList"),
            (
                r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1beta1"}"#,
                "--audit-webhook-version",
            ),
            (
                r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":7}"#,
                "a list of events",
            ),
            (r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1"} x"#, "trailing"),
            (
                r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"verb":[]}]}"#,
                "string",
            ),
        ] {
            let error = read_list(body.as_bytes(), |_| ()).unwrap_err().to_string();
            assert!(error.contains(reason), "{body}: {error}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let body = format!(r#"{{"items":[{{"requestObject":{}"#, "[".repeat(100_000));
        assert!(read_list(body.as_bytes(), |_| ()).is_err());
    }
}
