//! One rule of a role, and what it allows: the semantics of the API server's RBAC authorizer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inventory::Symbol;

/// One list of a rule: verbs, groups, resources, names or paths.
pub type Words = Box<[Symbol]>;

/// A rule of a role. Words repeat over all roles, so they are interned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyRule {
    /// The verbs; `*` is every verb.
    pub verbs: Words,
    /// The API groups; the empty text is the core group, `*` is every group.
    pub groups: Words,
    /// The plurals, with a subresource after a slash; `*` is every resource with every subresource, `*/sub`
    /// is this subresource of every resource. `pods/*` has no special meaning.
    pub resources: Words,
    /// The names of objects; any name if empty.
    pub names: Words,
    /// Paths that are not resources; a trailing `*` matches any rest.
    pub urls: Words,
}

/// A request to the API server, as an authorizer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRequest<'a> {
    /// The verb, as the API server derives it from the HTTP request.
    pub verb: &'a str,
    /// What it is about.
    pub target: RequestTarget<'a>,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestTarget<'a> {
    /// Objects of a resource.
    Resource {
        /// The API group; empty for the core group.
        group: &'a str,
        /// The plural, without a subresource.
        resource: &'a str,
        /// The subresource; empty if there is none.
        subresource: &'a str,
        /// The namespace; empty for a cluster-scoped resource, or for all namespaces.
        namespace: &'a str,
        /// The name; empty for a request that names no object (`list`, `create`, `deletecollection`).
        name: &'a str,
    },
    /// A path that is not a resource, such as `/metrics`.
    Path(&'a str),
}

impl RequestTarget<'_> {
    /// The namespace of the request; empty if it has none.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Resource { namespace, .. } => namespace,
            Self::Path(_) => "",
        }
    }
}

impl fmt::Display for AccessRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            RequestTarget::Path(path) => write!(f, "{} {path}", self.verb),
            RequestTarget::Resource { group, resource, subresource, namespace, name } => {
                write!(f, "{} {resource}", self.verb)?;
                for (mark, text) in [(".", group), ("/", subresource), (" ", name)] {
                    if !text.is_empty() {
                        write!(f, "{mark}{text}")?;
                    }
                }
                if namespace.is_empty() {
                    return Ok(());
                }
                write!(f, " in {namespace}")
            }
        }
    }
}

impl PolicyRule {
    /// Whether the rule allows the request, if it is in effect where the request goes.
    pub fn allows(&self, request: &AccessRequest<'_>) -> bool {
        // The verb first: it is the shortest list, and rules out most rules.
        if !self.has_verb(request.verb) {
            return false;
        }
        match request.target {
            RequestTarget::Resource { group, resource, subresource, name, .. } => {
                self.has_group(group)
                    && self.has_resource(resource, subresource)
                    && self.has_name(name)
            }
            RequestTarget::Path(path) => self.urls.iter().any(|url| covers_path(url, path)),
        }
    }

    /// Whether the rule names the verb, or every verb.
    pub fn has_verb(&self, verb: &str) -> bool {
        has(&self.verbs, verb)
    }

    /// Whether the rule names the API group, or every group.
    pub fn has_group(&self, group: &str) -> bool {
        has(&self.groups, group)
    }

    /// Whether the rule names the resource, or its subresource where one is asked for.
    pub fn has_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|word| covers_resource(word, resource, subresource))
    }

    /// Whether the rule reaches the object of this name. A request without a name is allowed only
    /// by a rule without names.
    pub fn has_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|word| **word == *name)
    }
}

fn has(words: &[Symbol], wanted: &str) -> bool {
    words.iter().any(|word| matches!(word.as_str(), "*") || **word == *wanted)
}

fn covers_resource(word: &str, resource: &str, subresource: &str) -> bool {
    if word == "*" {
        return true;
    }
    if subresource.is_empty() {
        return word == resource;
    }
    // A rule for `pods` gives nothing on `pods/exec`.
    word.split_once('/')
        .is_some_and(|(parent, sub)| sub == subresource && (parent == "*" || parent == resource))
}

