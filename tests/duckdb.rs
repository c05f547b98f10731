//! The SQL that the documentation shows, run by DuckDB over the exported logs of two clusters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

mod python;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use comptroller_core::api::{ResourceRef, Severity, State};
use comptroller_evidence::{
    data::{EntryFinding, GapData, Heartbeat, PopulationList, VerdictData},
    entry::{Data, Entry, EntrySubject},
    key::SigningKey,
    log::LogWriter,
    store,
};
use jiff::Timestamp;
use serde_json::{Value, json};

const DUCKDB: &str = "duckdb==1.5.3";
const CLUSTERS: [&str; 2] =
    ["6f1c2c8e-6a53-4b3e-9a53-1f0c7a9c0d11", "b0a7c2d4-1111-4222-8333-444455556666"];

/// Runs each statement and prints what it gives, as JSON: every value as the text that DuckDB shows.
const QUERY: &str = r#"
import duckdb, json, pathlib, sys
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
given = []
for statement in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    statement = statement.strip().rstrip(";")
    if statement.startswith("SELECT"):
        statement = f"SELECT COLUMNS(*)::VARCHAR FROM ({statement})"
    result = connection.execute(statement)
    names = [column[0] for column in result.description]
    given.append([dict(zip(names, row)) for row in result.fetchall()])
print(json.dumps(given))
"#;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn entry(at: Timestamp, subject: EntrySubject, data: Data) -> Entry {
    Entry {
        clock: comptroller_evidence::entry::ClockReading::default(),
        at,
        epoch: 1,
        subject,
        data,
    }
}

fn verdict(time: &str, failing: &[&str], list: Option<PopulationList>) -> Entry {
    let added = failing.iter().map(|name| EntryFinding {
        ending: None,
        ending_detail: String::new(),
        rule: "ClusterAdmin".to_owned(),
        resource: ResourceRef {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRoleBinding".to_owned(),
            namespace: None,
            name: (*name).to_owned(),
        },
        subject: None,
        message: "holds cluster-admin".to_owned(),
        severity: Severity::High,
        since: at(time),
        exception: None,
    });
    let data = VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: if failing.is_empty() { State::Passing } else { State::Failing },
        reason: "FindingsOpen".to_owned(),
        message: String::new(),
        since: at(time),
        population: 40,
        failing: failing.len() as u64,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".to_owned(),
        population_list: list,
        added: added.collect(),
        removed: Vec::new(),
    };
    entry(at(time), EntrySubject::control("no-admins"), Data::Verdict(Box::new(data)))
}

fn heartbeat(time: &str, failing: u64) -> Entry {
    let data = Heartbeat {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: if failing > 0 { State::Failing } else { State::Passing },
        population: 40,
        failing,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".to_owned(),
        population_list: None,
    };
    entry(at(time), EntrySubject::control("no-admins"), Data::Heartbeat(Box::new(data)))
}

fn gap(from: &str, to: &str) -> Entry {
    let data = GapData {
        cause: None,
        from: at(from),
        to: at(to),
        reason: "the operator was not running".to_owned(),
    };
    entry(at(to), EntrySubject::new("Cluster", "cluster"), Data::Gap(data))
}

fn items() -> String {
    let lines = (0..40).map(|n| format!("v1\tServiceAccount\tshop\tsa-{n:02}\n"));
    lines.collect::<Vec<_>>().concat()
}

/// Writes the log of a cluster into a folder.
async fn write_log(folder: &Path, cluster: &str, entries: &[Entry]) -> LogWriter {
    let origin = format!("comptroller.dev/evidence/{cluster}");
    let key = SigningKey::from_seed(&origin, &[7; 32]).unwrap();
    let store = store::open(folder.to_str().unwrap()).unwrap();
    let mut writer = LogWriter::open(store, key, &origin).await.unwrap();
    append(&mut writer, entries).await;
    writer
}

async fn append(writer: &mut LogWriter, entries: &[Entry]) {
    let leaves: Vec<Vec<u8>> =
        entries.iter().map(|entry| entry.to_text().unwrap().into_bytes()).collect();
    writer.append(&leaves).await.unwrap();
}

