use serde_json::json;

use super::*;
use crate::{
    data::GapData,
    entry::{ClockReading, EntrySubject},
    register::{RegisterDigests, RegisterItem, register_subject},
};

const GRANTS: &str = "grants";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

fn item(key: &str) -> RegisterItem {
    RegisterItem::new(key, Fields::from([("role".to_owned(), json!("edit"))]))
}

/// The entries of one register.
#[derive(Default)]
struct Log {
    digests: RegisterDigests,
    entries: Vec<Entry>,
}

impl Log {
    fn push(&mut self, minute: i64, subject: EntrySubject, data: Data) {
        let clock = ClockReading::default();
        self.entries.push(Entry { at: at(minute), clock, epoch: 1, subject, data });
    }

    fn register(&mut self, minute: i64, data: RegisterData) {
        self.digests
            .move_items(&[data.list.clone(), data.added.clone()].concat(), &data.removed, &[])
            .unwrap();
        let (total, digest) = (self.digests.count(), self.digests.digest());
        let data = RegisterData { total, digest, ..data };
        self.push(minute, register_subject(GRANTS), Data::Register(Box::new(data)));
    }

    fn start(&mut self, minute: i64, keys: &[&str], more: bool) {
        let list = keys.iter().map(|key| item(key)).collect();
        let data = RegisterData::new(RegisterCause::Start, 0, String::new());
        self.register(minute, RegisterData { list, more, ..data });
    }

    fn change(&mut self, minute: i64, added: &[&str], removed: &[&str]) {
        let items = |keys: &[&str]| keys.iter().map(|key| item(key)).collect();
        let data = RegisterData::new(RegisterCause::Change, 0, String::new());
        self.register(
            minute,
            RegisterData { added: items(added), removed: items(removed), ..data },
        );
    }

    fn window(&self, from: i64, to: i64) -> RegisterWindows {
        let mut windows = RegisterWindows::new(at(from), last_moment(at(to)));
        for (index, entry) in (0..).zip(&self.entries) {
            windows.apply(index, entry);
        }
        windows
    }
}

fn log() -> Log {
    let mut log = Log::default();
    log.start(0, &["a"], true);
    log.start(0, &["b"], false);
    log.change(10, &["short"], &[]);
    log.change(12, &[], &["short"]);
    log.change(20, &["c"], &["b"]);
    log
}

#[test]
fn both_ends_are_vouched_for_and_the_entries_between_by_one_digest() {
    let windows = log().window(5, 20);
    let basis = windows.basis(GRANTS);
    let start = basis.at_start.clone().unwrap();
    assert_eq!((start.entry, start.total), (1, 2));
    let end = basis.at_end.clone().unwrap();
    assert_eq!((end.entry, end.total), (3, 2));
    assert_eq!((basis.entries, basis.came, basis.went), (2, 1, 1));
    let first = canonical::sha256(format!("\n2 {}", digest_of(2)).as_bytes());
    let both = canonical::sha256(format!("{first}\n3 {}", digest_of(3)).as_bytes());
    assert_eq!(basis.entries_digest, both);
}

fn digest_of(entry: usize) -> String {
    let Data::Register(data) = log().entries[entry].data.clone() else { panic!("no register") };
    data.digest
}

#[test]
fn what_came_and_went_within_the_window_is_a_row_with_its_entries() {
    let rows = log().window(5, 20).items_within(GRANTS);
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    // What came at its end came after it.
    assert_eq!(keys, ["a", "b", "short"]);
    let short = &rows[2];
    assert_eq!(short.entries(), [2, 3]);
    assert_eq!(short.came.time(), at(10).to_string());
    assert_eq!(short.went.as_ref().unwrap().at, at(12));
    assert_eq!(rows[0].came.time(), format!("by {}", at(0)));
    let there: Vec<String> =
        log().window(15, 15).items_at_end(GRANTS).into_iter().map(|row| row.key).collect();
    assert_eq!(there, ["a", "b"]);
}

#[test]
fn a_first_list_under_way_vouches_for_nothing() {
    let mut log = Log::default();
    log.start(0, &["a"], true);
    assert_eq!(log.window(0, 10).basis(GRANTS).at_end, None);
    assert!(log.window(0, 10).gaps(GRANTS)[0].reason.contains("not kept yet"));
}

#[test]
fn a_register_that_could_not_be_read_is_not_one_without_items() {
    let mut log = Log::default();
    log.register(0, RegisterData::new(RegisterCause::Reading, 0, String::new()));
    let windows = log.window(0, 10);
    let basis = windows.basis(GRANTS);
    assert_eq!((basis.at_start, basis.at_end), (None, None));
    assert!(windows.gaps(GRANTS)[0].reason.contains("not kept yet"));
}

#[test]
fn times_that_the_log_knows_nothing_of_are_gaps() {
    let mut log = log();
    let gap = GapData {
        from: at(13),
        to: at(14),
        reason: "the operator was not running".to_owned(),
        cause: None,
    };
    log.push(14, EntrySubject::new("Cluster", "c"), Data::Gap(gap));
    let reasons = |from, to| -> Vec<String> {
        log.window(from, to).gaps(GRANTS).into_iter().map(|gap| gap.reason).collect()
    };
    assert_eq!(reasons(5, 12), Vec::<String>::new());
    assert_eq!(reasons(5, 19), ["the operator was not running"]);
    assert_eq!(reasons(-5, 5), ["the register was not kept yet"]);
    assert_eq!(reasons(16, 30), ["the log has no entry after this time"]);
    assert_eq!(log.window(5, 12).gaps("volumes")[0].reason, "the log has no register volumes");
}
