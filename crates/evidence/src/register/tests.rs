use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    data::StoredData,
    entry::{Data, Entry, EntryType},
};
use comptroller_vocabulary::canonical;

fn item(key: &str, fields: Value) -> RegisterItem {
    RegisterItem::new(key, serde_json::from_value(fields).unwrap())
}

fn text(data: &RegisterData) -> String {
    Data::Register(Box::new(data.clone())).to_text().unwrap()
}

/// Data with these changes, and the total and digest that they lead to.
fn entry_of(
    digests: &mut RegisterDigests,
    cause: RegisterCause,
    added: Vec<RegisterItem>,
    removed: Vec<RegisterItem>,
    changed: Vec<RegisterItem>,
) -> RegisterData {
    digests.move_items(&added, &removed, &changed).unwrap();
    let data = RegisterData::new(cause, digests.count(), digests.digest());
    RegisterData { added, removed, changed, ..data }
}

#[test]
fn an_item_is_written_as_what_differs_from_the_one_before_it() {
    let mut digests = RegisterDigests::default();
    let added = vec![
        item("a", json!({"role": "edit", "subject": "Group x", "risks": ["R1"]})),
        item("b", json!({"role": "edit", "subject": "Group y", "risks": ["R1"]})),
        item("c", json!({"role": "edit", "subject": "Group y"})),
    ];
    let data = entry_of(&mut digests, RegisterCause::Change, added, Vec::new(), Vec::new());
    let value: Value = serde_json::from_str(&text(&data)).unwrap();
    assert_eq!(
        value["added"],
        json!([
            {"fields": {"risks": ["R1"], "role": "edit", "subject": "Group x"}, "key": "a"},
            {"fields": {"subject": "Group y"}, "key": "b"},
            {"fields": {"risks": null}, "key": "c"},
        ])
    );
    let again: RegisterData = serde_json::from_value(value).unwrap();
    assert_eq!(again, data);
}

#[test]
fn what_is_no_item_is_refused_with_the_reason() {
    for (items, reason) in [
        (json!([{"key": ""}]), "has no key"),
        (json!([{"key": "k".repeat(1025)}]), "1025 bytes"),
        (json!([{"key": "k", "fields": {"a": {"b": 1}}}]), "the field a of the item k"),
        (json!([{"key": "k", "fields": {"a": [1]}}]), "the field a of the item k"),
        (json!([{"key": "k", "fields": {"a": 1.5}}]), "the field a of the item k"),
        (json!([{"key": "k", "other": 1}]), "unknown field"),
    ] {
        let data = json!({"cause": "Change", "added": items, "total": 1, "digest": "sha256:00"});
        let error = Data::parse(EntryType::Register, data).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_large_entry_beside_the_log_is_told_from_one_in_it() {
    let stored = StoredData { stored: "sha256:ab".to_owned(), bytes: 70_000 };
    let text = canonical::to_string(&stored).unwrap();
    let read = Data::parse_text(EntryType::Register, &text).unwrap();
    assert_eq!(read, Data::Stored(EntryType::Register, stored));
}

#[test]
fn the_digest_is_that_of_the_items_whatever_their_way() {
    let (mut one, mut other) = (RegisterDigests::default(), RegisterDigests::default());
    let (a, b) = (item("a", json!({"x": 1})), item("b", json!({"x": 2})));
    let changed = item("a", json!({"x": 3}));
    one.move_items(&[a.clone(), b.clone()], &[], &[]).unwrap();
    one.move_items(&[], &[b], std::slice::from_ref(&changed)).unwrap();
    other.move_items(&[changed], &[], &[]).unwrap();
    assert_eq!(one, other);
    assert_eq!((one.count(), one.digest()), (1, other.digest()));
    assert_ne!(one.digest(), RegisterDigests::default().digest());
    let kept: RegisterDigests =
        serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
    assert_eq!(kept, one);
}

#[test]
fn an_entry_that_does_not_follow_says_why() {
    let mut digests = RegisterDigests::default();
    let a = item("a", json!({"x": 1}));
    let first = entry_of(&mut digests, RegisterCause::Change, vec![a.clone()], vec![], vec![]);
    let empty = RegisterDigests::default().digest();
    let change =
        |total, digest: &str| RegisterData::new(RegisterCause::Change, total, digest.to_owned());
    let b = item("b", json!({}));
    for (data, fault) in [
        (RegisterData { added: vec![a.clone()], ..change(1, &first.digest) }, "adds a"),
        (RegisterData { removed: vec![b.clone()], ..change(1, &first.digest) }, "removes b"),
        (RegisterData { changed: vec![b.clone()], ..change(1, &first.digest) }, "changes b"),
        (RegisterData { added: vec![b.clone()], ..change(3, &empty) }, "2 items"),
        (RegisterData { added: vec![b], ..change(2, &first.digest) }, "the digest"),
        (
            RegisterData {
                list: vec![item("a", json!({"x": 2}))],
                ..RegisterData::new(RegisterCause::Day, 1, first.digest.clone())
            },
            "another register",
        ),
    ] {
        let mut digests = digests.clone();
        let error = digests.apply(&data).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
    // Coming and going within one entry is right.
    let data = RegisterData { added: vec![a.clone()], removed: vec![a], ..first };
    digests.apply(&data).unwrap();
}

fn items() -> impl Strategy<Value = Vec<RegisterItem>> {
    let fields = proptest::collection::btree_map("[a-c]", 0..3_i64, 0..3);
    let item = ("[a-e]", fields).prop_map(|(key, fields)| {
        let fields = fields.into_iter().map(|(name, value)| (name, value.into()));
        RegisterItem::new(key, fields.collect())
    });
    proptest::collection::vec(item, 0..6)
}

proptest! {
    #[test]
    fn a_text_reads_back_as_the_same(list in items(), removed in items(), total in 0..9_u64) {
        let data = RegisterData {
            list,
            removed,
            ..RegisterData::new(RegisterCause::Start, total, "sha256:00".to_owned())
        };
        let entry = Entry {
            at: jiff::Timestamp::UNIX_EPOCH,
            clock: crate::entry::ClockReading::default(),
            epoch: 1,
            subject: register_subject("grants"),
            data: Data::Register(Box::new(data)),
        };
        let text = entry.to_text().unwrap();
        let again = Entry::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(again.to_text().unwrap(), text);
        prop_assert_eq!(again, entry);
    }
}