/// Whether a word with trailing stars matches a path. All of them are removed, not only the last, as the
/// authorizer does.
fn covers_path(word: &str, path: &str) -> bool {
    word == path || (word.ends_with('*') && path.starts_with(word.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        if text == "-" {
            return Words::default();
        }
        text.split(',').map(|word| Symbol::from(if word == "core" { "" } else { word })).collect()
    }

    /// `verbs groups resources names`, comma-separated; `-` for none, `core` for the core group.
    fn rule(text: &str) -> PolicyRule {
        let mut parts = text.split(' ').map(words);
        let mut next = || parts.next().unwrap_or_default();
        PolicyRule {
            verbs: next(),
            groups: next(),
            resources: next(),
            names: next(),
            urls: Words::default(),
        }
    }

    fn request<'a>(text: &'a str) -> AccessRequest<'a> {
        let mut parts = text.split(' ');
        let verb = parts.next().unwrap();
        let group = parts.next().unwrap();
        let target: &'a str = parts.next().unwrap();
        let (resource, subresource) = target.split_once('/').unwrap_or((target, ""));
        AccessRequest {
            verb,
            target: RequestTarget::Resource {
                group: if group == "core" { "" } else { group },
                resource,
                subresource,
                namespace: "",
                name: parts.next().unwrap_or_default(),
            },
        }
    }

    #[test]
    fn resources_match_as_in_the_authorizer() {
        for (written, asked, allowed) in [
            ("get core pods -", "get core pods", true),
            ("get core pods -", "list core pods", false),
            ("get core pods -", "get apps pods", false),
            ("get core pods -", "get core pods/log", false),
            ("get core pods/log -", "get core pods/log", true),
            ("get core pods/log -", "get core pods", false),
            // A star after the slash is a literal, not a wildcard.
            ("get core pods/* -", "get core pods/log", false),
            ("get core pods/* -", "get core pods", false),
            ("get core pods/* -", "get core pods/*", true),
            ("get core */log -", "get core pods/log", true),
            ("get core */log -", "get core pods", false),
            ("get core */log -", "get core pods/exec", false),
            ("get core */* -", "get core pods/log", false),
            ("get core * -", "get core pods/log", true),
            ("get core * -", "get apps deployments", false),
            ("get * * -", "get apps deployments/scale", true),
            ("* core pods -", "impersonate core pods", true),
            // Names.
            ("get core pods a,b", "get core pods b", true),
            ("get core pods a,b", "get core pods c", false),
            ("list core pods a", "list core pods", false),
            ("create core pods a", "create core pods", false),
            ("* * * a", "get core pods", false),
            ("get core pods -", "get core pods x", true),
            // A request for `*` is allowed only by a rule for `*`.
            ("get,list core pods -", "* core pods", false),
            ("* core pods -", "* core pods", true),
            ("* core pods -", "* core *", false),
            ("- core pods -", "get core pods", false),
            ("get - pods -", "get core pods", false),
        ] {
            assert_eq!(
                rule(written).allows(&request(asked)),
                allowed,
                "{written} asked for {asked}"
            );
        }
    }

    #[test]
    fn paths_match_as_in_the_authorizer() {
        for (written, path, allowed) in [
            ("/metrics", "/metrics", true),
            ("/metrics", "/metrics/", false),
            ("/api/*", "/api/v1", true),
            ("/api/*", "/api", false),
            ("/api*", "/apis", true),
            ("/api**", "/apis", true),
            ("*", "/anything", true),
            ("/*/x", "/a/x", false),
        ] {
            let rule =
                PolicyRule { verbs: words("get"), urls: words(written), ..PolicyRule::default() };
            let ask =
                |verb| rule.allows(&AccessRequest { verb, target: RequestTarget::Path(path) });
            assert_eq!(ask("get"), allowed, "{written} asked for {path}");
            assert!(!ask("post"));
        }
    }

    #[test]
    fn a_rule_for_resources_allows_no_path_and_the_reverse() {
        let everything = rule("* * * -");
        assert!(
            !everything
                .allows(&AccessRequest { verb: "get", target: RequestTarget::Path("/metrics") })
        );
    }
}
