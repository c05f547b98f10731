//! Registers as an auditor reads them: from a copy of the log, without a cluster.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]
#![allow(clippy::panic, reason = "a mistaken test is told so at once")]

use std::{
    fs,
    process::{Command, Output},
};

use comptroller_evidence::{
    data::{GapCause, GapData, OperatorData, OperatorEvent},
    entry::{ClockReading, Data, Entry, EntrySubject},
    inventory::Reading,
    key::SigningKey,
    log::LogWriter,
    register::{
        Fields, ListRead, RegisterCause, RegisterData, RegisterDigests, RegisterItem,
        register_subject,
    },
    store,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const ORIGIN: &str = "comptroller.dev/evidence/6f1c2c8e-6a53-4b3e-9a53-1f0c7a9c0d11";
const HOSTILE: &str = "=cmd|' /C calc'!A0\u{1b}[2J\u{202e}<script>";
/// The time for which the register is kept, but for an hour.
const WINDOW: [&str; 4] = ["--from", "2026-07-01", "--to", "2026-07-31"];

/// A log of one register in the making.
struct Log {
    folder: TempDir,
    digests: RegisterDigests,
    entries: Vec<Entry>,
}

fn grant(key: &str, subject: &str) -> RegisterItem {
    let fields = [("subject", subject), ("role", "ClusterRole/edit"), ("scope", "namespace shop")];
    let fields = fields.map(|(name, text)| (name.to_owned(), json!(text)));
    RegisterItem::new(key, Fields::from(fields))
}

impl Log {
    /// Three grants at first; one of two hours, whose subject is hostile; one that is taken away.
    fn of_july() -> Self {
        let mut log = Self {
            folder: TempDir::new().unwrap(),
            digests: RegisterDigests::default(),
            entries: Vec::new(),
        };
        let mut started = OperatorData::new(OperatorEvent::Started, "0.1.0".to_owned());
        started.user = Some("system:serviceaccount:comptroller:comptroller".to_owned());
        log.push(
            "2026-06-20T08:00:00Z",
            EntrySubject::new("Operator", "c-0"),
            Data::Operator(started.into()),
        );
        let list = ["a", "b", "c"].map(|key| grant(key, &format!("Group {key}")));
        log.register("2026-06-20T08:01:00Z", RegisterCause::Start, list.into(), vec![], vec![]);
        log.register(
            "2026-07-14T10:00:00Z",
            RegisterCause::Change,
            vec![],
            vec![grant("short", HOSTILE)],
            vec![],
        );
        log.register(
            "2026-07-14T12:00:00Z",
            RegisterCause::Change,
            vec![],
            vec![],
            vec![grant("short", HOSTILE)],
        );
        log.register(
            "2026-07-20T00:00:00Z",
            RegisterCause::Change,
            vec![],
            vec![],
            vec![grant("b", "Group b")],
        );
        let (from, to) =
            ("2026-08-02T00:00:00Z".parse().unwrap(), "2026-08-02T01:00:00Z".parse().unwrap());
        let gap = GapData::between(
            from,
            to,
            GapCause::Crashed,
            "the operator was not running".to_owned(),
        );
        log.push("2026-08-02T01:00:00Z", EntrySubject::new("Cluster", "6f1c"), Data::Gap(gap));
        log.write();
        log
    }

    fn push(&mut self, at: &str, subject: EntrySubject, data: Data) {
        let (at, clock) = (at.parse().unwrap(), ClockReading::default());
        self.entries.push(Entry { at, clock, epoch: 1, subject, data });
    }

    fn register(
        &mut self,
        at: &str,
        cause: RegisterCause,
        list: Vec<RegisterItem>,
        added: Vec<RegisterItem>,
        removed: Vec<RegisterItem>,
    ) {
        self.digests.move_items(&[list.clone(), added.clone()].concat(), &removed, &[]).unwrap();
        let data = RegisterData::new(cause, self.digests.count(), self.digests.digest());
        let lists = vec![ListRead {
            resource: "rolebindings.rbac.authorization.k8s.io".to_owned(),
            reading: Reading::Complete,
            resource_version: Some("4711".to_owned()),
            listed_at: Some(at.parse().unwrap()),
            count: 3,
            counted: Some(3),
        }];
        let lists = if cause == RegisterCause::Start { lists } else { Vec::new() };
        let data = RegisterData { list, added, removed, lists, ..data };
        self.push(at, register_subject("grants"), Data::Register(Box::new(data)));
    }

    fn write(&self) {
        fs::create_dir(self.folder.path().join("log")).unwrap();
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let texts: Vec<Vec<u8>> =
            self.entries.iter().map(|entry| entry.to_text().unwrap().into_bytes()).collect();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let store = store::open(&self.location()).unwrap();
            let mut writer = LogWriter::open(store, key, ORIGIN).await.unwrap();
            writer.append(&texts).await.unwrap();
        });
    }

    fn location(&self) -> String {
        self.folder.path().join("log").to_str().unwrap().to_owned()
    }

    /// What `register NAME` says of the log.
    fn register_of(&self, name: &str, words: &[&str]) -> (i32, String, String) {
        let log = self.location();
        said(&ask(&[&["register", name, "--evidence", &log], words].concat()))
    }

    /// What `evidence sample` draws from the grants of the window.
    fn sample(&self, words: &[&str]) -> (i32, String, String) {
        let log = self.location();
        let start = ["evidence", "sample", &log, "--register", "grants"];
        said(&ask(&[start.as_slice(), &WINDOW, words].concat()))
    }
}

