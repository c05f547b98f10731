//! What receivers are told, by the operator itself: each change once, whatever happens to the receiver.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use comptroller_core::api::State;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    controlplane::{ControlPlane, wait},
    process::{Bench, LIMIT, get, kubectl},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const NO_ROOT: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: no-privileged-containers}
spec:
  title: No container is privileged
  remedy: Remove securityContext.privileged.
  criteria: [CC6.8]
  owner: platform
  severity: High
  test:
    workload: {require: [NoPrivileged]}
";

fn deployment(privileged: bool) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: default}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: app
        image: registry.example.com/app:1
        securityContext: {{privileged: {privileged}}}
"
    )
}

/// A request that a receiver got.
#[derive(Clone, Debug)]
struct Received {
    path: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// A receiver on loopback.
#[derive(Clone)]
struct Receiver {
    port: u16,
    /// What it took.
    taken: Arc<Mutex<Vec<Received>>>,
    /// How many requests it got, taken or not.
    asked: Arc<Mutex<usize>>,
    /// How it answers: a status line and further headers.
    answer: Arc<Mutex<&'static str>>,
}

const OK: &str = "200 OK\r\n";

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            taken: Arc::default(),
            asked: Arc::default(),
            answer: Arc::new(Mutex::new(OK)),
        };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        receiver
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn answers(&self, answer: &'static str) {
        *self.answer.lock().unwrap() = answer;
    }

    async fn serve(self, mut stream: TcpStream) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        let (head, length) = loop {
            let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
            bytes.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.parse().unwrap());
            if bytes.len() >= head.len() + 4 + length {
                break (head.to_owned(), length);
            }
        };
        let body = &bytes[head.len() + 4..head.len() + 4 + length];
        let answer = *self.answer.lock().unwrap();
        *self.asked.lock().unwrap() += 1;
        if answer == OK {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let headers = head.lines().filter_map(|line| line.split_once(": "));
            let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
            let body = serde_json::from_slice(body).unwrap();
            self.taken.lock().unwrap().push(Received { path, headers: headers.collect(), body });
        }
        let answer = format!("HTTP/1.1 {answer}Content-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    /// The states that it was told of, in order.
    fn states(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let text = |body: &Value, path: &str| {
            body.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned()
        };
        let states = taken.iter().filter(|one| one.body["type"] == "dev.comptroller.control.state");
        states
            .map(|one| {
                let (from, to) =
                    (text(&one.body, "/data/previous"), text(&one.body, "/data/state"));
                format!("{} {from} {to}", text(&one.body, "/subject"))
            })
            .collect()
    }

    async fn until_states(&self, expected: &[&str]) {
        let found = wait::until("the receiver is told", LIMIT, async || {
            (self.states().len() >= expected.len()).then_some(())
        })
        .await;
        assert_eq!(self.states(), expected, "{found:?}");
    }
}

async fn bench() -> Bench {
    let plane = ControlPlane::builder().start().await.unwrap();
    let bench = Bench::without_operator(plane).await;
    // The cursor is noted where the checkpoint is published.
    kubectl(&bench.plane, &["create", "namespace", "comptroller-system"]).await;
    let evidence = format!("{ROOT}/config/manager/evidence.yaml");
    kubectl(&bench.plane, &["apply", "-f", &evidence]).await;
    bench
}

async fn start(bench: &mut Bench, arguments: &[&str]) {
    let log = bench.plane.dir().join("evidence");
    let kubeconfig = bench.plane.kubeconfig("admin");
    let evidence = ["--evidence", log.to_str().unwrap()];
    bench.start_operator_as(kubeconfig, &[&evidence[..], arguments].concat()).await;
}

