//! Refuses words in an [`AccessRule`] that no request ever has: the rule would find nobody, for ever.

use super::AccessRule;
use crate::{
    api::{
        invalid::{FieldPath, Problems},
        rbac_verbs::{is_known_verb, plain_verbs},
    },
    nearest::write_instead,
};

impl AccessRule {
    pub(super) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        for (position, verb) in self.verbs.iter().enumerate() {
            self.validate_verb(verb, &at.field("verbs").index(position), problems);
        }
        for (position, group) in self.api_groups.iter().enumerate() {
            validate_group(group, &at.field("apiGroups").index(position), problems);
        }
        for (position, resource) in self.resources.iter().enumerate() {
            validate_resource(resource, &at.field("resources").index(position), problems);
        }
        for (position, name) in self.resource_names.iter().enumerate() {
            self.validate_name(name, &at.field("resourceNames").index(position), problems);
        }
    }

    /// Controllers and aggregated APIs may ask for verbs of their own, in groups of their own.
    fn validate_verb(&self, verb: &str, at: &FieldPath, problems: &mut Problems) {
        let builtin = self.api_groups.iter().all(|group| is_builtin_group(group));
        let lower = !verb.chars().any(|c| c.is_uppercase() || c.is_whitespace());
        // A verb that nobody checks is only an error in groups whose verbs are all known.
        if is_known_verb(verb) || (lower && !builtin) {
            return;
        }
        let remedy = match verb.to_lowercase().as_str() {
            "exec" | "attach" | "portforward" | "port-forward" => {
                "write create on the subresource, such as pods/exec".to_owned()
            }
            "read" | "view" => "write get, list and watch".to_owned(),
            "write" | "edit" => "write create, update, patch and delete".to_owned(),
            lower => {
                let known: Vec<&str> = plain_verbs().collect();
                write_instead(lower, plain_verbs(), &format!("write {}", known.join(", ")))
            }
        };
        problems.push(
            at,
            format!("{verb:?} is not a verb that the API server ever checks"),
            remedy,
        );
    }

    fn validate_name(&self, name: &str, at: &FieldPath, problems: &mut Problems) {
        // Requests for all signers of a domain, and for any node, do have a star as the name.
        let starred = |resource: &String| {
            matches!(resource.as_str(), "*" | "signers" | "nodes" | "groups")
                || resource.starts_with("userextras")
        };
        if name.contains('*') && !self.resources.iter().any(starred) {
            problems.push(
                at,
                format!("{name:?} is taken literally, and no object has that name"),
                "write whole names, or leave resourceNames out for any object",
            );
        }
    }
}

fn is_builtin_group(group: &str) -> bool {
    !group.contains('.') && group != "*" || group.ends_with(".k8s.io")
}

fn validate_group(group: &str, at: &FieldPath, problems: &mut Problems) {
    // The empty group is the core group.
    if group == "*" || group.is_empty() {
        return;
    }
    let mut problem = |remedy: &str| {
        problems.push(at, format!("{group:?} is not an API group"), remedy);
    };
    if let Some((group, _)) = group.split_once('/') {
        return problem(&format!("a rule has no version: write {group}"));
    }
    if group.eq_ignore_ascii_case("core") || is_version(group) {
        return problem("write \"\" for the core group, or the group without its version");
    }
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if !group.chars().all(valid) {
        problem("write it in lower case, such as rbac.authorization.k8s.io");
    }
}

/// Whether it is a version such as `v1` or `v1beta1`, written by mistake for a group.
fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn validate_resource(resource: &str, at: &FieldPath, problems: &mut Problems) {
    let (parent, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let mut problem = |remedy: &str| {
        problems.push(at, format!("{resource:?} is not an RBAC resource"), remedy);
    };
    // RBAC takes `pods/*` literally, so such a rule would match nothing.
    if parent != "*" && subresource == "*" {
        return problem(
            "name the subresource; RBAC has no wildcard for the subresources of one resource",
        );
    }
    if parent.is_empty() || (resource.contains('/') && subresource.is_empty()) {
        return problem("write a plural such as pods, or a subresource such as pods/exec");
    }
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if parent != "*" && !parent.chars().all(valid) {
        let lower = parent.to_lowercase();
        problem(&format!("write the plural in lower case: {lower}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(rule: serde_json::Value) -> Vec<String> {
        let mut full = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
        for (key, value) in rule.as_object().unwrap() {
            full[key] = value.clone();
        }
        let rule: AccessRule = serde_json::from_value(full).unwrap();
        let mut problems = Problems::default();
        rule.validate(&FieldPath::new("rule"), &mut problems);
        match problems.into_result() {
            Ok(()) => Vec::new(),
            Err(invalid) => invalid.0.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn words_that_no_request_has_are_refused() {
        for (rule, said) in [
            (
                json!({"verbs": ["GET"]}),
                "rule.verbs[0]: \"GET\" is not a verb that the API server ever checks; write get",
            ),
            (
                json!({"verbs": ["get", "lst"]}),
                "rule.verbs[1]: \"lst\" is not a verb that the API server ever checks; write list",
            ),
            (
                json!({"verbs": ["exec"]}),
                "rule.verbs[0]: \"exec\" is not a verb that the API server ever checks; write create on the subresource, such as pods/exec",
            ),
            (json!({"verbs": ["impersonate:user"]}), "rule.verbs[0]: \"impersonate:user\""),
            (json!({"apiGroups": ["example.com"], "verbs": ["Sync"]}), "rule.verbs[0]: \"Sync\""),
            (
                json!({"apiGroups": ["v1"]}),
                "rule.apiGroups[0]: \"v1\" is not an API group; write \"\" for the core group, or the group without its version",
            ),
            (json!({"apiGroups": ["core"]}), "rule.apiGroups[0]: \"core\""),
            (
                json!({"apiGroups": ["apps/v1"]}),
                "rule.apiGroups[0]: \"apps/v1\" is not an API group; a rule has no version: write apps",
            ),
            (json!({"apiGroups": ["Apps"]}), "rule.apiGroups[0]: \"Apps\""),
            (json!({"resources": ["pods/*"]}), "rule.resources[0]: \"pods/*\""),
            (
                json!({"resources": ["Pods"]}),
                "rule.resources[0]: \"Pods\" is not an RBAC resource; write the plural in lower case: pods",
            ),
            (json!({"resources": ["pods/"]}), "rule.resources[0]: \"pods/\""),
            (
                json!({"resourceNames": ["web-*"]}),
                "rule.resourceNames[0]: \"web-*\" is taken literally",
            ),
        ] {
            let found = problems(rule.clone());
            assert!(found.len() == 1 && found[0].starts_with(said), "{rule}: {found:?}");
        }
    }

    #[test]
    fn words_that_some_request_has_are_taken() {
        for rule in [
            json!({"verbs": ["*", "bind", "deletecollection", "use"]}),
            json!({"verbs": ["impersonate:user-info", "impersonate-on:user-info:list"]}),
            json!({"apiGroups": ["argoproj.io"], "verbs": ["sync"]}),
            json!({"apiGroups": ["*"], "resources": ["*", "*/scale", "pods/exec"]}),
            json!({"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "verbs": ["approve"], "resourceNames": ["kubernetes.io/*"]}),
            json!({"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"], "verbs": ["impersonate"]}),
        ] {
            assert_eq!(problems(rule.clone()), Vec::<String>::new(), "{rule}");
        }
    }
}
