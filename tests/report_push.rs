//! `comptroller report push`: to a receiver on loopback, from a log without a cluster.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Command, Output},
    sync::mpsc,
    thread,
};

use comptroller_evidence::{
    data::{OperatorData, OperatorEvent},
    entry::{ClockReading, Data, Entry, EntrySubject},
    key::SigningKey,
    log::LogWriter,
    store,
};
use serde_json::Value;
use tempfile::TempDir;

const ORIGIN: &str = "comptroller.dev/evidence/6f1c2c8e";

async fn log() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
    let store = store::open(dir.path().join("log").to_str().unwrap()).unwrap();
    let mut log = LogWriter::open(store, key, ORIGIN).await.unwrap();
    let data = OperatorData::new(OperatorEvent::Started, "0.1.0".to_owned());
    let entry = Entry {
        clock: ClockReading::default(),
        at: "2026-07-01T00:00:00Z".parse().unwrap(),
        epoch: 1,
        subject: EntrySubject::new("Operator", "comptroller-0"),
        data: Data::Operator(Box::new(data)),
    };
    log.append(&[entry.to_text().unwrap().into_bytes()]).await.unwrap();
    dir
}

fn push(log: &TempDir, arguments: &[&str]) -> Output {
    let evidence = log.path().join("log");
    Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["report", "push", "Q3", "--from", "2026-07-01", "--to", "2026-07-02"])
        .args(["--evidence", evidence.to_str().unwrap()])
        .args(arguments)
        .env_remove("KUBECONFIG")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A receiver that answers each request with the next status; what it got comes out of the channel.
fn receiver(answers: &'static [&'static str]) -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/evidence?tenant=7", listener.local_addr().unwrap());
    let (sender, got) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            if sender.send((head, body)).is_err() {
                return;
            }
        }
    });
    (url, got)
}

#[tokio::test]
async fn a_report_is_sent_and_tried_again() {
    let log = log().await;
    let (url, got) = receiver(&["503 Service Unavailable", "201 Created"]);
    let headers = log.path().join("headers");
    fs::write(&headers, "Authorization: Bearer t0ken\n").unwrap();
    let template = log.path().join("body.j2");
    fs::write(&template, r#"{"name": {{ period.name }}, "controls": {{ controls | length }}}"#)
        .unwrap();
    let options =
        ["--template", template.to_str().unwrap(), "--header-file", headers.to_str().unwrap()];

    let dry = push(&log, &[&["--endpoint", &url, "--dry-run"][..], &options].concat());
    assert_eq!(dry.status.code(), Some(0), "{}", said(&dry));
    let printed: Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!(printed, serde_json::json!({"name": "Q3", "controls": 0}));
    assert!(
        !said(&dry).contains("t0ken") && said(&dry).contains("authorization"),
        "{}",
        said(&dry)
    );

    let sent = push(&log, &[&["--endpoint", &url][..], &options].concat());
    assert_eq!(sent.status.code(), Some(0), "{}", said(&sent));
    let requests: Vec<(String, Vec<u8>)> = got.iter().collect();
    let (head, body) = &requests[1];
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].1, requests[1].1);
    assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), printed);
    let head = head.to_lowercase();
    assert!(head.starts_with("post /evidence?tenant=7 http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer t0ken") && head.contains("idempotency-key: "));
    assert!(head.contains("content-type: application/json"), "{head}");
}

#[tokio::test]
async fn what_can_t_be_sent_is_said_with_what_to_do() {
    let log = log().await;
    let (refuses, got) = receiver(&["302 Found", "401 Unauthorized", "422 Unprocessable Content"]);
    let missing = log.path().join("missing");
    let missing = missing.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["--endpoint", &*refuses], "a redirect, which is not followed"),
        (vec!["--endpoint", &*refuses], "401"),
        (vec!["--endpoint", &*refuses], "422"),
        (vec!["--endpoint", "http://grc.example/"], "use https"),
        (vec!["--endpoint", "https://169.254.169.254/"], "link-local"),
        (vec!["--endpoint", &*refuses, "-o", "csv"], "several files"),
        (vec!["--endpoint", &*refuses, "--header-file", missing], "missing"),
        (vec!["--endpoint", &*refuses, "--template", missing], "missing"),
    ] {
        let output = push(&log, &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
    }
    assert_eq!(got.iter().count(), 3);
}
