//! The web server on a real API server: who may scrape, what the kubelet sees, what strangers get.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

#[path = "../controlplane/mod.rs"]
mod controlplane;
mod strangers;

use std::{net::SocketAddr, path::Path, time::Duration};

use axum::http::{Request, StatusCode};
use comptroller::{
    server::{CertificateFiles, ProbeState, Server, ServerConfig, ServerError},
    telemetry::Metrics,
};
use controlplane::wait;
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{Api, Client, Config, api::PostParams, client::Body};
use rcgen::generate_simple_self_signed;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{oneshot, watch},
    task::JoinHandle,
};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

struct Running {
    address: SocketAddr,
    probe_address: Option<SocketAddr>,
    evaluated: watch::Sender<bool>,
    shutdown: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), ServerError>>,
}

fn loopback() -> ServerConfig {
    ServerConfig::new("127.0.0.1:0".parse().unwrap())
}

async fn start(config: ServerConfig, client: Client) -> Running {
    let (evaluated, receiver) = watch::channel(false);
    let ready = receiver.clone();
    let waiting = move || if *ready.borrow() { "" } else { "waiting for the list of controls" };
    let probes = ProbeState::new(receiver, move || waiting().to_owned());
    let server = Server::bind(config, client, Metrics::new().unwrap(), probes).await.unwrap();
    let (address, probe_address) = (server.address(), server.probe_address());
    let (shutdown, requested) = oneshot::channel::<()>();
    let ended = tokio::spawn(server.run(async {
        let _ = requested.await;
    }));
    Running { address, probe_address, evaluated, shutdown, ended }
}

/// A client of an API server that is not there.
fn nowhere() -> Client {
    let mut config = Config::new("http://127.0.0.1:1".parse().unwrap());
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// Asks over HTTPS: without a look at the certificate, as the kubelet does, or with `root` as the
/// only authority.
async fn ask(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
    root: Option<Vec<u8>>,
) -> Result<(StatusCode, String), kube::Error> {
    let mut config = Config::new(format!("https://{address}").parse().unwrap());
    config.default_retry = false;
    config.accept_invalid_certs = root.is_none();
    config.root_cert = root.map(|root| vec![root]);
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let client = Client::try_from(config).unwrap();
    let response = client.send(request.body(Body::empty()).unwrap()).await?;
    let status = response.status();
    let body = response.into_body().collect_bytes().await.unwrap();
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

async fn get(running: &Running, path: &str, token: Option<&str>) -> (StatusCode, String) {
    ask(running.address, path, token, None).await.unwrap()
}

async fn service_account_token(client: &Client, name: &str) -> String {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    let mut account = ServiceAccount::default();
    account.metadata.name = Some(name.to_owned());
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let request = TokenRequest::default();
    let granted: TokenRequest =
        accounts.create_subresource("token", name, &PostParams::default(), &request).await.unwrap();
    granted.status.unwrap().token.unwrap()
}

async fn let_scrape(client: &Client, account: &str) {
    let role: ClusterRole = serde_json::from_value(json!({
        "metadata": { "name": "scraper" },
        "rules": [{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }],
    }))
    .unwrap();
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": { "name": "scraper" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "scraper" },
        "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": "default" }],
    }))
    .unwrap();
    let params = PostParams::default();
    Api::all(client.clone()).create(&params, &role).await.unwrap();
    Api::all(client.clone()).create(&params, &binding).await.unwrap();
}

