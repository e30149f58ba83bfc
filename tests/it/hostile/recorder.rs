//! An upstream that reads strictly, keeps what it got byte for byte, and answers each request with
//! the request's number.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::strict::{self, Fault, Message};

/// Stops with the test's runtime.
pub(super) struct Recorder {
    pub(super) addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
    keeps: AtomicBool,
}

#[derive(Default)]
struct Record {
    requests: Vec<Recorded>,
    connections: Vec<Connection>,
    wrong: Vec<String>,
}

/// A whole request.
#[derive(Clone)]
pub(super) struct Recorded {
    pub(super) connection: usize,
    pub(super) message: Message,
}

#[derive(Clone, Default)]
struct Connection {
    /// Of a request that is not whole.
    partial: Vec<u8>,
    closed: bool,
}

/// How far the record has come.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    requests: usize,
    wrong: usize,
}

impl Recorder {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let addr = listener.local_addr().expect("bound");
        let shared = Arc::<Shared>::default();
        let accepted = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let n = {
                    let mut record = accepted.record();
                    record.connections.push(Connection::default());
                    record.connections.len() - 1
                };
                let shared = Arc::clone(&accepted);
                tokio::spawn(async move {
                    serve(stream, n, &shared).await;
                    shared.record().connections[n].closed = true;
                });
            }
        });
        Self { addr, shared }
    }

    /// Whether connections are kept after an answer.
    pub(super) fn keeps(&self, keeps: bool) {
        self.shared.keeps.store(keeps, Ordering::SeqCst);
    }

    pub(super) fn mark(&self) -> Mark {
        let record = self.shared.record();
        Mark { requests: record.requests.len(), wrong: record.wrong.len() }
    }

    /// The requests since then, with their numbers.
    pub(super) fn since(&self, mark: Mark) -> Vec<(usize, Recorded)> {
        let record = self.shared.record();
        record.requests.iter().cloned().enumerate().skip(mark.requests).collect()
    }

    /// What came since then and is no request.
    pub(super) fn wrong_since(&self, mark: Mark) -> Vec<String> {
        self.shared.record().wrong[mark.wrong..].to_vec()
    }

    /// The beginnings of requests that did not come whole; `true`: the connection has ended.
    pub(super) fn partials(&self) -> Vec<(Vec<u8>, bool)> {
        let record = self.shared.record();
        let some = record.connections.iter().filter(|c| !c.partial.is_empty());
        some.map(|c| (c.partial.clone(), c.closed)).collect()
    }

    /// Forgets them: they are accounted for.
    pub(super) fn forget_partials(&self) {
        for connection in &mut self.shared.record().connections {
            connection.partial.clear();
        }
    }

    /// All whole requests so far.
    pub(super) fn all(&self) -> Vec<Recorded> {
        self.shared.record().requests.clone()
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("sound")
    }
}

async fn serve(mut stream: TcpStream, connection: usize, shared: &Shared) {
    let mut input = Vec::new();
    let mut continued = false;
    loop {
        let answer = {
            let mut record = shared.record();
            match strict::request(&input) {
                Ok(message) => {
                    input.drain(..message.length);
                    continued = false;
                    let keeps = shared.keeps.load(Ordering::SeqCst);
                    let answer = answer(record.requests.len(), &message, keeps);
                    record.requests.push(Recorded { connection, message });
                    record.connections[connection].partial.clone_from(&input);
                    Some((answer, keeps))
                }
                Err(Fault::Wrong(what)) => {
                    let raw = strict::shown(&input);
                    record.wrong.push(format!("the upstream got no request: {what} in {raw}"));
                    return;
                }
                Err(Fault::Incomplete) if waits_for_100(&input) && !continued => {
                    continued = true;
                    Some((b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), true))
                }
                Err(Fault::Incomplete) => None,
            }
        };
        if let Some((answer, keeps)) = answer {
            if stream.write_all(&answer).await.is_err() || !keeps {
                let _ = stream.shutdown().await;
                return;
            }
            continue;
        }
        // The partial request stays on record, so that also its bytes can be asked for.
        shared.record().connections[connection].partial.clone_from(&input);
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => shared.record().connections[connection].partial.clone_from(&input),
        }
    }
}

/// A head that expects `100 Continue`, and nothing behind it.
fn waits_for_100(input: &[u8]) -> bool {
    input.ends_with(b"\r\n\r\n")
        && strict::text(input).to_ascii_lowercase().contains("\r\nexpect: 100-continue\r\n")
}

fn answer(n: usize, request: &Message, keeps: bool) -> Vec<u8> {
    let body = format!("answer {n}");
    let length = body.len();
    let close = if keeps { "" } else { "Connection: close\r\n" };
    let body = if request.start.starts_with(b"HEAD ") { "" } else { &body };
    format!("HTTP/1.1 200 OK\r\nX-Answer: {n}\r\nContent-Length: {length}\r\n{close}\r\n{body}")
        .into_bytes()
}
