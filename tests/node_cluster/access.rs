//! How people and Prometheus reach the operator's pod.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    controlplane::{self, port::Port, wait},
    node::Node,
    release::{EVIDENCE, LIMIT, NAMESPACE},
};

/// The image has no shell, and needs none: its own program answers `kubectl exec`.
pub async fn exec_verifies_the_log(node: &mut Node) {
    let exec = ["-n", NAMESPACE, "exec", "deployment/comptroller", "--", "comptroller"];
    let verify = [&exec[..], &["evidence", "verify", EVIDENCE]].concat();
    let said = node.kubectl(&verify).await.unwrap();
    assert!(said.contains("entries"), "{said}");
    // What fails there fails here.
    let nothing = [&exec[..], &["evidence", "verify", "/nonexistent"]].concat();
    node.kubectl(&nothing).await.unwrap_err();
}

/// One JSON object a line, as log collectors want it.
pub async fn logs_are_json(node: &mut Node) {
    let said = node.kubectl(&["-n", NAMESPACE, "logs", "deployment/comptroller"]).await.unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(said.contains("serving /metrics"), "{said}");
    for line in &lines {
        assert!(line["level"] != "ERROR", "{line}");
    }
    assert!(!lines.is_empty() && lines.len() < 100, "{} lines:\n{said}", lines.len());
}

/// Through a port-forward, as when somebody looks into it: nobody without a token, nobody without
/// the right, and whoever has both.
pub async fn metrics_come_through_a_port_forward(node: &mut Node) {
    for account in ["stranger", "scraper"] {
        node.kubectl(&["-n", "default", "create", "serviceaccount", account]).await.unwrap();
    }
    let binding = ["create", "clusterrolebinding", "scraper", "--serviceaccount=default:scraper"];
    let role = ["--clusterrole=comptroller-metrics-reader"];
    node.kubectl(&[&binding[..], &role].concat()).await.unwrap();
    let token = async |account| {
        let token = node.kubectl(&["-n", "default", "create", "token", account]).await.unwrap();
        token.trim().to_owned()
    };
    let forward = Forward::start(node);
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let url = format!("https://127.0.0.1:{}/metrics", forward.port.number());
    let get = async |token: Option<String>| {
        let request = client.get(&url);
        let request = match &token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    };
    let (refused, _) =
        wait::until("the port is forwarded", LIMIT, async || get(None).await).await.unwrap();
    assert_eq!(refused, 401);
    assert_eq!(get(Some(token("stranger").await)).await.unwrap().0, 403);
    let (allowed, metrics) = get(Some(token("scraper").await)).await.unwrap();
    assert_eq!(allowed, 200);
    assert!(metrics.contains("\ncomptroller_leader 1\n"), "{metrics}");
    assert!(
        metrics.contains("\ncomptroller_unreadable_kinds{reason=\"Forbidden\"} 0\n"),
        "{metrics}"
    );
}

/// `kubectl port-forward` to the operator's Service.
struct Forward {
    child: Child,
    port: Port,
}

impl Forward {
    fn start(node: &Node) -> Self {
        let port = Port::reserve().unwrap();
        let child = Command::new(controlplane::kubectl())
            .args(["-n", NAMESPACE, "port-forward", "service/comptroller-metrics"])
            .arg(format!("{}:8443", port.number()))
            .env("KUBECONFIG", node.plane.kubeconfig("admin"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
