//! The upstream of `scripts/bench proxy`: one thread, HTTP/1.1 with `Content-Length` only, responses
//! made beforehand, so that it costs much less than the proxies in front of it.
//!
//! `bench_upstream PORT` serves until it is killed. `GET /small` answers 200 bytes, `GET /large`
//! 64 KiB, `POST` a JSON object of 2 KiB once it has read the whole request; `/sink` is the
//! receiver of copies and answers `ok`, `/sink/empty` answers 204. `GET /echo` gives the request's
//! head back, `GET /calls` how many of the first three have been answered: the benchmark divides by
//! that, so that connecting is not counted.

use std::cell::Cell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{LocalSet, spawn_local};

const BACKLOG: u32 = 4096;
/// A request's head, and a body of 2 KiB with it.
const BUFFER: usize = 16 << 10;

struct Answers {
    small: Vec<u8>,
    large: Vec<u8>,
    created: Vec<u8>,
    sunk: Vec<u8>,
    empty: Vec<u8>,
    calls: Cell<u64>,
}

/// What of a request's head matters here.
struct Asked<'a> {
    is_post: bool,
    path: &'a [u8],
    /// Bytes of the head.
    head: usize,
    /// Bytes of the body.
    body: usize,
}

impl Answers {
    fn new() -> Self {
        let json = format!("{{\"id\":1,\"pad\":\"{}\"}}", "y".repeat(2048 - 17));
        Self {
            small: response("200 OK", "text/plain", "x".repeat(200).as_bytes()),
            large: response("200 OK", "text/plain", "x".repeat(64 << 10).as_bytes()),
            created: response("201 Created", "application/json", json.as_bytes()),
            sunk: response("200 OK", "text/plain", b"ok"),
            empty: b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            calls: Cell::new(0),
        }
    }

    fn to(&self, asked: &Asked<'_>) -> &[u8] {
        match asked.path {
            b"/sink" => return &self.sunk,
            b"/sink/empty" => return &self.empty,
            _ => self.calls.set(self.calls.get() + 1),
        }
        match asked.path {
            _ if asked.is_post => &self.created,
            b"/large" => &self.large,
            _ => &self.small,
        }
    }
}

fn main() {
    let port = std::env::args().nth(1).expect("a port: see the head of this file");
    let address = format!("127.0.0.1:{port}").parse().expect("a port");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    LocalSet::new().block_on(&runtime.expect("an event queue"), async move {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option that exists");
        socket.bind(address).expect("a free port");
        let listener = socket.listen(BACKLOG).expect("a bound socket");
        let answers = Rc::new(Answers::new());
        loop {
            let (connection, _) = listener.accept().await.expect("enough file descriptors");
            spawn_local(serve(connection, Rc::clone(&answers)));
        }
    });
}

/// Until the client goes, or sends what this is not made for.
async fn serve(mut connection: TcpStream, answers: Rc<Answers>) {
    let _ = connection.set_nodelay(true);
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        while let Some(asked) = asked(&buffer[..filled]) {
            let taken = asked.head + asked.body;
            if taken > BUFFER {
                return;
            }
            if filled < taken {
                break;
            }
            let made = match asked.path {
                b"/calls" => Some(answers.calls.get().to_string().into_bytes()),
                b"/echo" => Some(buffer[..asked.head].to_vec()),
                _ => None,
            };
            let sent = match made {
                Some(body) => connection.write_all(&response("200 OK", "text/plain", &body)).await,
                None => connection.write_all(answers.to(&asked)).await,
            };
            if sent.is_err() {
                return;
            }
            buffer.copy_within(taken..filled, 0);
            filled -= taken;
        }
        match connection.read(&mut buffer[filled..]).await {
            Ok(n) if n > 0 => filled += n,
            _ => return,
        }
    }
}

/// A whole head, when there is one.
fn asked(bytes: &[u8]) -> Option<Asked<'_>> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let mut lines = bytes[..head].split(|&byte| byte == b'\n');
    let mut words = lines.next()?.split(|&byte| byte == b' ');
    let (method, path) = (words.next()?, words.next()?);
    let body = lines.find_map(content_length).unwrap_or(0);
    Some(Asked { is_post: method == b"POST", path, head, body })
}

fn content_length(line: &[u8]) -> Option<usize> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    if !line[..colon].eq_ignore_ascii_case(b"content-length") {
        return None;
    }
    std::str::from_utf8(&line[colon + 1..]).ok()?.trim().parse().ok()
}

fn response(status: &str, media: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nServer: bench\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Content-Type: {media}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
