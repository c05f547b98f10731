//! Connections and their limits: anybody may reach this server, so each client gets little of it.

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

use super::{client_source::ClientSource, slots::Slots};

/// The largest head of a request, in bytes. A token is about 1 KiB.
const HEAD_SIZE: usize = 16 * 1024;
/// The most header fields of a request.
const HEADERS: usize = 64;
/// How long a connection may take to shut down.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// The pause if no connection can be accepted, as when there is no file descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// The limits of connections to one address of the server.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// How many there may be; a further one closes an older one.
    connections: usize,
    /// How many one source may have.
    per_source: usize,
    /// How long a TLS handshake may take.
    handshake: Duration,
    /// How long the head of a request may take, and the pause before the next.
    head: Duration,
    /// How long a connection may last without an authorized request.
    unauthorized: Duration,
    /// How long any connection may last, so that a reader that stalls does not keep it.
    lifetime: Duration,
    /// Whether a connection may have more than one request.
    keep_alive: bool,
}

impl ConnectionLimits {
    /// For metrics clients, over TLS.
    pub const METRICS: Self = Self {
        connections: 128,
        per_source: 16,
        handshake: Duration::from_secs(5),
        head: Duration::from_secs(5),
        unauthorized: Duration::from_secs(30),
        lifetime: Duration::from_mins(10),
        keep_alive: true,
    };

    /// For a person's own browser on their own machine.
    pub const LOOPBACK: Self = Self { per_source: 128, ..Self::METRICS };

    /// For the kubelet, which sends one request on each connection.
    pub const PROBES: Self = Self {
        connections: 64,
        per_source: 8,
        handshake: Duration::from_secs(2),
        head: Duration::from_secs(2),
        unauthorized: Duration::from_secs(3),
        lifetime: Duration::from_secs(3),
        keep_alive: false,
    };
}

/// Dropping this closes a connection.
type CloseHandle = oneshot::Sender<Infallible>;

/// Accepts connections and serves each in a task.
pub struct Connections {
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: ConnectionLimits,
    slots: Arc<Mutex<Slots<CloseHandle>>>,
    shutdown: watch::Sender<bool>,
}

/// The client at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub source: ClientSource,
    /// Whether it showed a certificate of an authority that is believed.
    pub is_certified: bool,
    slot: Arc<SlotGuard>,
}

impl Peer {
    /// Notes an authorized request: this connection is among the last to be closed.
    pub fn trust(&self) {
        self.slot.with(|slots| slots.trust(self.slot.number));
    }

    /// A peer without a connection.
    #[cfg(test)]
    pub fn alone() -> Self {
        let source = ClientSource::of(std::net::Ipv4Addr::LOCALHOST.into());
        let slots = Arc::new(Mutex::new(Slots::new(1, 1)));
        Self { source, is_certified: false, slot: Arc::new(SlotGuard { number: 0, slots }) }
    }

    fn is_trusted(&self) -> bool {
        self.slot.with(|slots| slots.trusts(self.slot.number))
    }
}

/// The slot of a connection, which is free again when the connection's task ends, however it ends.
#[derive(Debug)]
struct SlotGuard {
    number: u64,
    slots: Arc<Mutex<Slots<CloseHandle>>>,
}

impl SlotGuard {
    fn with<T>(&self, act: impl FnOnce(&mut Slots<CloseHandle>) -> T) -> T {
        act(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let number = self.number;
        self.with(|slots| slots.release(number));
    }
}

impl Connections {
    pub fn new(router: Router, tls: Option<TlsAcceptor>, limits: ConnectionLimits) -> Self {
        let slots = Slots::new(limits.connections, limits.per_source);
        let slots = Arc::new(Mutex::new(slots));
        Self { router, tls, limits, slots, shutdown: watch::Sender::new(false) }
    }

    /// Accepts for ever, and never waits for a connection to close.
    pub async fn accept(&self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => self.start(stream, ClientSource::of(address.ip())),
                // Only that client is affected, and it is gone.
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be accepted");
                    // The next attempt would fail as well: without a pause this would be a busy
                    // loop.
                    sleep(EXHAUSTED).await;
                }
            }
        }
    }

    /// Closes all connections; each finishes its current request.
    pub async fn finish(&self) {
        self.shutdown.send_replace(true);
        // After the limit the runtime drops them.
        let _ = timeout(SHUTDOWN, self.shutdown.closed()).await;
    }

    fn start(&self, stream: TcpStream, source: ClientSource) {
        let (handle, ended) = oneshot::channel();
        let slots = Arc::clone(&self.slots);
        let number = slots.lock().unwrap_or_else(PoisonError::into_inner).take(source, handle);
        let peer =
            Peer { source, is_certified: false, slot: Arc::new(SlotGuard { number, slots }) };
        let (router, tls, limits) = (self.router.clone(), self.tls.clone(), self.limits);
        let shutdown = self.shutdown.subscribe();
        // The handshake is part of the task: a client that never finishes it delays nobody.
        tokio::spawn(async move {
            tokio::select! {
                _ = ended => tracing::debug!("a connection was closed for a newer one"),
                () = serve(stream, tls, router, peer, limits, shutdown) => {}
            }
        });
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    peer: Peer,
    limits: ConnectionLimits,
    mut shutdown: watch::Receiver<bool>,
) {
    let Some(tls) = tls else { return serve_http(stream, router, peer, limits, shutdown).await };
    let handshake = tokio::select! {
        handshake = timeout(limits.handshake, tls.accept(stream)) => handshake,
        _ = shutdown.wait_for(|&shutdown| shutdown) => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            // The handshake has verified it, or there is none.
            let is_certified = stream.get_ref().1.peer_certificates().is_some();
            let peer = Peer { is_certified, ..peer };
            serve_http(stream, router, peer, limits, shutdown).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    peer: Peer,
    limits: ConnectionLimits,
    mut shutdown: watch::Receiver<bool>,
) {
    // HTTP/2 would allow many requests at once on one connection, which no limit here counts.
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
        // The library answers malformed requests, which anybody can send, so they are not logged.
        _ = &mut connection => return,
        _ = shutdown.wait_for(|&shutdown| shutdown) => {}
        () = expires(&peer, limits) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A reader that stalls would otherwise keep the connection for ever.
    let _ = timeout(SHUTDOWN.min(limits.lifetime), connection).await;
}

/// Resolves when a connection must be closed.
async fn expires(peer: &Peer, limits: ConnectionLimits) {
    sleep(limits.unauthorized).await;
    if peer.is_trusted() {
        sleep(limits.lifetime.saturating_sub(limits.unauthorized)).await;
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
