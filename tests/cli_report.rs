//! `comptroller report`, as an auditor runs it: from a copy of the log, without a cluster.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]
#![allow(clippy::panic, reason = "a mistaken test is told so at once")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use comptroller_core::api::{ResourceRef, Severity, State};
use comptroller_evidence::{
    data::{
        ChangeKind, EntryFinding, Heartbeat, ObjectChange, OperatorData, OperatorEvent, VerdictData,
    },
    entry::{Data, Entry, EntrySubject},
    key::SigningKey,
    log::LogWriter,
    store,
    witness::{Policy, keep, keep_policy, testing::Cosigner},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const ORIGIN: &str = "comptroller.dev/evidence/6f1c2c8e-6a53-4b3e-9a53-1f0c7a9c0d11";
const CONTROL: &str = "images-are-pinned";
const SPAN: [&str; 4] = ["--from", "2026-07-01T00:00:00Z", "--to", "2026-07-02T00:00:00Z"];

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn entry(at: &str, subject: EntrySubject, data: Data) -> Vec<u8> {
    let entry = Entry {
        clock: comptroller_evidence::entry::ClockReading::default(),
        at: at.parse().unwrap(),
        epoch: 1,
        subject,
        data,
    };
    entry.to_text().unwrap().into_bytes()
}

fn started(at: &str) -> Vec<u8> {
    let data = OperatorData::new(OperatorEvent::Started, "0.1.0".to_owned());
    entry(at, EntrySubject::new("Operator", "comptroller-0"), Data::Operator(Box::new(data)))
}

fn created(at: &str) -> Vec<u8> {
    let spec = json!({
        "title": "Images are pinned", "criteria": ["CC6.8"], "owner": "platform",
        "severity": "High", "heartbeat": "12h", "test": {"workload": {"require": ["ImageDigest"]}},
    });
    let change = ObjectChange {
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
    };
    entry(at, EntrySubject::control(CONTROL), Data::ControlChanged(Box::new(change)))
}

fn finding(since: &str) -> EntryFinding {
    EntryFinding {
        ending: None,
        ending_detail: String::new(),
        rule: "ImageDigest".to_owned(),
        resource: ResourceRef {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "<script>web</script>".to_owned(),
        },
        subject: None,
        message: "the image has no digest".to_owned(),
        severity: Severity::High,
        since: since.parse().unwrap(),
        exception: None,
    }
}

fn verdict(
    at: &str,
    state: State,
    added: Vec<EntryFinding>,
    removed: Vec<EntryFinding>,
) -> Vec<u8> {
    let data = VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state,
        reason: "Reason".to_owned(),
        message: "why".to_owned(),
        since: at.parse().unwrap(),
        population: 2,
        failing: added.len() as u64,
        excepted: 0,
        unknown: 0,
        findings: format!("sha256:{}", added.len()),
        population_list: None,
        added,
        removed,
    };
    entry(at, EntrySubject::control(CONTROL), Data::Verdict(Box::new(data)))
}

fn heartbeat(at: &str) -> Vec<u8> {
    let data = Heartbeat {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: State::Passing,
        population: 2,
        failing: 0,
        excepted: 0,
        unknown: 0,
        findings: "sha256:0".to_owned(),
        population_list: None,
    };
    entry(at, EntrySubject::control(CONTROL), Data::Heartbeat(Box::new(data)))
}

/// A day in which a control failed for an hour, and what came after it.
fn day() -> Vec<Vec<u8>> {
    let found = || vec![finding("2026-07-01T09:00:00Z")];
    vec![
        started("2026-06-30T23:00:00Z"),
        created("2026-06-30T23:00:00Z"),
        verdict("2026-06-30T23:00:01Z", State::Passing, Vec::new(), Vec::new()),
        verdict("2026-07-01T09:00:00Z", State::Failing, found(), Vec::new()),
        verdict("2026-07-01T10:00:00Z", State::Passing, Vec::new(), found()),
        heartbeat("2026-07-01T22:00:00Z"),
        heartbeat("2026-07-02T10:00:00Z"),
    ]
}

async fn append(dir: &Path, entries: &[Vec<u8>]) -> String {
    let store = store::open(dir.to_str().unwrap()).unwrap();
    let mut writer = LogWriter::open(store, key(), ORIGIN).await.unwrap();
    writer.append(entries).await.unwrap();
    writer.checkpoint().to_owned()
}

/// A log of that day.
async fn log() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), &day()).await;
    dir
}

fn report(log: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["report", "--evidence"])
        .arg(log)
        .args(arguments)
        // No cluster may be needed.
        .env("KUBECONFIG", "/nonexistent")
        .env("USER", "auditor")
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&printed(output)).unwrap()
}

