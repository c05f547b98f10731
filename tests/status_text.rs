//! No text keeps a status, an event or a `ConfigMap` from being written, or arrives as another one:
//! the API server is asked about every character. And no write that fails delays others, or for long.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "api_cases/mod.rs"]
mod api_cases;
mod controlplane;
mod faults;
#[path = "operator/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use api_cases::{audit_period, control, exception};
use comptroller::{
    controllers::{
        body,
        events::{self, News},
        refusal::COMPLETE,
        writer::Writer,
    },
    source::rewinds::Rewinds,
    telemetry::{Metrics, ReconcileKind},
};
use comptroller_core::api::{
    AuditPeriod, Control, ControlException, ControlStatus, State,
    condition::{Condition, condition},
};
use controlplane::{ControlPlane, wait};
use faults::{Action, Proxy, Refusal, on};
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ConfigMap, core::v1::ObjectReference, events::v1::Event},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::events::{EventType, Reporter},
};
use process::{Bench, LIMIT, get};
use prometheus::Registry;
use serde_json::{Value, json};

const MANAGER: &str = "comptroller/control";

/// Characters of YAML, terminals and editors that were trouble somewhere.
const ODD: &[char] = &[
    '\0',
    '\u{7}',
    '\u{1b}',
    '\u{7f}',
    '\u{80}',
    '\u{85}',
    '\u{9b}',
    '\u{9f}',
    '\u{a0}',
    '\u{ad}',
    '\u{2028}',
    '\u{2029}',
    '\u{202e}',
    '\u{feff}',
    '\u{fffd}',
    '\u{fffe}',
    '\u{ffff}',
    '\u{1f600}',
    '\u{1fffe}',
    '\u{10ffff}',
];

async fn create<K>(client: &Client, object: Value) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + serde::Serialize,
{
    let api: Api<K> = Api::all(client.clone());
    let object: K = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    api
}

/// Deals out characters, the first again after the last.
struct Characters {
    next: usize,
    all: Vec<char>,
}

impl Characters {
    fn take(&mut self, count: usize) -> String {
        let text = (0..count).map(|n| self.all[(self.next + n) % self.all.len()]).collect();
        self.next += count;
        text
    }

    fn is_done(&self) -> bool {
        self.next >= self.all.len()
    }
}

fn occurrence(text: &mut dyn FnMut(usize) -> String, period: &str) -> Value {
    json!({
        "period": period, "phase": "Open", "ruleDigest": text(128),
        "opens": "2026-10-01T00:00:00Z", "due": "2027-01-01T00:00:00Z",
        "graceUntil": "2027-01-15T00:00:00Z", "waivedBy": text(253),
        "records": [{"name": text(253), "counts": true, "note": text(512)}],
    })
}

/// A status with a text from `text` in every field that has one; its argument is the length.
fn status(text: &mut dyn FnMut(usize) -> String) -> ControlStatus {
    let mut finding = || {
        json!({
            "rule": text(128), "subject": text(1024), "message": text(1024),
            "resource": {
                "apiVersion": text(317), "kind": text(63), "namespace": text(63),
                "name": text(512),
            },
        })
    };
    let findings: Vec<Value> = (0..20).map(|_| finding()).collect();
    let unknown: Vec<Value> = (0..20).map(|_| finding()).collect();
    let occurrences: Vec<Value> = (0..12)
        .map(|_| {
            let period = text(32);
            occurrence(text, &period)
        })
        .collect();
    let message = text(20_000);
    serde_json::from_value(json!({
        "state": "Failing", "reason": text(128), "findings": findings, "unknownItems": unknown,
        "occurrences": occurrences, "conditions": conditions(&message),
    }))
    .unwrap()
}

fn conditions(message: &str) -> Vec<Condition> {
    let unknown = comptroller_core::api::condition::ConditionStatus::Unknown;
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    vec![condition("Ready", unknown, "Why", message, 1, now)]
}

async fn plane() -> (ControlPlane, Client) {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    process::install_crds(&plane).await;
    let client = plane.admin_client();
    (plane, client)
}