fn ask(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comptroller"));
    command.env_remove("COMPTROLLER_EVIDENCE").args(words).output().unwrap()
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn subjects(json: &str) -> Vec<String> {
    let answer: Value = serde_json::from_str(json).unwrap();
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_register_is_printed_at_a_time_and_over_a_window() {
    let log = Log::of_july();
    let (code, json, _) =
        log.register_of("grants", &["--at", "2026-07-14T11:00:00Z", "-o", "json"]);
    assert_eq!(
        (code, subjects(&json)),
        (0, vec!["a".into(), "b".into(), "c".into(), "short".into()])
    );
    let (code, json, _) = log.register_of("grants", &["--at", "2026-07-25", "-o", "json"]);
    assert_eq!((code, subjects(&json)), (0, vec!["a".into(), "c".into()]));

    let (code, json, _) = log.register_of("grants", &[&WINDOW[..], &["-o", "json"]].concat());
    assert_eq!(code, 0, "{json}");
    assert_eq!(subjects(&json), ["a", "b", "c", "short"]);
    let answer: Value = serde_json::from_str(&json).unwrap();
    let short = &answer["items"][3];
    assert_eq!((&short["came"]["entry"], &short["went"]["entry"]), (&json!(2), &json!(3)));
    assert_eq!(short["went"]["at"], "2026-07-14T12:00:00Z");
    assert_eq!(answer["source"]["basis"]["atStart"]["total"], 3);
    assert_eq!(answer["source"]["basis"]["atEnd"]["total"], 2);
    assert_eq!(answer["source"]["basis"]["lists"][0]["resourceVersion"], "4711");

    let (code, table, _) = log.register_of("grants", &WINDOW);
    assert_eq!(code, 0, "{table}");
    for text in
        ["At start:   3 items, entry 1", "2026-07-14T12:00:00Z", "2 3", "by 2026-06-20T08:01:00Z"]
    {
        assert!(table.contains(text), "{text}: {table}");
    }
}

#[test]
fn hostile_text_does_nothing_to_a_terminal_or_a_spreadsheet() {
    let log = Log::of_july();
    for format in ["table", "csv", "json"] {
        let (_, text, _) = log.register_of("grants", &[&WINDOW[..], &["-o", format]].concat());
        assert!(text.contains("calc"), "{text}");
        if format != "json" {
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        }
        let (_, drawn, _) = log.sample(&["--size", "9", "-o", format]);
        assert!(drawn.contains("calc"), "{drawn}");
    }
    let (_, csv, _) = log.register_of("grants", &[&WINDOW[..], &["-o", "csv"]].concat());
    assert!(csv.contains("'=cmd") && !csv.contains(",=cmd"), "{csv}");
}

#[test]
fn what_the_log_does_not_know_is_said_and_never_shown_as_empty() {
    let log = Log::of_july();
    let (code, text, told) = log.register_of("grants", &["--at", "2026-01-01"]);
    assert!(code == 2 && told.contains("the register was not kept yet"), "{told}");
    assert!(text.contains("NOT KNOWN:"), "{text}");
    let (code, text, told) =
        log.register_of("grants", &["--from", "2026-08-01", "--to", "2026-08-02T00:30:00Z"]);
    assert!(code == 2 && told.contains("the operator was not running"), "{told}");
    assert!(text.contains("NOT KNOWN:  from 2026-08-02T00:00:00Z"), "{text}");
    let (code, _, told) = log.register_of("grants", &["--at", "2026-12-01"]);
    assert!(code == 2 && told.contains("no entry after this time"), "{told}");
    let (code, text, told) = log.register_of("grant", &[]);
    assert!(code == 2 && text.is_empty() && told.contains("did you mean grants?"), "{told}");
    assert!(told.contains("there are databases, endpoints, extensions, grants"), "{told}");
    let (code, text, told) = log.register_of("volumes", &[]);
    assert!(code == 2 && text.is_empty() && told.contains("it is not kept"), "{told}");
    let (code, _, told) =
        log.register_of("grants", &["--from", "2026-08-02", "--to", "2026-08-01"]);
    assert!(code == 2 && told.contains("exchange --from and --to"), "{told}");
    let (code, _, told) = said(&ask(&["register", "grants", "--at", "2026-08-02"]));
    assert!(code == 2 && told.contains("which log?"), "{told}");
}

#[test]
fn a_short_lived_grant_can_be_drawn_and_the_same_seed_draws_it_again() {
    let log = Log::of_july();
    let (code, json, _) =
        log.sample(&["--size", "2", "--stratify", "month", "--seed", "7", "-o", "json"]);
    assert_eq!(code, 0, "{json}");
    let sample: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&sample["population"], &sample["strata"][1]["name"]),
        (&json!(4), &json!("2026-07"))
    );
    let short =
        sample["items"].as_array().unwrap().iter().find(|item| item["key"] == "short").unwrap();
    assert_eq!((&short["stratum"], &short["came"]["entry"]), (&json!("2026-07"), &json!(2)));
    let again = log.sample(&["--size", "2", "--stratify", "month", "--seed", "7", "-o", "json"]);
    assert_eq!(again.1, json);
    let (_, table, _) = log.sample(&["--seed", "7"]);
    assert!(table.contains("Population:   4 items") && table.contains("2 3"), "{table}");
    let location = log.location();
    let (code, _, told) = said(&ask(&["evidence", "sample", &location, "--register", "grants"]));
    assert!(code == 2 && told.contains("--from"), "{told}");
}

