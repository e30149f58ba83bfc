//! A connection to the admin API: HTTP/1.1 over TCP, or over TLS for an `https` address.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use crate::egress;

/// Until a connection is open, TLS included.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// An open connection; dropping it closes it.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

impl Connection {
    /// Opens one to the address of a URL.
    pub(super) async fn open(admin: &Url, tls: Option<&TlsConnector>) -> anyhow::Result<Self> {
        tokio::time::timeout(CONNECT_PATIENCE, Self::connect(admin, tls)).await.unwrap_or_else(
            |_| Err(anyhow!("no connection within {} s", CONNECT_PATIENCE.as_secs())),
        )
    }

    async fn connect(admin: &Url, tls: Option<&TlsConnector>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addresses(admin).await?.as_slice()).await?;
        let Some(tls) = tls else { return Self::over(stream).await };
        let name = match admin.host().context("the address names no host")? {
            Host::Domain(name) => ServerName::try_from(name.to_owned())?,
            Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::V4(ip)),
            Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::V6(ip)),
        };
        let stream = tls.connect(name, stream).await.map_err(|error| refused(&error))?;
        Self::over(stream).await
    }

    async fn over<S>(stream: S) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        // What goes wrong with the connection is told by the request on it.
        let driver = tokio::spawn(async move { drop(driver.await) });
        Ok(Self { sender, _driver: AbortOnDropHandle::new(driver) })
    }

    /// Sends the one request of this connection.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.sender.send_request(request).await
    }
}

/// Why there is no TLS connection, and what to do.
fn refused(error: &io::Error) -> anyhow::Error {
    use rustls::Error as Tls;
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Tls::InvalidCertificate(why)) => {
            let why = match why {
                // The library has only its debugging form for what is not its own.
                CertificateError::Other(other) => other.0.to_string(),
                known => known.to_string(),
            };
            anyhow!(
                "its certificate is not accepted: {why}; --ca names the certificate of a private \
                 authority"
            )
        }
        Some(Tls::InvalidMessage(_)) => {
            anyhow!("it does not speak TLS there; with http:// it may answer")
        }
        _ => anyhow!("no TLS connection: {error}"),
    }
}

/// What `https` needs: the authorities that are trusted.
pub(super) fn tls(ca: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let read = |file: &Path| {
        fs::read(file).with_context(|| format!("cannot read the CA file {}", file.display()))
    };
    let pem = ca.map(read).transpose()?;
    Ok(egress::plain_client(pem)?)
}

async fn addresses(admin: &Url) -> anyhow::Result<Vec<SocketAddr>> {
    let port = admin.port_or_known_default().context("the address names no port")?;
    Ok(match admin.host().context("the address names no host")? {
        Host::Domain(name) => lookup_host((name, port))
            .await
            .with_context(|| format!("the name {name} cannot be resolved"))?
            .collect(),
        Host::Ipv4(ip) => vec![SocketAddr::from((ip, port))],
        Host::Ipv6(ip) => vec![SocketAddr::from((ip, port))],
    })
}