/// The digest that a page gives of its report.
fn digest_of(page: &str) -> String {
    let after = page.split("Digest of the report").nth(1).unwrap();
    let start = after.find("sha256:").unwrap();
    after[start..start + 71].to_owned()
}

#[tokio::test]
async fn the_log_alone_gives_the_report() {
    let log = log().await;
    let key = key().verifier().as_str().to_owned();
    let arguments = [&SPAN[..], &["--key", &key, "-o", "json"]].concat();
    let report = json_of(&report(log.path(), &arguments));

    assert_eq!(report["period"]["name"], "2026-07-01 to 2026-07-02");
    assert_eq!(report["summary"]["deviations"], 1);
    assert_eq!(report["summary"]["openDeviations"], 0);
    let deviation = &report["controls"][0]["deviations"][0];
    assert_eq!(
        (&deviation["from"], &deviation["to"]),
        (&json!("2026-07-01T09:00:00Z"), &json!("2026-07-01T10:00:00Z"))
    );
    let from = &report["provenance"];
    assert_eq!((&from["logSize"], &from["origin"]), (&json!(7), &json!(ORIGIN)));
    assert_eq!(from["verifierKey"], json!(key));
    assert!(from["verification"].as_str().unwrap().contains("the verifier key that was given"));
    assert!(from["completeness"].as_str().unwrap().contains("after the end of the period"));
    assert!(from["runBy"].as_str().unwrap().starts_with("auditor@"));
    assert!(from["command"].as_str().unwrap().contains("--log-size 7"));
}

#[tokio::test]
async fn the_digest_stays_as_the_log_grows_and_whoever_makes_the_report() {
    let log = log().await;
    let first = printed(&report(log.path(), &SPAN));
    assert!(first.contains("&lt;script&gt;web") && !first.contains("<script"));
    append(log.path(), &[heartbeat("2026-07-02T22:00:00Z")]).await;
    let named = [&["q3"][..], &SPAN[..]].concat();
    let second = printed(&report(log.path(), &named));
    assert_eq!(digest_of(&second), digest_of(&first));
    assert!(second.contains("<h1><bdi>q3</bdi></h1>"));
    let other = ["--from", "2026-07-01T00:00:00Z", "--to", "2026-07-01T12:00:00Z"];
    assert_ne!(digest_of(&printed(&report(log.path(), &other))), digest_of(&first));
}

#[tokio::test]
async fn an_older_checkpoint_shows_that_the_log_goes_on_from_it() {
    let log = log().await;
    let files = tempfile::tempdir().unwrap();
    let since = files.path().join("checkpoint");
    fs::copy(log.path().join("checkpoint"), &since).unwrap();
    append(log.path(), &[heartbeat("2026-07-02T22:00:00Z")]).await;
    let arguments = [&SPAN[..], &["-o", "json", "--since", since.to_str().unwrap()]].concat();
    let output = report(log.path(), &arguments);
    let verification = json_of(&output)["provenance"]["verification"].to_string();
    assert!(verification.contains("continues the older checkpoint"), "{verification}");
    assert!(verification.contains("(7 entries)"), "{verification}");

    // Another log of the same key and the same length.
    let other = tempfile::tempdir().unwrap();
    let mut entries = day();
    entries.swap(5, 6);
    entries.push(heartbeat("2026-07-03T10:00:00Z"));
    append(other.path(), &entries).await;
    let complaint = refused(&report(other.path(), &arguments));
    assert!(complaint.contains("rewritten"), "{complaint}");
}

#[tokio::test]
async fn every_format_is_written_where_it_was_asked_for() {
    let log = log().await;
    let files = tempfile::tempdir().unwrap();
    for format in ["html", "json", "oscal", "sample"] {
        let file = files.path().join(format!("report.{format}"));
        let to = ["-o", format, "--output", file.to_str().unwrap()];
        assert_eq!(printed(&report(log.path(), &[&SPAN[..], &to].concat())), "");
        assert!(fs::metadata(&file).unwrap().len() > 100, "{format}");
    }
    let tables = files.path().join("tables");
    let to = ["-o", "csv", "--output", tables.to_str().unwrap()];
    printed(&report(log.path(), &[&SPAN[..], &to].concat()));
    let deviations = fs::read_to_string(tables.join("deviations.csv")).unwrap();
    assert_eq!(deviations.lines().count(), 2, "{deviations}");
}

