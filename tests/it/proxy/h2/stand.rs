//! Both sides of HTTP/2: an upstream that is told call by call what to do, and a client.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use sidehook::proxy::{Proxy, Settings, UpstreamProtocol, UpstreamSettings};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::proxy::stand::{Storage, settings, start};
use crate::support::{soon, until};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Script = dyn Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> Work + Send + Sync;

/// An upstream that speaks HTTP/2 with prior knowledge.
pub(crate) struct Modern {
    pub(crate) addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connections: usize,
    open: usize,
    heads: Vec<http::request::Parts>,
}

impl Modern {
    /// Does this with the n-th call (from 0).
    pub(crate) async fn start<F, W>(script: F) -> Self
    where
        F: Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Self::run(h2::server::Builder::new(), None, script).await
    }

    /// Over TLS, whatever ALPN says: who does not speak HTTP/2 is told `old`.
    pub(crate) async fn start_tls<F, W>(config: rustls::ServerConfig, script: F) -> Self
    where
        F: Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let tls = TlsAcceptor::from(Arc::new(config));
        Self::run(h2::server::Builder::new(), Some(tls), script).await
    }

    pub(crate) async fn start_with<F, W>(builder: h2::server::Builder, script: F) -> Self
    where
        F: Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Self::run(builder, None, script).await
    }

    async fn run<F, W>(builder: h2::server::Builder, tls: Option<TlsAcceptor>, script: F) -> Self
    where
        F: Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let addr = listener.local_addr().expect("bound");
        let state = Arc::<Mutex<State>>::default();
        let script: Arc<Script> =
            Arc::new(move |n, request, respond| Box::pin(script(n, request, respond)) as Work);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, script) = (Arc::clone(&shared), Arc::clone(&script));
                let (builder, tls) = (builder.clone(), tls.clone());
                tokio::spawn(async move {
                    change(&state, |state| (state.connections += 1, state.open += 1));
                    match tls {
                        None => serve(builder, stream, &state, &*script).await,
                        Some(tls) => {
                            if let Ok(mut stream) = tls.accept(stream).await {
                                match stream.get_ref().1.alpn_protocol() {
                                    Some(b"h2") => serve(builder, stream, &state, &*script).await,
                                    _ => old(&mut stream).await,
                                }
                            }
                        }
                    }
                    change(&state, |state| state.open -= 1);
                });
            }
        });
        Self { addr, state }
    }

    /// A proxy's settings in front of it.
    pub(crate) fn settings(&self) -> Settings {
        before(self.addr)
    }

    pub(crate) fn connections(&self) -> usize {
        change(&self.state, |state| state.connections)
    }

    pub(crate) fn open_connections(&self) -> usize {
        change(&self.state, |state| state.open)
    }

    pub(crate) fn calls(&self) -> usize {
        change(&self.state, |state| state.heads.len())
    }

    /// The n-th request's head, when it has come.
    pub(crate) async fn head(&self, n: usize) -> http::request::Parts {
        until(&format!("call {n} at the upstream"), || self.calls() > n).await;
        change(&self.state, |state| state.heads[n].clone())
    }
}

/// A proxy's settings in front of an upstream that speaks HTTP/2 with prior knowledge.
pub(crate) fn before(addr: SocketAddr) -> Settings {
    let plain = settings(addr);
    let upstream = UpstreamSettings { protocol: UpstreamProtocol::H2c, ..plain.upstream.clone() };
    Settings { h2c: true, upstream, connections_max: 10_000, ..plain }
}

/// A proxy without rules, and a client of it.
pub(crate) async fn through(settings: Settings) -> (Proxy, Client) {
    let proxy = start(settings, Vec::new(), Storage::new().store);
    let client = Client::connect(proxy.local_addr()).await;
    (proxy, client)
}

fn change<T>(state: &Mutex<State>, work: impl FnOnce(&mut State) -> T) -> T {
    work(&mut state.lock().expect("sound"))
}

/// Answers each request of HTTP/1.1 that has no body.
async fn old(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut input = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut input).await {
        if input.ends_with(b"\r\n\r\n") {
            input.clear();
            let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold";
            let _ = stream.write_all(reply).await;
            let _ = stream.flush().await;
        }
    }
}

async fn serve(
    builder: h2::server::Builder,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    state: &Mutex<State>,
    script: &Script,
) {
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (parts, body) = request.into_parts();
        let n = change(state, |state| {
            state.heads.push(parts.clone());
            state.heads.len() - 1
        });
        tokio::spawn(script(n, Request::from_parts(parts, body), respond));
    }
}

