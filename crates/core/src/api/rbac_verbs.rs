//! The verbs that API servers ask authorizers about.

/// Verbs on resources: those of requests (Kubernetes documentation, "Request verbs"), and those that
/// the API server asks about in addition. No request has `*`, but a role may.
pub const RESOURCE_VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
    "impersonate:user-info",
    "impersonate:serviceaccount",
    "impersonate:arbitrary-node",
    "impersonate:associated-node",
    "approve",
    "sign",
    "attest",
    "*",
];

/// Verbs on paths: the methods of HTTP, in lower case.
pub const PATH_VERBS: &[&str] = &["get", "put", "post", "head", "options", "delete", "patch", "*"];

/// The verbs on resources of one word: without a mode after a colon, and without `*`.
pub fn plain_verbs() -> impl Iterator<Item = &'static str> {
    RESOURCE_VERBS.iter().copied().filter(|verb| verb.chars().all(char::is_alphabetic))
}

/// Whether a verb on a resource is one that API servers ask about. With constrained impersonation
/// (KEP-5284) that includes `impersonate-on:MODE:VERB`.
pub fn is_known_verb(verb: &str) -> bool {
    if RESOURCE_VERBS.contains(&verb) {
        return true;
    }
    let on = verb.strip_prefix("impersonate-on:").and_then(|rest| rest.split_once(':'));
    on.is_some_and(|(mode, verb)| {
        RESOURCE_VERBS.iter().any(|known| known.strip_prefix("impersonate:") == Some(mode))
            && plain_verbs().any(|known| known == verb)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_known_in_lower_case_only() {
        for (verb, known) in [
            ("get", true),
            ("GET", false),
            ("exec", false),
            ("", false),
            ("*", true),
            ("impersonate:user-info", true),
            ("impersonate:nobody", false),
            ("impersonate-on:user-info:list", true),
            ("impersonate-on:user-info:lst", false),
            ("impersonate-on:nobody:list", false),
            ("impersonate-on:user-info", false),
        ] {
            assert_eq!(is_known_verb(verb), known, "{verb}");
        }
    }
}
