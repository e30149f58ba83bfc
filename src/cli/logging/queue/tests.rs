use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use super::*;

/// Longer than anything here lasts.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes a piece when the test does.
struct Slow(SyncSender<Vec<u8>>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers each write as it is told, and then takes everything.
struct Scripted(std::vec::IntoIter<Result<usize, ErrorKind>>, Arc<Mutex<Vec<u8>>>);

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.0.next().unwrap_or(Ok(bytes.len()))?;
        self.1.lock().expect("no panic").extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A queue, and how many of its lines are lost.
fn queue(bytes_max: usize, sink: impl Write + Send + 'static) -> (Queue, Arc<AtomicU64>) {
    let n_lost = Arc::<AtomicU64>::default();
    let count = Arc::clone(&n_lost);
    let count = move |n| {
        count.fetch_add(n, Ordering::SeqCst);
    };
    let queue = Queue::start(bytes_max, sink, count, |n| format!("lost {n}\n"));
    (queue.expect("a thread"), n_lost)
}

fn next(pieces: &Receiver<Vec<u8>>) -> String {
    String::from_utf8(pieces.recv_timeout(PATIENCE).expect("a piece")).expect("text")
}

#[test]
fn a_gap_is_told_at_its_place_and_nobody_waits() {
    let (sender, pieces) = sync_channel(0);
    let (queue, n_lost) = queue(12, Slow(sender));
    queue.put(b"one\n");
    // Until it is in hand, so that what follows waits behind it.
    let deadline = Instant::now() + PATIENCE;
    while queue.0.lock().n_in_hand == 0 {
        assert!(Instant::now() < deadline, "nobody takes it");
        thread::yield_now();
    }
    queue.put(b"two\n");
    queue.put(b"much too long\n");
    // There would be room, but its place is behind the gap.
    queue.put(b"3\n");
    assert!(!queue.flush(Duration::ZERO), "nobody reads");
    assert_eq!(n_lost.load(Ordering::SeqCst), 2);
    assert_eq!(next(&pieces), "one\n");
    assert_eq!(next(&pieces), "two\n");
    assert_eq!(next(&pieces), "lost 2\n");
    assert!(queue.flush(PATIENCE), "all is told");
    queue.put(b"four\n");
    assert_eq!(next(&pieces), "four\n");
    // One that never fits is told even where nothing waits.
    queue.put(b"much too long\n");
    assert_eq!(next(&pieces), "lost 1\n");
}

#[test]
fn a_sink_that_fails_loses_lines_and_tells_it_when_it_is_well() {
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let script = vec![
        // A non-blocking one, an interrupted one, one that takes parts.
        Err(ErrorKind::WouldBlock),
        Err(ErrorKind::Interrupted),
        Ok(2),
        Ok(2),
        // A full disk: within a line, and then for what says so.
        Ok(3),
        Err(ErrorKind::StorageFull),
        Err(ErrorKind::StorageFull),
    ];
    let sink = Scripted(script.into_iter(), Arc::clone(&written));
    let (queue, n_lost) = queue(100, sink);
    for line in ["one\n", "two three\n", "four\n"] {
        queue.put(line.as_bytes());
        assert!(queue.flush(PATIENCE), "written or lost");
    }
    let written = String::from_utf8(written.lock().expect("no panic").clone()).expect("text");
    assert_eq!(written, "one\ntwo\nlost 1\nfour\n");
    assert_eq!(n_lost.load(Ordering::SeqCst), 1);
}

#[test]
fn a_write_ends_with_a_line() {
    let lines = |n: usize, bytes: usize| format!("{}\n", "x".repeat(bytes - 1)).repeat(n);
    let lengths = |lines: &str| pieces(lines.as_bytes()).map(<[u8]>::len).collect::<Vec<_>>();
    assert_eq!(lengths(""), [0; 0]);
    assert_eq!(lengths("a\nb\n"), [4]);
    assert_eq!(lengths(&lines(2, PIECE_BYTES)), [PIECE_BYTES, PIECE_BYTES]);
    assert_eq!(lengths(&lines(9, 1000)), [4000, 4000, 1000]);
    let long = lines(1, 10_000);
    assert_eq!(lengths(&format!("a\n{long}b\nc\n")), [2, 10_000, 4]);
}
