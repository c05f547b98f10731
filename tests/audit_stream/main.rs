//! The audit stream: a real API server sends its events to the operator, and what people did is in the
//! log. Who is not the API server is not believed, and costs nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails there fails the test"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;
#[path = "../operator/log.rs"]
mod log;
mod operator;
#[allow(dead_code, reason = "the stream needs a part of it")]
#[path = "../operator/process.rs"]
mod process;
mod sender;
mod strangers;

use std::{process::Command, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use comptroller_evidence::{
    data::GapCause,
    entry::{Data, Entry},
    usage::{AUDIT_STREAM, AccessKind, UsageData},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use controlplane::{ControlPlane, port::Port, wait};
use operator::{Operator, arguments};
use process::{install_crds, kubectl};
use sender::Certificates;

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// An audit policy as docs/audit-stream.md has it, without its exceptions.
const POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
    "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}"#;

/// Where the API server sends its events, and as whom.
fn webhook(port: &Port, certificates: &Certificates) -> String {
    let encoded = |pem: &str| STANDARD.encode(pem);
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "comptroller", "cluster": {
            "server": format!("https://127.0.0.1:{}/audit", port.number()),
            "tls-server-name": "localhost",
            "certificate-authority-data": encoded(&certificates.authority),
        }}],
        "users": [{"name": "kube-apiserver", "user": {
            "client-certificate-data": encoded(&certificates.client),
            "client-key-data": encoded(&certificates.client_key),
        }}],
        "contexts": [{"name": "c", "context": {"cluster": "comptroller", "user": "kube-apiserver"}}],
        "current-context": "c",
    })
    .to_string()
}

async fn plane(port: &Port, certificates: &Certificates) -> ControlPlane {
    let plane = ControlPlane::builder()
        .api_server_file("audit-policy-file", POLICY)
        .api_server_file("audit-webhook-config-file", &webhook(port, certificates))
        .api_server_arg("--audit-webhook-mode=batch")
        .api_server_arg("--audit-webhook-batch-max-wait=1s")
        .api_server_arg("--audit-webhook-initial-backoff=1s")
        .start()
        .await
        .expect("control plane");
    install_crds(&plane).await;
    plane
}

fn usages(entries: &[Entry]) -> impl Iterator<Item = &UsageData> {
    entries.iter().filter_map(|entry| match &entry.data {
        Data::Usage(data) => Some(data.as_ref()),
        _ => None,
    })
}

/// The gaps of the stream.
fn gaps(entries: &[Entry]) -> Vec<(Timestamp, Timestamp)> {
    let of_stream = entries.iter().filter(|entry| entry.subject.kind == AUDIT_STREAM);
    let gaps = of_stream.filter_map(|entry| match &entry.data {
        Data::Gap(gap) => {
            assert_eq!(gap.cause, Some(GapCause::AuditStreamInterrupted));
            Some((gap.from, gap.to))
        }
        _ => None,
    });
    gaps.collect()
}

/// What the log says once it satisfies a condition.
async fn until<T>(operator: &Operator, what: &str, holds: impl Fn(&[Entry]) -> Option<T>) -> T {
    let found = wait::until(what, LIMIT, async || {
        // Before its first entry there is no log.
        operator.log.join("checkpoint").exists().then_some(())?;
        holds(&log::entries(&operator.log).await)
    });
    found.await.unwrap_or_else(|error| panic!("{error}:\n{}", operator.said()))
}

