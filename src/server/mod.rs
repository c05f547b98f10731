//! The operator's web server: `/metrics` and the pages below `/ui/` for clients that are authorized to
//! read them, `/healthz` and `/readyz` for the kubelet. Probes can have an address of their own, so that a client that exhausts
//! the metrics port can't get the process restarted.
//!
//! HTTPS by default. A client of `/metrics` sends a token of the cluster; the API server says whose it is
//! (`TokenReview`) and whether that user may read (`SubjectAccessReview`).

mod access;
mod audit;
mod cache;
mod client_source;
pub(crate) mod connections;
mod pages;
mod probes;
mod routes;
mod slots;
mod throttle;
mod tls;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use kube::Client;
use tokio::net::TcpListener;

pub use probes::ProbeState;

use crate::{audit_stream::AuditStream, telemetry::Metrics, ui::Pages};
use access::Access;
use connections::{ConnectionLimits, Connections};
use routes::RouteState;
use tls::{CertificateStore, ClientAuthorities};

/// How often the files of a certificate are read again.
const RELOAD: Duration = Duration::from_secs(10);

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// An additional address for probes, over plain HTTP, since they reveal nothing confidential. None
    /// for no additional address.
    pub probe_listen: Option<SocketAddr>,
    /// Whether to serve plain HTTP without authentication; allowed on loopback only.
    pub insecure: bool,
    /// The certificate and its key. None for a self-signed one that is generated in memory.
    pub certificate: Option<CertificateFiles>,
    /// How often the files of the certificate are read again.
    pub reload: Duration,
    /// A file with the authorities by whose certificates the API server is known as the sender of audit
    /// events, in PEM. None: it sends a token.
    pub client_authorities: Option<PathBuf>,
}

/// A certificate in files, as in a mounted Secret that cert-manager writes.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain in PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

impl ServerConfig {
    /// HTTPS at `listen` with a certificate that is generated in memory.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            probe_listen: None,
            insecure: false,
            certificate: None,
            reload: RELOAD,
            client_authorities: None,
        }
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Plain HTTP on an address that others can reach.
    #[error(
        "{0} can be reached from other machines, where anybody could read the metrics without TLS; listen on 127.0.0.1 or leave out --insecure"
    )]
    Insecure(SocketAddr),
    /// The address can't be used.
    #[error("can't listen on {listen}: {source}; choose another address with {flag}")]
    Listen {
        /// The flag that set the address.
        flag: &'static str,
        listen: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A certificate or key can't be used.
    #[error("{}: {reason}; it must be PEM, and certificate and key belong together", file.display())]
    Certificate { file: PathBuf, reason: String },
    /// No certificate could be generated.
    #[error("a certificate can't be generated: {0}; provide one with --tls-cert and --tls-key")]
    SelfSigned(#[from] rcgen::Error),
    /// The TLS library rejects the configuration.
    #[error("TLS can't be set up: {0}; check the certificate and the kind of its key")]
    Tls(#[from] rustls::Error),
}

/// A server that is bound to its address and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    probe_listener: Option<(TcpListener, SocketAddr)>,
    certificates: Option<Arc<CertificateStore>>,
    clients: Option<ClientAuthorities>,
    reload: Duration,
    state: RouteState,
}

impl Server {
    /// Binds the addresses and reads the certificate, so that mistakes show before anything runs.
    pub async fn bind(
        config: ServerConfig,
        client: Client,
        metrics: Metrics,
        probes: ProbeState,
    ) -> Result<Self, ServerError> {
        let ServerConfig {
            listen,
            probe_listen,
            insecure,
            certificate,
            reload,
            client_authorities,
        } = config;
        // Canonical, since ::ffff:127.0.0.1 is the same address in another form.
        if insecure && !listen.ip().to_canonical().is_loopback() {
            return Err(ServerError::Insecure(listen));
        }
        let (access, certificates) = if insecure {
            (Access::Open, None)
        } else {
            let access = Access::reviewed(client, metrics.outages().clone());
            (access, Some(Arc::new(CertificateStore::load(certificate).await?)))
        };
        let clients = match &client_authorities {
            Some(file) => Some(tls::client_authorities(file).await?),
            None => None,
        };
        let (listener, address) = listen_on(listen, "--listen").await?;
        let probe_listener = match probe_listen {
            Some(listen) => Some(listen_on(listen, "--probe-listen").await?),
            None => None,
        };
        let state =
            RouteState { metrics, probes, access: Arc::new(access), pages: None, audit: None };
        Ok(Self { listener, address, probe_listener, certificates, clients, reload, state })
    }

    /// Serves these pages as well.
    #[must_use]
    pub fn with_pages(mut self, pages: Pages) -> Self {
        self.state.pages = Some(pages);
        self
    }

    /// Takes the events of the API server as well.
    #[must_use]
    pub(crate) fn with_audit_stream(mut self, stream: Option<AuditStream>) -> Self {
        self.state.audit = stream;
        self
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The additional address for probes; None if there is none.
    pub fn probe_address(&self) -> Option<SocketAddr> {
        self.probe_listener.as_ref().map(|(_, address)| *address)
    }

    /// Answers until `shutdown`; then finishes the requests in progress, for at most 10 s.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let clients = self.clients.clone();
        let tls = self.certificates.clone();
        let tls = tls.map(|certificates| tls::acceptor(certificates, clients)).transpose()?;
        let probe_router = routes::probe_router(self.state.probes.clone());
        // Limits of their own: a flood of metrics clients must not close the kubelet's connections.
        let probing = Connections::new(probe_router, None, ConnectionLimits::PROBES);
        let scraping = Connections::new(routes::router(self.state), tls, ConnectionLimits::METRICS);
        let probe = async {
            match self.probe_listener {
                Some((listener, _)) => probing.accept(listener).await,
                None => std::future::pending().await,
            }
        };
        let reload = async {
            match &self.certificates {
                Some(certificates) => certificates.reload_every(self.reload).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = scraping.accept(self.listener) => {}
            () = probe => {}
            () = reload => {}
            () = shutdown => {}
        }
        // Both at the same time: each may take its 10 s.
        tokio::join!(scraping.finish(), probing.finish());
        Ok(())
    }
}

async fn listen_on(
    listen: SocketAddr,
    flag: &'static str,
) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { flag, listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Binds, and answers until `shutdown`.
pub async fn serve(
    config: ServerConfig,
    client: Client,
    metrics: Metrics,
    probes: ProbeState,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let server = Server::bind(config, client, metrics, probes).await?;
    tracing::info!(address = %server.address(), "serving /metrics, /healthz and /readyz");
    server.run(shutdown).await
}
