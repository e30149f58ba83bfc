//! Clients that read late: what waits for them comes whole, or is visibly cut.

use sidehook::proxy::ListenAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::callers::{GET, ask, unix};
use super::listening::certificate;
use super::stand::{Storage, settings, start};
use crate::support::tls::{Authority, encrypted, put};
use crate::support::upstream::{Act, Upstream, reply};
use crate::support::{soon, until};

/// B8: where it breaks off while the client's socket is full, no end is made up. A Unix socket
/// takes about 200 KiB; the last pieces must find it full, and where that is depends on the system.
#[tokio::test]
async fn a_response_that_breaks_off_behind_a_full_socket_gets_no_end() {
    let piece = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    for n in (150..300).step_by(6) {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let text = format!("{head}{}", piece.repeat(n));
        let upstream = Upstream::always(vec![Act::Send(text.into_bytes()), Act::Close]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sidehook.sock");
        let mut on_socket = settings(upstream.addr);
        on_socket.listen = ListenAddress::Unix(path.clone());
        let _proxy = start(on_socket, Vec::new(), Storage::new().store);
        let mut client = unix(&path).await;
        client.write_all(GET.as_bytes()).await.expect("the proxy reads");
        upstream.request(0).await;
        until("the upstream to close", || upstream.open_connections() == 0).await;
        tokio::task::yield_now().await;
        let mut answer = Vec::new();
        let end = soon("the end", client.read_to_end(&mut answer)).await;
        assert!(end.is_err() || !answer.ends_with(b"\r\n0\r\n\r\n"), "{n} pieces look complete");
    }
}

/// What TLS holds of a response when the socket is full goes out, too.
#[tokio::test]
async fn the_last_bytes_of_a_response_do_not_stay_in_tls() {
    let authority = Authority::new("a private CA");
    for n in (180_000..300_000).step_by(4_000) {
        let upstream = Upstream::always(vec![Act::Send(reply("200 OK", &"x".repeat(n)))]).await;
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), &authority.good());
        let path = folder.path().join("sidehook.sock");
        let mut with_tls = settings(upstream.addr);
        with_tls.listen = ListenAddress::Unix(path.clone());
        with_tls.tls = Some(certificate(folder.path()));
        let _proxy = start(with_tls, Vec::new(), Storage::new().store);
        let stream = encrypted(unix(&path).await, &authority, &[]).await;
        let (mut stream, _) = stream.expect("a handshake");
        stream.write_all(GET.as_bytes()).await.expect("the proxy reads");
        upstream.request(0).await;
        // It is the upstream's turn, and then the proxy's, before anything is read.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(ask(&mut stream, b"").await.len() > n);
    }
}
