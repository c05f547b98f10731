use std::collections::BTreeMap;

use ::parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, RowAccessor},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    data::{GapData, Heartbeat, VerdictData},
    entry::{Data, Entry, EntrySubject},
};
use comptroller_vocabulary::State;

const ORIGIN: &str = "comptroller.dev/evidence/6f1c2c8e-6a53";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn entry(at: Timestamp, data: Data) -> Bytes {
    let entry = Entry {
        clock: crate::entry::ClockReading::default(),
        at,
        epoch: 3,
        subject: EntrySubject::control("admins"),
        data,
    };
    entry.to_text().unwrap().into()
}

fn heartbeat(at: Timestamp, failing: u64) -> Bytes {
    let data = Heartbeat {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: if failing > 0 { State::Failing } else { State::Passing },
        population: 10,
        failing,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".into(),
        population_list: None,
    };
    entry(at, Data::Heartbeat(Box::new(data)))
}

fn gap(at: Timestamp) -> Bytes {
    let reason = "the operator was not running".to_owned();
    entry(at, Data::Gap(GapData { cause: None, from: at, to: at, reason }))
}

fn export(leaves: &[Bytes], format: ExportFormat, days: Days) -> Vec<ExportFile> {
    let mut exporter = Exporter::new(ORIGIN, format, days);
    let mut files = Vec::new();
    for (index, leaf) in (0..).zip(leaves) {
        files.extend(exporter.push(ExportRow::read(index, leaf.clone(), None).unwrap()).unwrap());
    }
    files.extend(exporter.finish().unwrap());
    files
}

fn sample() -> Vec<Bytes> {
    vec![
        heartbeat(at("2026-11-20T23:59:59Z"), 0),
        heartbeat(at("2026-11-21T00:00:00Z"), 2),
        gap(at("2026-11-21T05:00:00Z")),
        heartbeat(at("2026-11-22T05:00:00Z"), 0),
    ]
}

#[test]
fn files_are_partitioned_by_cluster_and_day() {
    let files = export(&sample(), ExportFormat::Parquet, Days::default());
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "cluster=6f1c2c8e-6a53/day=2026-11-20/part-0.parquet",
            "cluster=6f1c2c8e-6a53/day=2026-11-21/part-1.parquet",
            "cluster=6f1c2c8e-6a53/day=2026-11-22/part-3.parquet",
        ]
    );
}

#[test]
fn days_are_chosen_and_the_files_of_them_stay_as_they_are() {
    let days =
        Days { from: Some("2026-11-21".parse().unwrap()), to: Some("2026-11-22".parse().unwrap()) };
    let all = export(&sample(), ExportFormat::JsonLines, Days::default());
    let some = export(&sample(), ExportFormat::JsonLines, days);
    assert_eq!(some, all[1..2]);
}

#[test]
fn a_row_group_holds_every_column_as_it_was() {
    let files = export(&sample(), ExportFormat::Parquet, Days::default());
    let reader = SerializedFileReader::new(Bytes::from(files[1].bytes.clone())).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    let (verdict, gap) = (&rows[0], &rows[1]);
    assert_eq!(verdict.get_string(0).unwrap(), "6f1c2c8e-6a53");
    assert_eq!(verdict.get_long(1).unwrap(), 1);
    assert_eq!(verdict.get_timestamp_millis(2).unwrap(), 1_795_219_200_000);
    let day = verdict.get_column_iter().nth(3).unwrap().1;
    assert_eq!(*day, Field::Date(1_795_219_200 / 86_400));
    assert_eq!(verdict.get_string(5).unwrap(), "heartbeat");
    assert_eq!(verdict.get_string(7).unwrap(), "admins");
    assert_eq!(verdict.get_string(8).unwrap(), "Failing");
    assert_eq!((verdict.get_long(10).unwrap(), verdict.get_long(11).unwrap()), (10, 2));
    assert!(gap.get_string(8).is_err() && gap.get_long(10).is_err(), "null");
    assert_eq!(gap.get_string(9).unwrap(), "the operator was not running");
    let data: Value = serde_json::from_str(gap.get_string(14).unwrap()).unwrap();
    assert_eq!(data["from"], "2026-11-21T05:00:00Z");
}