async fn until_noted(bench: &Bench) -> String {
    wait::until("the cursor is noted", LIMIT, async || {
        let path = "jsonpath={.metadata.annotations.comptroller\\.dev/notified}";
        let arguments =
            ["get", "configmap", "comptroller-evidence", "-n", "comptroller-system", "-o", path];
        let noted = kubectl(&bench.plane, &arguments).await;
        (!noted.is_empty()).then_some(noted)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn each_change_is_told_once_though_the_receiver_and_the_operator_were_down() {
    let mut bench = bench().await;
    let receiver = Receiver::start().await;
    let key = bench.plane.dir().join("webhook-key");
    std::fs::write(&key, "a secret\n").unwrap();
    let url = receiver.url("/hook?x=y");
    let arguments = ["--notify", &url, "--notify-key", key.to_str().unwrap()];
    start(&mut bench, &arguments).await;
    until_noted(&bench).await;

    bench.apply(&deployment(false)).await;
    bench.apply(NO_ROOT).await;
    let first = "no-privileged-containers - Passing";
    receiver.until_states(&[first]).await;
    let event = receiver.taken.lock().unwrap()[0].clone();
    assert_eq!(event.path, "/hook?x=y");
    assert_eq!(event.body["specversion"], "1.0", "{event:#?}");
    assert!(event.headers["content-type"].starts_with("application/cloudevents+json"));
    assert_eq!(event.headers["webhook-id"], event.body["id"].as_str().unwrap());
    assert!(event.headers["webhook-signature"].starts_with("v1,"));
    let index = event.body["data"]["evidence"]["index"].as_u64().unwrap();
    assert_eq!(event.body["id"], index.to_string());

    // The receiver can't for now, then does not exist where it should; nothing is lost.
    receiver.answers("503 Service Unavailable\r\n");
    bench.apply(&deployment(true)).await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    let asked = *receiver.asked.lock().unwrap();
    wait::until("it was asked in vain", LIMIT, async || {
        (*receiver.asked.lock().unwrap() > asked).then_some(())
    })
    .await
    .unwrap();
    receiver.answers(OK);
    let second = "no-privileged-containers Passing Failing";
    receiver.until_states(&[first, second]).await;

    // What changes while no operator runs, and what is told by one that is killed, is told once.
    bench.kill_operator();
    bench.apply(&deployment(false)).await;
    start(&mut bench, &arguments).await;
    let third = "no-privileged-containers Failing Passing";
    receiver.until_states(&[first, second, third]).await;

    // A redirect is not followed, and what is refused is dropped.
    let elsewhere = Receiver::start().await;
    let location: &'static str =
        format!("302 Found\r\nLocation: {}\r\n", elsewhere.url("/")).leak();
    receiver.answers(location);
    bench.apply(&deployment(true)).await;
    let metrics_url = bench.url().to_owned();
    wait::until("the event is dropped", LIMIT, async || {
        let (_, metrics) = get(&metrics_url, "/metrics").await.ok()?;
        let dropped = r#"comptroller_notifications_total{outcome="dropped",receiver="webhook"} 1"#;
        metrics.contains(dropped).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(*elsewhere.asked.lock().unwrap(), 0);
    receiver.answers(OK);
    bench.apply(&deployment(false)).await;
    receiver.until_states(&[first, second, third, third]).await;
    bench.stop_operator().await;
}

#[tokio::test]
async fn alertmanager_is_told_what_is_wrong_and_that_it_is_over() {
    let mut bench = bench().await;
    let receiver = Receiver::start().await;
    bench.apply(&deployment(true)).await;
    bench.apply(NO_ROOT).await;
    let url = receiver.url("/alertmanager/");
    start(&mut bench, &["--alertmanager", &url]).await;
    let newest = |receiver: &Receiver| -> Option<(String, Value)> {
        let taken = receiver.taken.lock().unwrap();
        let last = taken.last()?;
        Some((last.path.clone(), last.body.get(0)?.clone()))
    };
    let (path, alert) = wait::until("an alert", LIMIT, async || newest(&receiver)).await.unwrap();
    assert_eq!(path, "/alertmanager/api/v2/alerts");
    assert_eq!(alert["labels"]["alertname"], "ComptrollerControlFailing", "{alert:#}");
    assert_eq!(alert["labels"]["severity"], "high");
    assert_eq!(alert["labels"]["owner"], "platform");
    let time = |alert: &Value, field: &str| -> jiff::Timestamp {
        alert[field].as_str().unwrap().parse().unwrap()
    };
    assert!(time(&alert, "endsAt") > jiff::Timestamp::now());
    let started = time(&alert, "startsAt");

    bench.apply(&deployment(false)).await;
    let over = wait::until("the alert is over", LIMIT, async || {
        let (_, alert) = newest(&receiver)?;
        (time(&alert, "endsAt") <= jiff::Timestamp::now()).then_some(alert)
    })
    .await
    .unwrap();
    assert_eq!(time(&over, "startsAt"), started);
    bench.stop_operator().await;
}
