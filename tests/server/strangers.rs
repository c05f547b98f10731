//! What strangers can do to who scrapes and to the kubelet: nothing.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Uri, header},
    response::IntoResponse,
};
use comptroller::server::ServerConfig;
use futures::future::join_all;
use kube::{Client, Config};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{LIMIT, Running, files_in, loopback, nowhere, start, write_pair};

/// What the kubelet gives a probe.
const PROBE: Duration = Duration::from_secs(1);

/// One of the addresses of loopback.
fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// `GET path` on a connection of its own: the status, and `Retry-After`.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
    token: Option<&str>,
) -> io::Result<(u16, Option<u64>)> {
    let authorization =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let retry = answer.lines().find_map(|line| line.strip_prefix("retry-after: "));
    let status = status.ok_or_else(|| io::Error::other(format!("no answer: {answer}")))?;
    Ok((status, retry.map(|seconds| seconds.parse().unwrap())))
}

/// A server with TLS and an address for probes, and how to reach both.
struct Place {
    running: Running,
    tls: TlsConnector,
    _files: tempfile::TempDir,
}

impl Place {
    async fn new(client: Client) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = files_in(dir.path());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(write_pair(&files))).unwrap();
        let config = ServerConfig {
            certificate: Some(files),
            probe_listen: Some("127.0.0.1:0".parse().unwrap()),
            ..loopback()
        };
        let running = start(config, client).await;
        running.evaluated.send_replace(true);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { running, tls: TlsConnector::from(Arc::new(tls)), _files: dir }
    }

    fn probes(&self) -> SocketAddr {
        self.running.probe_address.unwrap()
    }

    async fn probe(&self, path: &str) -> io::Result<u16> {
        let stream = connect(address(1), self.probes()).await?;
        Ok(exchange(stream, path, None).await?.0)
    }

    async fn scrape(&self, from: u8, token: &str) -> io::Result<(u16, Option<u64>)> {
        self.get(from, "/metrics", Some(token)).await
    }

    async fn get(
        &self,
        from: u8,
        path: &str,
        token: Option<&str>,
    ) -> io::Result<(u16, Option<u64>)> {
        let stream = connect(address(from), self.running.address).await?;
        let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        exchange(self.tls.connect(name, stream).await?, path, token).await
    }

    /// What must go on whatever strangers do.
    async fn assert_serves(&self, token: &str) {
        for path in ["/healthz", "/readyz"] {
            let probed = timeout(PROBE, self.probe(path)).await;
            assert_eq!(probed.unwrap().unwrap(), 200, "{path}");
            let probed = timeout(PROBE, self.get(1, path, None)).await;
            assert_eq!(probed.unwrap().unwrap().0, 200, "{path}");
        }
        let scraped = timeout(PROBE, self.scrape(1, token)).await;
        assert_eq!(scraped.unwrap().unwrap().0, 200);
    }
}

/// Ends a task with the test.
struct Background(AbortHandle);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An API server that knows the tokens that begin with `good` and lets their owners read.
#[derive(Clone, Default)]
struct Cluster {
    reviews: Arc<AtomicUsize>,
}

impl Cluster {
    async fn serve(&self) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut config = Config::new(url.parse().unwrap());
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    fn reviews(&self) -> usize {
        self.reviews.load(Ordering::SeqCst)
    }
}