fn evidence(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .arg("evidence")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn export(log: &Path, tables: &Path, more: &[&str]) {
    let (log, tables) = (log.to_str().unwrap(), tables.to_str().unwrap());
    evidence(&[&["export", log, "--output", tables], more].concat());
}

/// The files below a folder, by their paths.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(
                    path.strip_prefix(folder).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

/// The blocks of the documentation that DuckDB is to run, about a local folder.
fn documented(tables: &Path) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evidence.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```sql duckdb\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .map(|sql| sql.replace("s3://acme-tables", tables.to_str().unwrap()))
        .collect()
}

fn query(statements: &[String]) -> Vec<Vec<Value>> {
    let package = python::package(DUCKDB);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), serde_json::to_vec(statements).unwrap()).unwrap();
    let output = python::run(&package, QUERY, &[file.path()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Two clusters: one has a finding and a gap of half a day, the other mended its finding and has a
/// gap of an hour.
async fn fleet(root: &Path) -> (PathBuf, LogWriter) {
    let tables = root.join("tables");
    fs::create_dir(&tables).unwrap();
    let first = [
        verdict("2026-11-20T10:00:00Z", &[], None),
        heartbeat("2026-11-20T11:00:00Z", 0),
        verdict("2026-11-21T09:00:00Z", &["legacy", "it's \"quoted\""], None),
        gap("2026-11-21T10:00:00Z", "2026-11-21T22:00:00Z"),
        heartbeat("2026-11-22T10:00:00Z", 2),
    ];
    let second = [
        verdict("2026-11-20T10:00:00Z", &["old"], None),
        gap("2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z"),
        verdict("2026-11-21T10:00:00Z", &[], None),
    ];
    let log = root.join("first");
    write_log(&log, CLUSTERS[0], &first).await;
    export(&log, &tables, &["--format", "parquet"]);
    let log = root.join("second");
    let writer = write_log(&log, CLUSTERS[1], &second).await;
    export(&log, &tables, &["--format", "parquet"]);
    (tables, writer)
}

#[tokio::test]
async fn what_the_documentation_shows_runs_over_a_fleet() {
    let root = tempfile::tempdir().unwrap();
    let (tables, _writer) = fleet(root.path()).await;
    let statements = documented(&tables);
    assert_eq!(statements.len(), 4, "a view and three queries");
    let given = query(&statements);
    let row = |cluster: usize, state: &str, entry: &str| json!({"cluster": CLUSTERS[cluster], "control": "no-admins", "state": state, "entry": entry});
    assert_eq!(given[1], [row(0, "Failing", "4"), row(1, "Passing", "2")]);
    let found: Vec<(&Value, &Value)> =
        given[2].iter().map(|row| (&row["cluster"], &row["name"])).collect();
    assert_eq!(
        found,
        [
            (&json!(CLUSTERS[0]), &json!("legacy")),
            (&json!(CLUSTERS[0]), &json!("it's \"quoted\"")),
            (&json!(CLUSTERS[1]), &json!("old")),
        ]
    );
    assert_eq!(given[2][0]["rule"], "ClusterAdmin");
    assert_eq!(given[2][0]["observed_at"], "2026-11-21 09:00:00+00");
    let gaps: Vec<&Value> = given[3].iter().map(|row| &row["since"]).collect();
    assert_eq!(gaps, ["2026-11-21 10:00:00+00", "2026-11-20 12:00:00+00"]);
    assert_eq!(given[3][0]["reason"], "the operator was not running");
}

#[tokio::test]
async fn an_export_can_be_repeated_and_grows_with_the_log() {
    let root = tempfile::tempdir().unwrap();
    let (tables, mut writer) = fleet(root.path()).await;
    let log = root.path().join("second");
    let before = files(&tables);
    export(&log, &tables, &["--format", "parquet"]);
    assert_eq!(files(&tables), before);

    let more = [heartbeat("2026-11-21T11:00:00Z", 0), heartbeat("2026-11-22T11:00:00Z", 0)];
    append(&mut writer, &more).await;
    export(&log, &tables, &["--format", "parquet"]);
    let after = files(&tables);
    let grown: Vec<_> = before.iter().filter(|(path, bytes)| after[*path] != **bytes).collect();
    assert_eq!(grown.len(), 1, "the day that had ended in the middle");
    assert_eq!(after.len(), before.len() + 1, "and a new day");
    let view = documented(&tables).remove(0);
    let count =
        "SELECT count(*) AS rows, count(DISTINCT (cluster, index)) AS entries FROM evidence";
    let given = query(&[view, count.to_owned()]);
    assert_eq!(given[1], [json!({"rows": "10", "entries": "10"})]);
}

#[tokio::test]
async fn lines_hold_the_leaves_and_days_are_chosen() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("log");
    let entries = [heartbeat("2026-11-20T10:00:00Z", 0), heartbeat("2026-11-21T10:00:00Z", 1)];
    write_log(&log, CLUSTERS[0], &entries).await;
    let lines = root.path().join("lines");
    fs::create_dir(&lines).unwrap();
    export(&log, &lines, &["--from", "2026-11-21", "--to", "2026-11-22"]);
    let files = files(&lines);
    let (path, content) = files.iter().next().unwrap();
    assert_eq!(files.len(), 1);
    let expected = format!("cluster={}/day=2026-11-21/part-1.jsonl", CLUSTERS[0]);
    assert_eq!(path.to_str().unwrap(), expected);
    let leaf = entries[1].to_text().unwrap();
    let line = String::from_utf8(content.clone()).unwrap();
    assert!(line.contains(&format!("\"index\":1,\"entry\":{leaf}}}")), "{line}");
}

#[tokio::test]
async fn a_sample_is_drawn_from_the_population_of_a_time_and_can_be_drawn_again() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("log");
    let mut writer = write_log(&log, CLUSTERS[0], &[heartbeat("2026-11-20T09:00:00Z", 0)]).await;
    let stored = |text: String| {
        let count = text.lines().count() as u64;
        (text.into_bytes(), count)
    };
    let mut lists = Vec::new();
    for (bytes, count) in [stored(items()), stored("v1\tNode\t\tnode-1\n".to_owned())] {
        let digest = writer.put_stored(&bytes).await.unwrap();
        lists.push(PopulationList { digest, count });
    }
    let second = lists.pop();
    let entries = [
        verdict("2026-11-20T10:00:00Z", &[], lists.pop()),
        verdict("2026-11-21T10:00:00Z", &[], second),
    ];
    append(&mut writer, &entries).await;

    let sample = |more: &[&str]| -> Value {
        let common = ["sample", log.to_str().unwrap(), "--control", "no-admins", "-o", "json"];
        serde_json::from_slice(&evidence(&[&common, more].concat()).stdout).unwrap()
    };
    let drawn = sample(&["--at", "2026-11-20T23:00:00Z", "--seed", "one"]);
    assert_eq!((&drawn["population"], &drawn["entry"]), (&json!(40), &json!(1)));
    let lines = |drawn: &Value| -> Vec<u64> {
        let items = drawn["items"].as_array().unwrap();
        items.iter().map(|item| item["line"].as_u64().unwrap()).collect()
    };
    assert_eq!(lines(&drawn).len(), 5, "of up to 50, five");
    assert_eq!(sample(&["--at", "2026-11-20T23:00:00Z", "--seed", "one"]), drawn);
    let other = sample(&["--at", "2026-11-20T23:00:00Z", "--seed", "two"]);
    assert_ne!(lines(&other), lines(&drawn));
    assert_eq!(sample(&[])["population"], 1, "the newest");
    let sized = sample(&["--at", "2026-11-20T23:00:00Z", "--size", "7"]);
    assert_eq!(lines(&sized).len(), 7);

    let none = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["evidence", "sample", log.to_str().unwrap(), "--control", "nobody"])
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(2));
    let error = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(error.contains("has no population of Control nobody"), "{error}");
}
