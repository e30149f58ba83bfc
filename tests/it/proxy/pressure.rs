//! Who reads slowly holds up who writes: nothing in between collects what is on its way (B9).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sidehook::model::BodyState;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stand::{Storage, rule, settings, start};
use crate::support::soon;
use crate::support::upstream::reply;
use crate::support::wire::Wire;

/// Of a body.
const BYTES: u64 = 208 << 20;
const PIECE: usize = 64 << 10;
const END: &[u8] = b"0\r\n\r\n";
/// What sockets and buffers on the way may hold at most: the system's share is the most of it.
const ON_ITS_WAY_MAX: u64 = 64 << 20;

/// How the end of a body shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Length,
    Chunked,
    UntilClose,
}

impl Form {
    fn line(self) -> String {
        match self {
            Self::Length => format!("Content-Length: {BYTES}\r\n"),
            Self::Chunked => "Transfer-Encoding: chunked\r\n".into(),
            Self::UntilClose => String::new(),
        }
    }

    /// What comes out last is [`END`] either way: of what has no length, as chunks.
    fn piece(self) -> Vec<u8> {
        let mut data = vec![b'~'; PIECE];
        if self == Self::Chunked {
            return [format!("{PIECE:x}\r\n").as_bytes(), &data, b"\r\n"].concat();
        }
        if self == Self::Length {
            data[PIECE - END.len()..].copy_from_slice(END);
        }
        data
    }
}

/// Writes a body; counts what the socket has taken of its data.
async fn write(stream: &mut (impl AsyncWriteExt + Unpin), form: Form, written: &AtomicU64) {
    let piece = form.piece();
    while written.load(Ordering::Relaxed) < BYTES {
        if stream.write_all(&piece).await.is_err() {
            return;
        }
        written.fetch_add(PIECE as u64, Ordering::Relaxed);
    }
    if form == Form::Chunked {
        let _ = stream.write_all(END).await;
    }
}

/// Waits until nothing more is written, and says how much it was.
async fn held_up(written: &AtomicU64) -> u64 {
    let work = async {
        let mut before = u64::MAX;
        loop {
            let now = written.load(Ordering::Relaxed);
            if now > 0 && now == before {
                return now;
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    };
    soon("the writer to be held up", work).await
}

/// A client whose socket holds little.
fn connect(proxy: std::net::SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(32 << 10).expect("a socket");
    socket.connect(&SockAddr::from(proxy)).expect("the proxy listens");
    socket.set_nonblocking(true).expect("a socket");
    TcpStream::from_std(socket.into()).expect("a socket")
}

/// Reads to the end of a body.
async fn drain(stream: &mut TcpStream) {
    let (mut all, mut tail, mut buf) = (0, Vec::new(), vec![0; PIECE]);
    let work = async {
        while all < BYTES || !tail.ends_with(END) {
            let n = stream.read(&mut buf).await.expect("readable");
            assert!(n > 0, "closed after {all} bytes");
            all += n as u64;
            tail.extend_from_slice(&buf[n.saturating_sub(END.len())..n]);
            tail.drain(..tail.len().saturating_sub(END.len()));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("the whole body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_a_slow_client_holds_up_the_upstream() {
    for form in [Form::Length, Form::Chunked, Form::UntilClose] {
        for rules in [Vec::new(), vec![rule("order.placed", "GET ^/$")]] {
            let written = Arc::<AtomicU64>::default();
            let counter = Arc::clone(&written);
            let upstream = Wire::start(move |mut stream| {
                let written = Arc::clone(&counter);
                async move {
                    // All of the request: a close with bytes unread is a reset.
                    let mut request = Vec::with_capacity(4096);
                    stream.read_buf(&mut request).await.expect("a request");
                    let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", form.line());
                    stream.write_all(head.as_bytes()).await.expect("read");
                    write(&mut stream, form, &written).await;
                }
            })
            .await;
            let is_matched = !rules.is_empty();
            let storage = Storage::new();
            let settings = settings(([127, 0, 0, 1], upstream.port).into());
            let proxy = start(settings, rules, storage.store.clone());
            let mut client = connect(proxy.local_addr());
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("read");
            let ahead = held_up(&written).await;
            assert!(ahead < ON_ITS_WAY_MAX, "{ahead} bytes of {form:?}");
            assert!(storage.events().is_empty());
            if is_matched {
                drain(&mut client).await;
                let event = storage.events_of(1).await.remove(0);
                let body = event.exchange.response.body;
                assert_eq!((body.size, body.state), (BYTES, BodyState::Truncated));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_a_slow_upstream_holds_up_the_client() {
    for form in [Form::Length, Form::Chunked] {
        let reading = Arc::new(tokio::sync::Semaphore::new(0));
        let gate = Arc::clone(&reading);
        let upstream = Wire::start(move |mut stream| {
            let reading = Arc::clone(&gate);
            async move {
                reading.acquire().await.expect("never closed").forget();
                drain(&mut stream).await;
                let _ = stream.write_all(&reply("200 OK", "done")).await;
            }
        })
        .await;
        for rules in [Vec::new(), vec![rule("order.placed", "POST ^/$")]] {
            let is_matched = !rules.is_empty();
            let storage = Storage::new();
            let settings = settings(([127, 0, 0, 1], upstream.port).into());
            let proxy = start(settings, rules, storage.store.clone());
            let client = TcpStream::connect(proxy.local_addr()).await.expect("the proxy listens");
            let (mut from, mut to) = client.into_split();
            let written = Arc::<AtomicU64>::default();
            let counter = Arc::clone(&written);
            let upload = tokio::spawn(async move {
                let head = format!(
                    "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n",
                    form.line()
                );
                to.write_all(head.as_bytes()).await.expect("read");
                write(&mut to, form, &counter).await;
                to
            });
            let ahead = held_up(&written).await;
            assert!(ahead < ON_ITS_WAY_MAX, "{ahead} bytes of {form:?}");
            reading.add_permits(1);
            let mut text = String::new();
            soon("the answer", from.read_to_string(&mut text)).await.expect("readable");
            assert!(text.ends_with("\r\n\r\ndone"), "{form:?}: {text}");
            drop(upload.await.expect("no panic"));
            if is_matched {
                let event = storage.events_of(1).await.remove(0);
                let body = event.exchange.request.body;
                assert_eq!((body.size, body.state), (BYTES, BodyState::Truncated));
            }
        }
    }
}
