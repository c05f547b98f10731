//! What is sent by who is not believed, and what no sender may send.

use std::time::{Duration, Instant};

use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::{
    LIMIT,
    controlplane::{self, port::Port, wait},
    operator::{Operator, arguments},
    process::install_crds,
    sender::{Certificates, answer, connect, head, status},
};

/// A list that is right.
const EMPTY: &str = r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}"#;

async fn token(client: &Client, name: &str) -> String {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    let mut account = ServiceAccount::default();
    account.metadata.name = Some(name.to_owned());
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let request = TokenRequest::default();
    let granted: TokenRequest =
        accounts.create_subresource("token", name, &PostParams::default(), &request).await.unwrap();
    granted.status.unwrap().token.unwrap()
}

/// Grants what config/rbac/optional has.
async fn let_send(client: &Client, account: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rbac/optional/audit_stream.yaml");
    let role: ClusterRole = yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "audit-sender"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role.metadata.name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "default"}],
    }))
    .unwrap();
    let params = PostParams::default();
    Api::all(client.clone()).create(&params, &role).await.unwrap();
    Api::all(client.clone()).create(&params, &binding).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_believed_and_no_body_costs_anything() {
    let plane = controlplane::shared().await;
    install_crds(plane).await;
    let client = plane.admin_client();
    let (port, ours, others) = (Port::reserve().unwrap(), Certificates::new(), Certificates::new());
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(plane, &port, &arguments(&ours, folder.path(), &[]));
    let list = |headers: &str| format!("{}{EMPTY}", head(headers, EMPTY.len() as u64));

    // Until the log is open, the API server is to come again.
    wait::until("the operator takes events", LIMIT, async || {
        let stream = connect(&port, &ours, Some(&ours)).await.ok()?;
        match answer(stream, list("").as_bytes()).await.ok()? {
            200 => Some(()),
            code => {
                assert_eq!(code, 503);
                None
            }
        }
    })
    .await
    .unwrap_or_else(|error| panic!("{error}:\n{}", operator.said()));

    let (stranger, sender) = (token(&client, "stranger").await, token(&client, "sender").await);
    let_send(&client, "sender").await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for (headers, expected) in [
        (String::new(), 401),
        (bearer("made-up"), 401),
        ("Authorization: Basic YTpi\r\n".to_owned(), 401),
        (bearer(&stranger), 403),
        (bearer(&sender), 200),
    ] {
        let stream = connect(&port, &ours, None).await.unwrap();
        assert_eq!(answer(stream, list(&headers).as_bytes()).await.unwrap(), expected, "{headers}");
    }
    // The certificate of somebody else's authority is no certificate.
    let refused = match connect(&port, &ours, Some(&others)).await {
        Ok(stream) => answer(stream, list("").as_bytes()).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);

    let before = operator.peak_memory();
    let gibibyte = 1024 * 1024 * 1024;
    // Announced and never read, with a certificate and without.
    for (own, expected) in [(Some(&ours), 413), (None, 401)] {
        let stream = connect(&port, &ours, own).await.unwrap();
        assert_eq!(answer(stream, head("", gibibyte).as_bytes()).await.unwrap(), expected);
    }
    for (bytes, expected) in [
        (list("Content-Encoding: gzip\r\n"), 415),
        (format!("{}{{}}", head("", 2)), 400),
        (format!("{}[[[[", head("", 4)), 400),
        (list("").replace("application/json", "text/plain"), 415),
        (list("").replace("POST", "PUT"), 405),
    ] {
        let stream = connect(&port, &ours, Some(&ours)).await.unwrap();
        assert_eq!(answer(stream, bytes.as_bytes()).await.unwrap(), expected, "{bytes}");
    }
    assert_eq!(endless(&port, &ours).await, Some(413));
    // A million empty events are one at a time.
    let many = format!("{}{}]}}", EMPTY.trim_end_matches("]}"), vec!["{}"; 1_000_000].join(","));
    let bytes = format!("{}{many}", head("", many.len() as u64));
    let stream = connect(&port, &ours, Some(&ours)).await.unwrap();
    assert_eq!(answer(stream, bytes.as_bytes()).await.unwrap(), 200);

    // Slow ones get some seconds, and keep nobody else out.
    let begun = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&port, &ours, Some(&ours)).await.unwrap();
        stream.write_all(head("", 1000).as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let mut codes = Vec::new();
    for stream in &mut slow {
        codes.push(status(stream).await.unwrap());
    }
    assert!(codes.iter().all(|code| matches!(code, 408 | 429)), "{codes:?}");
    assert!(codes.contains(&408) && codes.contains(&429), "{codes:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    let grown = operator.peak_memory().saturating_sub(before);
    assert!(grown < 48 * 1024 * 1024, "{grown} bytes more");
    // Nothing of all this is said to have happened.
    let entries = crate::log::entries(&operator.log).await;
    assert_eq!(crate::usages(&entries).count(), 0);
}

/// Sends chunks until the operator has had enough; the code of its answer, if it still arrived.
async fn endless(port: &Port, ours: &Certificates) -> Option<u16> {
    let mut stream = connect(port, ours, Some(ours)).await.unwrap();
    let head = head("Transfer-Encoding: chunked\r\n", 0).replace("Content-Length: 0\r\n", "");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    for _ in 0..16 * 1024 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    status(&mut stream).await.ok().or(Some(413))
}