async fn answer(State(cluster): State<Cluster>, uri: Uri, body: Bytes) -> impl IntoResponse {
    let mut review: Value = serde_json::from_slice(&body).unwrap();
    review["status"] = if uri.path().ends_with("tokenreviews") {
        cluster.reviews.fetch_add(1, Ordering::SeqCst);
        let good = review["spec"]["token"].as_str().unwrap().starts_with("good");
        json!({ "authenticated": good, "user": { "username": "prometheus" } })
    } else {
        json!({ "allowed": true })
    };
    ([(header::CONTENT_TYPE, "application/json")], review.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_connections_keeps_nobody_out() {
    let place = Place::new(Cluster::default().serve().await).await;
    let mut idle = Vec::new();
    for to in [place.probes(), place.running.address] {
        for number in 0..300_u16 {
            let from = address(u8::try_from(1 + number % 40).unwrap());
            idle.push(connect(from, to).await.unwrap());
        }
        place.assert_serves("good").await;
    }
    place.assert_serves("good").await;

    // They come back as soon as they are shown out.
    let floods: Vec<Background> = [place.probes(), place.running.address]
        .into_iter()
        .flat_map(|to| (2..6).map(move |last| (to, last)))
        .map(|(to, last)| {
            let flood = tokio::spawn(async move {
                let mut held = std::collections::VecDeque::new();
                loop {
                    held.extend(connect(address(last), to).await.ok());
                    if held.len() > 50 {
                        held.pop_front();
                    }
                    sleep(Duration::from_millis(2)).await;
                }
            });
            Background(flood.abort_handle())
        })
        .collect();
    for _ in 0..10 {
        place.assert_serves("good").await;
    }
    drop(floods);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_or_a_head_that_does_not_end_is_ended() {
    let place = Place::new(nowhere()).await;
    let ends = async |to: SocketAddr, first: &[u8]| {
        let mut stream = connect(address(2), to).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut sent = first.iter().chain(std::iter::repeat(&b'x'));
        let write = async {
            loop {
                let byte = sent.next().copied().unwrap();
                if writer.write_all(&[byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let mut answer = Vec::new();
        tokio::select! {
            () = write => {}
            _ = reader.read_to_end(&mut answer) => {}
        }
    };
    let head = b"GET /healthz HTTP/1.1\r\nx: ";
    // The first bytes of a TLS handshake of 16 KiB.
    let hello = [22, 3, 1, 64, 0, 1, 0, 63, 252];
    let ended = join_all([
        timeout(Duration::from_secs(10), ends(place.probes(), head)),
        timeout(Duration::from_secs(10), ends(place.running.address, &hello)),
    ]);
    assert!(ended.await.iter().all(Result::is_ok), "a connection is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_tokens_are_not_passed_through() {
    let cluster = Cluster::default();
    let place = Place::new(cluster.serve().await).await;
    assert_eq!(place.scrape(1, "good").await.unwrap().0, 200);

    let begin = Instant::now();
    let before = cluster.reviews();
    let refused = AtomicUsize::new(0);
    let strangers = join_all((2..30).map(|from| {
        let (place, refused) = (&place, &refused);
        async move {
            for number in 0..40 {
                let token = format!("made-up-{from}-{number}");
                match place.scrape(from, &token).await.unwrap() {
                    (429, retry) => {
                        assert!(retry.is_some_and(|seconds| (1..=10).contains(&seconds)));
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                    (status, _) => assert_eq!(status, 401),
                }
            }
        }
    }));
    let scraper = async {
        // The token that is known, and ones that replace it: who it is and what it may were two
        // questions, and six may come at once.
        for number in 0..4 {
            for token in ["good".to_owned(), format!("good-{number}")] {
                assert_eq!(place.scrape(1, &token).await.unwrap().0, 200, "{token}");
            }
        }
    };
    tokio::join!(strangers, scraper);
    let asked = cluster.reviews() - before;
    let allowed = 20 + 5 * (begin.elapsed().as_secs() + 1) + 5;
    assert!(asked as u64 <= allowed, "{asked} reviews in {:?}", begin.elapsed());
    assert!(refused.load(Ordering::SeqCst) > 500);

    // A token that was refused costs nothing again.
    let before = cluster.reviews();
    for _ in 0..3 {
        place.scrape(2, "made-up-2-0").await.unwrap();
    }
    assert!(cluster.reviews() <= before + 1);
    // A stranger who waited is heard again.
    crate::wait::until("a stranger's token is looked at", LIMIT, async || {
        (place.scrape(40, "good-at-last").await.unwrap().0 == 200).then_some(())
    })
    .await
    .unwrap();
}
