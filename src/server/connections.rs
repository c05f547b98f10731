//! Connections and their limits: strangers reach this server, so each gets little of it.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{seats::Seats, source::Source};

/// How large the head of a request may be, in bytes. A token is about 1 KiB.
const HEAD_SIZE: usize = 16 * 1024;
/// How many header fields it may have.
const HEADERS: usize = 64;
/// How long a connection may take to end once it is to end.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long to wait when the process has no file descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// What connections to one address may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many there may be; another one ends an older one.
    connections: usize,
    /// How many one source may have.
    of_one_source: usize,
    /// How long a TLS handshake may take.
    handshake: Duration,
    /// How long the head of a request may take, and the pause before the next.
    head: Duration,
    /// How long a connection may last on which nobody showed the right to read.
    stranger: Duration,
    /// How long any may last, so that a reader that stands still does not keep it.
    lifetime: Duration,
    /// Whether it may be used again.
    keep_alive: bool,
}

impl Limits {
    /// For who scrapes, over TLS.
    pub const METRICS: Self = Self {
        connections: 128,
        of_one_source: 16,
        handshake: Duration::from_secs(5),
        head: Duration::from_secs(5),
        stranger: Duration::from_secs(30),
        lifetime: Duration::from_mins(10),
        keep_alive: true,
    };

    /// For the kubelet, which asks one thing on each connection.
    pub const PROBES: Self = Self {
        connections: 64,
        of_one_source: 8,
        handshake: Duration::from_secs(2),
        head: Duration::from_secs(2),
        stranger: Duration::from_secs(3),
        lifetime: Duration::from_secs(3),
        keep_alive: false,
    };
}

/// A connection is ended by dropping this.
type Hold = oneshot::Sender<Infallible>;

/// Accepts connections and serves each in a task.
pub struct Connections {
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    seats: Arc<Mutex<Seats<Hold>>>,
    ending: watch::Sender<bool>,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    pub source: Source,
    seat: Arc<Seat>,
}

impl Peer {
    /// Showed the right to read, and is the last to go when there are too many.
    pub fn trust(&self) {
        self.seat.with(|seats| seats.trust(self.seat.number));
    }

    /// One that no connection is behind.
    #[cfg(test)]
    pub fn alone() -> Self {
        let source = Source::of(std::net::Ipv4Addr::LOCALHOST.into());
        let seats = Arc::new(Mutex::new(Seats::new(1, 1)));
        Self { source, seat: Arc::new(Seat { number: 0, seats }) }
    }

    fn is_trusted(&self) -> bool {
        self.seat.with(|seats| seats.trusts(self.seat.number))
    }
}

/// Given back when the task of the connection ends, however it ends.
#[derive(Debug)]
struct Seat {
    number: u64,
    seats: Arc<Mutex<Seats<Hold>>>,
}

impl Seat {
    fn with<T>(&self, act: impl FnOnce(&mut Seats<Hold>) -> T) -> T {
        act(&mut self.seats.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let number = self.number;
        self.with(|seats| seats.leave(number));
    }
}

impl Connections {
    pub fn new(router: Router, tls: Option<TlsAcceptor>, limits: Limits) -> Self {
        let seats = Seats::new(limits.connections, limits.of_one_source);
        let seats = Arc::new(Mutex::new(seats));
        Self { router, tls, limits, seats, ending: watch::Sender::new(false) }
    }

    /// Accepts for ever, and never waits for a connection to end.
    pub async fn accept(&self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => self.start(stream, Source::of(address.ip())),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    sleep(EXHAUSTED).await;
                }
            }
        }
    }

    /// Ends all connections: each finishes the request it is at.
    pub async fn finish(&self) {
        self.ending.send_replace(true);
        // Past the limit the runtime drops them.
        let _ = timeout(FAREWELL, self.ending.closed()).await;
    }

    fn start(&self, stream: TcpStream, source: Source) {
        let (hold, ended) = oneshot::channel();
        let seats = Arc::clone(&self.seats);
        let number = seats.lock().unwrap_or_else(PoisonError::into_inner).take(source, hold);
        let peer = Peer { source, seat: Arc::new(Seat { number, seats }) };
        let (router, tls, limits) = (self.router.clone(), self.tls.clone(), self.limits);
        let ending = self.ending.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                _ = ended => tracing::debug!("a connection ended for a newer one"),
                () = serve(stream, tls, router, peer, limits, ending) => {}
            }
        });
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    peer: Peer,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
) {
    let Some(tls) = tls else { return converse(stream, router, peer, limits, ending).await };
    let handshake = tokio::select! {
        handshake = timeout(limits.handshake, tls.accept(stream)) => handshake,
        _ = ending.wait_for(|&ending| ending) => return,
    };
    match handshake {
        Ok(Ok(stream)) => converse(stream, router, peer, limits, ending).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    peer: Peer,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .keep_alive(limits.keep_alive)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_SIZE);
    let service = TowerToHyperService::new(router.layer(Extension(peer.clone())));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // What a stranger sends wrong is answered by the library and is no news.
        _ = &mut connection => return,
        _ = ending.wait_for(|&ending| ending) => {}
        () = ends(&peer, limits) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A reader that stands still would keep it for as long as it likes.
    let _ = timeout(FAREWELL.min(limits.lifetime), connection).await;
}

/// When a connection is to end.
async fn ends(peer: &Peer, limits: Limits) {
    sleep(limits.stranger).await;
    if peer.is_trusted() {
        sleep(limits.lifetime.saturating_sub(limits.stranger)).await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
