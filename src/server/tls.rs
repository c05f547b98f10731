//! The server's certificate: from files that may change, or made in memory.

use std::{
    io,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;

use super::{CertificateFiles, ServerError};

/// The certificate that the next connection gets.
#[derive(Debug)]
pub struct Certificates {
    files: Option<CertificateFiles>,
    current: RwLock<Arc<CertifiedKey>>,
}

/// The bytes of both files.
#[derive(PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificates {
    pub async fn load(files: Option<CertificateFiles>) -> Result<Self, ServerError> {
        let current = match &files {
            Some(files) => certified(files, &read(files).await?)?,
            None => self_signed()?,
        };
        Ok(Self { files, current: RwLock::new(Arc::new(current)) })
    }

    /// Looks at the files for ever, and takes a new certificate once both fit together. What is
    /// wrong is said once, and the old certificate stays.
    pub async fn follow(&self, every: Duration) {
        let Some(files) = &self.files else { return std::future::pending().await };
        let mut seen: Option<Result<Pair, String>> = None;
        loop {
            let found = read(files).await.map_err(|error| error.to_string());
            if seen.as_ref() != Some(&found) {
                match found
                    .as_ref()
                    .map_err(String::clone)
                    .and_then(|pair| certified(files, pair).map_err(|error| error.to_string()))
                {
                    Ok(key) => self.replace(key),
                    Err(error) => {
                        tracing::warn!(error, "keeping the last certificate that worked");
                    }
                }
                seen = Some(found);
            }
            tokio::time::sleep(every).await;
        }
    }

    fn replace(&self, key: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// TLS 1.2 and 1.3 with `certificates`.
pub fn acceptor(certificates: Arc<Certificates>) -> Result<TlsAcceptor, ServerError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn read(files: &CertificateFiles) -> Result<Pair, ServerError> {
    Ok(Pair { certificate: bytes(&files.certificate).await?, key: bytes(&files.key).await? })
}

async fn bytes(file: &Path) -> Result<Vec<u8>, ServerError> {
    tokio::fs::read(file).await.map_err(|error: io::Error| unusable(file, &error))
}

fn unusable(file: &Path, reason: &impl ToString) -> ServerError {
    ServerError::Certificate { file: file.to_owned(), reason: reason.to_string() }
}

fn certified(files: &CertificateFiles, pair: &Pair) -> Result<CertifiedKey, ServerError> {
    let chain = CertificateDer::pem_slice_iter(&pair.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(&files.certificate, &error))?;
    if chain.is_empty() {
        return Err(unusable(&files.certificate, &"there is no certificate in it"));
    }
    let key =
        PrivateKeyDer::from_pem_slice(&pair.key).map_err(|error| unusable(&files.key, &error))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| unusable(&files.key, &error))
}

/// A certificate that nobody vouches for. The kubelet does not ask; a scrape has to skip the
/// check, so production gives files.
fn self_signed() -> Result<CertifiedKey, ServerError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "comptroller");
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone()];
    Ok(CertifiedKey::from_der(chain, key, &ring::default_provider())?)
}
