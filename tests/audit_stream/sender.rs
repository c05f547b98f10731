//! Whoever sends to the operator, byte by byte.

use std::{io, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::controlplane::{ControlPlane, port::Port};

/// An authority with the certificates of the operator and of who may send, in PEM.
pub struct Certificates {
    pub authority: String,
    pub serving: String,
    pub serving_key: String,
    pub client: String,
    pub client_key: String,
}

impl Certificates {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "audit");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let serving_key = KeyPair::generate().unwrap();
        let serving = params.signed_by(&serving_key, &issuer).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = KeyPair::generate().unwrap();
        let client = params.signed_by(&client_key, &issuer).unwrap();
        Self {
            authority: authority.pem(),
            serving: serving.pem(),
            serving_key: serving_key.serialize_pem(),
            client: client.pem(),
            client_key: client_key.serialize_pem(),
        }
    }
}

/// Connects to the operator of `trusted`, with the certificate of `own` if there is one.
pub async fn connect(
    port: &Port,
    trusted: &Certificates,
    own: Option<&Certificates>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.authority.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let chain = vec![CertificateDer::from_pem_slice(own.client.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(own.client_key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(("127.0.0.1", port.number())).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The head of a POST of so many bytes of JSON.
pub fn head(headers: &str, length: u64) -> String {
    format!(
        "POST /audit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n"
    )
}

/// Sends bytes, and says with which code they are answered. An error: the connection ended without.
pub async fn answer(mut stream: TlsStream<TcpStream>, bytes: &[u8]) -> io::Result<u16> {
    stream.write_all(bytes).await?;
    status(&mut stream).await
}

/// The code of the answer that comes.
pub async fn status(stream: &mut TlsStream<TcpStream>) -> io::Result<u16> {
    let mut text = Vec::new();
    let read = async {
        while !text.windows(2).any(|end| end == b"\r\n") {
            let mut buffer = [0; 1024];
            match stream.read(&mut buffer).await? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                read => text.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(())
    };
    timeout(Duration::from_secs(30), read).await??;
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or(io::ErrorKind::InvalidData.into())
}

/// The operator's metrics, as the administrator reads them. None while it does not serve them.
pub async fn metrics(plane: &ControlPlane, port: &Port) -> Option<String> {
    let mut config = plane.config("admin");
    config.cluster_url = format!("https://127.0.0.1:{}", port.number()).parse().unwrap();
    config.accept_invalid_certs = true;
    config.root_cert = None;
    let client = kube::Client::try_from(config).unwrap();
    let request = axum::http::Request::get("/metrics").body(Vec::new()).unwrap();
    client.request_text(request).await.ok()
}
