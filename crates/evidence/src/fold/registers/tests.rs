use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    entry::{ClockReading, EntrySubject},
    inventory::Reading,
    register::{ListRead, RegisterDigests, register_subject},
};

const GRANTS: &str = "grants";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

fn item(key: &str, value: i64) -> RegisterItem {
    RegisterItem::new(key, Fields::from([("v".to_owned(), json!(value))]))
}

/// A log of one register.
#[derive(Default)]
struct Log {
    digests: RegisterDigests,
    registers: Registers,
    size: u64,
}

impl Log {
    fn write(&mut self, minute: i64, subject: EntrySubject, data: Data) {
        let entry =
            Entry { at: at(minute), clock: ClockReading::default(), epoch: 1, subject, data };
        self.registers.apply(self.size, &entry);
        self.size += 1;
    }

    fn start(&mut self, minute: i64, list: Vec<RegisterItem>, more: bool) {
        self.digests.move_items(&list, &[], &[]).unwrap();
        let data = self.data(RegisterCause::Start);
        self.register(minute, RegisterData { list, more, ..data });
    }

    fn change(
        &mut self,
        minute: i64,
        added: Vec<RegisterItem>,
        removed: Vec<RegisterItem>,
        changed: Vec<RegisterItem>,
    ) {
        self.digests.move_items(&added, &removed, &changed).unwrap();
        let data = self.data(RegisterCause::Change);
        self.register(minute, RegisterData { added, removed, changed, ..data });
    }

    fn data(&self, cause: RegisterCause) -> RegisterData {
        RegisterData::new(cause, self.digests.count(), self.digests.digest())
    }

    fn register(&mut self, minute: i64, data: RegisterData) {
        self.write(minute, register_subject(GRANTS), Data::Register(Box::new(data)));
    }

    fn grants(&self) -> &RegisterHistory {
        self.registers.get(GRANTS).unwrap()
    }

    fn keys_at(&self, minute: i64) -> Vec<&str> {
        self.grants().at(at(minute)).map(|item| item.key).collect()
    }
}

#[test]
fn what_came_and_went_within_the_window_is_in_it_with_its_entries() {
    let mut log = Log::default();
    log.start(0, vec![item("a", 1)], true);
    log.start(0, vec![item("b", 1)], false);
    log.change(10, vec![item("short", 1)], vec![], vec![]);
    log.change(12, vec![], vec![item("short", 1)], vec![item("a", 2)]);
    log.change(20, vec![], vec![item("b", 1)], vec![]);
    assert!(log.grants().faults().is_empty(), "{:?}", log.grants().faults());
    assert_eq!(log.keys_at(0), ["a", "b"]);
    assert_eq!(log.keys_at(11), ["a", "b", "short"]);
    assert_eq!(log.keys_at(12), ["a", "b"]);
    assert_eq!(log.keys_at(20), ["a"]);
    let within: Vec<ItemWithin<'_>> = log.grants().within(at(9), at(15)).collect();
    let [a, b, short] = within.as_slice() else { panic!("{within:?}") };
    assert_eq!((a.key, a.fields["v"].clone(), a.changes.len()), ("a", json!(2), 1));
    assert!(a.came.in_first_list && a.went.is_none() && a.came.earliest().is_none());
    assert_eq!((b.key, b.went.unwrap().at), ("b", at(20)));
    assert_eq!((short.came.at, short.came.entry), (at(10), 2));
    assert_eq!((short.went.unwrap().at, short.went.unwrap().entry), (at(12), 3));
    assert_eq!(log.grants().within(at(13), at(15)).count(), 2);
}

#[test]
fn an_item_that_comes_and_goes_within_an_entry_has_the_times_at_which_it_was_seen() {
    let mut log = Log::default();
    log.start(0, vec![item("a", 1)], false);
    let seen = |minute, item: RegisterItem| RegisterItem { seen: Some(at(minute)), ..item };
    let added = vec![seen(5, item("x", 1)), seen(7, item("a", 3))];
    let removed = vec![seen(6, item("x", 1)), seen(6, item("a", 1))];
    log.change(8, added, removed, vec![]);
    assert!(log.grants().faults().is_empty());
    assert_eq!(log.keys_at(5), ["a", "x"]);
    assert_eq!(log.keys_at(6), Vec::<&str>::new());
    assert_eq!(log.keys_at(7), ["a"]);
    assert_eq!(log.grants().within(at(0), at(9)).count(), 3, "it was there twice");
}

#[test]
fn what_differs_after_a_silence_has_bounds_and_counts_for_any_time_within_them() {
    let mut log = Log::default();
    log.start(0, vec![item("a", 1)], false);
    log.digests.move_items(&[item("b", 1)], &[item("a", 1)], &[]).unwrap();
    let between = Some(Between { from: at(10), to: at(20) });
    let (added, removed) = (vec![item("b", 1)], vec![RegisterItem::new("a", Fields::new())]);
    let data = log.data(RegisterCause::Change);
    log.register(20, RegisterData { added, removed, between, ..data });
    let within: Vec<&str> = log.grants().within(at(12), at(13)).map(|item| item.key).collect();
    assert_eq!(within, ["a", "b"], "either may have been there");
    let b = log.grants().within(at(12), at(13)).nth(1).unwrap();
    assert_eq!((b.came.between, b.came.earliest()), (between, Some(at(10))));
    assert_eq!(log.grants().within(at(1), at(9)).count(), 1);
}

