//! The end of HTTP/2 connections, as a client sees it that writes down every frame: what was sent,
//! what was answered, and what the GOAWAYs said (RFC 9113 6.8).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sidehook::proxy::{Proxy, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::frames::{
    ACK, ANY, DATA, END_HEADERS, END_STREAM, Frame, GET, GOAWAY, HEADERS, OK, PING, POST, PREFACE,
    RESET, SETTINGS, WINDOW_UPDATE, fields, frame, next,
};
use crate::proxy::callers::tcp;
use crate::proxy::listening::good_certificate;
use crate::proxy::stand::{Storage, rule, settings, start};
use crate::support::tls::{Authority, encrypted};
use crate::support::upstream::{Act, Upstream, ok, reply};
use crate::support::{soon, until};

/// More than all answers of a test.
const MUCH: u32 = 1 << 30;
const OPEN_MAX: usize = 64;

/// What one connection's client has seen.
#[derive(Default)]
struct Ledger {
    input: Vec<u8>,
    streams: BTreeMap<u32, Stream>,
    /// The last-stream-ids of the GOAWAYs, in their order.
    farewells: Vec<u32>,
    /// PINGs that are not acknowledged yet.
    pings: Vec<Vec<u8>>,
    /// How it ended: by itself, or broken off.
    is_clean: bool,
}

#[derive(Default)]
struct Stream {
    is_post: bool,
    /// All of the request was taken by the system.
    is_sent: bool,
    is_ok: bool,
    bytes: usize,
    is_whole: bool,
    is_reset: bool,
}

