//! A receiver over raw sockets: records every request whole, and answers each as it is told,
//! well or badly. It writes bytes, not HTTP: so it can break every rule of it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How one request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// With this status and a small body.
    Status(u16),
    /// With this status and these headers.
    With { status: u16, headers: &'static [(&'static str, &'static str)] },
    /// With exactly these bytes; the connection stays open.
    Raw(Vec<u8>),
    /// With 200, once this is notified.
    Wait(Arc<Notify>),
    /// With this status, once this is notified.
    WaitFor(Arc<Notify>, u16),
    /// Never.
    Hang,
    /// With a head, and then one byte of the body each time this has passed, for ever.
    Drip(Duration),
    /// With a head, and then bytes for ever, as fast as they are taken.
    Endless,
    /// With a reset before the first byte.
    Reset,
    /// With these bytes, and then a reset.
    ResetAfter(Vec<u8>),
    /// With these bytes, and then the end of the connection.
    CloseAfter(Vec<u8>),
}

impl Answer {
    /// A redirect to somewhere.
    pub(crate) fn redirect(location: &str) -> Self {
        let head =
            format!("HTTP/1.1 307 Away\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        Self::Raw(head.into_bytes())
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, from 1.
    pub(crate) connection: usize,
}

impl Received {
    /// A header that must be there once.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().unwrap_or_else(|| panic!("no header {name}"));
        assert!(values.next().is_none(), "{name} twice");
        value.to_str().expect("a text value")
    }
}

#[derive(Debug)]
struct State {
    script: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
    received: watch::Sender<Vec<Received>>,
    connections: watch::Sender<usize>,
}

/// The receiver; stops when dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
    _accepting: JoinSet<()>,
}

impl Receiver {
    /// Plain HTTP on a free loopback port; answers 200 until told otherwise.
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    /// The same over TLS.
    pub(crate) async fn start_tls(config: rustls::ServerConfig) -> Self {
        Self::listen(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State {
            script: Mutex::default(),
            otherwise: Mutex::new(Answer::Status(200)),
            received: watch::Sender::new(Vec::new()),
            connections: watch::Sender::new(0),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, tls, Arc::clone(&state)));
        Self { address, scheme, state, _accepting: accepting }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its URL with this path.
    pub(crate) fn url(&self, path: &str) -> url::Url {
        let text = format!("{}://{}{path}", self.scheme, self.address);
        text.parse().expect("a URL")
    }

    /// How the next requests are answered, before what it does otherwise.
    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.script.lock().expect("no panic holds it").extend(answers);
    }

    /// How requests are answered that no script is for.
    pub(crate) fn otherwise(&self, answer: Answer) {
        *self.state.otherwise.lock().expect("no panic holds it") = answer;
    }

    /// Waits until `n` requests have come whole, and gives all that have.
    pub(crate) async fn received(&self, n: usize) -> Vec<Received> {
        let mut watch = self.state.received.subscribe();
        let enough = watch.wait_for(|received| received.len() >= n);
        match tokio::time::timeout(super::PATIENCE, enough).await {
            Ok(received) => received.expect("the sender lives as long as we").clone(),
            Err(_) => panic!("waited for {n} requests, got {}", self.count()),
        }
    }

    /// Requests so far.
    pub(crate) fn count(&self) -> usize {
        self.state.received.borrow().len()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut serving = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let tls = tls.clone();
        state.connections.send_modify(|n| *n += 1);
        let connection = *state.connections.borrow();
        serving.spawn(async move {
            let reset = socket2::SockRef::from(&stream).try_clone().expect("a second handle");
            match tls {
                None => serve(stream, &reset, &state, connection).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &reset, &state, connection).await;
                    }
                }
            }
        });
    }
}

async fn serve<S>(mut stream: S, socket: &socket2::Socket, state: &State, connection: usize)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    while let Some(received) = read_request(&mut stream, &mut buffer, connection).await {
        let scripted = state.script.lock().expect("no panic holds it").pop_front();
        let answer =
            scripted.unwrap_or_else(|| state.otherwise.lock().expect("no panic holds it").clone());
        state.received.send_modify(|all| all.push(received));
        if !reply(&mut stream, socket, answer).await {
            return;
        }
    }
}

/// Answers one request; whether the connection goes on.
async fn reply<S>(stream: &mut S, socket: &socket2::Socket, answer: Answer) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
    match answer {
        Answer::Status(status) => {
            let head =
                format!("HTTP/1.1 {status} Told\r\ncontent-length: 2\r\nx-reply: yes\r\n\r\nok");
            stream.write_all(head.as_bytes()).await.is_ok()
        }
        Answer::With { status, headers } => {
            let mut head = format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n");
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).await.is_ok()
        }
        Answer::Raw(bytes) => stream.write_all(&bytes).await.is_ok(),
        Answer::Wait(gate) => {
            gate.notified().await;
            stream.write_all(OK).await.is_ok()
        }
        Answer::WaitFor(gate, status) => {
            gate.notified().await;
            let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await.is_ok()
        }
        Answer::Hang => std::future::pending().await,
        Answer::Drip(pause) => {
            let mut going = stream.write_all(ENDLESS).await.is_ok();
            while going {
                tokio::time::sleep(pause).await;
                going = stream.write_all(b".").await.is_ok();
            }
            false
        }
        Answer::Endless => {
            let mut going = stream.write_all(ENDLESS).await.is_ok();
            while going {
                going = stream.write_all(&[b'x'; 16 * 1024]).await.is_ok();
            }
            false
        }
        Answer::Reset => {
            socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
            false
        }
        Answer::ResetAfter(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // They have arrived: over loopback that is part of the write, and a reset takes along only
            // what has not.
            socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
            false
        }
        Answer::CloseAfter(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            false
        }
    }
}

/// Reads one request with a content-length; `None` at the end of the connection.
async fn read_request<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> Option<Received> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        (stream.read_buf(buffer).await.ok()? > 0).then_some(())?;
    };
    let head = String::from_utf8(buffer.drain(..head_end).collect()).expect("a text head");
    let mut lines = head.split("\r\n");
    let mut start = lines.next()?.split(' ');
    let mut headers = HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").expect("name and value");
        let name: http::HeaderName = name.parse().expect("a header name");
        headers.append(name, value.parse().expect("a header value"));
    }
    let size = headers
        .get("content-length")
        .map_or(0, |value| value.to_str().expect("text").parse::<usize>().expect("a number"));
    while buffer.len() < size {
        (stream.read_buf(buffer).await.ok()? > 0).then_some(())?;
    }
    Some(Received {
        method: start.next()?.to_owned(),
        target: start.next()?.to_owned(),
        headers,
        body: buffer.drain(..size).collect(),
        connection,
    })
}

/// A port on which nobody listens.
pub(crate) async fn dead_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    listener.local_addr().expect("bound").port()
}
