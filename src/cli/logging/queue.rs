//! The way of the log's lines to stderr: a bounded queue, and one thread that writes. A stderr that
//! nobody reads (a stuck collector, a pager, a terminal stopped with Ctrl-S) holds that thread, and
//! nobody who has something to log.
//!
//! A line that finds no room is lost. It is counted, and the log says at its place how many there were,
//! as soon as lines are taken again. The order is that of the log, always.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of one write: what a pipe takes in one piece (`PIPE_BUF`, pipe(7)), so that lines of processes that
/// share it do not mix. A longer line is written alone.
const PIECE_BYTES: usize = 4096;

/// What a buffer keeps of its memory after a burst.
const KEPT_BYTES: usize = 64 << 10;

/// Between two tries at a stderr that does not wait by itself: whoever shares it may have made it
/// non-blocking.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Where lines are put; its clones are the same. Its thread lasts as long as the process.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    /// Bytes of the lines that wait and of those that the thread has in hand, together.
    bytes_max: usize,
    count_lost: Box<dyn Fn(u64) + Send + Sync>,
    state: Mutex<State>,
    /// The thread waits here for lines.
    work: Condvar,
    /// Here is waited for the thread.
    settled: Condvar,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Bytes that the thread has taken last.
    n_in_hand: usize,
    /// How many were lost behind those that wait.
    n_dropped: u64,
    /// How many there have been.
    n_put: u64,
    /// Of how many it is known whether they are written.
    n_settled: u64,
    is_idle: bool,
    n_flushing: usize,
}

/// Where lines go, and how it is told that some are missing.
struct Out<W, N> {
    sink: W,
    notice: N,
    /// The last write ended within a line.
    is_torn: bool,
    /// Lost, and not yet told.
    n_lost: u64,
}

impl Queue {
    /// Starts the thread. Lost lines are counted at once; `notice` is the line that tells how many there were.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn start(
        bytes_max: usize,
        sink: impl Write + Send + 'static,
        count_lost: impl Fn(u64) + Send + Sync + 'static,
        notice: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            bytes_max,
            count_lost: Box::new(count_lost),
            state: Mutex::default(),
            work: Condvar::new(),
            settled: Condvar::new(),
        });
        let queue = Self(Arc::clone(&shared));
        let out = Out { sink, notice, is_torn: false, n_lost: 0 };
        let name = "sidehook-log".to_owned();
        thread::Builder::new().name(name).spawn(move || shared.write_to(out))?;
        Ok(queue)
    }

    /// Takes a line with its end, or loses it. Waits for nobody who reads.
    pub(super) fn put(&self, line: &[u8]) {
        let mut state = self.0.lock();
        state.n_put += 1;
        let n_bytes = state.waiting.len() + state.n_in_hand + line.len();
        // Behind a gap all is lost until the thread has seen it: so it can be told at its place.
        if state.n_dropped > 0 || n_bytes > self.0.bytes_max {
            state.n_dropped += 1;
            (self.0.count_lost)(1);
        } else {
            state.waiting.extend_from_slice(line);
        }
        let was_idle = mem::take(&mut state.is_idle);
        drop(state);
        if was_idle {
            self.0.work.notify_one();
        }
    }

    /// Waits until all that was put before is written or lost, but no longer than this; whether it is.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let mut state = self.0.lock();
        let n_put = state.n_put;
        state.n_flushing += 1;
        let waits = |state: &mut State| state.n_settled < n_put;
        let waited = self.0.settled.wait_timeout_while(state, patience, waits);
        let (mut state, ended) = waited.unwrap_or_else(PoisonError::into_inner);
        state.n_flushing -= 1;
        !ended.timed_out()
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Shared {
    /// Whole after every operation on it, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread. Nothing in here may log.
    fn write_to(&self, mut out: Out<impl Write, impl Fn(u64) -> String>) {
        let mut lines = Vec::new();
        let mut n_done = 0;
        loop {
            let n_dropped;
            (n_dropped, n_done) = self.take(&mut lines, n_done);
            out.tell();
            let n_failed = out.lines(&lines);
            (self.count_lost)(n_failed);
            out.n_lost += n_failed + n_dropped;
            out.tell();
        }
    }

    /// Says that what was taken before is done with, and waits for more: the lines, how many were lost behind
    /// them, and how many there have been with these.
    fn take(&self, lines: &mut Vec<u8>, n_done: u64) -> (u64, u64) {
        lines.clear();
        lines.shrink_to(KEPT_BYTES);
        let mut state = self.lock();
        state.n_in_hand = 0;
        state.n_settled = n_done;
        if state.n_flushing > 0 {
            self.settled.notify_all();
        }
        while state.n_put == n_done {
            state.is_idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        mem::swap(&mut state.waiting, lines);
        state.n_in_hand = lines.len();
        (mem::take(&mut state.n_dropped), state.n_put)
    }
}

impl<W: Write, N: Fn(u64) -> String> Out<W, N> {
    /// Writes lines; how many failed.
    fn lines(&mut self, lines: &[u8]) -> u64 {
        let n_lines = |left: &[u8]| left.iter().filter(|byte| **byte == b'\n').count() as u64;
        pieces(lines).map(|piece| n_lines(self.whole(piece))).sum()
    }

    /// Says how many were lost, if any were; tried again with the next lines where it fails.
    fn tell(&mut self) {
        if self.n_lost > 0 && self.whole((self.notice)(self.n_lost).as_bytes()).is_empty() {
            self.n_lost = 0;
        }
    }

    /// Writes whole lines, none of them behind a part of another; what could not be written.
    fn whole<'a>(&mut self, lines: &'a [u8]) -> &'a [u8] {
        if self.is_torn && !self.all(b"\n").is_empty() { lines } else { self.all(lines) }
    }

    fn all<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty() {
            match self.sink.write(bytes) {
                Ok(0) => break,
                Ok(n) => {
                    self.is_torn = bytes[n - 1] != b'\n';
                    bytes = &bytes[n..];
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => thread::park_timeout(TRY_EVERY),
                    // Whoever reads may go, or the disk be full: lines are lost then, and nothing else.
                    _ => break,
                },
            }
        }
        bytes
    }
}

/// As many lines as fit into one piece, or one that is longer.
fn pieces(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_end = |byte: &u8| *byte == b'\n';
    std::iter::from_fn(move || {
        let near = &lines[..lines.len().min(PIECE_BYTES)];
        let end = near.iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
        let piece = &lines[..end.map_or(lines.len(), |end| end + 1)];
        lines = &lines[piece.len()..];
        (!piece.is_empty()).then_some(piece)
    })
}
