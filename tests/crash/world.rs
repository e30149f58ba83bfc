//! The world around sidehook: an upstream and a receiver that keep ledgers, and clients.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;

use crate::process::{Sidehook, TOKEN};

/// xorshift64*: enough to choose moments.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}

/// Waits for a condition, at most so long; whether it holds.
pub(crate) fn holds(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// From `SIDEHOOK_SEED`, or from the clock.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("SIDEHOOK_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        u64::from(since.subsec_nanos())
    })
}

/// What comparing the ledgers showed.
pub(crate) struct Findings {
    pub(crate) acknowledged: usize,
    pub(crate) lost: Vec<u64>,
    pub(crate) phantoms: Vec<u64>,
    pub(crate) altered: Vec<u64>,
    pub(crate) duplicates: usize,
    log: String,
}

impl Findings {
    pub(crate) fn assert_promise_held(&self) {
        if !self.lost.is_empty() || !self.altered.is_empty() || !self.phantoms.is_empty() {
            println!("the log of all lives:\n{}", self.log);
        }
        assert!(self.acknowledged > 0, "the load did nothing: the test tested nothing");
        assert!(self.lost.is_empty(), "acknowledged but never delivered: {:?}", self.lost);
        assert!(self.phantoms.is_empty(), "delivered but never done: {:?}", self.phantoms);
        assert!(self.altered.is_empty(), "delivered with other bytes: {:?}", self.altered);
    }
}

#[derive(Default)]
struct Ledgers {
    next: AtomicU64,
    acknowledged: Mutex<HashSet<u64>>,
    /// Power is gone: what a client hears from now on, no client of a real machine would hear.
    is_dark: AtomicBool,
    done: Mutex<HashSet<u64>>,
    delivered: Mutex<HashMap<u64, usize>>,
    payloads: Mutex<HashMap<String, Bytes>>,
    altered: Mutex<HashSet<u64>>,
    refuse: AtomicBool,
    size: usize,
}

/// Upstream, receiver and ledgers, on a runtime of their own.
pub(crate) struct World {
    pub(crate) upstream: SocketAddr,
    pub(crate) receiver: SocketAddr,
    ledgers: Arc<Ledgers>,
    /// Sidehook's logs: not on the disk whose power is cut.
    pub(crate) logs: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl World {
    /// Calls will have bodies of this many bytes.
    pub(crate) fn new(size: usize) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let ledgers = Arc::new(Ledgers { size, ..Ledgers::default() });
        let upstream = serve(&runtime, Arc::clone(&ledgers), upstream_answer);
        let receiver = serve(&runtime, Arc::clone(&ledgers), receiver_answer);
        let logs = tempfile::tempdir().expect("a temporary folder");
        Self { upstream, receiver, ledgers, logs, runtime }
    }

    /// From now on the receiver answers 503, or works.
    pub(crate) fn receiver_refuses(&self, refuses: bool) {
        self.ledgers.refuse.store(refuses, Ordering::SeqCst);
    }

    /// Acknowledgements count until darkness falls, and again when it is lifted. The ioctl that cuts
    /// the power lets an fsync that has already begun return success though its transaction was
    /// aborted: a machine without power acknowledges nothing, so neither may this world.
    pub(crate) fn darkness(&self, falls: bool) {
        let _in_order = self.ledgers.acknowledged.lock().expect("no panic holds it");
        self.ledgers.is_dark.store(falls, Ordering::SeqCst);
    }

    /// The bytes of the call with this number, from its number on.
    pub(crate) fn marker(&self, id: u64) -> Vec<u8> {
        body_of(id, self.ledgers.size)[..60].to_vec()
    }

    /// Distinct calls delivered with their own bytes.
    pub(crate) fn delivered(&self) -> usize {
        self.ledgers.delivered.lock().expect("no panic holds it").len()
    }

    /// Calls delivered with other bytes.
    pub(crate) fn altered(&self) -> usize {
        self.ledgers.altered.lock().expect("no panic holds it").len()
    }

    /// Waits until a load has had so many more calls acknowledged, however slow the machine is at
    /// the moment.
    pub(crate) fn load_goes_on(&self, n: usize) {
        let count = || self.ledgers.acknowledged.lock().expect("no panic holds it").len();
        let before = count();
        holds(Duration::from_secs(20), || count() >= before + n);
    }

    /// Makes this many calls one after the other; each must succeed.
    pub(crate) fn calls(&self, sidehook: &Sidehook, n: usize) {
        let ledgers = Arc::clone(&self.ledgers);
        let proxy = sidehook.proxy;
        self.runtime.block_on(async move {
            for _ in 0..n {
                let mut sender = connect(proxy).await.expect("sidehook accepts");
                assert!(call(&mut sender, &ledgers).await, "a call failed");
            }
        });
    }

    /// Clients that call as fast as they can until they are stopped.
    pub(crate) fn load(&self, sidehook: &Sidehook, n_clients: usize) -> Load<'_> {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..n_clients)
            .map(|_| {
                let (stop, ledgers) = (Arc::clone(&stop), Arc::clone(&self.ledgers));
                self.runtime.spawn(client(sidehook.proxy, ledgers, stop))
            })
            .collect();
        Load { world: self, stop, clients }
    }

    /// Waits until everything acknowledged is delivered (a minute at most), then compares.
    pub(crate) fn settle(&self, running: &Sidehook) -> Findings {
        let acknowledged = self.ledgers.acknowledged.lock().expect("no panic holds it").clone();
        let missing = || -> Vec<u64> {
            let delivered = self.ledgers.delivered.lock().expect("no panic holds it");
            acknowledged.iter().copied().filter(|id| !delivered.contains_key(id)).collect()
        };
        // Patience is counted from the last progress, so that a loss is noticed soon.
        let lost = loop {
            let last = self.delivered();
            let lost = missing();
            if lost.is_empty() || !holds(Duration::from_secs(12), || self.delivered() != last) {
                break lost;
            }
        };
        let done = self.ledgers.done.lock().expect("no panic holds it");
        let delivered = self.ledgers.delivered.lock().expect("no panic holds it");
        Findings {
            acknowledged: acknowledged.len(),
            lost,
            phantoms: delivered.keys().copied().filter(|id| !done.contains(id)).collect(),
            altered: self
                .ledgers
                .altered
                .lock()
                .expect("no panic holds it")
                .iter()
                .copied()
                .collect(),
            duplicates: delivered.values().filter(|&&n| n > 1).count(),
            log: running.log_text(),
        }
    }
}