#[tokio::test]
async fn every_character_reaches_every_field_as_it_is() {
    let (_plane, client) = plane().await;
    let controls: Api<Control> = create(&client, control("c")).await;
    let mut characters = Characters { next: 0, all: ('\0'..=char::MAX).collect() };
    while !characters.is_done() {
        let sent = status(&mut |length| characters.take(length));
        body::apply_status(&controls, "c", MANAGER, &sent).await.unwrap();
        let stored = controls.get("c").await.unwrap().status.unwrap();
        assert!(stored == sent, "before {}", characters.next);
    }
    // And each of the odd ones in each field, alone and between letters.
    for odd in ODD {
        for text in [odd.to_string(), format!("a{odd}{odd}b"), format!("a {odd} b")] {
            let mut position = 0;
            let sent = status(&mut |_| {
                position += 1;
                format!("{text}{}", position % 7)
            });
            body::apply_status(&controls, "c", MANAGER, &sent).await.unwrap();
            let stored = controls.get("c").await.unwrap().status.unwrap();
            assert!(stored == sent, "{odd:?}");
        }
    }
}

#[tokio::test]
async fn exceptions_periods_and_config_maps_take_every_character() {
    let (_plane, client) = plane().await;
    let exceptions: Api<ControlException> = create(&client, exception("e")).await;
    let periods: Api<AuditPeriod> = create(&client, audit_period("p")).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let mut characters = Characters { next: 0, all: ('\0'..=char::MAX).collect() };
    while !characters.is_done() {
        let text = characters.take(30_000);
        let status = json!({"conditions": conditions(&text), "checkpoint": "a\u{85}b\u{2028}c"});
        body::apply_status(&periods, "p", MANAGER, &status).await.unwrap();
        let stored = periods.get("p").await.unwrap().status.unwrap();
        assert!(stored.conditions[0].message == text);
        assert_eq!(stored.checkpoint.as_deref(), Some("a\u{85}b\u{2028}c"));
        let status = json!({"phase": "Pending", "conditions": conditions(&text)});
        body::apply_status(&exceptions, "e", MANAGER, &status).await.unwrap();
        let stored = exceptions.get("e").await.unwrap().status.unwrap();
        assert!(stored.conditions[0].message == text);
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"},
            "data": {"text": text},
        });
        body::apply(&maps, "m", MANAGER, &map).await.unwrap();
        let stored = maps.get("m").await.unwrap();
        assert!(stored.data.unwrap()["text"] == text);
    }
}

#[tokio::test]
async fn every_character_reaches_the_note_of_an_event() {
    let (_plane, client) = plane().await;
    let metrics = Metrics::register(Registry::new()).unwrap();
    let reporter = Reporter {
        controller: "comptroller.dev/operator".to_owned(),
        instance: Some("i".repeat(300)),
    };
    let (publisher, publishing) = events::beside(client.clone(), reporter, metrics);
    let task = tokio::spawn(publishing);
    // The last character of the basic plane takes three bytes.
    let plain: Vec<char> = ('\0'..='\u{ffff}').chain(ODD.iter().copied()).collect();
    let notes: Vec<String> = plain.chunks(340).map(|chunk| chunk.iter().collect()).collect();
    let long = format!("{}.{}", "a".repeat(236), "b".repeat(16));
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    for (number, note) in notes.iter().enumerate() {
        let name = if number == 0 { long.clone() } else { "c".to_owned() };
        let regarding = ObjectReference {
            api_version: Some("comptroller.dev/v1alpha1".to_owned()),
            kind: Some("Control".to_owned()),
            name: Some(name),
            ..ObjectReference::default()
        };
        let reason = format!("R{number}");
        expected.insert(reason.clone(), note.clone());
        publisher.publish(News { regarding, type_: EventType::Normal, reason, note: note.clone() });
    }
    let api: Api<Event> = Api::namespaced(client, "default");
    wait::until("all events", LIMIT, async || {
        let list = api.list(&ListParams::default()).await.ok()?;
        let found: BTreeMap<String, String> = list
            .items
            .into_iter()
            .filter(|event| event.reason.as_ref().is_some_and(|reason| reason.starts_with('R')))
            .filter_map(|event| Some((event.reason?, event.note?)))
            .collect();
        (found == expected).then_some(())
    })
    .await
    .unwrap();
    task.abort();
}

