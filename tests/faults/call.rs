//! What a request to the API server asks for.

use axum::http::{Method, Uri};
use bytes::Bytes;

/// As RBAC names it; `Other` is what names no resource, such as discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    Other,
}

impl Verb {
    /// Every verb that changes something, reviews included.
    pub const WRITES: [Self; 4] = [Self::Create, Self::Update, Self::Patch, Self::Delete];
}

/// One request. Names that a request lacks are empty.
#[derive(Clone, Debug)]
pub struct Call {
    /// The number of the request on this proxy, from 0.
    pub number: u64,
    pub method: Method,
    /// Path and query, as they were asked for.
    pub target: String,
    pub verb: Verb,
    pub group: String,
    /// The plural of the resource type, such as `pods`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
    pub body: Bytes,
}

impl Call {
    pub fn new(number: u64, method: Method, uri: &Uri, body: Bytes) -> Self {
        let path = uri.path();
        let target = uri.path_and_query().map_or(path, |target| target.as_str()).to_owned();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match parts[..] {
            ["api", _, ref rest @ ..] => ("", rest),
            ["apis", group, _, ref rest @ ..] => (group, rest),
            _ => ("", &[][..]),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..]
                if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
            {
                (*namespace, rest)
            }
            rest => ("", rest),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        let (resource, name) = (part(0), part(1));
        let watches = uri.query().is_some_and(|query| {
            query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1" | "watch"))
        });
        let verb = match method {
            _ if resource.is_empty() => Verb::Other,
            Method::GET if watches => Verb::Watch,
            Method::GET if name.is_empty() => Verb::List,
            Method::GET => Verb::Get,
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            _ => Verb::Other,
        };
        Self {
            number,
            method,
            target,
            verb,
            group: group.to_owned(),
            resource,
            namespace: namespace.to_owned(),
            name,
            subresource: part(2),
            body,
        }
    }

    /// Whether it changes an object. A review is created and changes nothing.
    pub fn writes(&self) -> bool {
        Verb::WRITES.contains(&self.verb)
            && !self.resource.ends_with("reviews")
            && !self.target.contains("dryRun")
    }

    /// What is asked for, whatever revision of it: what a later request for the same has in common.
    pub fn view(&self) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let kept = ["limit=", "continue=", "labelSelector=", "fieldSelector="];
        let query: Vec<&str> = query
            .split('&')
            .filter(|pair| kept.iter().any(|known| pair.starts_with(known)))
            .collect();
        format!("{path}?{}", query.join("&"))
    }
}
