//! Clients that connect in every way there is.

use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::support::upstream::message_end;
use crate::support::{found, soon};

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

/// Waits until nobody listens there any more.
pub(super) async fn closes(listener: SocketAddr) {
    let is_closed = async || TcpStream::connect(listener).await.err();
    found(is_closed).await.expect("the listener closes");
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