fn writer(metrics: &Metrics, rewinds: &Rewinds) -> Writer<ControlStatus> {
    Writer::new(MANAGER, ReconcileKind::Control, metrics.clone(), rewinds.clone())
}

#[tokio::test]
async fn a_status_that_is_too_large_is_written_without_its_texts() {
    let (_plane, client) = plane().await;
    let controls: Api<Control> = create(&client, control("c")).await;
    let metrics = Metrics::register(Registry::new()).unwrap();
    let writer = writer(&metrics, &Rewinds::default());
    let large = status(&mut |length| "\u{1f600}".repeat(length));
    let mut larger = large.clone();
    for number in 0..7 {
        let mut more = larger.conditions[0].clone();
        more.type_ = format!("C{number}");
        more.message = "\u{1f600}".repeat(32_000);
        larger.conditions.push(more);
    }
    let now = Timestamp::from_second(1_800_000_100).unwrap();
    // A little too large to send, and a spec with which an admissible one is too large to store.
    let huge = json!({"metadata": {"annotations": {"a": "x".repeat(250_000)}}});
    controls.patch("c", &PatchParams::default(), &Patch::Merge(huge)).await.unwrap();
    larger.conditions.pop();
    for status in [&larger] {
        writer.write(&controls, "c", status.clone(), now).await.unwrap();
        let stored = controls.get("c").await.unwrap().status.unwrap();
        assert_eq!(stored.state, State::Failing);
        assert!(stored.findings.is_empty() && stored.unknown_items.is_empty());
        let told = stored.conditions.iter().find(|known| known.type_ == COMPLETE).unwrap();
        assert_eq!((told.status.as_str(), told.reason.as_str()), ("False", "StatusTooLarge"));
        assert!(writer.is_refused("c"));
        // Whoever compares sees what was wanted, and so does not write again.
        let object = controls.get("c").await.unwrap();
        assert_eq!(writer.newest(&object, object.status.as_ref()).as_ref(), Some(status));
    }
    let scrape = metrics.render().unwrap();
    let counted =
        "comptroller_statuses_refused_total{kind=\"control\",reason=\"StatusTooLarge\"} 1";
    assert!(scrape.contains(counted), "{scrape}");
}

#[tokio::test]
async fn a_write_that_answers_with_an_earlier_version_is_a_rewind() {
    let (_plane, client) = plane().await;
    let controls: Api<Control> = create(&client, control("c")).await;
    let metrics = Metrics::register(Registry::new()).unwrap();
    let rewinds = Rewinds::default();
    let mut told = rewinds.subscribe();
    let writer = writer(&metrics, &rewinds);
    let now = Timestamp::from_second(1_800_000_100).unwrap();
    let status = status(&mut |_| "a".to_owned());
    writer.write(&controls, "c", status.clone(), now).await.unwrap();
    writer.write(&controls, "c", status.clone(), now).await.unwrap();
    assert!(!told.has_changed().unwrap(), "a write that changes nothing is none");
    let object = controls.get("c").await.unwrap();
    assert!(writer.newest(&object, None).is_some());
    rewinds.announce();
    assert!(writer.newest(&object, None).is_none(), "what was written is forgotten");
    told.mark_unchanged();
}

const ADMINS: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: admins}
spec:
  title: Nobody is cluster-admin for good
  criteria: [CC6.1]
  owner: platform
  severity: High
  test: {rbac: {forbid: [ClusterAdmin]}}
";

fn binding(name: &str, users: &[String]) -> Value {
    let subjects: Vec<Value> = users
        .iter()
        .map(|user| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}))
        .collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                    "name": "cluster-admin"},
        "subjects": subjects,
    })
}