/// Sends every piece back as it comes, and the trailers at the end.
pub(crate) async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let response = Response::builder().header("content-type", "application/grpc");
    let mut body = request.into_body();
    let response = response.body(()).expect("valid");
    let Ok(mut stream) = respond.send_response(response, false) else { return };
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).expect("taken");
        if !send(&mut stream, data, false).await {
            return;
        }
    }
    let trailers = body.trailers().await.ok().flatten().unwrap_or_default();
    let _ = stream.send_trailers(trailers);
}

/// Answers with this.
pub(crate) async fn answer(mut respond: SendResponse<Bytes>, status: u16, body: &'static str) {
    let response = Response::builder().status(status).body(()).expect("valid");
    if let Ok(mut stream) = respond.send_response(response, body.is_empty())
        && !body.is_empty()
    {
        send(&mut stream, Bytes::from_static(body.as_bytes()), true).await;
    }
}

/// Sends within the window; false when nobody takes it any more.
pub(crate) async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes, is_last: bool) -> bool {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(Ok(room)) = room else { return false };
        let part = data.split_to(room.min(data.len()));
        let is_end = is_last && data.is_empty();
        if stream.send_data(part, is_end).is_err() {
            return false;
        }
    }
    true
}

/// A client's connection.
pub(crate) struct Client {
    pub(crate) requests: SendRequest<Bytes>,
    pub(crate) addr: SocketAddr,
    pub(crate) ended: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// A response that has come whole, or how it ended.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    /// How it was broken off.
    pub(crate) reset: Option<Reason>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the proxy listens");
        Self::over(stream, addr, h2::client::Builder::new()).await
    }

    pub(crate) async fn over<S>(stream: S, addr: SocketAddr, builder: h2::client::Builder) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, connection) = builder.handshake(stream).await.expect("HTTP/2");
        Self { requests, addr, ended: tokio::spawn(connection) }
    }

    /// A request for this path.
    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("http://{}{path}", self.addr))
    }

    /// Sends a request's head.
    pub(crate) async fn begin(
        &self,
        request: http::request::Builder,
        is_all: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let requests = soon("room for a request", self.requests.clone().ready()).await;
        let request = request.body(()).expect("valid");
        requests.expect("open").send_request(request, is_all).expect("sent")
    }

    /// Sends a request without a body; its response.
    pub(crate) async fn get(&self, request: http::request::Builder) -> Response<Whole> {
        let (response, _stream) = self.begin(request, true).await;
        answered(response).await
    }

    /// Sends a request with a body; its response.
    pub(crate) async fn post(
        &self,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Response<Whole> {
        let (response, mut stream) = self.begin(request, false).await;
        let body = body.into();
        let sending = tokio::spawn(async move { send(&mut stream, body, true).await });
        let response = answered(response).await;
        sending.abort();
        response
    }
}

/// Waits for a response and reads it to its end.
pub(crate) async fn answered(response: ResponseFuture) -> Response<Whole> {
    whole(soon("a response", response).await.expect("a response")).await
}

/// Asserts that each of these calls is answered with 200.
pub(crate) async fn assert_served(calls: impl IntoIterator<Item = ResponseFuture>) {
    for call in calls {
        assert_eq!(soon("a response", call).await.expect("a response").status(), 200);
    }
}

/// Reads a response to its end.
pub(crate) async fn whole(response: Response<RecvStream>) -> Response<Whole> {
    let (parts, mut stream) = response.into_parts();
    let mut whole = Whole { body: Vec::new(), trailers: None, reset: None };
    let work = async {
        while let Some(data) = stream.data().await {
            match data {
                Ok(data) => {
                    stream.flow_control().release_capacity(data.len()).expect("taken");
                    whole.body.extend_from_slice(&data);
                }
                Err(error) => {
                    whole.reset = error.reason();
                    assert!(whole.reset.is_some(), "{error}");
                    return;
                }
            }
        }
        match stream.trailers().await {
            Ok(trailers) => whole.trailers = trailers,
            Err(error) => whole.reset = error.reason(),
        }
    };
    soon("a response's end", work).await;
    Response::from_parts(parts, whole)
}

/// Asserts that it is one of the proxy's own answers (contract 5); its body.
pub(crate) fn assert_problem(response: &Response<Whole>, status: u16, error: &str) -> String {
    let text = String::from_utf8_lossy(&response.body().body).into_owned();
    assert_eq!(response.status().as_u16(), status, "{text}");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["proxy-status"], format!("sidehook; error={error}"));
    text
}