#[tokio::test]
async fn a_file_can_name_the_period() {
    let log = log().await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("period.yaml");
    let period = |name: &str, spec: &str| {
        format!(
            "apiVersion: comptroller.dev/v1alpha1\nkind: AuditPeriod\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
        )
    };
    let one = period("point", r#"{type: TypeI, asOf: "2026-07-01T09:30:00Z"}"#);
    fs::write(&file, &one).unwrap();
    let named = ["-f", file.to_str().unwrap(), "-o", "json"];
    let read = json_of(&report(log.path(), &named));
    assert_eq!(read["period"]["type"], "TypeI");
    assert_eq!(read["summary"]["deviationObserved"], 1);

    fs::write(&file, one + &period("other", "{type: TypeII}")).unwrap();
    let complaint = refused(&report(log.path(), &named));
    assert!(complaint.contains("2 AuditPeriods") && complaint.contains("point, other"));
    let complaint = refused(&report(log.path(), &[&["other"][..], &named].concat()));
    assert!(complaint.contains("spec.from") && complaint.contains("spec.to"), "{complaint}");
}

#[tokio::test]
async fn what_can_t_be_done_is_said_with_what_to_do() {
    let log = log().await;
    let other = SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap().verifier();
    for (arguments, wanted) in [
        (vec!["-o", "csv"], "--output DIR"),
        (vec!["--output", "html"], "write -o html"),
        (vec!["--key", other.as_str()], "not signed by"),
        (vec!["--log-size", "99"], "restore the log"),
    ] {
        let complaint = refused(&report(log.path(), &[&SPAN[..], &arguments].concat()));
        assert!(complaint.contains(wanted), "{arguments:?}: {complaint}");
    }
    let complaint = refused(&report(log.path(), &["q3"]));
    assert!(complaint.contains("give --from and --to"), "{complaint}");
    let nothing = tempfile::tempdir().unwrap();
    assert!(refused(&report(nothing.path(), &SPAN)).contains("there is no log"));
}

#[tokio::test]
async fn a_changed_entry_gives_no_report() {
    let log = log().await;
    let bundle = log.path().join("tile/entries/000.p/7");
    let mut bytes = fs::read(&bundle).unwrap();
    let place = bytes.windows(7).rposition(|window| window == b"Passing").unwrap();
    bytes[place..place + 7].copy_from_slice(b"Unknown");
    fs::write(&bundle, bytes).unwrap();
    let complaint = refused(&report(log.path(), &SPAN));
    assert!(complaint.contains("tile/entries"), "{complaint}");
}

#[tokio::test]
async fn a_policy_beside_the_log_is_the_word_of_whoever_writes_the_log() {
    let log = log().await;
    let none = json_of(&report(log.path(), &[&SPAN[..], &["-o", "json"]].concat()));
    assert_eq!((&none["log"]["policy"], &none["log"]["vouchedDays"]), (&json!("none"), &json!(0)));

    // Who rewrites a log may well name a witness of their own.
    let own = Cosigner::new("own.example", 1);
    let named = |one: &Cosigner| format!("witness w {}\nquorum w\n", one.vkey());
    let policy = Policy::parse(named(&own).as_bytes()).unwrap();
    let checkpoint = fs::read_to_string(log.path().join("checkpoint")).unwrap();
    let line = own.cosign(&checkpoint, "2026-07-01T12:00:00Z");
    let store = store::open(log.path().to_str().unwrap()).unwrap();
    keep(&*store, &policy, format!("{checkpoint}{line}").as_bytes()).await.unwrap();
    keep_policy(&*store, &policy).await.unwrap();

    let beside = json_of(&report(log.path(), &[&SPAN[..], &["-o", "json"]].concat()));
    assert_eq!(beside["log"]["policy"], "besideLog");
    assert_eq!(beside["log"]["vouchedDays"], 1);
    let page = printed(&report(log.path(), &SPAN));
    assert!(page.contains("Which witnesses count is the operator's own word"));

    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("policy");
    let given = [&SPAN[..], &["--policy", file.to_str().unwrap(), "-o", "json"]].concat();
    let mut told = Vec::new();
    for witness in [Cosigner::new("witness.example", 2), own] {
        fs::write(&file, named(&witness)).unwrap();
        let read = json_of(&report(log.path(), &given));
        assert_eq!(read["log"]["policy"], "given");
        let command = read["provenance"]["command"].as_str().unwrap();
        assert!(command.contains(" --policy "), "{command}");
        let verification = read["provenance"]["verification"].as_str().unwrap().to_owned();
        told.push((read["log"]["vouchedDays"].clone(), verification.contains("saw 7 entries")));
    }
    assert_eq!(told, [(json!(0), false), (json!(1), true)]);
    fs::write(&file, "quorum w\n").unwrap();
    let complaint = refused(&report(log.path(), &given));
    assert!(complaint.contains("line 1 of the policy"), "{complaint}");
}
