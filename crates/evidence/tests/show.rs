//! `show`, run as a program: what an entry says, that it is in the log, and what hostile text does to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails must say where, and it runs a program on files"
)]

use std::{fs, path::PathBuf, process::Command};

use comptroller_evidence::{
    data::{GapCause, GapData, OperatorData, OperatorEvent, StoredData},
    entry::{ClockReading, Data, Entry, EntrySubject, EntryType},
    key::SigningKey,
    log::LogWriter,
    store,
};
use comptroller_vocabulary::canonical;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";
const HOSTILE: &str = "the \u{1b}[2Jnode\u{202e} went\naway";

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn entry(second: i64, subject: EntrySubject, data: Data) -> Entry {
    let clock = ClockReading { server: Some(moment(second + 2)), operator: None };
    Entry { at: moment(second), clock, epoch: 3, subject, data }
}

fn verdict(message: &str) -> Value {
    json!({
        "generation": 1, "state": "Passing", "reason": "NoFindings", "message": message,
        "since": "2027-01-15T08:00:00Z", "population": 4, "failing": 0, "excepted": 0, "unknown": 0,
        "findings": "sha256:00",
    })
}

/// A log of a start, a gap with a hostile reason, an inventory, and a verdict beside the log.
fn log() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
    let mut started = OperatorData::new(OperatorEvent::Started, "0.9.0".to_owned());
    started.user = Some("system:serviceaccount:comptroller:comptroller".to_owned());
    let gap = GapData::between(moment(-60), moment(1), GapCause::Crashed, HOSTILE.to_owned());
    let inventory = json!({
        "collector": "comptroller-0", "apiServer": {},
        "catalog": {"digest": "sha256:07", "bytes": 1, "unpacked": 2},
        "kinds": [{
            "apiVersion": "v1", "kind": "Pod", "plural": "pods", "namespaced": true, "reading": "Complete",
            "count": 4, "resourceVersion": "4711", "listedAt": "2027-01-15T08:00:00Z",
        }],
    });
    let text = canonical::to_string(&verdict("nothing was found")).unwrap();
    let stored =
        StoredData { stored: canonical::sha256(text.as_bytes()), bytes: text.len() as u64 };
    let cluster = || EntrySubject::new("Cluster", "7d9e3a60");
    let entries = [
        entry(0, EntrySubject::new("Operator", "comptroller-0"), Data::Operator(started.into())),
        entry(1, cluster(), Data::Gap(gap)),
        entry(2, cluster(), Data::parse(EntryType::Inventory, inventory).unwrap()),
        entry(3, EntrySubject::control("pods"), Data::Stored(EntryType::Verdict, stored)),
    ];
    let location = folder.path().join("log").to_str().unwrap().to_owned();
    fs::create_dir(&location).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let store = store::open(&location).unwrap();
        let mut writer = LogWriter::open(store, key, ORIGIN).await.unwrap();
        writer.put_stored(text.as_bytes()).await.unwrap();
        let texts = entries.iter().map(|entry| entry.to_text().unwrap().into_bytes());
        writer.append(&texts.collect::<Vec<_>>()).await.unwrap();
    });
    (folder, location)
}

fn show(words: &[&str]) -> (i32, String) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_comptroller-verify"));
    let output = Command::new(program).arg("show").args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn an_entry_is_said_in_words_with_its_proof_and_what_it_rests_on() {
    let (_folder, location) = log();
    let (code, text) = show(&["3", &location]);
    assert_eq!(code, 0, "{text}");
    insta::assert_snapshot!("verdict", text);
}

#[test]
fn hostile_text_does_nothing_to_a_terminal() {
    let (_folder, location) = log();
    let (code, text) = show(&["1", &location]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(r"the \u{1b}[2Jnode\u{202e} went\naway"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn json_has_the_entry_to_the_letter_and_the_words() {
    let (_folder, location) = log();
    let (code, text) = show(&["1", &location, "-o", "json"]);
    assert_eq!(code, 0, "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["entry"]["data"]["reason"], HOSTILE);
    assert!(text.contains(r#""entry": {"at":"2027-01-15T08:00:01Z","data":{"#), "{text}");
    assert_eq!((&shown["index"], &shown["size"]), (&json!(1), &json!(4)));
    assert!(shown["words"]["says"].as_str().unwrap().starts_with("Nothing vouches for"), "{text}");
}

#[test]
fn an_entry_that_was_changed_or_lost_its_data_or_is_not_there_is_not_shown_as_right() {
    let (_folder, location) = log();
    let (code, text) = show(&["4", &location]);
    assert!(code == 2 && text.contains("there is no entry 4"), "{text}");

    let beside = PathBuf::from(&location).join("data");
    let beside = if beside.exists() { beside } else { PathBuf::from(&location).join("stored") };
    fs::remove_dir_all(beside).unwrap();
    let (code, text) = show(&["3", &location]);
    assert!(code == 1 && text.contains("is missing there"), "{text}");

    let bundle = PathBuf::from(&location).join("tile/entries/000.p/4");
    let bytes = fs::read(&bundle).unwrap();
    let at = bytes.windows(4).position(|four| four == b"node").unwrap();
    let mut changed = bytes;
    changed[at] = b'm';
    fs::write(&bundle, changed).unwrap();
    let (code, text) = show(&["1", &location]);
    assert!(code == 1 && text.starts_with("NOT SHOWN"), "{text}");
}