fn is_use(data: &UsageData, verb: &str, resource: &str) -> bool {
    data.facts.last_uses.iter().any(|fact| {
        fact.right.verb == verb
            && fact.right.resource == resource
            && fact.by.user.starts_with("person:")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_did_is_in_the_log_and_a_killed_operator_leaves_a_gap() {
    let port = Port::reserve().unwrap();
    let certificates = Certificates::new();
    let plane = plane(&port, &certificates).await;
    let more = ["--break-glass=group:system:masters"];
    let operator = Operator::start(&plane, &port, &arguments(&certificates, plane.dir(), &more));

    until(&operator, "the stream is heard", |entries| usages(entries).next().map(|_| ())).await;
    kubectl(&plane, &["get", "secrets", "-n", "kube-system"]).await;
    let binding = ["create", "clusterrolebinding", "ops", "--clusterrole=view", "--group=ops"];
    kubectl(
        &plane,
        &[&binding[..], &["--as=jane@acme.example", "--as-group=system:masters"]].concat(),
    )
    .await;
    // Who is refused has used no right.
    let refused = plane.kubectl("developer", &["delete", "node", "n1"]).await.unwrap();
    assert!(!refused.status.success());

    until(&operator, "the read of Secrets and the binding", |entries| {
        let read = usages(entries).any(|data| is_use(data, "list", "secrets"));
        let bound = usages(entries).flat_map(|data| &data.facts.changes).any(|change| {
            change.name == "ops"
                && change.right.resource == "clusterrolebindings"
                && change.by.user.starts_with("person:")
                && change.by.impersonator.as_ref().is_some_and(|by| by.starts_with("person:"))
        });
        (read && bound).then_some(())
    })
    .await;
    let entries = log::entries(&operator.log).await;
    assert!(!usages(&entries).any(|data| is_use(data, "delete", "nodes")));
    assert!(usages(&entries).any(|data| is_use(data, "impersonate", "users")));
    let accesses: Vec<AccessKind> =
        usages(&entries).flat_map(|data| &data.facts.accesses).map(|fact| fact.kind).collect();
    assert!(accesses.contains(&AccessKind::SecretRead), "{accesses:?}");
    assert!(usages(&entries).any(|data| !data.facts.break_glass.is_empty()));
    assert_eq!(gaps(&entries), []);

    // Killed, it says nothing more; what happens meanwhile is nobody's to tell.
    let heard_until = usages(&entries).last().unwrap().to;
    let killed = Timestamp::now();
    let log = operator.kill();
    kubectl(&plane, &["create", "clusterrolebinding", "unseen", "--clusterrole=view", "--user=x"])
        .await;
    let operator = Operator::start(&plane, &port, &arguments(&certificates, plane.dir(), &more));
    let (from, to) = until(&operator, "the gap", |entries| gaps(entries).first().copied()).await;
    assert!(from >= heard_until, "{from} {heard_until}");
    assert!(from <= killed && to.as_second() >= killed.as_second(), "{from} {killed} {to}");

    // It is a gap of the stream and of no control, and the log is whole.
    let show = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_comptroller")).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let path = log.to_str().unwrap();
    let shown: Value = serde_json::from_str(&show(&["usage", "show", path, "-o", "json"])).unwrap();
    assert_eq!(shown["gaps"][0], json!([from, to]));
    assert!(shown["lastUses"].as_array().unwrap().len() > 3, "{shown}");
    assert!(show(&["usage", "show", path]).contains("Gap: between"));
    show(&["evidence", "verify", path]);
    // No byte of the log names anybody.
    for name in ["jane@acme.example", r#""user":"developer""#, r#""user":"admin""#] {
        for entry in log::entries(&log).await {
            let text = entry.to_text().unwrap();
            assert!(!text.contains(name), "{name}: {text}");
        }
    }
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_sends_nothing_is_noticed() {
    let plane = controlplane::shared().await;
    install_crds(plane).await;
    let (port, certificates) = (Port::reserve().unwrap(), Certificates::new());
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(plane, &port, &arguments(&certificates, folder.path(), &[]));
    // Its description begins so as well.
    let silent = "\ncomptroller_audit_stream_silent 1\n";
    wait::until("the stream is silent", LIMIT, async || {
        sender::metrics(plane, &port).await.filter(|metrics| metrics.contains(silent)).map(|_| ())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}:\n{}", operator.said()));
    assert!(operator.said().contains("do not come back in the audit stream"));
    // Nothing was heard, so nothing is said of any use.
    let entries = log::entries(&operator.log).await;
    assert_eq!((usages(&entries).count(), gaps(&entries)), (0, vec![]));
}
