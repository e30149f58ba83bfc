//! Clients that use HTTP/2 against the proxy, with frames made by hand (security.md T26). What is
//! counted is what they can make the upstream do, and how their connection ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use h2::Reason;
use sidehook::proxy::{Proxy, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GET, GOAWAY, HEADERS, PING, POST, PREFACE,
    PRIORITY, RESET, SETTINGS, WINDOW_UPDATE, fields, frame, next,
};
use super::stand::{Client, Modern, answer, send, whole};
use crate::proxy::stand::{Storage, rule, start};
use crate::support::{soon, until};

/// A client that writes frames.
pub(super) struct Hostile {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Hostile {
    pub(super) async fn connect(proxy: &Proxy) -> Self {
        let mut stream = TcpStream::connect(proxy.local_addr()).await.expect("the proxy listens");
        stream.write_all(PREFACE).await.expect("sent");
        Self { stream, input: Vec::new() }
    }

    /// Writes all of it for as long as the proxy takes it, and reads meanwhile; the code of the
    /// GOAWAY that ended the connection, if one did before everything was written and answered.
    async fn floods(self, n: u32, bytes: impl Fn(u32) -> Vec<u8>) -> Option<Reason> {
        let (mut reading, mut writing) = self.stream.into_split();
        let mut input = self.input;
        let read = async move {
            while let Ok(1..) = reading.read_buf(&mut input).await {
                while let Some(Frame { kind, payload, .. }) = next(&mut input) {
                    if kind == GOAWAY {
                        let code = payload[4..8].try_into().expect("four bytes");
                        return Some(Reason::from(u32::from_be_bytes(code)));
                    }
                }
            }
            None
        };
        let write = async move {
            for i in 0..n {
                if writing.write_all(&bytes(i)).await.is_err() {
                    break;
                }
            }
            // A PING behind it all: what comes before it has been looked at when it is answered.
            let _ = writing.write_all(&frame(PING, 0, 0, b"the end!")).await;
            let _ = writing.shutdown().await;
        };
        soon("the end of the flood", async { tokio::join!(read, write).0 }).await
    }

    pub(super) async fn writes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads until a frame of this kind; its payload, or nothing if the connection ends first.
    pub(super) async fn reads(&mut self, wanted: u8) -> Option<Vec<u8>> {
        let work = async {
            loop {
                while let Some(Frame { kind, payload, .. }) = next(&mut self.input) {
                    if kind == wanted {
                        return Some(payload);
                    }
                }
                let Ok(1..) = self.stream.read_buf(&mut self.input).await else { return None };
            }
        };
        soon("a frame", work).await
    }