impl Ledger {
    /// Reads once; false: the connection has ended.
    async fn reads(&mut self, stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> bool {
        let read = stream.read_buf(&mut self.input).await;
        self.is_clean = matches!(read, Ok(0));
        while let Some(frame) = next(&mut self.input) {
            self.saw(frame);
        }
        matches!(read, Ok(1..))
    }

    fn saw(&mut self, frame: Frame) {
        let Frame { kind, flags, stream, payload } = frame;
        let is_end = flags & END_STREAM != 0;
        match kind {
            HEADERS => {
                let stream = self.streams.get_mut(&stream).expect("asked for");
                stream.is_ok |= payload.first() == Some(&OK);
                stream.is_whole |= is_end;
            }
            DATA => {
                let stream = self.streams.get_mut(&stream).expect("asked for");
                stream.bytes += payload.len();
                stream.is_whole |= is_end;
            }
            RESET => self.streams.get_mut(&stream).expect("asked for").is_reset = true,
            GOAWAY => {
                let last = payload[..4].try_into().expect("four bytes");
                self.farewells.push(u32::from_be_bytes(last));
            }
            PING => self.pings.push(payload),
            _ => {}
        }
    }

    fn whole(&self) -> usize {
        self.streams.values().filter(|stream| stream.is_whole).count()
    }

    fn open(&self) -> usize {
        self.streams.values().filter(|stream| !stream.is_whole && !stream.is_reset).count()
    }
}

/// Asks, half of the times for something that makes an event, with many streams at a time until the
/// connection ends; one that `heeds` a GOAWAY asks for nothing more after it. Reads on after a
/// failed write: what was answered is not lost by that.
async fn asks(addr: SocketAddr, heeds: bool, answered: Arc<AtomicUsize>) -> Ledger {
    let mut ledger = Ledger::default();
    let stream = TcpStream::connect(addr).await.expect("the proxy listens");
    let (mut reading, mut writing) = stream.into_split();
    let mut out = [PREFACE, &frame(WINDOW_UPDATE, 0, 0, &MUCH.to_be_bytes())].concat();
    let (mut written, mut queued, mut id) = (0, out.len(), 1);
    let mut ends = Vec::new();
    loop {
        while (!heeds || ledger.farewells.is_empty()) && ledger.open() < OPEN_MAX {
            let is_post = id % 4 == 1;
            let head = fields(if is_post { POST } else { GET });
            let mut bytes = frame(HEADERS, END_HEADERS, id, &head);
            bytes.extend(frame(DATA, END_STREAM, id, b"hello"));
            queued += bytes.len();
            out.extend(bytes);
            ends.push((id, queued));
            ledger.streams.insert(id, Stream { is_post, ..Stream::default() });
            id += 2;
        }
        for ping in std::mem::take(&mut ledger.pings) {
            let bytes = frame(PING, ACK, 0, &ping);
            queued += bytes.len();
            out.extend(bytes);
        }
        tokio::select! {
            goes_on = ledger.reads(&mut reading) => {
                answered.store(ledger.whole(), Ordering::Relaxed);
                if !goes_on {
                    break;
                }
            }
            n = writing.write(&out), if !out.is_empty() => match n {
                Ok(n) => {
                    written += n;
                    out.drain(..n);
                }
                Err(_) => out.clear(),
            }
        }
    }
    for (id, end) in ends {
        ledger.streams.get_mut(&id).expect("inserted").is_sent = end <= written;
    }
    ledger
}

fn run(settings: Settings) -> Proxy {
    start(Settings { h2c: true, ..settings }, Vec::new(), Storage::new().store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_answers_every_stream_up_to_the_last_that_it_names() {
    let upstream = Upstream::always(ok("done")).await;
    let storage = Storage::new();
    let h2c = Settings { h2c: true, workers: 2, ..settings(upstream.addr) };
    let proxy = start(h2c, vec![rule("posted", "POST ^/")], storage.store.clone());
    let mut clients = Vec::new();
    let mut counts = Vec::new();
    for heeds in [true, false, true, false] {
        let answered = Arc::<AtomicUsize>::default();
        counts.push(Arc::clone(&answered));
        clients.push((heeds, tokio::spawn(asks(proxy.local_addr(), heeds, answered))));
    }
    until("much is asked", || counts.iter().all(|n| n.load(Ordering::Relaxed) >= 200)).await;
    let drained = soon("the drain", proxy.drain(Duration::from_secs(30))).await;
    assert_eq!((drained.calls_cut, drained.matched_cut), (0, 0));

    let mut posted = 0;
    for (heeds, client) in clients {
        let ledger = soon("the connection's end", client).await.expect("no panic");
        assert!(ledger.is_clean, "what is read after a reset may be less than was sent");
        let &[ANY, last] = ledger.farewells.as_slice() else {
            panic!("announced, then told: {:?}", ledger.farewells);
        };
        for (id, stream) in ledger.streams.iter().filter(|(_, stream)| stream.is_sent) {
            let is_answered = stream.is_whole && stream.is_ok;
            assert_eq!(is_answered, *id <= last, "stream {id} of {last}, heeds: {heeds}");
            assert!(*id <= last || !heeds, "stream {id} was sent before the end was announced");
        }
        let is_event = |stream: &&Stream| stream.is_post && stream.is_ok && stream.is_whole;
        posted += ledger.streams.values().filter(is_event).count();
    }
    // No success without its event, and no event of what was not answered.
    assert_eq!(storage.events_of(posted).await.len(), posted);
}

/// A client whose system takes little at a time, and that asks for this many answers.
async fn slow(addr: SocketAddr, n: u32) -> (TcpStream, Ledger) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    let mut stream = socket.connect(addr).await.expect("the proxy listens");
    let mut ledger = Ledger::default();
    let mut out = PREFACE.to_vec();
    out.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 16, 0, 0]));
    out.extend(frame(WINDOW_UPDATE, 0, 0, &MUCH.to_be_bytes()));
    for id in (0..n).map(|i| 2 * i + 1) {
        out.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &fields(GET)));
        ledger.streams.insert(id, Stream::default());
    }
    stream.write_all(&out).await.expect("sent");
    (stream, ledger)
}

/// Just below what one stream may have waiting for the socket.
const LARGE: usize = 60 << 10;

