//! An upstream whose HTTP/2 is written by hand, frame by frame: what a library would not do, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sidehook::proxy::{Settings, UpstreamProtocol, UpstreamSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::proxy::stand::settings;
use crate::support::wire::Wire;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` (RFC 7541, Appendix A).
const OK: &[u8] = &[0x88];
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// The last stream of who does not say yet which is the last.
pub(crate) const ANY: u32 = (1 << 31) - 1;

/// A listener.
pub(crate) struct Bare {
    wire: Wire,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

/// A connection.
pub(crate) struct Line {
    stream: TcpStream,
    input: Vec<u8>,
    requests: Arc<AtomicUsize>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Bare {
    /// Does this with the n-th connection (from 0), all at a time.
    pub(crate) async fn start<F, W>(script: F) -> Self
    where
        F: Fn(usize, Line) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let connections = Arc::<AtomicUsize>::default();
        let requests = Arc::<AtomicUsize>::default();
        let (counted, asked) = (Arc::clone(&connections), Arc::clone(&requests));
        let wire = Wire::start(move |stream| {
            stream.set_nodelay(true).expect("a socket");
            let n = counted.fetch_add(1, Ordering::Relaxed);
            script(n, Line { stream, input: Vec::new(), requests: Arc::clone(&asked) })
        })
        .await;
        Self { wire, connections, requests }
    }

    /// A proxy's settings in front of it.
    pub(crate) fn settings(&self) -> Settings {
        let plain = settings(([127, 0, 0, 1], self.wire.port).into());
        let protocol = UpstreamProtocol::H2c;
        let upstream = UpstreamSettings { protocol, ..plain.upstream.clone() };
        Settings { h2c: true, upstream, connections_max: 10_000, ..plain }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests on all of them.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Line {
    /// Takes the other side's begin, and allows this many streams.
    pub(crate) async fn greet(&mut self, n_streams: u32) {
        self.allow(n_streams).await;
        self.fill(24).await;
        assert!(self.input.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        self.input.drain(..24);
    }

    /// Allows this many streams from now on.
    pub(crate) async fn allow(&mut self, n_streams: u32) {
        let mut payload = MAX_CONCURRENT_STREAMS.to_be_bytes().to_vec();
        payload.extend(n_streams.to_be_bytes());
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    /// The next request's stream; `None`: the connection has ended.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.read().await?;
            if frame.kind == HEADERS {
                return Some(frame.stream);
            }
        }
    }

    /// The streams of the next requests.
    pub(crate) async fn requests(&mut self, n: usize) -> Vec<u32> {
        let mut streams = Vec::new();
        while streams.len() < n {
            streams.push(self.request().await.expect("requests"));
        }
        streams
    }

    /// The streams of the requests that come before the other side has done what was written so far.
    pub(crate) async fn until_done(&mut self) -> Vec<u32> {
        self.write(PING, 0, 0, b"are you?").await;
        let mut streams = Vec::new();
        while let Some(frame) = self.read().await {
            match frame.kind {
                HEADERS => streams.push(frame.stream),
                PING if frame.flags & ACK != 0 => break,
                _ => {}
            }
        }
        streams
    }

    /// Answers with 200 and no body.
    pub(crate) async fn answer(&mut self, stream: u32) {
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, OK).await;
    }

    /// Begins an answer.
    pub(crate) async fn begin(&mut self, stream: u32) {
        self.write(HEADERS, END_HEADERS, stream, OK).await;
    }

    /// Ends a stream with this reason.
    pub(crate) async fn reset(&mut self, stream: u32, reason: h2::Reason) {
        self.write(RST_STREAM, 0, stream, &u32::from(reason).to_be_bytes()).await;
    }

    /// Says goodbye: streams above `last` are not looked at.
    pub(crate) async fn go_away(&mut self, last: u32, reason: h2::Reason) {
        let payload = [last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    /// Begins and says goodbye in one.
    pub(crate) async fn greet_and_go(&mut self) {
        let mut bytes = frame(SETTINGS, 0, 0, &[]);
        bytes.extend(frame(GOAWAY, 0, 0, &[0; 8]));
        let _ = self.stream.write_all(&bytes).await;
    }

    /// Writes nothing more.
    pub(crate) async fn finish(mut self) {
        let _ = self.stream.shutdown().await;
        while self.read().await.is_some() {}
    }

    /// Answers every request until the connection ends.
    pub(crate) async fn answer_all(mut self) {
        while let Some(stream) = self.request().await {
            self.answer(stream).await;
        }
    }

    /// The next frame; says what must be said to it.
    async fn read(&mut self) -> Option<Frame> {
        if !self.fill(9).await {
            return None;
        }
        let length = u32::from_be_bytes([0, self.input[0], self.input[1], self.input[2]]);
        let all = 9 + usize::try_from(length).expect("small");
        if !self.fill(all).await {
            return None;
        }
        let bytes: Vec<u8> = self.input.drain(..all).collect();
        let stream = u32::from_be_bytes(bytes[5..9].try_into().expect("four"));
        if bytes[3] == HEADERS {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
        let frame = Frame { kind: bytes[3], flags: bytes[4], stream };
        if frame.flags & ACK == 0 && [SETTINGS, PING].contains(&frame.kind) {
            let payload = if frame.kind == PING { &bytes[9..] } else { &[] };
            self.write(frame.kind, ACK, 0, payload).await;
        }
        Some(frame)
    }

    /// Reads until so much is there; false: there is no more.
    async fn fill(&mut self, n: usize) -> bool {
        while self.input.len() < n {
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
        }
        true
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        // Whoever has gone reads nothing.
        let _ = self.stream.write_all(&frame(kind, flags, stream, payload)).await;
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}