    async fn ends(mut self) {
        let work = async { while let Ok(1..) = self.stream.read_buf(&mut self.input).await {} };
        soon("the end of the connection", work).await;
    }
}

/// An upstream that never answers, behind a proxy.
pub(super) async fn silent(change: impl FnOnce(&mut Settings)) -> (Modern, Proxy, Storage) {
    let upstream = Modern::start(|_, _request, mut respond| async move {
        let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
    })
    .await;
    let mut settings = upstream.settings();
    change(&mut settings);
    let storage = Storage::new();
    let rules = vec![rule("matched", "POST ^/")];
    let proxy = start(settings, rules, storage.store.clone());
    (upstream, proxy, storage)
}

/// That others are served while and after somebody attacks.
pub(super) async fn assert_serves(proxy: &Proxy) {
    let client = Client::connect(proxy.local_addr()).await;
    let response = client.get(client.request("TRACE", "/")).await;
    assert_eq!(response.status(), 405);
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    for (method, bound) in [(GET, 3000), (POST, 800)] {
        let (upstream, proxy, _storage) = silent(|_| {}).await;
        let flood = Hostile::connect(&proxy).await.floods(50_000, |i| {
            let id = 2 * i + 1;
            let mut bytes = frame(HEADERS, END_STREAM | END_HEADERS, id, &fields(method));
            bytes.extend(frame(RESET, 0, id, &8_u32.to_be_bytes()));
            bytes
        });
        assert_eq!(flood.await, Some(Reason::ENHANCE_YOUR_CALM));
        assert!(upstream.calls() < bound, "{} calls", upstream.calls());
        assert_serves(&proxy).await;
    }
}

/// The same, but slowly enough that every call begins.
#[tokio::test]
async fn calls_that_are_taken_back_again_and_again_end_the_connection() {
    let (upstream, proxy, _storage) = silent(|_| {}).await;
    let client = Client::connect(proxy.local_addr()).await;
    let mut n = 0;
    let error = loop {
        let Ok(mut requests) = client.requests.clone().ready().await else { break None };
        let request = client.request("GET", "/").body(()).expect("valid");
        let Ok((response, mut stream)) = requests.send_request(request, true) else { break None };
        until("the call is at the upstream", || upstream.calls() > n || client.ended.is_finished())
            .await;
        n += 1;
        stream.send_reset(Reason::CANCEL);
        drop(response);
        if n > 2000 {
            break Some(n);
        }
    };
    assert_eq!(error, None, "it may go on for ever");
    let ended = soon("the end", client.ended).await.expect("no panic").expect_err("a GOAWAY");
    assert_eq!(ended.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    assert!((500..600).contains(&upstream.calls()), "{} calls", upstream.calls());
}

/// Calls that go on without their client count, and are bounded.
#[tokio::test]
async fn matched_calls_that_are_taken_back_are_bounded() {
    let (upstream, proxy, _storage) = silent(|_| {}).await;
    let client = Client::connect(proxy.local_addr()).await;
    let mut refused = 0;
    for _ in 0..400 {
        let (response, mut stream) = client.begin(client.request("POST", "/"), true).await;
        let before = upstream.calls();
        tokio::select! {
            response = response => {
                let error = response.expect_err("no answer");
                assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
                refused += 1;
            }
            () = until("the call is at the upstream", || upstream.calls() > before) => {
                stream.send_reset(Reason::CANCEL);
            }
        }
    }
    assert_eq!((upstream.calls(), refused), (256, 144));
}

#[tokio::test]
async fn floods_of_frames_that_ask_for_nothing_are_endured_or_ended() {
    let (upstream, proxy, _storage) = silent(|_| {}).await;
    let ping = Hostile::connect(&proxy).await.floods(100_000, |_| frame(PING, 0, 0, b"12345678"));
    let settings = |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    let priority = |i: u32| frame(PRIORITY, 0, 2 * i + 1, &[0, 0, 0, 0, 16]);
    for ended in [
        ping.await,
        Hostile::connect(&proxy).await.floods(100_000, settings).await,
        Hostile::connect(&proxy).await.floods(100_000, priority).await,
    ] {
        assert!(
            matches!(ended, None | Some(Reason::NO_ERROR | Reason::ENHANCE_YOUR_CALM)),
            "{ended:?}"
        );
    }
    assert_eq!(upstream.calls(), 0);
    assert_serves(&proxy).await;
}

#[tokio::test]
async fn heads_without_an_end_and_large_ones_are_cut_short() {
    let (upstream, proxy, _storage) = silent(|_| {}).await;
    let flood = Hostile::connect(&proxy).await.floods(100_000, |i| match i {
        0 => frame(HEADERS, END_STREAM, 1, &fields(GET)),
        _ => frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']),
    });
    assert_eq!(flood.await, Some(Reason::ENHANCE_YOUR_CALM));

    // One entry of the dynamic table, then a thousand references to it: 4 MB in 5 KB.
    let mut bomb = fields(GET);
    bomb.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    bomb.extend(std::iter::repeat_n(b'v', 4000));
    bomb.extend(std::iter::repeat_n(0xbe, 1000));
    let mut hostile = Hostile::connect(&proxy).await;
    let head = frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb);
    hostile.writes(&head).await.expect("sent");
    let answer = hostile.reads(HEADERS).await.unwrap_or_default();
    // `:status` as a literal: 431 is not in the static table, and what we could say wrongly is.
    assert!(matches!(answer.first(), None | Some(&0x48)), "{answer:?}");
    assert_eq!(upstream.calls(), 0);

    let client = Client::connect(proxy.local_addr()).await;
    let large = client.request("GET", "/").header("x-large", "v".repeat(70_000));
    assert_eq!(client.get(large).await.status(), 431);
    assert_eq!(upstream.calls(), 0);
    assert_serves(&proxy).await;
}

#[tokio::test]
async fn data_of_nothing_is_no_call_for_ever() {
    let (_upstream, proxy, _storage) =
        silent(|settings| settings.body_timeout = Duration::from_millis(300)).await;
    let flood = Hostile::connect(&proxy).await.floods(300_000, |i| match i {
        0 => frame(HEADERS, END_HEADERS, 1, &fields(POST)),
        _ => frame(DATA, 0, 1, b""),
    });
    // Either the frames end the connection or the body that does not grow ends the call.
    let _how = flood.await;
    assert_serves(&proxy).await;
}

/// A client that asks for much and lets nothing come.
#[tokio::test]
async fn responses_that_nobody_takes_are_given_up() {
    let ended = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&ended);
    let upstream = Modern::start(move |_, _request, mut respond| {
        let count = Arc::clone(&count);
        async move {
            let response = http::Response::builder().body(()).expect("valid");
            let mut stream = respond.send_response(response, false).expect("open");
            send(&mut stream, vec![1; 4 << 20].into(), true).await;
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
    .await;
    let short = Settings { send_timeout: Duration::from_millis(300), ..upstream.settings() };
    let storage = Storage::new();
    let rules = vec![rule("matched", "POST ^/")];
    let proxy = start(short, rules, storage.store.clone());

    // A window of nothing (SETTINGS_INITIAL_WINDOW_SIZE).
    let mut hostile = Hostile::connect(&proxy).await;
    hostile.writes(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await.expect("sent");
    for (id, method) in [(1, GET), (3, POST)] {
        let head = frame(HEADERS, END_STREAM | END_HEADERS, id, &fields(method));
        hostile.writes(&head).await.expect("sent");
    }
    for _ in 0..2 {
        assert_eq!(hostile.reads(RESET).await, Some(8_u32.to_be_bytes().to_vec()), "CANCEL");
    }
    // What the upstream carried out is an event all the same.
    assert_eq!(storage.events_of(1).await.len(), 1);

    // A large window, and a socket that is not read.
    let mut hostile = Hostile::connect(&proxy).await;
    hostile.writes(&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])).await.expect("sent");
    let all = 0x7fff_0000_u32.to_be_bytes();
    hostile.writes(&frame(WINDOW_UPDATE, 0, 0, &all)).await.expect("sent");
    for i in 0..20 {
        let head = frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, &fields(GET));
        hostile.writes(&head).await.expect("sent");
    }
    until("all are given up", || ended.load(Ordering::Relaxed) == 22).await;
    hostile.ends().await;
    // It ended without having sent everything: the client has taken some of it at last.
    let client = Client::connect(proxy.local_addr()).await;
    let (response, _stream) = client.begin(client.request("GET", "/"), true).await;
    let response = whole(soon("a head", response).await.expect("a head")).await;
    assert_eq!(response.body().body.len(), 4 << 20, "others are served");
}

#[tokio::test]
async fn an_extended_connect_and_a_push_are_not_offered() {
    let upstream = Modern::start(|_, _, respond| answer(respond, 200, "")).await;
    let proxy = start(upstream.settings(), Vec::new(), Storage::new().store);
    let client = Client::connect(proxy.local_addr()).await;
    assert!(!client.requests.is_extended_connect_protocol_enabled());
    let request = client.request("CONNECT", "/chat");
    let request = request.extension(h2::ext::Protocol::from_static("websocket"));
    let (response, _stream) = client.begin(request, false).await;
    let refused = match soon("a refusal", response).await {
        Ok(response) => response.status().as_u16() == 405,
        Err(error) => error.is_reset(),
    };
    assert!(refused);
    assert_eq!(upstream.calls(), 0);
}