async fn large() -> Upstream {
    Upstream::always(vec![Act::Send(reply("200 OK", &"x".repeat(LARGE)))]).await
}

fn assert_all(ledger: &Ledger) {
    let short: Vec<_> = ledger.streams.iter().filter(|(_, s)| s.bytes != LARGE).collect();
    let short: Vec<_> = short.iter().map(|(id, stream)| (id, stream.bytes)).collect();
    assert!(short.is_empty(), "{} of {}: {short:?}", short.len(), ledger.streams.len());
    assert!(ledger.is_clean);
}

/// What the calls have handed over waits for the client, and the connection with it.
#[tokio::test]
async fn a_drain_waits_for_a_client_that_reads_late() {
    let upstream = large().await;
    let proxy = run(settings(upstream.addr));
    let (mut stream, mut ledger) = slow(proxy.local_addr(), 100).await;
    until("all is asked for", || upstream.requests().len() == 100).await;
    let draining = tokio::spawn(async move { proxy.drain(Duration::from_secs(30)).await });
    // Longer than a client gets that has nothing more to read.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let work = async { while ledger.reads(&mut stream).await {} };
    soon("the connection's end", work).await;
    assert_all(&ledger);
    drop(stream);
    soon("the drain", draining).await.expect("no panic");
}

/// The proxy has written everything and the system still has it: a window's growth that comes after
/// the close would be answered with a reset.
#[tokio::test]
async fn a_connection_that_ends_lets_its_client_read_to_the_end() {
    let upstream = large().await;
    let proxy = run(settings(upstream.addr));
    let (mut stream, mut ledger) = slow(proxy.local_addr(), 14).await;
    until("all is asked for", || upstream.requests().len() == 14).await;
    let draining = tokio::spawn(async move { proxy.drain(Duration::from_secs(30)).await });
    let work = async {
        loop {
            let mut part = (&mut stream).take(16 << 10);
            while part.limit() > 0 && ledger.reads(&mut part).await {}
            if part.limit() > 0 {
                break;
            }
            for ping in std::mem::take(&mut ledger.pings) {
                let _ = stream.write_all(&frame(PING, ACK, 0, &ping)).await;
            }
            let _ = stream.write_all(&frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the connection's end", work).await;
    assert_all(&ledger);
    drop(stream);
    soon("the drain", draining).await.expect("no panic");
}

/// A client that says nothing to the announcement still learns what was served.
#[tokio::test]
async fn the_last_word_is_said_to_a_silent_client() {
    let upstream = Upstream::always(ok("done")).await;
    let proxy = run(settings(upstream.addr));
    let (mut stream, mut ledger) = slow(proxy.local_addr(), 1).await;
    while ledger.whole() == 0 {
        assert!(soon("an answer", ledger.reads(&mut stream)).await);
    }
    let draining = tokio::spawn(async move { proxy.drain(Duration::from_secs(30)).await });
    let work = async { while ledger.reads(&mut stream).await {} };
    soon("the connection's end", work).await;
    assert_eq!(ledger.farewells, [ANY, 1]);
    assert!(ledger.is_clean);
    drop(stream);
    soon("the drain", draining).await.expect("no panic");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_clients_that_have_not_begun() {
    let upstream = Upstream::always(ok("done")).await;
    let authority = Authority::new("a private CA");
    let (_folder, tls) = good_certificate(&authority);
    let long = Duration::from_secs(600);
    let (tls, header_timeout) = (Some(tls), long);
    let proxy = run(Settings { tls, header_timeout, ..settings(upstream.addr) });
    let connecting = encrypted(tcp(proxy.local_addr()).await, &authority, &["h2"]).await;
    let (mut silent, _) = connecting.expect("a handshake");
    // The proxy's SETTINGS: it waits for the client's words now.
    soon("a frame", silent.read_u8()).await.expect("a byte");
    soon("the drain", proxy.drain(long)).await;
}
