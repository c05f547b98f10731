//! What changed between two specs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::data::FieldChange;
use comptroller_vocabulary::canonical;

/// The most changes that a diff lists. When there are more it goes only as deep as it can.
pub const MAX_CHANGES: usize = 64;

/// The longest JSON text of a value in a diff, in bytes. What is longer is in the spec beside the
/// diff, and stands in it as its digest and length.
const MAX_VALUE: usize = 2048;

/// What changed from one JSON value to another, by path. Absent and present differ by everything:
/// a new object is one change of the whole. Lists of texts or numbers are compared as a whole;
/// lists of objects item by item, after what they have in common at both ends.
pub fn diff(old: Option<&Value>, new: Option<&Value>) -> Vec<FieldChange> {
    // A depth at a time, so that the finest diff that is short enough is found; the coarsest is
    // one change.
    for depth in [usize::MAX, 3, 2, 1, 0] {
        let mut changes = SpecDiff { depth, list: Vec::new() };
        changes.compare(&mut String::new(), 0, old, new);
        if changes.list.len() <= MAX_CHANGES {
            return changes.list;
        }
    }
    Vec::new()
}

struct SpecDiff {
    depth: usize,
    list: Vec<FieldChange>,
}

impl SpecDiff {
    fn compare(
        &mut self,
        path: &mut String,
        depth: usize,
        old: Option<&Value>,
        new: Option<&Value>,
    ) {
        // One more than is allowed is enough to know that there are too many.
        if old == new || self.list.len() > MAX_CHANGES {
            return;
        }
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) if depth < self.depth => {
                let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                for key in keys {
                    self.descend(path, &escaped(key), depth, old.get(key), new.get(key));
                }
            }
            (Some(Value::Array(old)), Some(Value::Array(new)))
                if depth < self.depth && nested(old) && nested(new) =>
            {
                self.compare_lists(path, depth, old, new);
            }
            _ => self.list.push(FieldChange {
                path: path.clone(),
                from: old.map(clipped),
                to: new.map(clipped),
            }),
        }
    }

    fn descend(
        &mut self,
        path: &mut String,
        step: &str,
        depth: usize,
        old: Option<&Value>,
        new: Option<&Value>,
    ) {
        let length = path.len();
        path.push('/');
        path.push_str(step);
        self.compare(path, depth + 1, old, new);
        path.truncate(length);
    }

    /// Items that came or went in the middle do not make all after them differ. A path names the
    /// place in the new list, and that of an item that is gone the place in the old one.
    fn compare_lists(&mut self, path: &mut String, depth: usize, old: &[Value], new: &[Value]) {
        let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let (old_rest, new_rest) = (&old[head..], &new[head..]);
        let tail =
            old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
        let old_rest = &old_rest[..old_rest.len() - tail];
        let new_rest = &new_rest[..new_rest.len() - tail];
        for place in 0..old_rest.len().max(new_rest.len()) {
            let step = (head + place).to_string();
            self.descend(path, &step, depth, old_rest.get(place), new_rest.get(place));
        }
    }
}

/// Whether a list holds objects or lists; an empty one may.
fn nested(list: &[Value]) -> bool {
    list.iter().all(|item| item.is_object() || item.is_array())
}

/// A step of a JSON Pointer (RFC 6901, section 3).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn clipped(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= MAX_VALUE {
        value.clone()
    } else {
        json!({"digest": canonical::sha256(text.as_bytes()), "bytes": text.len()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(old: &Value, new: &Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        diff(Some(old), Some(new))
            .into_iter()
            .map(|change| (change.path, change.from, change.to))
            .collect()
    }

    #[test]
    fn nothing_changed_is_no_change() {
        let spec = json!({"a": [1, {"b": null}]});
        assert_eq!(diff(Some(&spec), Some(&spec)), []);
        assert_eq!(diff(None, None), []);
    }

    #[test]
    fn a_new_object_and_a_deleted_one_are_one_change() {
        let spec = json!({"a": 1});
        let change = |from, to| vec![FieldChange { path: String::new(), from, to }];
        assert_eq!(diff(None, Some(&spec)), change(None, Some(spec.clone())));
        assert_eq!(diff(Some(&spec), None), change(Some(spec.clone()), None));
    }

    #[test]
    fn fields_are_compared_by_path() {
        let old = json!({"owner": "a", "test": {"rbac": {"forbid": ["R1", "R2"]}}, "x/y~z": 1});
        let new = json!({"owner": "b", "test": {"rbac": {"forbid": ["R1"], "maxSubjects": 3}}});
        assert_eq!(
            changes(&old, &new),
            [
                ("/owner".to_owned(), Some(json!("a")), Some(json!("b"))),
                ("/test/rbac/forbid".to_owned(), Some(json!(["R1", "R2"])), Some(json!(["R1"]))),
                ("/test/rbac/maxSubjects".to_owned(), None, Some(json!(3))),
                ("/x~1y~0z".to_owned(), Some(json!(1)), None),
            ]
        );
    }

    #[test]
    fn an_item_in_the_middle_of_a_list_is_one_change() {
        let old = json!({"allow": [{"name": "a"}, {"name": "b"}, {"name": "c"}]});
        let without = json!({"allow": [{"name": "a"}, {"name": "c"}]});
        let gone = ("/allow/1".to_owned(), Some(json!({"name": "b"})), None);
        assert_eq!(changes(&old, &without), [gone]);
        let new = ("/allow/1".to_owned(), None, Some(json!({"name": "b"})));
        assert_eq!(changes(&without, &old), [new]);
        let renamed = json!({"allow": [{"name": "a"}, {"name": "x"}, {"name": "c"}]});
        let change = ("/allow/1/name".to_owned(), Some(json!("b")), Some(json!("x")));
        assert_eq!(changes(&old, &renamed), [change]);
    }

    #[test]
    fn a_diff_is_bounded_in_number_and_size() {
        let fields = |value: &str| -> Value {
            let inner: serde_json::Map<_, _> =
                (0..200).map(|n| (format!("f{n}"), json!(value))).collect();
            json!({"test": {"cel": inner}, "owner": value})
        };
        let coarse = changes(&fields("a"), &fields("b"));
        let paths: Vec<&str> = coarse.iter().map(|(path, _, _)| path.as_str()).collect();
        assert_eq!(paths, ["/owner", "/test/cel"]);
        assert_eq!(
            coarse[1].1.as_ref().and_then(|value| value.get("bytes")),
            Some(&json!(fields("a").pointer("/test/cel").unwrap().to_string().len()))
        );
    }
}
