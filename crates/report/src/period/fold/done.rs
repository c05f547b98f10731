//! What was done by a spec, in one sentence.

use serde_json::Value;

use comptroller_core::api::{TestKind, control::DEFAULT_HEARTBEAT};

/// The sentence for a spec as the log has it.
pub fn what_was_done(spec: &Value) -> String {
    if spec.get("suspend").and_then(Value::as_bool) == Some(true) {
        return "Nothing was judged: the control was suspended.".to_owned();
    }
    let test = spec.get("test").and_then(Value::as_object);
    let Some((kind, test)) = test.and_then(|test| test.iter().next()) else {
        return "The log does not say what was judged.".to_owned();
    };
    let known = TestKind::ALL.iter().find(|known| known.as_str() == kind);
    if known == Some(&TestKind::Attestation) {
        return attested(test);
    }
    let default = DEFAULT_HEARTBEAT.to_string();
    let heartbeat = text(spec, "heartbeat").unwrap_or(default.as_str());
    format!(
        "{}{}, on each change that the API server announced, and confirmed in the log at least every {heartbeat}.",
        known.map_or_else(|| format!("The test {kind} was run"), |known| judged(*known, test)),
        scope(spec),
    )
}

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}

fn judged(kind: TestKind, test: &Value) -> String {
    match kind {
        TestKind::Rbac => {
            "The effective rights of every user, group and service account were compared with those that the test forbids".to_owned()
        }
        TestKind::Encryption => {
            let parts: Vec<&str> = test
                .as_object()
                .map(|test| test.keys().map(String::as_str).collect())
                .unwrap_or_default();
            format!("What is encrypted was judged ({})", parts.join(", "))
        }
        TestKind::Backup => {
            "Everything that the test selects was judged by its newest backups and restore tests".to_owned()
        }
        TestKind::Workload => {
            "Every workload was judged by what the test requires of its pods and images".to_owned()
        }
        TestKind::PodSecurity => {
            "Every namespace was judged by the Pod Security level that it enforces and by what runs in it".to_owned()
        }
        TestKind::Cel => {
            let count = test.get("validations").and_then(Value::as_array).map_or(0, Vec::len);
            let expressions = counted(count, "CEL expression");
            format!("Every resource that the test names was judged by {expressions}")
        }
        TestKind::Guards => {
            "Every admission policy that binds records to their authors, and its binding, was compared with what this version of the operator ships".to_owned()
        }
        TestKind::Attestation => attested(test),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn attested(test: &Value) -> String {
    let every = text(test, "every").map(|every| format!(" every {every}")).unwrap_or_default();
    let open =
        text(test, "openFor").map(|time| format!(", each time within {time}")).unwrap_or_default();
    let grace = text(test, "grace").map(|time| format!(" and {time} of grace")).unwrap_or_default();
    format!(
        "People are to perform the procedure{every} and to attest to it{open}{grace}; the operator kept the calendar and the records."
    )
}

fn scope(spec: &Value) -> String {
    let list = |field: &str| {
        spec.pointer(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    };
    let selected = spec.pointer("/scope/namespaces").filter(|selector| !selector.is_null());
    let mut scope = match selected {
        Some(selector) => format!(" in the namespaces whose labels match {selector}"),
        None => " in the whole cluster".to_owned(),
    };
    let named: Vec<&str> =
        list("/scope/excludeNamespaces").iter().filter_map(Value::as_str).collect();
    let others = list("/scope/exclude").len();
    let mut left_out = Vec::new();
    if !named.is_empty() {
        left_out.push(format!("the namespaces {}", named.join(", ")));
    }
    if others > 0 {
        left_out.push(format!("{} with a reason", counted(others, "exclusion")));
    }
    if !left_out.is_empty() {
        scope.push_str(" without ");
        scope.push_str(&left_out.join(" and "));
    }
    scope
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_done_is_a_sentence_for_each_test() {
        for kind in TestKind::ALL {
            let sentence = what_was_done(&json!({"test": {kind.as_str(): {}}}));
            assert!(sentence.ends_with('.') && sentence.len() > 60, "{sentence}");
        }
        assert_eq!(
            what_was_done(&json!({
                "heartbeat": "10m", "test": {"workload": {}},
                "scope": {"excludeNamespaces": ["a", "b"], "exclude": [{"namespace": "c"}]},
            })),
            "Every workload was judged by what the test requires of its pods and images in the whole cluster without the namespaces a, b and 1 exclusion with a reason, on each change that the API server announced, and confirmed in the log at least every 10m."
        );
        assert!(what_was_done(&json!({"suspend": true})).starts_with("Nothing was judged"));
        assert!(what_was_done(&json!({})).starts_with("The log does not say"));
    }
}
