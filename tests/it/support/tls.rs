//! Certificates for receivers and clients, good and bad, made for each test.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use sidehook::model::{Secret, TlsIdentity};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{found, soon};

/// A private CA.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) chain_pem: Vec<u8>,
    pub(crate) key_pem: String,
    key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("a root");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A webhook's identity that trusts it.
    pub(crate) fn trusted(&self) -> Arc<TlsIdentity> {
        Arc::new(TlsIdentity { ca: Some(self.certificate.pem().into_bytes()), client: None })
    }

    /// A webhook's identity that trusts it and shows this certificate.
    pub(crate) fn trusted_by(&self, client: &Issued) -> Arc<TlsIdentity> {
        let pair = (client.chain_pem.clone(), Secret::new(client.key_pem.clone()));
        Arc::new(TlsIdentity { ca: Some(self.certificate.pem().into_bytes()), client: Some(pair) })
    }

    /// Issues one for 127.0.0.1, changed like this.
    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = leaf("127.0.0.1");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Issued::new(&certificate, &key)
    }

    /// Issues a good one for 127.0.0.1.
    pub(crate) fn good(&self) -> Issued {
        self.issue(|_| {})
    }

    /// Its own certificate.
    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        Arc::new(roots)
    }
}

impl Issued {
    /// One that signs itself.
    pub(crate) fn self_signed() -> Self {
        let key = KeyPair::generate().expect("a key");
        Self::new(&leaf("127.0.0.1").self_signed(&key).expect("signed"), &key)
    }

    /// One that signs itself and is marked as a CA, as `openssl req -x509` makes them.
    pub(crate) fn self_signed_ca(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = leaf("127.0.0.1");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages = Vec::new();
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        Self::new(&params.self_signed(&key).expect("signed"), &key)
    }

    /// A webhook's identity that names it as its `ca_file`.
    pub(crate) fn named(&self) -> Arc<TlsIdentity> {
        Arc::new(TlsIdentity { ca: Some(self.chain_pem.clone()), client: None })
    }

    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.der().clone(),
            chain_pem: certificate.pem().into_bytes(),
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
        }
    }

    /// A server that shows it, and asks for certificates of this authority.
    pub(crate) fn server(&self, clients: Option<&Authority>) -> rustls::ServerConfig {
        self.server_with(clients, rustls::ALL_VERSIONS)
    }

    /// The same with these versions of TLS.
    pub(crate) fn server_with(
        &self,
        clients: Option<&Authority>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> rustls::ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("supported");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(authority.roots(), provider)
                    .build()
                    .expect("a verifier"),
            ),
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        builder.with_single_cert(vec![self.certificate.clone()], key).expect("a pair")
    }
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("valid");
    params.distinguished_name.push(DnType::CommonName, "a receiver");
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Where a listener finds it.
pub(crate) fn put(folder: &Path, issued: &Issued) {
    fs::write(folder.join("tls.crt"), &issued.chain_pem).expect("writable");
    fs::write(folder.join("tls.key"), &issued.key_pem).expect("writable");
}

/// TLS over a connection; which certificate was shown.
pub(crate) async fn encrypted<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    authority: &Authority,
    alpn: &[&str],
) -> std::io::Result<(TlsStream<S>, CertificateDer<'static>)> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = soon("a handshake", connecting).await?;
    let shown = stream.get_ref().1.peer_certificates().expect("a chain")[0].clone();
    Ok((stream, shown))
}

/// Waits until new connections are shown this certificate.
pub(crate) async fn shows(addr: SocketAddr, authority: &Authority, wanted: &Issued) {
    let shown = async || {
        let stream = TcpStream::connect(addr).await.expect("it listens");
        let (_, shown) = encrypted(stream, authority, &[]).await.expect("a handshake");
        (shown == wanted.certificate).then_some(())
    };
    found(shown).await.expect("the new certificate");
}