#[test]
fn a_list_that_begins_anew_says_what_happened_since() {
    let mut log = Log::default();
    log.start(0, vec![item("a", 1), item("b", 1)], false);
    log.digests = RegisterDigests::default();
    log.start(30, vec![item("b", 2)], true);
    log.start(31, vec![item("c", 1)], false);
    assert!(log.grants().faults().is_empty(), "{:?}", log.grants().faults());
    assert_eq!(log.keys_at(31), ["b", "c"]);
    let within: Vec<ItemWithin<'_>> = log.grants().within(at(0), at(40)).collect();
    assert_eq!(within.len(), 3);
    assert_eq!(within[0].went.unwrap().between, Some(Between { from: at(0), to: at(31) }));
    assert_eq!(within[2].came.between, Some(Between { from: at(0), to: at(31) }));
}

#[test]
fn gaps_are_those_of_the_register_and_those_in_which_nobody_looked() {
    let mut log = Log::default();
    log.start(10, vec![item("a", 1)], false);
    let list = |reading| ListRead {
        resource: "rolebindings.rbac.authorization.k8s.io".to_owned(),
        reading,
        resource_version: None,
        listed_at: None,
        count: 1,
        counted: None,
    };
    let reading = |log: &Log, reading| RegisterData {
        lists: vec![list(reading)],
        ..log.data(RegisterCause::Reading)
    };
    let (forbidden, complete) =
        (reading(&log, Reading::Forbidden), reading(&log, Reading::Complete));
    log.register(20, forbidden.clone());
    log.register(25, complete);
    log.register(40, forbidden);
    let gap = GapData { from: at(30), to: at(32), reason: "it was off".to_owned(), cause: None };
    log.write(32, EntrySubject::new("Cluster", "c"), Data::Gap(gap));
    let gaps = log.registers.gaps(GRANTS, at(0), at(60));
    let times: Vec<_> = gaps.iter().map(|gap| (gap.from, gap.to, gap.entry)).collect();
    assert_eq!(
        times,
        [
            (None, Some(at(10)), None),
            (Some(at(20)), Some(at(25)), Some(1)),
            (Some(at(30)), Some(at(32)), Some(4)),
            (Some(at(40)), None, Some(3)),
        ]
    );
    assert!(gaps[1].reason.contains("rolebindings"), "{}", gaps[1].reason);
    assert_eq!(log.registers.gaps(GRANTS, at(26), at(29)), []);
    assert_eq!(log.registers.gaps("people", at(26), at(29)).len(), 1, "unread is not empty");
}

#[test]
fn an_entry_that_is_left_out_is_found_by_the_next() {
    let mut log = Log::default();
    log.start(0, vec![item("a", 1)], false);
    log.digests.move_items(&[item("hidden", 1)], &[], &[]).unwrap();
    log.change(5, vec![item("b", 1)], vec![], vec![]);
    let [(1, RegisterFault::Total { said: 3, found: 2 })] = log.grants().faults() else {
        panic!("{:?}", log.grants().faults())
    };
}

proptest! {
    #[test]
    fn the_register_at_any_time_is_what_was_in_it(
        first in proptest::collection::btree_map("[a-d]", 0..3_i64, 0..4),
        moves in proptest::collection::vec(("[a-d]", 0..3_i64, 0..3_u8), 0..20),
    ) {
        let mut log = Log::default();
        let mut present = first;
        log.start(0, present.iter().map(|(key, value)| item(key, *value)).collect(), false);
        let mut history = vec![present.clone()];
        for (minute, (key, value, gone)) in (1..).zip(&moves) {
            let known = present.get(key).copied();
            match (known, gone) {
                (Some(known), 0) => {
                    present.remove(key);
                    log.change(minute, vec![], vec![item(key, known)], vec![]);
                }
                (Some(_), _) => {
                    present.insert(key.clone(), *value);
                    log.change(minute, vec![], vec![], vec![item(key, *value)]);
                }
                (None, _) => {
                    present.insert(key.clone(), *value);
                    log.change(minute, vec![item(key, *value)], vec![], vec![]);
                }
            }
            history.push(present.clone());
        }
        prop_assert!(log.grants().faults().is_empty());
        for (minute, expected) in (0..).zip(&history) {
            let found: BTreeMap<String, i64> = log
                .grants()
                .at(at(minute))
                .map(|item| (item.key.to_owned(), item.fields["v"].as_i64().unwrap()))
                .collect();
            prop_assert_eq!(&found, expected);
        }
    }
}
