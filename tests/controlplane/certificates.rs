//! The keys of one control plane: its own certificate authority, a serving certificate, one by which
//! the API server is known to kubelets, and the key that signs `ServiceAccount` tokens.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::directory::Directory;
use super::error::Error;

/// Names and addresses by which clients and pods reach the API server.
const SERVER_NAMES: [&str; 5] =
    ["127.0.0.1", "10.0.0.1", "localhost", "kubernetes.default", "kubernetes.default.svc"];

/// The certificate authority that clients trust.
pub struct Authority {
    pub pem: String,
    pub der: Vec<u8>,
}

/// Writes `ca.crt`, `tls.crt`, `tls.key`, `kubelet-client.crt`, `kubelet-client.key`,
/// `service-account.key` and `service-account.pub`.
pub fn write(directory: &Directory) -> Result<Authority, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "controlplane");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);

    let mut params = CertificateParams::new(SERVER_NAMES.map(str::to_owned).to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    let key = KeyPair::generate()?;
    let serving = params.signed_by(&key, &issuer)?;

    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver-kubelet-client");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client_key = KeyPair::generate()?;
    let client = params.signed_by(&client_key, &issuer)?;
    let tokens = KeyPair::generate()?;

    directory.write("ca.crt", authority.pem())?;
    directory.write("tls.crt", serving.pem())?;
    directory.write("tls.key", key.serialize_pem())?;
    directory.write("kubelet-client.crt", client.pem())?;
    directory.write("kubelet-client.key", client_key.serialize_pem())?;
    directory.write("service-account.key", tokens.serialize_pem())?;
    directory.write("service-account.pub", tokens.public_key_pem())?;
    Ok(Authority { pem: authority.pem(), der: authority.der().to_vec() })
}
