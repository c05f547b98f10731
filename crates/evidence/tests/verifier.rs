//! The auditor's verifier, run as a program on logs that are right and on logs that are not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails must say where, and it runs a program on files"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use comptroller_evidence::{
    data::{EntryFinding, Heartbeat, OperatorData, OperatorEvent, VerdictData},
    entry::{Data, Entry, EntrySubject},
    key::SigningKey,
    log::LogWriter,
    store,
};
use comptroller_vocabulary::{ResourceRef, Severity, State};
use jiff::Timestamp;
use tempfile::TempDir;

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

/// A log in a folder that is removed after the test.
struct Log {
    folder: TempDir,
    key: SigningKey,
}

impl Log {
    fn new(seed: u8) -> Self {
        let key = SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap();
        Self { folder: TempDir::new().unwrap(), key }
    }

    /// The log of most tests: a control that fails from 10:00 on, and passes from 12:00 on.
    fn of_a_deviation() -> Self {
        let log = Self::new(7);
        log.append(&[started(9), verdict("admins", 10, &["ada", "bob"]), heartbeat("admins", 11)]);
        log.append(&[verdict("admins", 12, &[]), stopped(13)]);
        log
    }

    fn append(&self, entries: &[Entry]) {
        let leaves: Vec<_> =
            entries.iter().map(|entry| entry.to_text().unwrap().into_bytes()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = store::open(self.path("").to_str().unwrap()).unwrap();
            let mut writer = LogWriter::open(store, self.key.clone(), ORIGIN).await.unwrap();
            writer.append(&leaves).await.unwrap();
        });
    }

    /// A path below the folder of the log, which itself is `log`, so that tests may put files beside.
    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("log").join(below)
    }

    fn key_text(&self) -> String {
        self.key.verifier().to_string()
    }

    /// Runs the verifier; what it says has `LOG` for the folder.
    fn verifier(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_comptroller-verify"))
            .args(arguments)
            .env_remove("COMPTROLLER_EVIDENCE")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }
}

fn hour(hour: i64) -> Timestamp {
    Timestamp::from_second(1_795_132_800 + hour * 3600).unwrap()
}

fn entry(at: i64, subject: EntrySubject, data: Data) -> Entry {
    Entry {
        clock: comptroller_evidence::entry::ClockReading::default(),
        at: hour(at),
        epoch: 1,
        subject,
        data,
    }
}

fn operator(at: i64, event: OperatorEvent) -> Entry {
    let data = OperatorData::new(event, "0.1.0".to_owned());
    entry(at, EntrySubject::new("Operator", "comptroller-0"), Data::Operator(Box::new(data)))
}

fn started(at: i64) -> Entry {
    operator(at, OperatorEvent::Started)
}

fn stopped(at: i64) -> Entry {
    operator(at, OperatorEvent::Stopped)
}

/// A verdict by which a finding is open for each of these subjects, and those of `admins` are gone
/// where there is none.
fn verdict(control: &str, at: i64, open: &[&str]) -> Entry {
    let finding = |subject: &&str| EntryFinding {
        ending: None,
        ending_detail: String::new(),
        rule: "ClusterAdmin".to_owned(),
        resource: ResourceRef {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRoleBinding".to_owned(),
            namespace: None,
            name: "legacy".to_owned(),
        },
        subject: Some(format!("Group {subject}")),
        message: "holds cluster-admin".to_owned(),
        severity: Severity::High,
        since: hour(at),
        exception: (*subject == "bob").then(|| "break-glass".to_owned()),
    };
    let gone: &[&str] = if open.is_empty() { &["ada", "bob"] } else { &[] };
    let data = VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: if open.is_empty() { State::Passing } else { State::Failing },
        reason: "FindingsOpen".to_owned(),
        message: "as it is".to_owned(),
        since: hour(at),
        population: 4,
        failing: open.len() as u64,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".to_owned(),
        population_list: None,
        added: open.iter().map(finding).collect(),
        removed: gone.iter().map(finding).collect(),
    };
    entry(at, EntrySubject::control(control), Data::Verdict(Box::new(data)))
}

fn heartbeat(control: &str, at: i64) -> Entry {
    let data = Heartbeat {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: State::Failing,
        population: 4,
        failing: 2,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".to_owned(),
        population_list: None,
    };
    entry(at, EntrySubject::control(control), Data::Heartbeat(Box::new(data)))
}

/// Replaces a text in a file by one of the same length.
fn forge(path: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let bytes = fs::read(path).unwrap();
    let place = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut forged = bytes;
    forged[place..place + from.len()].copy_from_slice(to.as_bytes());
    fs::write(path, forged).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}