#[tokio::test]
async fn a_scrape_needs_a_token_and_the_right() {
    let plane = controlplane::shared().await;
    let client = plane.admin_client();
    let stranger = service_account_token(&client, "stranger").await;
    let scraper = service_account_token(&client, "scraper").await;
    let_scrape(&client, "scraper").await;
    let running = start(loopback(), client).await;

    for token in [None, Some("made-up"), Some("a.b.c")] {
        let (status, text) = get(&running, "/metrics", token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{token:?}: {text}");
        assert!(!text.contains("comptroller_"), "{text}");
    }
    let (status, text) = get(&running, "/metrics", Some(&stranger)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("system:serviceaccount:default:stranger may not get /metrics"), "{text}");

    // The API server's own view of a new binding lags a little, and a refusal is kept for 30 s.
    let text = wait::until("a scrape", LIMIT, async || {
        let (status, text) = get(&running, "/metrics", Some(&scraper)).await;
        (status == StatusCode::OK).then_some(text)
    })
    .await
    .unwrap();
    assert!(text.contains("comptroller_build_info"));
    assert_eq!(get(&running, "/metrics", None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_an_answer_of_the_api_server_nobody_scrapes() {
    let running = start(loopback(), nowhere()).await;
    let (status, text) = get(&running, "/metrics", Some("any")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    assert!(!text.contains("comptroller_"));
}

#[tokio::test]
async fn the_kubelet_sees_readiness_without_a_token() {
    let running = start(loopback(), nowhere()).await;
    let (status, text) = get(&running, "/readyz", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "waiting for the list of controls\n");
    assert_eq!(get(&running, "/healthz", None).await.0, StatusCode::OK);
    running.evaluated.send_replace(true);
    assert_eq!(get(&running, "/readyz", None).await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(get(&running, "/debug", None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn plain_http_is_for_loopback_only() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let config = ServerConfig { insecure: true, ..ServerConfig::new(listen.parse().unwrap()) };
        let probes = ProbeState::new(watch::channel(true).1, String::new);
        let refused = Server::bind(config, nowhere(), Metrics::new().unwrap(), probes).await;
        let error = refused.err().unwrap().to_string();
        assert!(error.contains("listen on 127.0.0.1 or leave out --insecure"), "{error}");
    }
}

#[tokio::test]
async fn a_head_too_large_is_refused_and_a_shutdown_does_not_wait_for_idle_connections() {
    let config = ServerConfig { insecure: true, ..loopback() };
    let running = start(config, nowhere()).await;
    let mut large = TcpStream::connect(running.address).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    let _ = large.write_all(head.as_bytes()).await;
    let mut answer = [0; 12];
    large.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");

    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    running.shutdown.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), running.ended).await;
    assert!(ended.is_ok(), "an idle connection holds up the shutdown");
    ended.unwrap().unwrap().unwrap();
}

/// Writes a new certificate and its key; returns the certificate in DER.
fn write_pair(files: &CertificateFiles) -> Vec<u8> {
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    made.cert.der().to_vec()
}

fn files_in(dir: &Path) -> CertificateFiles {
    CertificateFiles { certificate: dir.join("tls.crt"), key: dir.join("tls.key") }
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_in(dir.path());
    let first = write_pair(&files);
    let config = ServerConfig {
        certificate: Some(files.clone()),
        reload: Duration::from_millis(20),
        ..loopback()
    };
    let running = start(config, nowhere()).await;
    let trusts = async |root: &[u8]| {
        ask(running.address, "/healthz", None, Some(root.to_vec())).await.is_ok()
    };
    assert!(trusts(&first).await);

    let second = write_pair(&files);
    wait::until("the second certificate", LIMIT, async || trusts(&second).await.then_some(()))
        .await
        .unwrap();
    assert!(!trusts(&first).await);

    // A key of another certificate, and then no file: the second stays.
    let other = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&files.key, other.signing_key.serialize_pem()).unwrap();
    std::fs::remove_file(&files.certificate).unwrap();
    for _ in 0..5 {
        assert!(trusts(&second).await);
    }
    let third = write_pair(&files);
    wait::until("the third certificate", LIMIT, async || trusts(&third).await.then_some(()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_useless_certificate_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_in(dir.path());
    let start = async || {
        let config = ServerConfig { certificate: Some(files.clone()), ..loopback() };
        let probes = ProbeState::new(watch::channel(true).1, String::new);
        Server::bind(config, nowhere(), Metrics::new().unwrap(), probes).await
    };
    let missing = start().await.err().unwrap().to_string();
    assert!(missing.contains("tls.crt"), "{missing}");

    write_pair(&files);
    std::fs::write(&files.certificate, "").unwrap();
    let empty = start().await.err().unwrap().to_string();
    assert!(empty.contains("no certificate"), "{empty}");

    write_pair(&files);
    let other = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&files.key, other.signing_key.serialize_pem()).unwrap();
    let mismatched = start().await.err().unwrap().to_string();
    assert!(
        mismatched.contains("tls.key") && mismatched.contains("belong together"),
        "{mismatched}"
    );
}