async fn bind(client: &Client, name: &str, users: &[String]) {
    use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
    let api: Api<ClusterRoleBinding> = Api::all(client.clone());
    let _ = api.delete(name, &DeleteParams::default()).await;
    let object = serde_json::from_value(binding(name, users)).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Whoever may bind a role chooses the name of a user: each is shown as it is, and as one of its own.
#[tokio::test]
async fn a_name_of_odd_characters_hides_nothing() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let mut bench = Bench::without_operator(plane).await;
    bench.start_operator_as_shipped("admin").await;
    bench.apply(ADMINS).await;
    let before = bench.until("admins", "is judged", |status| status.since.is_some()).await;
    for odd in ODD.iter().filter(|odd| **odd != '\0') {
        // Folded, these would be one name.
        let users = [format!("eve {odd}"), format!("eve{odd}{odd}"), "eve ".to_owned()];
        bind(&bench.client, "odd", &users).await;
        let shows = |status: &ControlStatus| {
            let subjects: Vec<&str> =
                status.findings.iter().filter_map(|finding| finding.subject.as_deref()).collect();
            let shown = |user: &String| subjects.iter().any(|one| *one == format!("User {user}"));
            users.iter().all(shown)
        };
        let status = bench.until("admins", &format!("shows {odd:?}"), shows).await;
        assert_eq!(status.failing, before.failing + 3, "{odd:?}");
    }
    let log = bench.log();
    assert_eq!(unexpected_warning(&log), None);
    bench.stop_operator().await;
}

/// A schema that does not admit what this version writes: of an older version, or edited.
#[tokio::test]
async fn a_status_that_is_refused_says_the_verdict_and_that_texts_are_missing() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let mut bench = Bench::without_operator(plane).await;
    admit(&bench.client, 1).await;
    bench.start_operator_as_shipped("admin").await;
    bench.apply(ADMINS).await;
    bind(&bench.client, "eve", &["eve".to_owned()]).await;
    let incomplete = |status: &ControlStatus| {
        let known = status.conditions.iter().find(|known| known.type_ == COMPLETE);
        known.is_some_and(|known| known.reason == "StatusRefused")
    };
    let status = bench.until("admins", "is incomplete", incomplete).await;
    assert_eq!(status.state, State::Failing);
    assert!(status.failing > 0 && status.findings.is_empty() && status.since.is_some());
    let (_, metrics) = get(bench.url(), "/metrics").await.unwrap();
    let refused = "comptroller_statuses_refused_total{kind=\"control\",reason=\"StatusRefused\"} ";
    let count = |metrics: &str| -> u32 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(refused)).unwrap();
        line.parse().unwrap()
    };
    assert!((1..5).contains(&count(&metrics)), "{metrics}");
    // Once the schema is right, the next change shows everything.
    admit(&bench.client, 1024).await;
    let url = bench.url().to_owned();
    let mut round = 0;
    let done = wait::until("all of it is shown", LIMIT, async || {
        round += 1;
        bind(&bench.client, "eve", &[format!("eve{round}"), "bob".to_owned()]).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let status = bench.controls().get("admins").await.ok()?.status?;
        (!status.findings.is_empty() && !incomplete(&status)).then_some(status)
    })
    .await
    .unwrap();
    assert_eq!(done.state, State::Failing);
    let (_, metrics) = get(&url, "/metrics").await.unwrap();
    assert!(count(&metrics) < 10, "{metrics}");
    bench.stop_operator().await;
}

/// Bounds the messages of findings.
async fn admit(client: &Client, most: i64) {
    edit_crd(client, "controls", |crd| {
        let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
        for list in ["findings", "unknownItems"] {
            let place = format!("{schema}/{list}/items/properties/message/maxLength");
            *crd.pointer_mut(&place).unwrap() = json!(most);
        }
    })
    .await;
}

