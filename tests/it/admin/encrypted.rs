//! The admin API over TLS.

use std::fs;
use std::path::Path;

use sidehook::tls::{HTTP1, ServerTls};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::desk::{Desk, TOKEN};
use crate::support::soon;
use crate::support::tls::{Authority, encrypted, put, shows};

fn load(folder: &Path) -> Result<ServerTls, String> {
    let files = ["tls.crt", "tls.key"].map(|name| folder.join(name));
    let [certificate, key] = files;
    ServerTls::load(certificate, key, HTTP1).map_err(|error| error.to_string())
}

async fn dial(desk: &Desk) -> TcpStream {
    TcpStream::connect(desk.addr).await.expect("a connection")
}

#[tokio::test]
async fn requests_come_encrypted_and_pages_of_plain_http_are_strangers() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new("a private CA");
    let issued = authority.good();
    put(folder.path(), &issued);
    let desk = Desk::open_with(Some(load(folder.path()).expect("good files"))).await;
    let port = desk.addr.port();
    for (origin, expected) in [
        (String::new(), "HTTP/1.1 200"),
        (format!("origin: https://127.0.0.1:{port}\r\n"), "HTTP/1.1 200"),
        (format!("origin: http://127.0.0.1:{port}\r\n"), "HTTP/1.1 403"),
    ] {
        let (mut stream, shown) = encrypted(dial(&desk).await, &authority, &["h2", "http/1.1"])
            .await
            .expect("a handshake");
        assert_eq!(shown, issued.certificate);
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let request = format!(
            "GET /v1/status HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
             {origin}authorization: Bearer {TOKEN}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        soon("an answer", stream.read_to_string(&mut answer)).await.expect("an answer");
        assert!(answer.starts_with(expected), "{origin}: {answer}");
    }
    let mut plain = dial(&desk).await;
    let request = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    plain.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let _ = soon("an end", plain.read_to_end(&mut answer)).await;
    assert!(!String::from_utf8_lossy(&answer).contains("alive"), "plain text is not answered");
}

/// Whoever connects and says nothing takes no place from others for long, and the stop ends it.
#[tokio::test]
async fn a_handshake_that_never_comes_holds_nothing_up() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new("a private CA");
    put(folder.path(), &authority.good());
    let desk = Desk::open_with(Some(load(folder.path()).expect("good files"))).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(dial(&desk).await);
    }
    encrypted(dial(&desk).await, &authority, &[]).await.expect("a handshake beside them");
    desk.stop();
    for mut stream in silent {
        let mut nothing = Vec::new();
        let _ = soon("an end", stream.read_to_end(&mut nothing)).await;
        assert!(nothing.is_empty());
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_and_a_bad_one_is_not() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new("a private CA");
    let [first, second] = [authority.good(), authority.good()];
    put(folder.path(), &first);
    let tls = load(folder.path()).expect("good files");
    let desk = Desk::open_with(Some(tls.clone())).await;
    let shown =
        async || encrypted(dial(&desk).await, &authority, &[]).await.expect("a handshake").1;
    assert_eq!(shown().await, first.certificate);
    // The key follows later: between the two, nothing changes.
    fs::write(folder.path().join("tls.crt"), &second.chain_pem).expect("writable");
    assert!(!tls.look());
    assert_eq!(shown().await, first.certificate);
    fs::write(folder.path().join("tls.key"), &second.key_pem).expect("writable");
    // Nobody asks for a look: the listener does it of itself.
    shows(desk.addr, &authority, &second).await;
    fs::remove_file(folder.path().join("tls.key")).expect("removable");
    assert!(!tls.look());
    assert_eq!(shown().await, second.certificate, "the last good one stays");
}

#[test]
fn files_that_are_of_no_use_are_told_with_their_path_and_without_their_content() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new("a private CA");
    let [good, other] = [authority.good(), authority.good()];
    put(folder.path(), &good);
    let said = |name: &str, content: &str| {
        put(folder.path(), &good);
        fs::write(folder.path().join(name), content).expect("writable");
        load(folder.path()).expect_err("of no use")
    };
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (name, content, words) in [
        ("tls.crt", "", "no certificate"),
        ("tls.crt", good.key_pem.as_str(), "no certificate"),
        ("tls.key", "", "no private key"),
        ("tls.key", other.key_pem.as_str(), "does not belong"),
        ("tls.key", encrypted, "encrypted"),
        ("tls.key", "-----BEGIN PRIVATE KEY-----\ns3cr3t!\n-----END PRIVATE KEY-----\n", "PEM"),
    ] {
        let message = said(name, content);
        assert!(message.contains(words) && message.contains(name), "{name}: {message}");
        assert!(!message.contains("s3cr3t"), "{message}");
    }
    fs::remove_file(folder.path().join("tls.crt")).expect("removable");
    assert!(load(folder.path()).expect_err("gone").contains("cannot read"));
}
