//! Connections and their limits: strangers reach this server, so each gets little of it.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// How many connections there may be. More wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// How large the head of a request may be, in bytes. A token is about 1 KiB.
const HEAD_SIZE: usize = 16 * 1024;
/// How many header fields it may have.
const HEADERS: usize = 64;
/// How long a connection may be used, so that a reader that stands still does not keep it.
const LIFETIME: Duration = Duration::from_mins(10);
/// How long a connection may take to end once it is to end.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long to wait when the process has no file descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Accepts connections and serves each in a task.
pub struct Connections {
    router: Router,
    tls: Option<TlsAcceptor>,
    slots: Arc<Semaphore>,
    ending: watch::Sender<bool>,
}

impl Connections {
    pub fn new(router: Router, tls: Option<TlsAcceptor>) -> Self {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        Self { router, tls, slots, ending: watch::Sender::new(false) }
    }

    /// Accepts for ever.
    pub async fn accept(&self, listener: TcpListener) {
        loop {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => self.start(stream, slot),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    /// Ends all connections: each finishes the request it is at.
    pub async fn finish(&self) {
        self.ending.send_replace(true);
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        // Past the limit the runtime drops them.
        let _ = timeout(FAREWELL, self.slots.acquire_many(all)).await;
    }

    fn start(&self, stream: TcpStream, slot: OwnedSemaphorePermit) {
        let router = self.router.clone();
        let tls = self.tls.clone();
        let ending = self.ending.subscribe();
        tokio::spawn(async move {
            match tls {
                None => converse(stream, router, ending).await,
                Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, router, ending).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                },
            }
            drop(slot);
        });
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut ending: watch::Receiver<bool>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_SIZE);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // What a stranger sends wrong is answered by the library and is no news.
        _ = &mut connection => return,
        _ = ending.wait_for(|&ending| ending) => {}
        () = tokio::time::sleep(LIFETIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(FAREWELL, connection).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
