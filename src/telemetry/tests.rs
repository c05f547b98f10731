//! A scrape, whole, and what is left of it when things go.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

use prometheus::Registry;
use serde_json::json;

use super::*;
use comptroller_core::{
    api::State,
    engine::{Reason, UnreadableKinds, Verdict},
};
use comptroller_recorder::{Batch, Evidence, ObjectKey, PopulationObservation, VerdictObservation};

fn metrics() -> Metrics {
    Metrics::register(Registry::new()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn spec(owner: &str, criteria: &[&str]) -> ControlSpec {
    serde_json::from_value(json!({
        "title": "Few may do everything",
        "criteria": criteria,
        "owner": owner,
        "severity": "Critical",
        "test": { "rbac": {} },
    }))
    .unwrap()
}

fn verdict(state: State) -> Verdict {
    let since = at("2026-01-02T03:04:05Z");
    Verdict {
        state,
        population: 40,
        failing: 2,
        open_findings: 3,
        ..Verdict::blocked(1, Reason::FindingsOpen, String::new(), since)
    }
}

fn exception(expires: &str) -> ControlExceptionSpec {
    serde_json::from_value(json!({
        "controls": ["cluster-admins", "new"],
        "resources": [{ "kind": "ClusterRoleBinding", "name": "break-glass" }],
        "reason": "The account for emergencies.",
        "requestedBy": "jane@corp",
        "expires": expires,
    }))
    .unwrap()
}

/// The verdict as one that may be claimed.
fn recorded(state: State) -> Recorded<Verdict> {
    record(verdict(state))
}

fn record(verdict: Verdict) -> Recorded<Verdict> {
    let observed = VerdictObservation {
        control: ObjectKey { name: "c".to_owned(), uid: None },
        verdict: Arc::new(verdict),
        findings: Vec::new(),
        lapsed: Vec::new(),
        gone: Vec::new(),
        population: PopulationObservation::default(),
    };
    let batch = Batch { verdicts: vec![observed], ..Batch::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let evidence = Evidence::without_log(
            tokio::sync::watch::channel(true).1,
            comptroller_recorder::Clock::default(),
        );
        evidence.submit(batch).await.unwrap().unwrap().verdicts.remove(0).1
    })
}

/// Lines of a scrape that speak of `name`.
fn about(metrics: &Metrics, name: &str) -> Vec<String> {
    let quoted = format!("=\"{name}\"");
    metrics
        .render()
        .unwrap()
        .lines()
        .filter(|line| line.contains(&quoted))
        .map(str::to_owned)
        .collect()
}

fn busy() -> Metrics {
    let metrics = metrics();
    let admins = spec("team \"platform\"", &["CC6.1", "ISO27001:A.5.15"]);
    metrics.observe_control("cluster-admins", &admins, &recorded(State::Failing));
    metrics.control_evaluated("cluster-admins", at("2026-01-02T04:00:00.5Z"));
    metrics.declare_control("new", &spec("sre", &["CC6.3"]));
    metrics.observe_exception("break-glass", &exception("2026-03-01T00:00:00Z"));
    metrics.evaluated(TestKind::Rbac, Duration::from_micros(300));
    metrics.evaluation_pass(Duration::from_micros(400));
    metrics.detected(Duration::from_millis(42));
    metrics.watch_failed("pods");
    metrics.unreadable(UnreadableKinds { forbidden: 2, stale: 0 });
    metrics.reconciled(ReconcileKind::Control, ReconcileOutcome::Written, Duration::from_millis(8));
    metrics.leads(true);
    metrics
}

#[test]
fn a_scrape_says_everything() {
    let scrape = busy().render().unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!(scrape);
}

#[test]
fn a_control_is_in_one_state() {
    let metrics = metrics();
    for &state in State::ALL {
        metrics.observe_control("c", &spec("sre", &["CC6.1"]), &recorded(state));
        let states: Vec<String> =
            about(&metrics, "c").into_iter().filter(|line| line.contains("_state{")).collect();
        assert_eq!(states.len(), State::ALL.len());
        let ones: Vec<&String> = states.iter().filter(|line| line.ends_with(" 1")).collect();
        assert_eq!(ones.len(), 1);
        assert!(ones[0].contains(&format!("state=\"{state}\"")));
    }
}

#[test]
fn without_a_verdict_a_control_is_unknown_and_has_no_numbers() {
    let metrics = metrics();
    metrics.declare_control("c", &spec("sre", &["CC6.1"]));
    let lines = about(&metrics, "c");
    assert!(
        lines.contains(&r#"comptroller_control_state{control="c",state="Unknown"} 1"#.to_owned())
    );
    assert!(!lines.iter().any(|line| line.contains("population") || line.contains("findings")));
}

#[test]
fn while_the_log_fails_a_control_is_in_the_state_of_its_status() {
    let metrics = metrics();
    let status = ControlStatus::default();
    // Something fails, and no entry says so.
    let open = Some(OpenCounts { findings: 3, population: 40 });
    metrics.observe_unrecorded_control("c", &spec("sre", &["CC6.1"]), &status, open);
    let lines = about(&metrics, "c");
    assert!(
        lines.contains(&r#"comptroller_control_state{control="c",state="Unknown"} 1"#.to_owned())
    );
    assert!(!lines.iter().any(|line| line.contains("_since_")), "{lines:?}");
    assert!(
        lines.contains(&r#"comptroller_control_reason{control="c",reason="Evaluating"} 1"#.into()),
        "{lines:?}"
    );
    let closed = ControlStatus { reason: "LogUnavailable".to_owned(), ..ControlStatus::default() };
    metrics.observe_unrecorded_control("c", &spec("sre", &["CC6.1"]), &closed, open);
    assert_eq!(reasons(&metrics), [r#"control="c",reason="LogUnavailable""#]);
    // What was recorded before stays in its state, with how much is open now.
    metrics.observe_control("c", &spec("sre", &["CC6.1"]), &recorded(State::Passing));
    let passing = ControlStatus { state: State::Passing, ..ControlStatus::default() };
    metrics.observe_unrecorded_control("c", &spec("sre", &["CC6.1"]), &passing, open);
    let lines = about(&metrics, "c");
    for line in [
        r#"comptroller_control_state{control="c",state="Passing"} 1"#,
        r#"comptroller_control_findings{control="c"} 3"#,
    ] {
        assert!(lines.contains(&line.to_owned()), "{lines:?}");
    }
}

/// The labels of every series of the reason.
fn reasons(metrics: &Metrics) -> Vec<String> {
    let scrape = metrics.render().unwrap();
    let series = scrape.lines().filter_map(|line| line.strip_prefix("comptroller_control_reason{"));
    series.map(|rest| rest.split_once('}').unwrap().0.to_owned()).collect()
}

#[test]
fn a_control_has_one_reason() {
    let metrics = metrics();
    metrics.declare_control("c", &spec("sre", &["CC6.1"]));
    assert_eq!(reasons(&metrics), [r#"control="c",reason="Evaluating""#]);
    metrics.observe_control("c", &spec("sre", &["CC6.1"]), &recorded(State::Failing));
    assert_eq!(reasons(&metrics), [r#"control="c",reason="FindingsOpen""#]);
    // A new spec alone changes no reason.
    metrics.declare_control("c", &spec("new", &["CC6.1"]));
    assert_eq!(reasons(&metrics), [r#"control="c",reason="FindingsOpen""#]);
    metrics.forget_control("c");
    assert!(reasons(&metrics).is_empty());
}

#[test]
fn an_exception_names_its_controls_as_of_now() {
    let metrics = metrics();
    metrics.observe_exception("e", &exception("2026-03-01T00:00:00Z"));
    let narrowed = ControlExceptionSpec {
        controls: vec!["new".to_owned()],
        ..exception("2026-02-01T00:00:00Z")
    };
    metrics.observe_exception("e", &narrowed);
    assert_eq!(
        about(&metrics, "e"),
        [
            r#"comptroller_exception_control{control="new",exception="e"} 1"#,
            r#"comptroller_exception_expiry_timestamp_seconds{exception="e"} 1769904000"#,
        ]
    );
}

#[test]
fn label_sets_that_no_longer_apply_go() {
    let metrics = metrics();
    metrics.observe_control("c", &spec("old", &["CC6.1", "CC6.2"]), &recorded(State::Passing));
    metrics.observe_control("c", &spec("new", &["CC6.2"]), &recorded(State::Passing));
    assert!(about(&metrics, "old").is_empty());
    assert!(about(&metrics, "CC6.1").is_empty());
    assert_eq!(about(&metrics, "new").len(), 1);
    assert_eq!(about(&metrics, "CC6.2").len(), 1);
}

#[test]
fn what_is_forgotten_leaves_no_series() {
    let metrics = busy();
    metrics.forget_control("cluster-admins");
    metrics.forget_exception("break-glass");
    // A reconcile that was under way when the control went.
    metrics.control_evaluated("cluster-admins", at("2026-01-02T05:00:00Z"));
    let scrape = metrics.render().unwrap();
    assert!(!scrape.contains("cluster-admins") && !scrape.contains("break-glass"));
    assert!(!about(&metrics, "new").is_empty());
}

#[test]
fn an_evaluation_outlives_the_next_observation() {
    let metrics = busy();
    metrics.observe_control("cluster-admins", &spec("sre", &["CC6.1"]), &recorded(State::Passing));
    let evaluated = r#"comptroller_control_last_evaluation_timestamp_seconds{control="cluster-admins"} 1767326400.5"#;
    assert!(about(&metrics, "cluster-admins").contains(&evaluated.to_owned()));
}

#[test]
fn labels_are_bounded_and_without_control_characters() {
    let metrics = metrics();
    let hostile = format!("\u{1b}[31m\n{}", "x".repeat(10_000));
    metrics.declare_control("c", &spec(&hostile, &["CC6.1"]));
    metrics.watch_failed(&hostile);
    let scrape = metrics.render().unwrap();
    assert!(scrape.lines().all(|line| line.len() < 600 && !line.contains(char::is_control)));
    assert!(scrape.contains("owner=\"\u{fffd}[31m\u{fffd}xxx"));
}

/// With a series of every family: one without any is not part of a scrape.
fn everything() -> Metrics {
    let metrics = busy();
    let due = Verdict { occurrences: vec![occurrence()], ..verdict(State::Passing) };
    metrics.observe_control("attested", &spec("sre", &["CC1.1"]), &record(due));
    metrics.clocks(Some(SignedDuration::from_secs(2)));
    let evidence = metrics.evidence();
    comptroller_recorder::Observer::begun(evidence);
    comptroller_recorder::Observer::appended(evidence, 3, at("2026-01-02T03:04:05Z"));
    evidence.witness_begun("https://witness.example/w");
    metrics.audit_stream().begun();
    metrics.audit_stream().heard(false, Some(at("2026-01-02T03:04:05Z")));
    metrics.0.client.count("get", "200", Duration::from_millis(3));
    metrics
}

fn occurrence() -> comptroller_core::api::Occurrence {
    serde_json::from_value(json!({
        "period": "2026",
        "phase": "Open",
        "opens": "2026-01-01T00:00:00Z",
        "due": "2026-12-31T00:00:00Z",
        "graceUntil": "2026-12-31T00:00:00Z",
        "ruleDigest": "sha256:0",
    }))
    .unwrap()
}

/// Families and their labels by the rows of docs/operations.md: names in backticks, then a type.
fn documented() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let text = include_str!("../../docs/operations.md");
    let mut families = BTreeMap::new();
    let mut has_labels = false;
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if cells.first() == Some(&"metric") {
            has_labels = cells.get(2) == Some(&"labels");
        }
        let quoted = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let labels = cells.get(2).filter(|_| has_labels).map(|cell| quoted(cell));
        let labels = labels.map(BTreeSet::from_iter);
        let names = cells.first().map(|cell| quoted(cell)).unwrap_or_default();
        for name in names.into_iter().filter(|name| name.starts_with("comptroller_")) {
            families.insert(name, labels.clone());
        }
    }
    families
}

#[test]
fn every_family_is_documented_and_every_documented_one_exists() {
    let registry = everything();
    let exported: BTreeMap<String, BTreeSet<String>> = registry
        .0
        .registry
        .gather()
        .into_iter()
        .filter(|family| family.name().starts_with("comptroller_"))
        .map(|family| {
            let series = family.get_metric().first().unwrap();
            let labels = series.get_label().iter().map(|label| label.name().to_owned());
            (family.name().to_owned(), labels.collect())
        })
        .collect();
    let documented = documented();
    assert_eq!(
        exported.keys().collect::<Vec<_>>(),
        documented.keys().collect::<Vec<_>>(),
        "docs/operations.md and /metrics"
    );
    for (name, labels) in documented {
        if let Some(labels) = labels {
            assert_eq!(labels, exported[&name], "labels of {name} in docs/operations.md");
        }
    }
}

#[test]
fn prometheus_finds_nothing_to_complain_about() {
    let checked = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = checked else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs promtool");
        eprintln!("skipped: promtool is not in PATH");
        return;
    };
    promtool.stdin.take().unwrap().write_all(everything().render().unwrap().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn requests_of_a_client_are_counted() {
    use axum::http::{Request, Response};
    use tower::{Layer, ServiceExt};

    let metrics = metrics();
    let server = tower::service_fn(async |request: Request<()>| match request.uri().path() {
        "/gone" => Err("no route"),
        "/secret" => Ok(Response::builder().status(403).body(()).unwrap()),
        _ => Ok(Response::new(())),
    });
    let client = metrics.client_layer().layer(server);
    for uri in ["/a", "/a?watch=true", "/secret", "/gone"] {
        let _ = client.clone().oneshot(Request::get(uri).body(()).unwrap()).await;
    }
    let scrape = metrics.render().unwrap();
    for (verb, code) in [("get", "200"), ("watch", "200"), ("get", "403"), ("get", "error")] {
        let line =
            format!("comptroller_client_requests_total{{code=\"{code}\",verb=\"{verb}\"}} 1\n");
        assert!(scrape.contains(&line), "{line}{scrape}");
    }
}
