//! An upstream whose HTTP/2 is written by hand, frame by frame: what a library would not do, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sidehook::proxy::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, MAGIC, OK, PING, RESET, SETTINGS,
    frame, next,
};
use super::stand::before;
use crate::support::wire::Wire;

const MAX_CONCURRENT_STREAMS: u16 = 3;

/// A listener.
pub(crate) struct Bare {
    wire: Wire,
    counts: Arc<Counts>,
}

/// On all connections together.
#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    answers: AtomicUsize,
}

/// A connection.
pub(crate) struct Line {
    stream: TcpStream,
    input: Vec<u8>,
    /// Streams whose requests have come whole.
    ended: Vec<u32>,
    counts: Arc<Counts>,
}

impl Bare {
    /// Does this with the n-th connection (from 0), all at a time.
    pub(crate) async fn start<F, W>(script: F) -> Self
    where
        F: Fn(usize, Line) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let counts = Arc::<Counts>::default();
        let counted = Arc::clone(&counts);
        let wire = Wire::start(move |stream| {
            stream.set_nodelay(true).expect("a socket");
            let n = counted.connections.fetch_add(1, Ordering::Relaxed);
            let (input, ended, counts) = (Vec::new(), Vec::new(), Arc::clone(&counted));
            script(n, Line { stream, input, ended, counts })
        })
        .await;
        Self { wire, counts }
    }

    /// A proxy's settings in front of it.
    pub(crate) fn settings(&self) -> Settings {
        before(([127, 0, 0, 1], self.wire.port).into())
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// Whole ones.
    pub(crate) fn answers(&self) -> usize {
        self.counts.answers.load(Ordering::Relaxed)
    }
}

impl Line {
    /// Takes the other side's begin, and allows this many streams.
    pub(crate) async fn greet(&mut self, n_streams: u32) {
        self.allow(n_streams).await;
        while self.input.len() < MAGIC.len() && self.more().await.is_some() {}
        assert!(self.input.starts_with(MAGIC));
        self.input.drain(..MAGIC.len());
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
        self.counts.answers.fetch_add(1, Ordering::Relaxed);
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, &[OK]).await;
    }

    /// Begins an answer.
    pub(crate) async fn begin(&mut self, stream: u32) {
        self.write(HEADERS, END_HEADERS, stream, &[OK]).await;
    }

    /// Answers with a length of one digit and all that it announces, but not the stream's end.
    pub(crate) async fn answer_without_end(&mut self, stream: u32, body: &[u8]) {
        let digit = b'0' + u8::try_from(body.len()).expect("one digit");
        // `content-length`, a literal with a name of the static table.
        self.write(HEADERS, END_HEADERS, stream, &[OK, 0x0f, 0x0d, 1, digit]).await;
        self.write(DATA, 0, stream, body).await;
    }

    /// Ends a stream with this reason.
    pub(crate) async fn reset(&mut self, stream: u32, reason: h2::Reason) {
        self.write(RESET, 0, stream, &u32::from(reason).to_be_bytes()).await;
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

    /// Waits for the rest of so many requests, of those up to `last`.
    pub(crate) async fn wait_for_ends(&mut self, n: usize, last: u32) {
        while self.ended.iter().filter(|stream| **stream <= last).count() < n {
            if self.read().await.is_none() {
                return;
            }
        }
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
        let frame = loop {
            if let Some(frame) = next(&mut self.input) {
                break frame;
            }
            self.more().await?;
        };
        if frame.kind == HEADERS {
            self.counts.requests.fetch_add(1, Ordering::Relaxed);
        }
        if frame.flags & END_STREAM != 0 && [HEADERS, DATA].contains(&frame.kind) {
            self.ended.push(frame.stream);
        }
        if frame.flags & ACK == 0 && [SETTINGS, PING].contains(&frame.kind) {
            let payload = if frame.kind == PING { frame.payload.as_slice() } else { &[] };
            self.write(frame.kind, ACK, 0, payload).await;
        }
        Some(frame)
    }

    /// Reads what there is; `None`: there is no more.
    async fn more(&mut self) -> Option<()> {
        matches!(self.stream.read_buf(&mut self.input).await, Ok(1..)).then_some(())
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        // Whoever has gone reads nothing.
        let _ = self.stream.write_all(&frame(kind, flags, stream, payload)).await;
    }
}