/// Running clients.
pub(crate) struct Load<'a> {
    world: &'a World,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load<'_> {
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.world.runtime.block_on(async {
            for client in self.clients {
                client.await.expect("a client does not panic");
            }
        });
    }
}

/// What the admin API answers, head and body; empty while it does not.
pub(crate) fn get(admin: SocketAddr, path: &str) -> String {
    ask(admin, "GET", path, "")
}

/// The same of another method, with a body of JSON.
pub(crate) fn ask(admin: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().unwrap_or_default()
}

/// The body of a call: JSON whose every byte follows from its number.
fn body_of(id: u64, size: usize) -> Vec<u8> {
    let letters = (0..).map(|at: u64| char::from(b'a' + ((at ^ id) % 26) as u8));
    let pad: String = letters.take(size.saturating_sub(40)).collect();
    format!("{{\"id\":{id},\"pad\":\"{pad}\"}}").into_bytes()
}

fn id_of(body: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        id: u64,
    }
    serde_json::from_slice::<Numbered>(body).ok().map(|numbered| numbered.id)
}

type Sender = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

async fn connect(proxy: SocketAddr) -> Option<Sender> {
    let stream = tokio::net::TcpStream::connect(proxy).await.ok()?;
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}

/// One call; true, and acknowledged, when its complete success was seen.
async fn call(sender: &mut Sender, ledgers: &Ledgers) -> bool {
    let id = ledgers.next.fetch_add(1, Ordering::SeqCst);
    let request = Request::post("/items")
        .header("host", "api.example.com")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body_of(id, ledgers.size))))
        .expect("a valid request");
    let Ok(response) = sender.send_request(request).await else { return false };
    let status = response.status();
    let complete = response.into_body().collect().await.is_ok();
    let success = complete && status == StatusCode::CREATED;
    if success {
        let mut acknowledged = ledgers.acknowledged.lock().expect("no panic holds it");
        if !ledgers.is_dark.load(Ordering::SeqCst) {
            acknowledged.insert(id);
        }
    }
    success
}

async fn client(proxy: SocketAddr, ledgers: Arc<Ledgers>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let Some(mut sender) = connect(proxy).await else {
            tokio::time::sleep(Duration::from_millis(5)).await; // sidehook is dead: not too eager
            continue;
        };
        while !stop.load(Ordering::SeqCst) && call(&mut sender, &ledgers).await {}
    }
}

fn serve<F, A>(runtime: &tokio::runtime::Runtime, ledgers: Arc<Ledgers>, answer: F) -> SocketAddr
where
    F: Fn(Arc<Ledgers>, Request<Incoming>) -> A + Copy + Send + Sync + 'static,
    A: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let ledgers = Arc::clone(&ledgers);
            let service = service_fn(move |request| answer(Arc::clone(&ledgers), request));
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn reply(status: StatusCode, body: String) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    Ok(response)
}

/// The API: does what it is asked only when it got the call whole.
async fn upstream_answer(
    ledgers: Arc<Ledgers>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(body) = request.into_body().collect().await else {
        return reply(StatusCode::BAD_REQUEST, String::new());
    };
    let body = body.to_bytes();
    match id_of(&body).filter(|&id| body == body_of(id, ledgers.size)) {
        Some(id) => {
            ledgers.done.lock().expect("no panic holds it").insert(id);
            reply(StatusCode::CREATED, format!("{{\"id\":{id},\"ok\":true}}"))
        }
        None => reply(StatusCode::BAD_REQUEST, String::new()),
    }
}

/// The receiver: notes which call a webhook tells of and whether its bytes are the call's.
async fn receiver_answer(
    ledgers: Arc<Ledgers>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    #[derive(serde::Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        request: Part<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        body: &'a RawValue,
    }
    if ledgers.refuse.load(Ordering::SeqCst) {
        return reply(StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    let name = request.headers().get("webhook-id").and_then(|id| id.to_str().ok());
    let name = name.unwrap_or_default().to_owned();
    let Ok(payload) = request.into_body().collect().await else {
        return reply(StatusCode::BAD_REQUEST, String::new());
    };
    let payload = payload.to_bytes();
    let text = std::str::from_utf8(&payload).unwrap_or_default();
    let Ok(Payload { request: Part { body } }) = serde_json::from_str::<Payload<'_>>(text) else {
        return reply(StatusCode::BAD_REQUEST, String::new());
    };
    let Some(id) = id_of(body.get().as_bytes()) else {
        return reply(StatusCode::BAD_REQUEST, String::new());
    };
    let first = ledgers
        .payloads
        .lock()
        .expect("no panic holds it")
        .entry(name)
        .or_insert_with(|| payload.clone())
        .clone();
    if first == payload && body.get().as_bytes() == body_of(id, ledgers.size) {
        *ledgers.delivered.lock().expect("no panic holds it").entry(id).or_default() += 1;
    } else {
        ledgers.altered.lock().expect("no panic holds it").insert(id);
    }
    reply(StatusCode::OK, String::new())
}