async fn edit_crd(client: &Client, plural: &str, edit: impl Fn(&mut Value)) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = format!("{plural}.comptroller.dev");
    let mut crd = serde_json::to_value(api.get(&name).await.unwrap()).unwrap();
    edit(&mut crd);
    crd["metadata"]["managedFields"] = Value::Null;
    let crd: CustomResourceDefinition = serde_json::from_value(crd).unwrap();
    api.replace(&name, &PostParams::default(), &crd).await.unwrap();
}

/// A schema as it was before it said what a date looks like.
fn without_rules(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, rule| {
                !(name == "x-kubernetes-validations" || name == "pattern" && rule.is_string())
            });
            fields.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        _ => {}
    }
}

#[tokio::test]
async fn what_an_older_schema_took_is_answered_by_field() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let mut bench = Bench::without_operator(plane).await;
    for plural in ["controls", "controlexceptions", "auditperiods"] {
        edit_crd(&bench.client, plural, without_rules).await;
    }
    let client = bench.client.clone();
    let odd = [
        json!([]),
        json!("2027-01-31T00:00:00+25:00"),
        json!("2027-01-31T23:59:60Z"),
        json!("2027-01-31T00:00:00.123456789012Z"),
        json!("9999-12-31T23:59:59Z"),
        json!("0000-01-01T00:00:00Z"),
    ];
    let mut made = Vec::new();
    wait::until("the older schema serves", LIMIT, async || {
        let mut object = exception("first");
        object["spec"]["expires"] = json!([]);
        object["spec"]["requestedBy"] = json!("jane-doe@corp");
        let object: Value = object;
        post(&client, "controlexceptions", &object).await.ok()
    })
    .await
    .unwrap();
    for (number, value) in odd.iter().enumerate() {
        let (name, period) = (format!("e{number}"), format!("p{number}"));
        let mut object = exception(&name);
        object["spec"]["expires"] = value.clone();
        object["spec"]["requestedBy"] = json!("jane-doe@corp");
        if post(&client, "controlexceptions", &object).await.is_ok() {
            made.push(("controlexceptions", name));
        }
        let mut object = audit_period(&period);
        object["spec"]["to"] = value.clone();
        object["spec"]["auditors"] = json!(["jane-doe@corp"]);
        if post(&client, "auditperiods", &object).await.is_ok() {
            made.push(("auditperiods", period));
        }
    }
    assert!(made.len() > 4, "{made:?}");
    // A status that can't be read hides no spec.
    let _: Api<Control> = create(&client, control("odd")).await;
    let bad = json!({"status": {"since": [], "lastEvaluated": [], "failing": 7}});
    let statuses: Api<Control> = Api::all(client.clone());
    let path = format!("{}/odd/status", statuses.resource_url());
    let request = axum::http::Request::patch(path)
        .header("Content-Type", "application/merge-patch+json")
        .body(bad.to_string().into_bytes())
        .unwrap();
    let _: Value = client.request(request).await.unwrap();
    bench.start_operator_as_shipped("admin").await;
    for (plural, name) in &made {
        let path = format!("/apis/comptroller.dev/v1alpha1/{plural}/{name}");
        wait::until(&format!("{plural} {name} has a status"), LIMIT, async || {
            let request = axum::http::Request::get(&path).body(Vec::new()).unwrap();
            let object: Value = client.request(request).await.ok()?;
            let message = object.pointer("/status/conditions/0/message")?.as_str()?.to_owned();
            let reason = object.pointer("/status/conditions/0/reason")?.as_str()?.to_owned();
            let field = if *plural == "auditperiods" { "spec.to" } else { "spec.expires" };
            assert!(
                message.contains(field)
                    || ["Judged", "NamesNothing", "NoEvidenceLog"].contains(&reason.as_str()),
                "{name} {reason}: {message}"
            );
            Some(())
        })
        .await
        .unwrap();
    }
    bench.until("odd", "is judged", |status| status.since.is_some()).await;
    let log = bench.log();
    assert!(!log.contains("jane-doe"), "{log}");
    assert_eq!(unexpected_warning(&log), None);
    bench.stop_operator().await;
}

