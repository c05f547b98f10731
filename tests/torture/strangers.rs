//! Strangers at the operator's port: what tests/server.rs has at length, once against a process that
//! is at work.

use std::time::{Duration, Instant};

use comptroller_core::api::State;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    case::Case,
    history::History,
    invariants::Finding,
    operator::get,
    run::{finish, judge},
    stand,
};

const SEED: u64 = 7;
/// More than the operator serves at the same time.
const STRANGERS: usize = 600;
/// What the kubelet gives a probe, and within what a violation must be known.
const PROBE: Duration = Duration::from_secs(1);
const KNOWN: Duration = Duration::from_secs(10);

/// What strangers begin with, and never end.
const BEGINNINGS: [&[u8]; 5] = [
    b"",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: ",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_keep_nobody_from_being_served() {
    let stand = stand::shared().await;
    let history = &History::start(stand.client());
    let _slot = stand.slots.acquire().await.unwrap();
    let mut case = Case::new(stand, history, "strangers", SEED).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let probes = format!("127.0.0.1:{port}");
    case.start.arguments = vec!["--probe-listen".to_owned(), probes.clone()];
    case.begin().await.unwrap();
    let first_verdict = Instant::now();
    let url = case.operator.as_ref().unwrap().url.clone();

    let mut findings = Vec::new();
    let mut strangers = Vec::new();
    for number in 0..STRANGERS {
        // The kernel's queue is full of those before: they need not all come in.
        let connect = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(&url));
        let Ok(Ok(mut stranger)) = connect.await else { continue };
        let _ = stranger.write_all(BEGINNINGS[number % BEGINNINGS.len()]).await;
        strangers.push(stranger);
    }
    for path in ["/healthz", "/readyz"] {
        match tokio::time::timeout(PROBE, get(&probes, path)).await {
            Ok(Ok((200, _))) => {}
            other => findings.push(Finding::new("probes", format!("{path}: {other:?}"))),
        }
    }
    case.violate().await;
    if let Err(text) = case.until(State::Failing, KNOWN).await {
        findings.push(Finding::new("liveness", text));
    }
    if strangers.len() < 100 {
        findings.push(Finding::new("plan", format!("only {} strangers came", strangers.len())));
    }
    drop(strangers);
    case.mend().await;
    if let Err(text) = case.until(State::Passing, KNOWN).await {
        findings.push(Finding::new("liveness", text));
    }
    findings.extend(finish(&mut case, first_verdict, Vec::new()).await);
    judge(&findings);
}
