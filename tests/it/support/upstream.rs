//! A scripted upstream on a raw socket: records each request byte for byte and answers with the
//! bytes that the test writes, when the test says so.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{soon, until};

/// One thing the upstream does.
#[derive(Clone)]
pub(crate) enum Act {
    Send(Vec<u8>),
    /// Goes on when the test gives the signal.
    Await(Signal),
    /// Reads on until the request's body is complete (for scripts that begin at the head).
    ReadBody,
    /// Closes properly.
    Close,
    /// Closes with a reset.
    Reset,
    /// Says nothing more until the other side closes.
    Stall,
}

/// Given by the test, awaited by the upstream.
#[derive(Clone)]
pub(crate) struct Signal(Arc<Semaphore>);

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) raw: Vec<u8>,
    /// Its body was complete.
    pub(crate) complete: bool,
}

/// The upstream. Stops with the test's runtime.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connections: usize,
    open: usize,
    requests: Vec<Seen>,
}

type Script = dyn Fn(usize, &str) -> Vec<Act> + Send + Sync;

impl Signal {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn give(&self) {
        self.0.add_permits(1);
    }

    async fn given(&self) {
        self.0.acquire().await.expect("never closed").forget();
    }
}

/// A complete response.
pub(crate) fn ok(body: &str) -> Vec<Act> {
    vec![Act::Send(reply("200 OK", body))]
}

/// The bytes of a response with a length.
pub(crate) fn reply(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// `Act::Send` of text.
pub(crate) fn send(text: &str) -> Act {
    Act::Send(text.as_bytes().to_vec())
}

impl Upstream {
    /// Answers the n-th request (from 0), when it is complete, as the script says.
    pub(crate) async fn start(
        script: impl Fn(usize, &str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::run(script, false).await
    }

    /// Begins to answer as soon as a request's head is complete.
    pub(crate) async fn start_at_head(
        script: impl Fn(usize, &str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::run(script, true).await
    }

    /// Answers every request alike.
    pub(crate) async fn always(acts: Vec<Act>) -> Self {
        Self::start(move |_, _| acts.clone()).await
    }

    async fn run(
        script: impl Fn(usize, &str) -> Vec<Act> + Send + Sync + 'static,
        at_head: bool,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let addr = listener.local_addr().expect("bound");
        let state = Arc::<Mutex<State>>::default();
        let script: Arc<Script> = Arc::new(script);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // What is sent in pieces arrives in pieces.
                let _ = stream.set_nodelay(true);
                let (state, script) = (Arc::clone(&shared), Arc::clone(&script));
                {
                    let mut state = state.lock().expect("sound");
                    state.connections += 1;
                    state.open += 1;
                }
                tokio::spawn(async move {
                    serve(stream, &state, &*script, at_head).await;
                    state.lock().expect("sound").open -= 1;
                });
            }
        });
        Self { addr, state }
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().expect("sound").connections
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.state.lock().expect("sound").open
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.lock().expect("sound").requests.clone()
    }

    /// The n-th request, when it has come.
    pub(crate) async fn request(&self, n: usize) -> Seen {
        until(&format!("request {n} at the upstream"), || self.requests().len() > n).await;
        self.requests().swap_remove(n)
    }
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        self.raw.iter().map(|&b| char::from(b)).collect()
    }

    pub(crate) fn request_line(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let at = head_end(&self.raw).unwrap_or(self.raw.len());
        self.raw[at..].to_vec()
    }

    /// All values of a field, in order.
    pub(crate) fn field(&self, name: &str) -> Vec<String> {
        fields(&self.text(), name)
    }
}

/// All values of a field of a head, in order.
pub(crate) fn fields(head: &str, name: &str) -> Vec<String> {
    let lines = head.split("\r\n").skip(1).take_while(|line| !line.is_empty());
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let own = pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name));
    own.map(|(_, value)| value.trim_matches([' ', '\t']).to_owned()).collect()
}

/// Where a message's body begins.
pub(crate) fn head_end(raw: &[u8]) -> Option<usize> {
    raw.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

/// Where a message ends; `None`: not yet.
pub(crate) fn message_end(raw: &[u8]) -> Option<usize> {
    let body = head_end(raw)?;
    let head = String::from_utf8_lossy(&raw[..body]);
    if !fields(&head, "transfer-encoding").is_empty() {
        return chunks_end(raw, body);
    }
    let length = fields(&head, "content-length").first().map_or(0, |n| n.parse().expect("digits"));
    (raw.len() >= body + length).then_some(body + length)
}

fn chunks_end(raw: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line_end = at + raw.get(at..)?.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&raw[at..line_end]).expect("chunk size");
        let size = usize::from_str_radix(size.split(';').next().expect("first").trim(), 16).ok()?;
        at = line_end + 2;
        if size == 0 {
            let rest = &raw[at..];
            if rest.starts_with(b"\r\n") {
                return Some(at + 2);
            }
            return rest.windows(4).position(|w| w == b"\r\n\r\n").map(|end| at + end + 4);
        }
        at += size + 2;
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>, script: &Script, at_head: bool) {
    let mut input = Vec::new();
    loop {
        let whole = |raw: &[u8]| if at_head { head_end(raw) } else { message_end(raw) };
        let Some(mut end) = read_until(&mut stream, &mut input, whole).await else {
            if !input.is_empty() {
                let seen = Seen { raw: input, complete: false };
                state.lock().expect("sound").requests.push(seen);
            }
            return;
        };
        let (n, text) = {
            let mut state = state.lock().expect("sound");
            let raw = input[..end].to_vec();
            let text = String::from_utf8_lossy(&raw).into_owned();
            state.requests.push(Seen { raw, complete: !at_head });
            (state.requests.len() - 1, text)
        };
        for act in script(n, &text) {
            match act {
                Act::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Act::Await(signal) => soon("a signal to the upstream", signal.given()).await,
                Act::ReadBody => {
                    let found = read_until(&mut stream, &mut input, message_end).await;
                    let mut state = state.lock().expect("sound");
                    state.requests[n].raw.clone_from(&input);
                    state.requests[n].complete = found.is_some();
                    let Some(found) = found else { return };
                    end = found;
                }
                Act::Close => return,
                Act::Reset => {
                    stream.set_zero_linger().expect("a socket");
                    return;
                }
                Act::Stall => {
                    let mut rest = Vec::new();
                    let _ = stream.read_to_end(&mut rest).await;
                    return;
                }
            }
        }
        input.drain(..end);
    }
}

async fn read_until(
    stream: &mut TcpStream,
    input: &mut Vec<u8>,
    end: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    loop {
        if let Some(end) = end(input) {
            return Some(end);
        }
        match stream.read_buf(input).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
