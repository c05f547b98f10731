//! A bucket that fails: what of Amazon's S3 the evidence log uses, served from memory.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri, header},
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use futures::stream;
use tokio::task::JoinHandle;

/// What is done to a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Refused with a code, and not carried out.
    Refuse(u16),
    /// Carried out, and then refused: the client can't know.
    RefuseAfter(u16),
    /// Carried out, and the connection breaks before the answer is whole.
    LoseReply,
    /// Never answered, and not carried out.
    Hang,
    /// Answers after this time.
    Delay(Duration),
}

/// Which requests a fault concerns.
#[derive(Clone, Debug)]
pub struct Rule {
    pub method: Method,
    /// What the key holds.
    pub key: &'static str,
    /// The first ones that are left alone.
    pub skip: usize,
    /// How many are meant.
    pub times: usize,
    pub fault: Fault,
}

#[derive(Default)]
struct Store {
    objects: BTreeMap<String, (Bytes, u64)>,
    version: u64,
    rules: Vec<Rule>,
    /// How many requests a rule has hit, and how many there were at all.
    hits: usize,
    requests: usize,
}

/// Serves until it is dropped.
pub struct Bucket {
    store: Arc<Mutex<Store>>,
    url: String,
    task: JoinHandle<()>,
}

impl Bucket {
    pub async fn start() -> Self {
        Self::listen("127.0.0.1:0").await
    }

    /// Serves at an address and port, such as one that pods reach.
    pub async fn listen(address: &str) -> Self {
        let store: Arc<Mutex<Store>> = Arc::default();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&store));
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { store, url, task }
    }

    /// `http://ADDRESS:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the operator needs to find it, as Amazon's own tools call it.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "torture"),
            ("AWS_SECRET_ACCESS_KEY", "torture"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    pub fn set(&self, rules: Vec<Rule>) {
        lock(&self.store).rules = rules;
    }

    pub fn heal(&self) {
        self.set(Vec::new());
    }

    pub fn hits(&self) -> usize {
        lock(&self.store).hits
    }

    /// Writes the objects below a prefix into a directory, for a reader of directories.
    pub fn save(&self, prefix: &str, folder: &Path) {
        for (key, (bytes, _)) in &lock(&self.store).objects {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            let path = folder.join(rest.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// A key that signs logs, as `openssl genpkey -algorithm ed25519` writes it.
pub fn signing_key() -> String {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend([7; 32]);
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    State(store): State<Arc<Mutex<Store>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    // `/bucket/key`.
    let key = uri.path().trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    let fault = lock(&store).fault(&method, key);
    match fault {
        Some(Fault::Refuse(code)) => return answer(code, &error(code)),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let reply =
        lock(&store).carry_out(&method, key, uri.query().unwrap_or_default(), &headers, body);
    match fault {
        Some(Fault::RefuseAfter(code)) => answer(code, &error(code)),
        Some(Fault::LoseReply) => {
            let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("lost"))]);
            let mut reply = Response::new(Body::from_stream(broken));
            reply.headers_mut().insert(header::CONTENT_LENGTH, 100.into());
            reply
        }
        _ => reply,
    }
}

impl Store {
    fn fault(&mut self, method: &Method, key: &str) -> Option<Fault> {
        self.requests += 1;
        let rule = self.rules.iter_mut().find(|rule| {
            rule.method == *method && key.contains(rule.key) && (rule.skip > 0 || rule.times > 0)
        })?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        self.hits += 1;
        Some(rule.fault)
    }

    fn carry_out(
        &mut self,
        method: &Method,
        key: &str,
        query: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response<Body> {
        match *method {
            Method::GET if query.contains("list-type=2") => self.list(query),
            Method::GET => match self.objects.get(key) {
                Some((bytes, version)) => with_tag(200, *version, Body::from(bytes.clone())),
                None => answer(404, &error(404)),
            },
            Method::PUT => self.put(key, headers, body),
            Method::DELETE => {
                self.objects.remove(key);
                answer(204, "")
            }
            Method::POST => self.delete_many(&body),
            _ => answer(405, ""),
        }
    }

    fn put(&mut self, key: &str, headers: &HeaderMap, body: Bytes) -> Response<Body> {
        let there = self.objects.get(key).map(|(_, version)| tag(*version));
        let wanted = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
        let matches = wanted.is_none_or(|wanted| there.as_deref() == Some(wanted));
        let absent = !headers.contains_key(header::IF_NONE_MATCH) || there.is_none();
        if wanted.is_some() && there.is_none() {
            return answer(404, &error(404));
        }
        if !matches || !absent {
            return answer(412, &error(412));
        }
        self.version += 1;
        self.objects.insert(key.to_owned(), (body, self.version));
        with_tag(200, self.version, Body::empty())
    }

    fn list(&self, query: &str) -> Response<Body> {
        let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
        let prefix = prefix.unwrap_or_default().replace("%2F", "/");
        let mut text = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
        for (key, (bytes, version)) in
            self.objects.iter().filter(|(key, _)| key.starts_with(&prefix))
        {
            let (size, tag) = (bytes.len(), tag(*version).replace('"', "&quot;"));
            let _ = write!(
                text,
                "<Contents><Key>{key}</Key><Size>{size}</Size><ETag>{tag}</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            );
        }
        text.push_str("</ListBucketResult>");
        answer(200, &text)
    }

    fn delete_many(&mut self, body: &[u8]) -> Response<Body> {
        let text = String::from_utf8_lossy(body);
        for part in text.split("<Key>").skip(1) {
            self.objects.remove(part.split("</Key>").next().unwrap_or_default());
        }
        answer(200, "<DeleteResult></DeleteResult>")
    }
}

fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

fn with_tag(code: u16, version: u64, body: Body) -> Response<Body> {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(code).unwrap();
    let headers = reply.headers_mut();
    headers.insert(header::ETAG, tag(version).parse().unwrap());
    headers.insert(header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT".parse().unwrap());
    reply
}

fn answer(code: u16, text: &str) -> Response<Body> {
    let mut reply = Response::new(Body::from(text.to_owned()));
    *reply.status_mut() = StatusCode::from_u16(code).unwrap();
    reply.headers_mut().insert(header::CONTENT_TYPE, "application/xml".parse().unwrap());
    reply
}

fn error(code: u16) -> String {
    let name = match code {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        412 => "PreconditionFailed",
        503 => "SlowDown",
        _ => "InternalError",
    };
    format!("<Error><Code>{name}</Code><Message>torture</Message></Error>")
}