#[test]
fn a_log_that_is_right_is_verified() {
    let log = Log::of_a_deviation();
    let (code, said) = log.verifier(&["verify", "log"]);
    let expected = format!(
        "Verified: 5 entries of log
  log   {ORIGIN}
  root  TbZ5skbGqbsCEkEvAjyY1Alg30p8lqbilLdbuJvlZQA=
  key   {}
  from  2026-11-20T09:00:00Z
  to    2026-11-20T13:00:00Z
  Whether its end was cut off, only an older checkpoint can tell: --since FILE
  Whether others saw it, only its witnesses can tell: --policy FILE
  The key is the one beside the log. Compare it with the one you were given, or pass that with --key.
",
        log.key_text()
    );
    assert_eq!((code, said.as_str()), (0, expected.as_str()));

    let (code, said) =
        log.verifier(&["verify", "log", "--key", &log.key_text(), "--since", "log/checkpoint"]);
    assert_eq!(code, 0, "{said}");
    let last = "  It continues the older checkpoint of 5 entries.
  Whether others saw it, only its witnesses can tell: --policy FILE
";
    assert!(said.ends_with(last), "{said}");

    let (code, said) = log.verifier(&["verify", "log", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, 0);
    assert_eq!((&json["verified"], &json["size"]), (&true.into(), &5.into()));
}

#[test]
fn a_copy_without_what_only_a_writer_needs_is_verified() {
    let log = Log::of_a_deviation();
    let copied = log.folder.path().join("copy");
    copy(&log.path(""), &copied);
    for name in ["pending", ".lock", "verifier-key"] {
        fs::remove_file(copied.join(name)).unwrap();
    }
    let (code, said) = log.verifier(&["verify", "copy"]);
    let expected = "NOT VERIFIED: copy
  verifier-key: it is missing: give the key of the log with --key
";
    assert_eq!((code, said.as_str()), (1, expected));
    let (code, said) = log.verifier(&["verify", "copy", "--key", &log.key_text()]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_log_that_was_cut_is_not_verified() {
    let log = Log::of_a_deviation();
    let bundle = log.path("tile/entries/000.p/5");
    let bytes = fs::read(&bundle).unwrap();
    fs::write(&bundle, &bytes[..bytes.len() - 1]).unwrap();
    let (code, said) = log.verifier(&["verify", "log"]);
    let expected = "NOT VERIFIED: log
  first at entry 0, tile/entries/000.p/5: it is not a bundle of entries: a length in it is wrong
";
    assert_eq!((code, said.as_str()), (1, expected));

    fs::remove_file(&bundle).unwrap();
    let (code, said) = log.verifier(&["verify", "log"]);
    let expected = "NOT VERIFIED: log
  first at entry 0, tile/entries/000.p/5: it is missing
";
    assert_eq!((code, said.as_str()), (1, expected));
}

#[test]
fn a_log_that_was_forged_is_not_verified() {
    let log = Log::of_a_deviation();
    let kept = fs::read(log.path("tile/entries/000.p/5")).unwrap();
    forge(&log.path("tile/entries/000.p/5"), "holds cluster-admin", "holds nothing at al");
    let (code, said) = log.verifier(&["verify", "log"]);
    let expected = "NOT VERIFIED: log
  first at entry 1, tile/entries/000.p/5: entry 1 is not the one that was logged
";
    assert_eq!((code, said.as_str()), (1, expected));
    // Neither can it be replayed, nor can the entry be proven.
    let (code, said) = log.verifier(&["replay", "log"]);
    assert_eq!((code, said.as_str()), (1, expected.replace("VERIFIED", "REPLAYED").as_str()));
    let (code, said) = log.verifier(&["prove", "1", "log"]);
    assert_eq!(code, 2, "{said}");
    fs::write(log.path("tile/entries/000.p/5"), kept).unwrap();

    // Whoever replaces the log and its key together is found by whoever has the key.
    let forger = Log::new(8);
    forger.append(&[started(9), verdict("admins", 10, &[])]);
    let (code, said) = forger.verifier(&["verify", "log", "--key", &log.key_text()]);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("NOT VERIFIED: log\n  verifier-key: it is "), "{said}");
}

#[test]
fn a_log_that_was_wound_back_is_not_verified_against_a_newer_checkpoint() {
    let log = Log::new(7);
    log.append(&[started(9), verdict("admins", 8, &[])]);
    let old = log.folder.path().join("old");
    copy(&log.path(""), &old);
    log.append(&[verdict("admins", 10, &["ada"])]);

    let (code, said) = log.verifier(&["verify", "old"]);
    assert_eq!(code, 0, "by itself it is whole: {said}");
    let (code, said) = log.verifier(&["verify", "old", "--since", "log/checkpoint"]);
    let expected = "NOT VERIFIED: old
  checkpoint: the log in old was rolled back: its checkpoint covers 2 entries, and a checkpoint signed before covers 3; restore the newest checkpoint from a copy, or keep this log as it is and begin a new one in another place
";
    assert_eq!((code, said.as_str()), (1, expected));

    // And one that went on in another way after it was put back.
    copy(&old, &log.folder.path().join("other/log"));
    let other = Log { folder: log.folder, key: log.key };
    let forked = other.folder.path().join("other/log");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = store::open(forked.to_str().unwrap()).unwrap();
        let mut writer = LogWriter::open(store, other.key.clone(), ORIGIN).await.unwrap();
        let leaf = verdict("admins", 10, &[]).to_text().unwrap().into_bytes();
        writer.append(&[leaf.clone(), leaf]).await.unwrap();
    });
    let (code, said) = other.verifier(&["verify", "other/log", "--since", "log/checkpoint"]);
    let expected = "NOT VERIFIED: other/log
  checkpoint: the log in other/log was rewritten: its checkpoint of 4 entries does not continue the one of 3
";
    assert_eq!((code, said.as_str()), (1, expected));
}

