//! Clients that connect in every way there is.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::soon;
use crate::support::tls::Authority;
use crate::support::upstream::message_end;

/// A request after which the connection stays.
pub(super) const GET: &str = "GET /here HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends bytes; all that comes until the other side closes, however it does.
pub(super) async fn all_after(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &[u8],
) -> String {
    // It may have closed already.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = soon("the end of the connection", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a request and reads its response; the connection stays.
pub(super) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    bytes: &[u8],
) -> String {
    stream.write_all(bytes).await.expect("the proxy reads");
    stream.flush().await.expect("the proxy reads");
    let mut answer = Vec::new();
    soon("a response", async {
        while message_end(&answer).is_none() {
            let n = stream.read_buf(&mut answer).await.expect("a response");
            assert!(n > 0, "closed after {}", answer.escape_ascii());
        }
    })
    .await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(super) async fn tcp(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.expect("it listens")
}

/// From another address of this machine.
pub(super) async fn tcp_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("a loopback address");
    socket.connect(to).await.expect("it listens")
}

pub(super) async fn unix(to: &Path) -> UnixStream {
    UnixStream::connect(to).await.expect("it listens")
}

/// TLS over a connection; which certificate was shown.
pub(super) async fn encrypted<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    authority: &Authority,
    alpn: &[&str],
) -> std::io::Result<(TlsStream<S>, CertificateDer<'static>)> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.root()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = soon("a handshake", connecting).await?;
    let shown = stream.get_ref().1.peer_certificates().expect("a chain")[0].clone();
    Ok((stream, shown))
}
