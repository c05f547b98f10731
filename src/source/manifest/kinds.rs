//! The kinds that a document mentions if it can't be read as an object.

use std::collections::BTreeSet;

use serde_json::Value;

/// How many kinds of one document are noted.
const MAX_KINDS: usize = 32;

/// The kinds that a text mentions, whether it can be parsed or not. Those of a list's items, and of JSON, may
/// be anywhere. Otherwise only those at the start of a line count, since fields such as `roleRef` have a
/// kind too.
pub fn mentioned_in(text: &[u8]) -> Vec<String> {
    let mut outer = BTreeSet::new();
    let mut inner = BTreeSet::new();
    for line in text.split(|byte| *byte == b'\n') {
        for (at, _) in line.windows(4).enumerate().filter(|(_, word)| *word == b"kind") {
            let set = if at == 0 { &mut outer } else { &mut inner };
            if set.len() < MAX_KINDS
                && let Some(kind) = kind_at(line, at)
            {
                set.insert(kind);
            }
        }
    }
    // Templates indent even the outermost kind, and a list has the kinds of its items inside.
    if outer.is_empty() || outer.iter().any(|kind| kind.ends_with("List")) {
        outer.append(&mut inner);
    }
    outer.into_iter().filter(|kind| kind != "List").take(MAX_KINDS).collect()
}

/// The word after `kind:` or `"kind":` at a position of a line; None if it is something else.
fn kind_at(line: &[u8], at: usize) -> Option<String> {
    let before = at.checked_sub(1).and_then(|at| line.get(at));
    if before.is_some_and(|byte| !b" \t-{,\"'".contains(byte)) {
        return None;
    }
    let rest = line.get(at + 4..)?;
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let word = rest.split(|byte| !byte.is_ascii_alphanumeric()).next()?;
    // A kind is a DNS label.
    (1..=63).contains(&word.len()).then(|| String::from_utf8_lossy(word).into_owned())
}

/// The kind of an object that can't be used for another reason; empty if it has none.
pub(super) fn kind_of(object: &Value) -> Vec<String> {
    let kind = object.get("kind").and_then(Value::as_str);
    kind.filter(|kind| !kind.is_empty()).map(str::to_owned).into_iter().collect()
}

/// The error for a document without a kind that is clearly meant to be an object; None for Helm values and
/// the like.
pub(super) fn missing_kind(document: &Value) -> Option<String> {
    let fields = document.as_object()?;
    let mistyped =
        fields.keys().find(|key| key.trim_matches('\u{feff}').eq_ignore_ascii_case("kind"));
    if let Some(key) = mistyped.filter(|key| *key != "kind") {
        return Some(format!("has no kind, but `{}`: write `kind`", key.escape_debug()));
    }
    // A Helm chart and its lock have an apiVersion, and neither of the others.
    let has = |field: &str| fields.get(field).is_some_and(Value::is_object);
    let versioned = fields.get("apiVersion").is_some_and(Value::is_string);
    let like_an_object = has("metadata") && (versioned || has("spec") || has("data"));
    (like_an_object || (versioned && has("spec"))).then(|| {
        "not a Kubernetes object: it has no kind; add one, such as `kind: Deployment`".into()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_kinds_that_a_text_mentions() {
        for (text, expected) in [
            ("apiVersion: v1\nkind: Pod\n  x: [", &["Pod"][..]),
            (
                "kind: RoleBinding\nroleRef:\n  kind: Role\nsubjects:\n- kind: User\n\tx",
                &["RoleBinding"],
            ),
            ("kind: 'Pod' # {{ x }}", &["Pod"]),
            ("\"kind\" : \"Pod\",", &["Pod"]),
            (
                "{\"items\": [{\"kind\": \"Pod\"}, {\"kind\":\"Job\"}], \"kind\": \"List\"}",
                &["Job", "Pod"],
            ),
            ("kind: List\nitems:\n- kind: Pod\n- apiVersion: v1\n  kind: Job", &["Job", "Pod"]),
            ("- kind: Pod\n- kind: Job", &["Job", "Pod"]),
            ("{{- if x }}\n  kind: Pod\n{{ end }}", &["Pod"]),
            ("kind: {{ .Values.kind }}", &[]),
            ("a: mankind: Pod\nkindly: Pod\nkind Pod", &[]),
            ("", &[]),
        ] {
            let found = mentioned_in(text.as_bytes());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_object_whose_kind_is_missing_differs_from_other_documents() {
        for (document, object) in [
            (json!({"Kind": "Pod", "apiVersion": "v1"}), true),
            (json!({"\u{feff}kind": "Pod"}), true),
            (json!({"apiVersion": "v1", "metadata": {"name": "a"}}), true),
            (json!({"metadata": {"name": "a"}, "spec": {}}), true),
            (json!({"apiVersion": "apps/v1", "spec": {}}), true),
            (json!({"apiVersion": "v2", "name": "chart", "version": "1.0.0"}), false),
            (json!({"metadata": {"title": "a page"}}), false),
            (json!({"spec": {"a": 1}}), false),
            (json!({"services": {}}), false),
            (json!([{"kind": "Pod"}]), false),
            (json!("kind"), false),
        ] {
            assert_eq!(missing_kind(&document).is_some(), object, "{document}");
        }
    }
}