#[test]
fn the_report_has_the_register_and_its_sheet_draws_what_the_command_draws() {
    let log = Log::of_july();
    let location = log.location();
    let report = |format: &str, output: Option<&str>| {
        let mut words = vec!["report", "--evidence", &location, "-o", format, "--seed", "7"];
        words.extend(WINDOW);
        words.extend(output.iter().flat_map(|output| ["--output", output]));
        said(&ask(&words))
    };
    let (code, json, told) = report("json", None);
    assert_eq!(code, 0, "{told}");
    let made: Value = serde_json::from_str(&json).unwrap();
    let grants = &made["registers"][0];
    assert_eq!((&grants["name"], &grants["population"]), (&json!("grants"), &json!(4)));
    assert_eq!((&grants["came"], &grants["went"]), (&json!(1), &json!(2)));
    let (_, html, _) = report("html", None);
    assert!(html.contains("id=\"registers\"") && html.contains("2026-07-14 12:00:00"));
    let folder = log.folder.path().join("tables");
    assert_eq!(report("csv", folder.to_str()).0, 0);
    let items = fs::read_to_string(folder.join("register_items.csv")).unwrap();
    assert!(
        items.contains("grants,short,2026-07-14T10:00:00Z") && items.lines().count() == 5,
        "{items}"
    );

    let (code, sheet, told) = report("sample", None);
    assert_eq!(code, 0, "{told}");
    let (_, drawn, _) = log.sample(&["--seed", "7", "-o", "json"]);
    let drawn: Value = serde_json::from_str(&drawn).unwrap();
    let drawn = drawn["items"].as_array().unwrap();
    assert_eq!(sheet.lines().filter(|line| line.starts_with(",grants,")).count(), drawn.len());
    for item in drawn {
        assert!(sheet.contains(item["hash"].as_str().unwrap()), "{sheet}");
    }
}

#[test]
fn entries_of_a_register_are_shown_and_exported() {
    let log = Log::of_july();
    let location = log.location();
    let (code, text, _) = said(&ask(&["evidence", "show", "1", &location]));
    assert_eq!(code, 0, "{text}");
    for text_of in
        ["The register grants begins", "resourceVersion 4711", "3 by the API server's own count"]
    {
        assert!(text.contains(text_of), "{text_of}: {text}");
    }
    let folder = log.folder.path().join("registers");
    let output = folder.to_str().unwrap();
    let words = ["evidence", "export", &location, "--table", "registers", "--output", output];
    let (code, text, told) = said(&ask(&words));
    assert!(code == 0 && text.starts_with("6 items of registers of cluster"), "{text} {told}");
    let day =
        folder.join("cluster=6f1c2c8e-6a53-4b3e-9a53-1f0c7a9c0d11/day=2026-07-14/part-2.jsonl");
    let lines = fs::read_to_string(day).unwrap();
    assert!(lines.lines().count() == 2 && lines.contains(r#""moved":"removed""#), "{lines}");
}