#[test]
fn what_could_not_be_read_is_neither_right_nor_wrong() {
    let log = Log::of_a_deviation();
    for (arguments, expected) in [
        (
            &["verify", "nowhere"] as &[&str],
            "comptroller-verify: the directory nowhere does not exist: create it or mount its volume, or correct the location\n",
        ),
        (
            &["verify"],
            "comptroller-verify: which log? Give its directory or URL (s3://bucket/prefix), or set COMPTROLLER_EVIDENCE\n",
        ),
        (
            &["verify", "log", "--since", "log/verifier-key"],
            "comptroller-verify: the older checkpoint that was given is not a signed note: give the file `checkpoint` as it was, with its signature\n",
        ),
    ] {
        assert_eq!(log.verifier(arguments), (2, expected.to_owned()));
    }
}

// A build of the whole workspace has the clients, since the operator has.
#[cfg(not(feature = "aws"))]
#[test]
fn a_bucket_needs_a_client_that_an_auditor_need_not_build() {
    let log = Log::of_a_deviation();
    let expected = "comptroller-verify: this program was built without the client for s3://bucket/log: use the released `comptroller`, build with --features aws, or copy the log into a directory\n";
    assert_eq!(log.verifier(&["verify", "s3://bucket/log"]), (2, expected.to_owned()));
}

#[test]
fn a_proof_is_checked_with_nothing_but_the_key() {
    let log = Log::of_a_deviation();
    let (code, proof) = log.verifier(&["prove", "1", "log"]);
    assert_eq!(code, 0, "{proof}");
    fs::write(log.folder.path().join("proof.json"), &proof).unwrap();
    let key = log.key_text();
    let check = |file: &str, key: &str| log.verifier(&["prove", "--check", file, "--key", key]);
    let (code, said) = check("proof.json", &key);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with(&format!("Proven: entry 1 of 5 in {ORIGIN}\n{{\"at\":")), "{said}");

    fs::write(log.folder.path().join("forged.json"), proof.replace("cluster-admin", "nothing"))
        .unwrap();
    let (code, said) = check("forged.json", &key);
    let expected = "NOT PROVEN: entry 1 is not in the log of 5 entries that its checkpoint covers, or is another\n";
    assert_eq!((code, said.as_str()), (1, expected));

    let (code, said) = check("proof.json", &Log::new(8).key_text());
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("NOT PROVEN: its checkpoint can't be trusted: "), "{said}");
}

#[test]
fn a_replay_says_how_controls_stood_at_a_time() {
    let log = Log::of_a_deviation();
    let key = log.key_text();
    let at = |time: &str| log.verifier(&["replay", "log", "--key", &key, "--at", time]);
    let expected = format!(
        "Controls at 2026-11-20T11:30:00Z, by 3 of 5 entries
  log         {ORIGIN}
  last entry  2026-11-20T11:00:00Z
  operator    0.1.0 was running

CONTROL   STATE     SINCE                  FINDINGS   EXCEPTED   POPULATION   LAST SEEN
admins    Failing   2026-11-20T10:00:00Z   1          1          4            2026-11-20T11:00:00Z
"
    );
    assert_eq!(at("2026-11-20T11:30:00Z"), (0, expected));

    let (code, said) = log.verifier(&["replay", "log", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    let expected = serde_json::json!({
        "origin": ORIGIN, "keyGiven": false, "at": null, "size": 5, "entries": 5,
        "lastAt": "2026-11-20T13:00:00Z", "operator": null, "unresolved": 0,
        "controls": [{
            "name": "admins", "state": "Passing", "reason": "FindingsOpen",
            "since": "2026-11-20T12:00:00Z", "findings": 0, "exceptedFindings": 0,
            "population": 4, "lastAt": "2026-11-20T12:00:00Z", "entry": 3,
        }],
    });
    assert_eq!((code, json), (0, expected));

    let (code, said) = at("2026-11-20");
    assert_eq!(code, 0);
    assert!(said.starts_with("Controls at 2026-11-20T00:00:00Z, by 0 of 5 entries\n"), "{said}");
}

#[test]
fn nothing_that_a_log_says_acts_on_the_terminal() {
    let log = Log::new(7);
    log.append(&[verdict("\u{1b}[2Jadmins\u{202e}", 10, &["\u{9b}31m"])]);
    let (code, said) = log.verifier(&["replay", "log"]);
    assert_eq!(code, 0);
    assert!(said.contains(r"\u{1b}[2Jadmins\u{202e}   Failing"), "{said}");
    let (_, proof) = log.verifier(&["prove", "0", "log"]);
    fs::write(log.folder.path().join("proof.json"), proof).unwrap();
    let (code, proven) =
        log.verifier(&["prove", "--check", "proof.json", "--key", &log.key_text()]);
    assert_eq!(code, 0, "{proven}");
    for text in [said, proven] {
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text:?}");
    }
}
