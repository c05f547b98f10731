//! What a company hands to its auditor, and what the auditor makes of it with the program alone: a
//! disclosure of one person, a checkpoint copied from a page, the key without the log's own copy of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails must say where, and it runs a program on files"
)]

use std::{fs, path::PathBuf, process::Command};

use comptroller_evidence::{
    data::{ChangeKind, ObjectChange},
    entry::{ClockReading, Data, Entry, EntrySubject},
    key::SigningKey,
    log::LogWriter,
    pseudonym::Disclosure,
    store,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

struct Log {
    folder: TempDir,
    key: SigningKey,
    checkpoint: String,
}

impl Log {
    /// An approval by somebody for each name.
    fn of_approvals(names: &[&str], times: impl Fn(i64) -> (i64, ClockReading)) -> Self {
        let folder = TempDir::new().unwrap();
        let key = SigningKey::create(&folder.path().join("log.key"), ORIGIN).unwrap();
        let people = key.pseudonyms();
        let leaves: Vec<Vec<u8>> = (0..)
            .zip(names)
            .map(|(index, name)| {
                let (at, clock) = times(index);
                let approved = json!({"approvedBy": people.pseudonym(name)});
                approval(at, clock, index, approved).to_text().unwrap().into_bytes()
            })
            .collect();
        fs::create_dir(folder.path().join("log")).unwrap();
        let mut log = Self { folder, key, checkpoint: String::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = store::open(&log.path("log")).unwrap();
            let mut writer = LogWriter::open(store, log.key.clone(), ORIGIN).await.unwrap();
            writer.append(&leaves).await.unwrap();
            writer.checkpoint().clone_into(&mut log.checkpoint);
        });
        log
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

/// What the auditor's verifier answers, with its exit code.
fn ask(words: &[&str]) -> (i32, String) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_comptroller-verify"));
    let output = Command::new(program).args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn approval(at: i64, clock: ClockReading, index: i64, spec: Value) -> Entry {
    Entry {
        at: Timestamp::from_second(at).unwrap(),
        clock,
        epoch: 1,
        subject: EntrySubject::new("ControlException", &format!("exception-{index}")),
        data: Data::Exception(Box::new(ObjectChange {
            change: ChangeKind::Created,
            uid: None,
            generation: Some(1),
            phase: None,
            spec_digest: Some("sha256:00".to_owned()),
            previous_digest: None,
            spec: Some(spec),
            created_at: None,
            author_bound: None,
            fields: Vec::new(),
        })),
    }
}

fn steady(index: i64) -> (i64, ClockReading) {
    (1_760_000_000 + index, ClockReading::default())
}

#[test]
fn an_auditor_checks_who_one_person_is_without_the_key_and_learns_of_no_other() {
    let log = Log::of_approvals(&["ann@corp", "bob@corp", "ann@corp"], steady);
    let (location, shown) = (log.path("log"), log.path("ann.json"));
    let (code, answer) = ask(&["person", "ann@corp", &location, "--disclose", &shown]);
    assert!(code == 0 && answer.contains("2 entries name them"), "{answer}");
    assert!(answer.contains("entry 2, ") && !answer.contains("entry 1, "), "{answer}");
    let (code, answer) = ask(&["person", "eve@corp", &location]);
    assert!(code == 1 && answer.contains("nowhere in this log"), "{answer}");

    // The auditor has a copy of the log, the disclosure, and no key of the company.
    fs::remove_file(log.path("log.key")).unwrap();
    let verifier = log.key.verifier().to_string();
    let (code, answer) = ask(&["disclosure", &shown, &location, "--key", &verifier]);
    assert!(code == 0 && answer.contains(" is ann@corp\n  2 entries name them"), "{answer}");
    let (_, answer) = ask(&["disclosure", &shown, &location, "-o", "json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["entries"][1]["entry"], 2);
    assert_eq!(answer["entries"][1]["subject"]["name"], "exception-2");

    // Of another person, or for another log, it shows nothing.
    let text = fs::read_to_string(&shown).unwrap();
    let mut forged: Disclosure = serde_json::from_str(&text).unwrap();
    forged.name = "bob@corp".to_owned();
    let other = text.replace("7d9e3a60", "7d9e3a61");
    for (text, why) in [
        (serde_json::to_string(&forged).unwrap(), "another pseudonym"),
        (other, "it is for the log"),
    ] {
        fs::write(&shown, text).unwrap();
        let (code, answer) = ask(&["disclosure", &shown, &location]);
        assert!(code == 1 && answer.contains(why), "{answer}");
    }
    let (code, answer) = ask(&["person", "ann@corp", &location]);
    assert!(code == 2 && answer.contains("does not exist"), "{answer}");
}

#[test]
fn a_checkpoint_that_was_copied_from_a_page_and_a_given_key_are_enough() {
    let log = Log::of_approvals(&["ann@corp", "bob@corp"], steady);
    let (location, older) = (log.path("log"), log.path("older"));
    fs::write(&older, log.checkpoint.trim_end().replace('\n', "\r\n")).unwrap();
    fs::remove_file(log.folder.path().join("log/verifier-key")).unwrap();
    let verifier = log.key.verifier().to_string();
    let given = ["verify", &location, "--key", &verifier, "--since", &older];
    let (code, answer) = ask(&given);
    assert!(code == 0 && answer.contains("continues the older checkpoint of 2"), "{answer}");
    assert!(!answer.contains("Time falls"), "{answer}");
    let (code, answer) = ask(&given[..2]);
    assert!(code == 1 && answer.contains("--key"), "{answer}");
}

#[test]
fn each_place_where_time_falls_or_differs_is_named_in_a_log_that_is_whole() {
    let start = 1_760_000_000;
    let clock = |server: i64, operator: Option<i64>| {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        ClockReading { server: Some(at(server)), operator: operator.map(at) }
    };
    let log = Log::of_approvals(&["ann"; 4], |index| match index {
        // The operator's clock is a day ahead for an entry, and then time falls.
        1 => (start + 10, clock(start + 10, Some(start + 86_410))),
        2 => (start + 5, clock(start + 11, None)),
        _ => (start + 20 * index, clock(start + 20 * index, None)),
    });
    let location = log.path("log");
    let (code, answer) = ask(&["verify", &location]);
    assert!(code == 0 && answer.contains("in 2 entries:"), "{answer}");
    assert!(answer.contains("entry 1: ClocksDiffer, operator 2025-10-10T"), "{answer}");
    assert!(answer.contains("entry 2: TimeFalls, operator 2025-10-09T"), "{answer}");
    let (_, answer) = ask(&["verify", &location, "-o", "json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["verified"], &answer["timeAnomalyCount"]), (&json!(true), &json!(2)));
    assert_eq!(answer["timeAnomalies"][0]["serverTime"], "2025-10-09T08:53:30Z");
}
