//! The server's certificate: from files that may change, or generated in memory.

use std::{
    io,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;

use super::{CertificateFiles, ServerError};

/// The authorities by whose certificates a sender of audit events is known.
pub type ClientAuthorities = Arc<RootCertStore>;

/// The certificate for the next connection.
#[derive(Debug)]
pub struct CertificateStore {
    files: Option<CertificateFiles>,
    current: RwLock<Arc<CertifiedKey>>,
}

/// The contents of both files.
#[derive(PartialEq, Eq)]
struct CertificatePair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateStore {
    pub async fn load(files: Option<CertificateFiles>) -> Result<Self, ServerError> {
        let current = match &files {
            Some(files) => certified(files, &read(files).await?)?,
            None => self_signed()?,
        };
        Ok(Self { files, current: RwLock::new(Arc::new(current)) })
    }

    /// Reads the files again and again, and switches to a new certificate once both files belong
    /// together: they may be replaced one after the other. Each error is logged once, and the old
    /// certificate stays in use.
    pub async fn reload_every(&self, every: Duration) {
        let Some(files) = &self.files else { return std::future::pending().await };
        let mut last: Option<Result<CertificatePair, String>> = None;
        loop {
            let found = read(files).await.map_err(|error| error.to_string());
            // Compared by contents, not by time: a mounted Secret is replaced by a link, and an editor may
            // write the same contents again.
            if last.as_ref() != Some(&found) {
                match found
                    .as_ref()
                    .map_err(String::clone)
                    .and_then(|pair| certified(files, pair).map_err(|error| error.to_string()))
                {
                    Ok(key) => self.replace(key),
                    Err(error) => {
                        tracing::warn!(
                            error,
                            "the certificate can't be reloaded; the last working one stays in use"
                        );
                    }
                }
                last = Some(found);
            }
            tokio::time::sleep(every).await;
        }
    }

    fn replace(&self, key: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// TLS 1.2 and 1.3 with `certificates`. A client may show a certificate of `clients`; one of somebody
/// else ends the handshake, and most show none.
pub fn acceptor(
    certificates: Arc<CertificateStore>,
    clients: Option<ClientAuthorities>,
) -> Result<TlsAcceptor, ServerError> {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(clients, provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
            config.with_client_cert_verifier(verifier)
        }
    };
    let mut config = config.with_cert_resolver(certificates);
    // All that the connections serve.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Reads the authorities of a file in PEM.
pub async fn client_authorities(file: &Path) -> Result<ClientAuthorities, ServerError> {
    let pem = bytes(file).await?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable(file, &error))?;
        store.add(certificate).map_err(|error| unusable(file, &error))?;
    }
    // Without one, nobody could be known.
    if store.is_empty() {
        return Err(unusable(file, &"there is no certificate in it"));
    }
    Ok(Arc::new(store))
}

async fn read(files: &CertificateFiles) -> Result<CertificatePair, ServerError> {
    Ok(CertificatePair {
        certificate: bytes(&files.certificate).await?,
        key: bytes(&files.key).await?,
    })
}

async fn bytes(file: &Path) -> Result<Vec<u8>, ServerError> {
    tokio::fs::read(file).await.map_err(|error: io::Error| unusable(file, &error))
}

fn unusable(file: &Path, reason: &impl ToString) -> ServerError {
    ServerError::Certificate { file: file.to_owned(), reason: reason.to_string() }
}

fn certified(
    files: &CertificateFiles,
    pair: &CertificatePair,
) -> Result<CertifiedKey, ServerError> {
    let chain = CertificateDer::pem_slice_iter(&pair.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(&files.certificate, &error))?;
    // The parser skips everything that is no certificate, such as a key given in its place.
    if chain.is_empty() {
        return Err(unusable(&files.certificate, &"there is no certificate in it"));
    }
    let key =
        PrivateKeyDer::from_pem_slice(&pair.key).map_err(|error| unusable(&files.key, &error))?;
    // This also checks that the key is that of the certificate.
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| unusable(&files.key, &error))
}

/// A self-signed certificate. The kubelet does not verify it, and Prometheus must be told to skip
/// verification, so production should provide files.
fn self_signed() -> Result<CertifiedKey, ServerError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "comptroller");
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone()];
    Ok(CertifiedKey::from_der(chain, key, &ring::default_provider())?)
}
