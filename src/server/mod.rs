//! The operator's web server: `/metrics` for those who may read it, `/healthz` and `/readyz` for
//! the kubelet, which can have an address of its own, so that nobody who reaches the other one can
//! have the process restarted.
//!
//! HTTPS by default. Who reads `/metrics` shows a token of the cluster; the API server says whose
//! it is (`TokenReview`) and whether they may (`SubjectAccessReview`).

mod access;
mod cache;
mod connections;
mod probes;
mod routes;
mod seats;
mod source;
mod throttle;
mod tls;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use kube::Client;
use tokio::net::TcpListener;

pub use probes::Probes;

use crate::telemetry::Metrics;
use access::Access;
use connections::{Connections, Limits};
use routes::Site;
use tls::Certificates;

/// How often the files of a certificate are looked at.
const RELOAD: Duration = Duration::from_secs(10);

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address, port 0 for any.
    pub listen: SocketAddr,
    /// Where to serve the probes as well, over plain HTTP: they tell nothing secret.
    pub probe_listen: Option<SocketAddr>,
    /// Whether to serve plain HTTP to anybody, which only loopback may.
    pub insecure: bool,
    /// The certificate and its key in PEM; one is made in memory without them.
    pub certificate: Option<CertificateFiles>,
    /// How often the files of the certificate are looked at.
    pub reload: Duration,
}

/// A certificate in files, as cert-manager and a mounted Secret have it.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain in PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

impl ServerConfig {
    /// HTTPS at `listen` with a certificate made in memory.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, probe_listen: None, insecure: false, certificate: None, reload: RELOAD }
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Plain HTTP where others can reach it.
    #[error(
        "{0} can be reached from other machines, and without TLS anybody there could read the metrics; listen on 127.0.0.1 or leave out --insecure"
    )]
    Insecure(SocketAddr),
    /// The address can't be had.
    #[error("can't listen on {listen}: {source}; choose another address with {flag}")]
    Listen {
        /// The flag that says so.
        flag: &'static str,
        /// The address.
        listen: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A certificate or key in a file is of no use.
    #[error("{}: {reason}; it must be PEM, and certificate and key belong together", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No certificate could be made.
    #[error("can't make a certificate: {0}; give one in files instead")]
    SelfSigned(#[from] rcgen::Error),
    /// The TLS library refuses.
    #[error("can't set up TLS: {0}; check the certificate and the kind of its key")]
    Tls(#[from] rustls::Error),
}

/// A server that has its address but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    probe_listener: Option<(TcpListener, SocketAddr)>,
    certificates: Option<Arc<Certificates>>,
    reload: Duration,
    site: Site,
}

impl Server {
    /// Takes the address and reads the certificate, so that mistakes show before anything runs.
    pub async fn bind(
        config: ServerConfig,
        client: Client,
        metrics: Metrics,
        probes: Probes,
    ) -> Result<Self, ServerError> {
        let ServerConfig { listen, probe_listen, insecure, certificate, reload } = config;
        if insecure && !listen.ip().to_canonical().is_loopback() {
            return Err(ServerError::Insecure(listen));
        }
        let (access, certificates) = if insecure {
            (Access::Open, None)
        } else {
            let access = Access::reviewed(client, metrics.outages().clone());
            (access, Some(Arc::new(Certificates::load(certificate).await?)))
        };
        let (listener, address) = listen_on(listen, "--listen").await?;
        let probe_listener = match probe_listen {
            Some(listen) => Some(listen_on(listen, "--probe-listen").await?),
            None => None,
        };
        let site = Site { metrics, probes, access: Arc::new(access) };
        Ok(Self { listener, address, probe_listener, certificates, reload, site })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for probes alone.
    pub fn probe_address(&self) -> Option<SocketAddr> {
        self.probe_listener.as_ref().map(|(_, address)| *address)
    }

    /// Answers until `shutdown`; then finishes what was asked, for at most 10 s.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let tls = self.certificates.clone().map(tls::acceptor).transpose()?;
        let probe_router = routes::probe_router(self.site.probes.clone());
        let probing = Connections::new(probe_router, None, Limits::PROBES);
        let scraping = Connections::new(routes::router(self.site), tls, Limits::METRICS);
        let probe = async {
            match self.probe_listener {
                Some((listener, _)) => probing.accept(listener).await,
                None => std::future::pending().await,
            }
        };
        let follow = async {
            match &self.certificates {
                Some(certificates) => certificates.follow(self.reload).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = scraping.accept(self.listener) => {}
            () = probe => {}
            () = follow => {}
            () = shutdown => {}
        }
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

/// Binds and answers until `shutdown`.
pub async fn serve(
    config: ServerConfig,
    client: Client,
    metrics: Metrics,
    probes: Probes,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let server = Server::bind(config, client, metrics, probes).await?;
    tracing::info!(address = %server.address(), "serving /metrics, /healthz and /readyz");
    server.run(shutdown).await
}