/// The first warning of a log that is neither about an operator without evidence nor about kinds that the
/// API server has only just taken in.
fn unexpected_warning(log: &str) -> Option<&str> {
    let expected = ["--evidence", "storage is (re)initializing"];
    let unexpected = |line: &&str| !expected.iter().any(|text| line.contains(text));
    log.lines().filter(|line| line.contains("\"WARN\"")).find(unexpected)
}

/// So many controls with the same verdict.
const CONTROLS: usize = 30;

/// How long a fault lasts. Waits that grow have grown by then.
const FAULT: Duration = Duration::from_secs(15);

/// How long everything may take to be right after a fault.
const HEALED: Duration = Duration::from_secs(10);

async fn deploy(bench: &Bench, privileged: bool) {
    let deployment = format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: default}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      containers:
      - name: app
        image: registry.example.com/app:1
        securityContext: {{privileged: {privileged}}}
"
    );
    bench.apply(&deployment).await;
}

async fn all_are(bench: &Bench, state: State, within: Duration, after: &str) {
    let controls = bench.controls();
    let mut last = Vec::new();
    let done = wait::until(after, within, async || {
        let present = controls.list(&ListParams::default()).await.ok()?;
        let of = |control: &Control| control.status.as_ref().map(|status| status.state);
        last = present.items.iter().map(of).collect();
        (last.len() == CONTROLS && last.iter().all(|known| *known == Some(state))).then_some(())
    });
    done.await.unwrap_or_else(|error| panic!("{error}: {last:?}"));
}

#[tokio::test]
async fn no_write_that_fails_delays_others_or_for_long() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let proxy = Proxy::before(&plane, "admin", 1);
    let mut bench = Bench::without_operator(plane).await;
    for number in 0..CONTROLS {
        let control = format!(
            "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: no-privileged-{number}}}
spec:
  title: No container is privileged
  criteria: [CC6.8]
  owner: platform
  severity: High
  test: {{workload: {{require: [NoPrivileged]}}}}
"
        );
        bench.apply(&control).await;
    }
    let mut privileged = true;
    deploy(&bench, privileged).await;
    bench.start_operator_as_shipped_with(proxy.kubeconfig()).await;
    all_are(&bench, State::Failing, LIMIT, "the start").await;

    // An API server that answers no event.
    proxy.set([on().of("events").then(Action::Hang)]);
    for _ in 0..2 {
        privileged = !privileged;
        deploy(&bench, privileged).await;
        all_are(&bench, state(privileged), HEALED, "events that hang").await;
    }
    proxy.heal();
    proxy.release();

    let faults = [
        Action::Refuse(Refusal::new(503)),
        Action::Refuse(Refusal::new(429).retry_after(30)),
        Action::Refuse(Refusal::new(409)),
        Action::Refuse(Refusal::new(401)),
        Action::Refuse(Refusal::new(422)),
        Action::Hang,
        Action::Truncate(40),
    ];
    for fault in faults {
        let after = format!("{fault:?}");
        let began = Instant::now();
        proxy.set([on().subresource("status").then(fault)]);
        privileged = !privileged;
        deploy(&bench, privileged).await;
        tokio::time::sleep(FAULT).await;
        proxy.heal();
        all_are(&bench, state(privileged), HEALED, &after).await;
        let rate = proxy.busiest(Duration::from_secs(10), began + Duration::from_secs(3));
        assert!(rate <= 20.0, "{after}: {rate} requests a second");
    }
    let log = bench.log();
    let warned: Vec<&str> = log.lines().filter(|line| line.contains("\"WARN\"")).collect();
    assert!(warned.len() < 60, "{} lines: {warned:#?}", warned.len());
    bench.stop_operator().await;
}

fn state(privileged: bool) -> State {
    if privileged { State::Failing } else { State::Passing }
}

async fn post(client: &Client, plural: &str, object: &Value) -> kube::Result<Value> {
    let path = format!("/apis/comptroller.dev/v1alpha1/{plural}");
    let request = axum::http::Request::post(path)
        .header("Content-Type", "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
    client.request(request).await
}
