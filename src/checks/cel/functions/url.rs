//! URLs as Go reads them. The library follows the browsers' rules, which drop a default port,
//! change the host's case and take `http://localhost` for no scheme at all.
//!
//! Only plain URLs are read: what Go would decode or reject by finer rules is not decided here.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::objects::{Key, Opaque};

use super::{Evaluated, Fault, Value};
use crate::checks::cel::value::{list, map, string};

/// A URL in its parts, as written.
#[derive(Debug, PartialEq, Eq)]
struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

impl Opaque for Url {
    fn runtime_type_name(&self) -> &'static str {
        "kubernetes.URL"
    }
}

enum Reading {
    Url(Url),
    NoUrl,
    Unclear,
}

fn read(text: &str) -> Reading {
    let plain = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_graphic() && !b"%#\\\"<>^`{|}@;+".contains(&byte))
    };
    let (scheme, rest) = match text.split_once(':') {
        _ if text.starts_with('/') => ("", text),
        // Without a scheme it must be a path.
        None => return Reading::NoUrl,
        Some((scheme, rest)) => (scheme, rest),
    };
    let scheme_is_plain = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !plain(text) || !(scheme.is_empty() && text.starts_with('/') || scheme_is_plain) {
        return Reading::Unclear;
    }
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = match address.strip_prefix("//") {
        None if scheme.is_empty() => ("", address),
        Some(after) if !scheme.is_empty() => after.split_at(after.find('/').unwrap_or(after.len())),
        // Go takes the first for a host, and the second for no URL with a host at all.
        Some(_) | None => return Reading::Unclear,
    };
    if !scheme.is_empty() && !is_host(host) {
        return Reading::Unclear;
    }
    Reading::Url(Url {
        scheme: scheme.to_ascii_lowercase(),
        host: host.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
    })
}

/// A name or an IPv4 address, and a port.
fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn text(values: &[Value]) -> &str {
    match values.first() {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

fn unclear() -> Fault {
    Fault::error("only plain URLs such as https://example.com:8443/path?key=value are read here")
}

pub(super) fn url(values: &[Value]) -> Evaluated {
    match read(text(values)) {
        Reading::Url(url) => Ok(Value::Opaque(Arc::new(url))),
        Reading::NoUrl => Err(Fault::error("url() takes a URL or an absolute path")),
        Reading::Unclear => Err(unclear()),
    }
}

pub(super) fn is_url(values: &[Value]) -> Evaluated {
    match read(text(values)) {
        Reading::Url(_) => Ok(Value::Bool(true)),
        Reading::NoUrl => Ok(Value::Bool(false)),
        Reading::Unclear => Err(unclear()),
    }
}

fn part(values: &[Value], of: fn(&Url) -> Value) -> Evaluated {
    match values.first() {
        Some(Value::Opaque(opaque)) => opaque.downcast_ref::<Url>().map(of).ok_or_else(unclear),
        _ => Err(unclear()),
    }
}

pub(super) fn scheme(values: &[Value]) -> Evaluated {
    part(values, |url| string(url.scheme.as_str()))
}

pub(super) fn host(values: &[Value]) -> Evaluated {
    part(values, |url| string(url.host.as_str()))
}

pub(super) fn hostname(values: &[Value]) -> Evaluated {
    part(values, |url| string(url.host.split(':').next().unwrap_or("")))
}

pub(super) fn port(values: &[Value]) -> Evaluated {
    part(values, |url| string(url.host.split_once(':').map_or("", |(_, port)| port)))
}

pub(super) fn path(values: &[Value]) -> Evaluated {
    part(values, |url| string(url.path.as_str()))
}

/// The query as a map of lists, in the order of the URL.
pub(super) fn query(values: &[Value]) -> Evaluated {
    part(values, |url| {
        let mut parameters: HashMap<Key, Vec<Value>> = HashMap::new();
        for pair in url.query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.entry(Key::from(key)).or_default().push(string(value));
        }
        map(parameters.into_iter().map(|(key, values)| (key, list(values))).collect())
    })
}
