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
        ChangeKind, EntryFinding, Heartbeat, ObjectChange, OperatorData, OperatorEvent,
        PopulationList, VerdictData,
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

/// A log whose control judged another list of items at the start, in between and at the end.
async fn with_lists() -> (TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let store = store::open(dir.path().to_str().unwrap()).unwrap();
    let mut writer = LogWriter::open(store, key(), ORIGIN).await.unwrap();
    let mut digests = Vec::new();
    let mut entries = vec![created("2026-06-30T23:00:00Z")];
    for (number, hour) in
        [(1, "2026-06-30T23:30:00Z"), (2, "2026-07-01T11:00:00Z"), (3, "2026-07-01T22:00:00Z")]
    {
        let lines: Vec<String> = (0..number)
            .map(|item| format!("apps/v1\tDeployment\tshop\tweb-{item}\tuid-{item}\tsha256:00\n"))
            .collect();
        let list = lines.concat();
        let digest = writer.put_stored(list.as_bytes()).await.unwrap();
        let data = Heartbeat {
            entered: Vec::new(),
            left: Vec::new(),
            population_digest: None,
            generation: 1,
            state: State::Passing,
            population: number,
            failing: 0,
            excepted: 0,
            unknown: 0,
            findings: "sha256:0".to_owned(),
            population_list: Some(PopulationList { digest: digest.clone(), count: number }),
        };
        digests.push(digest);
        entries.push(entry(hour, EntrySubject::control(CONTROL), Data::Heartbeat(Box::new(data))));
    }
    writer.append(&entries).await.unwrap();
    (dir, digests)
}

#[tokio::test]
async fn a_list_that_a_report_cites_must_be_as_it_was_stored() {
    for (which, formats) in
        [(0, &["html", "json", "oscal"][..]), (1, &["json", "sample"]), (2, &["html", "sample"])]
    {
        let (log, digests) = with_lists().await;
        let hex = digests[which].strip_prefix("sha256:").unwrap();
        let file = log.path().join("stored/sha256").join(hex);
        let whole = fs::read(&file).unwrap();
        for format in formats {
            let arguments = [&SPAN[..], &["-o", format]].concat();
            printed(&report(log.path(), &arguments));
            let altered = String::from_utf8(whole.clone()).unwrap().replace("web-0", "api-0");
            fs::write(&file, altered).unwrap();
            let complaint = refused(&report(log.path(), &arguments));
            assert!(complaint.contains("is not as it was stored"), "{format}: {complaint}");
            assert!(complaint.contains(CONTROL), "{format}: {complaint}");
            fs::remove_file(&file).unwrap();
            let complaint = refused(&report(log.path(), &arguments));
            assert!(complaint.contains("is not as it was stored"), "{format}: {complaint}");
            fs::write(&file, &whole).unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_is_reported_of_a_time_that_lies_ahead() {
    let log = log().await;
    for times in [
        &["--as-of", "2100-01-01"][..],
        &["--from", "2100-01-01", "--to", "2100-02-01"],
        &["q9", "--as-of", "2100-01-01T00:00:00Z", "-o", "json"],
    ] {
        let complaint = refused(&report(log.path(), times));
        assert!(complaint.contains("2100-01-01T00:00:00Z lies ahead"), "{times:?}: {complaint}");
    }
    // A period that runs is reported up to now, and says that it is not the final report.
    let (now, month) = (jiff::Timestamp::now(), jiff::SignedDuration::from_hours(30 * 24));
    let (from, to) = ((now - month).to_string(), (now + month).to_string());
    let page = printed(&report(log.path(), &["--from", &from, "--to", &to]));
    assert!(page.contains("The period is not over."), "{page}");
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("period.yaml");
    let period = "apiVersion: comptroller.dev/v1alpha1\nkind: AuditPeriod\nmetadata: {name: point}\n\
                  spec: {type: TypeI, asOf: \"2100-01-01T00:00:00Z\"}\n";
    fs::write(&file, period).unwrap();
    let complaint = refused(&report(log.path(), &["-f", file.to_str().unwrap()]));
    assert!(complaint.contains("lies ahead"), "{complaint}");
}

#[tokio::test]
async fn a_sample_is_drawn_by_a_table_of_the_trade_and_a_seed_that_nobody_picks() {
    let (log, _) = with_lists().await;
    let sheet = |arguments: &[&str]| {
        let named = ["-o", "sample"];
        printed(&report(log.path(), &[&SPAN[..], &named[..], arguments].concat()))
    };
    let first = sheet(&["--table", "by-frequency"]);
    assert!(first.contains("by-frequency: 40"), "{first}");
    append(log.path(), &[heartbeat("2026-07-02T22:00:00Z")]).await;
    let seed = |sheet: &str| {
        let mut rows = sheet.lines().map(|row| row.split(','));
        let column = rows.next().unwrap().position(|name| name == "seed").unwrap();
        rows.next().unwrap().nth(column).unwrap().to_owned()
    };
    let again = sheet(&["--sizes", "by-frequency"]);
    assert_eq!(seed(&again), seed(&first), "the log grew, and the population is the same");
    assert!(seed(&first).starts_with("sha256:"));
    let other = sheet(&["--seed", "mine", "--table", "2"]);
    assert_eq!((seed(&other).as_str(), other.lines().count()), ("mine", 3));

    let sample = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["evidence", "sample", "--control", CONTROL, "--table", "ad-hoc", "-o", "json"])
        .arg(log.path())
        .output()
        .unwrap();
    let sample = json_of(&sample);
    assert_eq!(
        (&sample["sizeTable"], &sample["population"]),
        (&json!("50:8,250:15,25"), &json!(3))
    );
    let (at, digest) =
        (sample["at"].as_str().unwrap(), sample["populationDigest"].as_str().unwrap());
    let at: jiff::Timestamp = at.parse().unwrap();
    let derived = comptroller_evidence::sample::derived_seed(at, at, CONTROL, digest);
    assert_eq!(sample["seed"], json!(derived));
}

#[tokio::test]
async fn deviations_are_told_apart_by_the_rule_that_was_given() {
    let log = log().await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("rule.json");
    let given = [&SPAN[..], &["--deviation-rule", file.to_str().unwrap(), "-o", "json"]].concat();
    let default = json_of(&report(log.path(), &[&SPAN[..], &["-o", "json"]].concat()));
    assert_eq!(default["controls"][0]["deviationPattern"], "Judgement", "of a population of two");
    fs::write(&file, r#"{"smallestPopulation": 2, "systematicAbovePercent": 20}"#).unwrap();
    let read = json_of(&report(log.path(), &given));
    assert_eq!(read["controls"][0]["deviationPattern"], "Systematic");
    assert_eq!(read["deviationRule"]["systematicAbovePercent"], 20);
    assert_eq!(read["deviationRule"]["recurringSameItem"], 2);
    assert!(read["provenance"]["command"].as_str().unwrap().contains("--deviation-rule"));
    fs::write(&file, r#"{"percent": 20}"#).unwrap();
    let complaint = refused(&report(log.path(), &given));
    assert!(
        complaint.contains("percent") && complaint.contains("smallestPopulation"),
        "{complaint}"
    );
}
