//! Lists of any content, split at any point.

use proptest::{collection, prelude::*, sample};
use serde_json::{Map, Value, json};

use super::*;

/// Splits a text that comes in chunks of these sizes, again and again.
fn split(text: &[u8], sizes: &[usize], limit: usize) -> Result<(Vec<Vec<u8>>, Vec<u8>), ListError> {
    let mut splitter = ItemSplitter::new(limit);
    let mut items = Vec::new();
    let mut rest = text;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut chunk, left) = rest.split_at((*size).min(rest.len()));
        rest = left;
        while let Some(item) = splitter.next(&mut chunk)? {
            items.push(match item {
                SplitItem::Whole(text) => text.to_vec(),
                SplitItem::TooLarge(_) => b"\"too large\"".to_vec(),
            });
        }
    }
    Ok((items, splitter.finish()?))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        r#"[a-z"\\\[\]{},:é\n ]{0,12}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            collection::vec((key(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![Just("items".to_owned()), r#"[a-z"\\{}]{0,6}"#.prop_map(String::from)]
}

proptest! {
    #[test]
    fn any_list_splits_as_it_parses(
        items in collection::vec(value(), 0..8),
        before in collection::btree_map(key(), value(), 0..4),
        after in collection::btree_map(key(), value(), 0..4),
        sizes in collection::vec(1_usize..40, 1..10),
        pretty in any::<bool>(),
    ) {
        // The order of keys is that of the text, not of a map.
        let mut parts = Vec::new();
        let render = |value: &Value| {
            if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap()
        };
        let mut envelope = Map::new();
        let mut add = |parts: &mut Vec<String>, rest: &std::collections::BTreeMap<String, Value>| {
            for (key, value) in rest.iter().filter(|(key, _)| *key != "items") {
                parts.push(format!("{}: {}", json!(key), render(value)));
                envelope.insert(key.clone(), value.clone());
            }
        };
        add(&mut parts, &before);
        parts.push(format!("\"items\" :{}", render(&json!(items))));
        add(&mut parts, &after);
        let text = format!(" {{{}}}\n", parts.join(" , "));
        envelope.insert("items".to_owned(), json!([]));

        let (found, rest) = split(text.as_bytes(), &sizes, usize::MAX).unwrap();
        let found: Vec<Value> =
            found.iter().map(|item| serde_json::from_slice(item).unwrap()).collect();
        prop_assert_eq!(found, items);
        let rest: Value = serde_json::from_slice(&rest).unwrap();
        prop_assert_eq!(rest, Value::Object(envelope));
    }

    #[test]
    fn no_text_panics_and_a_part_is_never_a_list(
        items in collection::vec(value(), 0..4),
        cut in any::<sample::Index>(),
        noise in collection::vec(sample::select(&b"{}[]\":,\\ \nitems1n"[..]), 0..60),
    ) {
        let text = json!({"items": items, "metadata": {}}).to_string();
        let end = cut.index(text.len());
        prop_assert!(split(&text.as_bytes()[..end], &[7], usize::MAX).is_err());
        let _ = split(&noise, &[3], 4);
    }
}

#[test]
fn what_is_no_list_is_refused() {
    for (text, error) in [
        ("{}", ListError::NoItems),
        (r#"{"kind":"Status","metadata":{"items":[]}}"#, ListError::NoItems),
        (r#"{"kind":"items"}"#, ListError::NoItems),
        ("", ListError::Cut),
        (r#"{"items":[{}"#, ListError::Cut),
        (r#"{"items":[{}]"#, ListError::Cut),
        ("<html>", ListError::Syntax(0)),
        ("[]", ListError::Syntax(0)),
        (r#"{"items":[]}x"#, ListError::Syntax(12)),
        (r#"{"items":[{},]}"#, ListError::Syntax(13)),
        (r#"{"items":[{}{}]}"#, ListError::Syntax(12)),
        (r#"{"items":[],"items":[]}"#, ListError::Syntax(20)),
    ] {
        assert_eq!(split(text.as_bytes(), &[5], 100), Err(error), "{text}");
    }
    for text in [r#"{"items":null}"#, r#"{"items":[]}"#, r#"{"metadata":{},"items": [ ] }"#] {
        assert_eq!(split(text.as_bytes(), &[5], 100).unwrap().0, Vec::<Vec<u8>>::new());
    }
}

#[test]
fn an_item_that_is_too_large_is_passed_over() {
    let large = format!(r#"{{"metadata":{{"name":"big"}},"x":"{}"}}"#, "y".repeat(200_000));
    let text = format!(r#"{{"items":[{{"a":1}},{large},{{"b":2}}]}}"#);
    let mut splitter = ItemSplitter::new(100_000);
    let mut chunk = text.as_bytes();
    assert_eq!(splitter.next(&mut chunk), Ok(Some(SplitItem::Whole(br#"{"a":1}"#))));
    let head = &large.as_bytes()[..HEAD];
    assert_eq!(splitter.next(&mut chunk), Ok(Some(SplitItem::TooLarge(head))));
    assert_eq!(splitter.next(&mut chunk), Ok(Some(SplitItem::Whole(br#"{"b":2}"#))));
    assert_eq!(splitter.next(&mut chunk), Ok(None));
    assert!(splitter.finish().is_ok());
}