#[test]
fn a_line_holds_the_leaf_to_the_letter() {
    let leaves = sample();
    let files = export(&leaves, ExportFormat::JsonLines, Days::default());
    let text = String::from_utf8(files[1].bytes.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    let leaf = std::str::from_utf8(&leaves[1]).unwrap();
    assert_eq!(lines[0], format!(r#"{{"cluster":"6f1c2c8e-6a53","index":1,"entry":{leaf}}}"#));
}

#[test]
fn what_lies_beside_the_log_is_put_in() {
    let stored = serde_json::to_vec(&VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: State::Unknown,
        reason: "Forbidden".into(),
        message: "pods may not be listed".into(),
        since: at("2026-11-21T00:00:00Z"),
        population: 0,
        failing: 0,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".into(),
        population_list: None,
        added: Vec::new(),
        removed: Vec::new(),
    })
    .unwrap();
    let leaf = Bytes::from(
        r#"{"at":"2026-11-21T00:00:00Z","data":{"bytes":9,"stored":"sha256:ab"},"epoch":1,"subject":{"kind":"Control","name":"a"},"type":"verdict","v":1}"#,
    );
    assert_eq!(ExportRow::stored(7, &leaf).unwrap().unwrap().stored, "sha256:ab");
    let row = ExportRow::read(7, leaf, Some(&stored)).unwrap();
    assert_eq!((row.state.as_deref(), row.reason.as_deref()), (Some("Unknown"), Some("Forbidden")));
    assert!(row.data.contains("pods may not be listed"));
    let mut exporter = Exporter::new(ORIGIN, ExportFormat::JsonLines, Days::default());
    exporter.push(row).unwrap();
    let text = String::from_utf8(exporter.finish().unwrap().unwrap().bytes).unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["entry"]["data"]["stored"], "sha256:ab");
    assert_eq!(line["stored"]["reason"], "Forbidden");
}

#[test]
fn what_is_no_entry_is_named_by_its_number() {
    let error = ExportRow::read(41, Bytes::from_static(b"{}"), None).unwrap_err();
    assert!(error.to_string().starts_with("entry 41: "), "{error}");
}

#[test]
fn an_origin_can_not_leave_its_folder() {
    for (origin, cluster) in [("a/b/..", "__"), ("", "unknown"), ("x/6f-1", "6f-1"), ("a b", "a_b")]
    {
        assert_eq!(
            Exporter::<ExportRow>::new(origin, ExportFormat::JsonLines, Days::default()).cluster(),
            cluster
        );
    }
}

proptest! {
    /// The files of a longer log are those of the shorter one, but for the last, which grew.
    #[test]
    fn a_longer_log_writes_the_same_files_again(
        steps in proptest::collection::vec(0_i64..40_000, 1..60),
        cut in 1_usize..60,
        parquet in any::<bool>(),
    ) {
        let format = if parquet { ExportFormat::Parquet } else { ExportFormat::JsonLines };
        let mut time = at("2026-11-20T12:00:00Z");
        let leaves: Vec<Bytes> = steps.iter().map(|step| {
            time += SignedDuration::from_secs(*step);
            heartbeat(time, 0)
        }).collect();
        let cut = cut.min(leaves.len());
        let by_path = |leaves: &[Bytes]| -> BTreeMap<String, Vec<u8>> {
            export(leaves, format, Days::default()).into_iter().map(|file| (file.path, file.bytes)).collect()
        };
        let (shorter, longer) = (by_path(&leaves[..cut]), by_path(&leaves));
        let last = shorter.keys().next_back().cloned();
        for (path, bytes) in &shorter {
            prop_assert!(longer.contains_key(path));
            if Some(path) != last.as_ref() {
                prop_assert_eq!(&longer[path], bytes);
            }
        }
        if !parquet {
            let rows: usize = longer.values().map(|bytes| bytes.split(|b| *b == b'\n').count() - 1).sum();
            prop_assert_eq!(rows, leaves.len());
        }
    }
}

fn grants() -> Vec<RegisterEntry> {
    let item = |key: &str| serde_json::json!({"key": key, "fields": {"role": "edit"}});
    let between = serde_json::json!({"from": "2026-11-21T00:00:00Z", "to": "2026-11-21T01:00:00Z"});
    let data = serde_json::json!({
        "cause": "Change", "added": [item("=a"), item("b")], "removed": [{"key": "c"}], "between": between,
        "total": 7, "digest": "sha256:0c",
    });
    let entry = crate::entry::Entry {
        at: at("2026-11-21T02:00:00Z"),
        clock: crate::entry::ClockReading::default(),
        epoch: 1,
        subject: crate::register::register_subject("grants"),
        data: crate::entry::Data::parse(crate::entry::EntryType::Register, data).unwrap(),
    };
    vec![RegisterEntry::read(41, &entry).unwrap().unwrap()]
}

fn registers(format: ExportFormat) -> ExportFile {
    let mut exporter = Exporter::new(ORIGIN, format, Days::default());
    for entry in grants() {
        assert!(exporter.push(entry).unwrap().is_none());
    }
    exporter.finish().unwrap().unwrap()
}

#[test]
fn items_of_registers_are_rows() {
    let file = registers(ExportFormat::JsonLines);
    assert_eq!(file.path, "cluster=6f1c2c8e-6a53/day=2026-11-21/part-41.jsonl");
    let lines: Vec<Value> = String::from_utf8(file.bytes)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let moves: Vec<_> = lines.iter().map(|line| line["moved"].as_str().unwrap()).collect();
    assert_eq!(moves, ["added", "added", "removed"]);
    assert_eq!((&lines[0]["key"], &lines[0]["fields"]["role"]), (&"=a".into(), &"edit".into()));
    assert_eq!(lines[2]["between"]["to"], "2026-11-21T01:00:00Z");

    let file = registers(ExportFormat::Parquet);
    let reader = SerializedFileReader::new(Bytes::from(file.bytes)).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (rows[0].get_long(1).unwrap(), rows[0].get_string(4).unwrap().as_str()),
        (41, "grants")
    );
    assert_eq!(rows[2].get_string(5).unwrap(), "removed");
    assert_eq!(rows[1].get_string(6).unwrap(), "b");
    assert_eq!(rows[0].get_string(10).unwrap(), r#"{"role":"edit"}"#);
    assert_eq!(rows[0].get_long(11).unwrap(), 7);
}
