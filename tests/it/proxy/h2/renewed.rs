//! A certificate that is renewed while HTTP/2 connections have streams in progress.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use sidehook::proxy::{Proxy, Settings};
use tokio::sync::Notify;

use super::stand::{Client, Modern, echo, send, whole};
use crate::proxy::callers::tcp;
use crate::proxy::listening::certificate;
use crate::proxy::stand::{Storage, start};
use crate::support::soon;
use crate::support::tls::{Authority, encrypted, put, shows};

const PIECE: usize = 64 << 10;
const PIECES: usize = 40;

/// A client over TLS, and the certificate that it was shown.
async fn connect(proxy: &Proxy, authority: &Authority) -> (Client, Vec<u8>) {
    let addr = proxy.local_addr();
    let connecting = encrypted(tcp(addr).await, authority, &["h2"]).await;
    let (stream, shown) = connecting.expect("a handshake");
    let client = Client::over(stream, addr, h2::client::Builder::new()).await;
    (client, shown.to_vec())
}

#[tokio::test]
async fn streams_go_on_while_the_certificate_is_renewed() {
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    // Half of a long download, the other half when told; everything else comes back as it is sent.
    let upstream = Modern::start(move |_, request, mut respond| {
        let open = Arc::clone(&open);
        async move {
            if request.uri().path() != "/long" {
                return echo(request, respond).await;
            }
            let response = Response::builder().body(()).expect("valid");
            let Ok(mut stream) = respond.send_response(response, false) else { return };
            for n in 1..=PIECES {
                if n == PIECES / 2 {
                    open.notified().await;
                }
                send(&mut stream, Bytes::from(vec![1; PIECE]), n == PIECES).await;
            }
        }
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("a private CA");
    let [first, second] = [authority.good(), authority.good()];
    put(folder.path(), &first);
    let certificate = certificate(folder.path());
    let tls = Some(certificate.clone());
    let proxy = start(Settings { tls, ..upstream.settings() }, Vec::new(), Storage::new().store);

    let (client, shown) = connect(&proxy, &authority).await;
    assert_eq!(shown, *first.certificate);
    let (long, _stream) = client.begin(client.request("GET", "/long"), true).await;
    let long = tokio::spawn(whole(soon("a head", long).await.expect("a head")));
    let (talk, mut says) = client.begin(client.request("POST", "/talk"), false).await;
    let mut talk = soon("a head", talk).await.expect("a head").into_body();
    let mut hears = async |words: &'static str| {
        send(&mut says, words.into(), false).await;
        let heard = soon("an echo", talk.data()).await.expect("open").expect("open");
        talk.flow_control().release_capacity(heard.len()).expect("taken");
        assert_eq!(heard, words);
    };
    hears("before").await;

    put(folder.path(), &second);
    shows(proxy.local_addr(), &authority, &second).await;
    hears("renewed").await;

    // A file that is of no use changes nothing: neither for those who come nor for those who are here.
    fs::write(folder.path().join("tls.crt"), "-----BEGIN CERTIFICATE-----\nrubbish")
        .expect("writable");
    assert!(!certificate.look());
    assert_eq!(connect(&proxy, &authority).await.1, *second.certificate);
    hears("broken").await;

    gate.notify_one();
    let long = soon("the long download", long).await.expect("no panic");
    assert_eq!(long.body().body.len(), PIECE * PIECES);
    assert!(long.body().reset.is_none());
    // On the old connection new calls are served, too.
    assert_eq!(client.post(client.request("POST", "/new"), "x").await.body().body, b"x");
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("sound").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_certificate_of_no_use_is_told_once_and_with_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("a private CA");
    put(folder.path(), &authority.good());
    let tls = certificate(folder.path());
    let log = Log::default();
    let kept = log.clone();
    let said =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || kept.clone()).finish();
    tracing::subscriber::with_default(said, || {
        // A certificate whose key has not come yet, for longer than files take to be replaced.
        fs::write(folder.path().join("tls.crt"), &authority.good().chain_pem).expect("writable");
        for _ in 0..3 {
            assert!(!tls.look());
        }
    });
    let log = String::from_utf8(log.0.lock().expect("sound").clone()).expect("text");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("the old one stays") && log.contains("tls.key"), "{log}");
}
