//! Bodies that are made up or changed: revisions that went back, events that no server sent.

use axum::{
    body::Body,
    http::{HeaderMap, Response, StatusCode, header},
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::rule::Refusal;

pub fn json_reply(code: u16, body: &Value, retry_after: Option<u32>) -> Response<Body> {
    let mut reply = Response::new(Body::from(body.to_string()));
    *reply.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::IM_A_TEAPOT);
    reply.headers_mut().insert(header::CONTENT_TYPE, json_type());
    if let Some(seconds) = retry_after {
        reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    reply
}

pub fn json_type() -> header::HeaderValue {
    header::HeaderValue::from_static("application/json")
}

/// Sets the clock of the server that answers ahead by so many seconds.
pub fn set_date(headers: &mut HeaderMap, seconds: i64) {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    let text = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    headers.insert(header::DATE, text.parse().expect("a header"));
}

/// The last event of a watch whose revision is too old.
pub fn expired() -> Bytes {
    let mut refusal = Refusal::new(410);
    "too old resource version: 300 (357)".clone_into(&mut refusal.message);
    let mut line = json!({ "type": "ERROR", "object": refusal.status() }).to_string();
    line.push('\n');
    Bytes::from(line)
}

/// The same answer by a server whose revisions are so much lower. What is no JSON stays.
pub fn rewound(body: &[u8], by: u64) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return Bytes::copy_from_slice(body);
    };
    shift(&mut value, &|revision| revision.saturating_sub(by).max(1));
    Bytes::from(value.to_string())
}

/// The same request to a server whose revisions are so much higher.
pub fn advanced(body: &Bytes, by: u64) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return body.clone();
    };
    shift(&mut value, &|revision| revision.saturating_add(by));
    Bytes::from(value.to_string())
}

/// The target of a request to a server whose revisions are so much higher.
pub fn advanced_target(target: &str, by: u64) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.strip_prefix("resourceVersion=").map(str::parse::<u64>) {
            Some(Ok(revision)) if revision > 0 => format!("resourceVersion={}", revision + by),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

fn shift(value: &mut Value, to: &dyn Fn(u64) -> u64) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str().map(str::parse::<u64>) {
                    Some(Ok(revision)) if name == "resourceVersion" && revision > 0 => {
                        *field = to(revision).to_string().into();
                    }
                    _ => shift(field, to),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, to)),
        _ => {}
    }
}
