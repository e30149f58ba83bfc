//! The traffic of `scripts/bench delivery`, all on loopback: an upstream, receivers of every
//! temper, and a paced load whose every event is followed from the end of its call to its arrival.
//!
//! `delivery_load serve UPSTREAM HANGING BROKEN SLOW` (ports) serves until it is killed;
//! `delivery_load load PROXY RECEIVER RATE SECONDS` (ports, calls per second) prints its figures as
//! one JSON object and ends. The load is open: a call is sent when it is due, whether or not those
//! before it have been answered, so that a stall shows in the figures instead of hiding in a pause.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections of the load: also the number of calls that may be open at a time.
const CONNECTIONS: usize = 64;
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Connection = SendRequest<Full<Bytes>>;

#[derive(Clone, Copy)]
enum Temper {
    Upstream,
    Hanging,
    Broken,
    Slow,
}

/// What became of the calls, by their number; microseconds since the start.
struct Book {
    start: Instant,
    due: Vec<u64>,
    ended: Vec<u64>,
    arrived: Vec<u64>,
    errors: usize,
    duplicates: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| -> u64 {
        let text = arguments.get(at).expect("see the head of this file");
        text.parse().expect("a number")
    };
    let port = |at: usize| u16::try_from(number(at)).expect("a port");
    let local = tokio::task::LocalSet::new();
    match arguments.first().map(String::as_str) {
        Some("serve") => {
            let served = [
                (port(1), Temper::Upstream),
                (port(2), Temper::Hanging),
                (port(3), Temper::Broken),
                (port(4), Temper::Slow),
            ];
            local.run_until(serve(&served)).await;
        }
        Some("load") => {
            local.run_until(load(port(1), port(2), number(3), number(4))).await;
        }
        _ => panic!("see the head of this file"),
    }
}

async fn serve(served: &[(u16, Temper)]) {
    for &(port, temper) in served {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        tokio::task::spawn_local(accept(listener, move |request| answer(temper, request)));
    }
    std::future::pending::<()>().await;
}

async fn accept<F, R>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + 'static,
    R: Future<Output = Response<Full<Bytes>>> + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a TCP socket");
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let serving = hyper::server::conn::http1::Builder::new();
        tokio::task::spawn_local(serving.serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(temper: Temper, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await;
    drop(body); // a caller that has gone is none of our business
    match temper {
        Temper::Upstream => {
            let body = format!(r#"{{"status":"done","pad":"{}"}}"#, "y".repeat(1000));
            let mut response = Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = StatusCode::CREATED;
            let json = http::HeaderValue::from_static("application/json");
            response.headers_mut().insert(http::header::CONTENT_TYPE, json);
            response
        }
        Temper::Hanging => std::future::pending().await,
        Temper::Broken => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        Temper::Slow => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Response::new(Full::default())
        }
    }
}

async fn load(proxy: u16, receiver: u16, rate: u64, seconds: u64) {
    let n = usize::try_from(rate * seconds).expect("a moderate number");
    let book = Rc::new(RefCell::new(Book {
        start: Instant::now(),
        due: vec![0; n],
        ended: vec![0; n],
        arrived: vec![0; n],
        errors: 0,
        duplicates: 0,
    }));
    let listener = TcpListener::bind(("127.0.0.1", receiver)).await.expect("a free port");
    let seen = Rc::clone(&book);
    tokio::task::spawn_local(accept(listener, move |request| arrive(Rc::clone(&seen), request)));

    let pool = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..CONNECTIONS {
        let connection = connect(proxy).await;
        pool.borrow_mut().push(connection);
    }
    let permits = Rc::new(Semaphore::new(CONNECTIONS));
    book.borrow_mut().start = Instant::now();
    for at in 0..n {
        let due = u64::try_from(at).expect("small") * 1_000_000 / rate;
        let wait = Duration::from_micros(due).saturating_sub(book.borrow().start.elapsed());
        if wait > Duration::from_millis(1) {
            tokio::time::sleep(wait).await;
        }
        book.borrow_mut().due[at] = due;
        let permit = Rc::clone(&permits);
        let (pool, book) = (Rc::clone(&pool), Rc::clone(&book));
        tokio::task::spawn_local(async move {
            let _permit = permit.acquire().await.expect("never closed");
            call(at, proxy, &pool, &book).await;
        });
    }
    let end = Instant::now() + PATIENCE;
    while !book.borrow().is_complete() && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    book.borrow().print();
}

async fn connect(port: u16) -> Connection {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the proxy listens");
    stream.set_nodelay(true).expect("a TCP socket");
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::task::spawn_local(connection);
    sender
}

async fn call(at: usize, proxy: u16, pool: &RefCell<Vec<Connection>>, book: &RefCell<Book>) {
    let idle = pool.borrow_mut().pop();
    let mut connection = match idle.filter(|idle| !idle.is_closed()) {
        Some(idle) => idle,
        None => connect(proxy).await,
    };
    let body = format!(r#"{{"n":{at},"pad":"{}"}}"#, "z".repeat(1000));
    let request = Request::post("/orders")
        .header("host", "bench")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let answered = async {
        connection.ready().await?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok::<_, hyper::Error>(status)
    };
    let is_success = answered.await.is_ok_and(|status| status.is_success());
    let mut book = book.borrow_mut();
    book.ended[at] = book.now();
    if !is_success {
        book.errors += 1;
    }
    drop(book);
    pool.borrow_mut().push(connection);
}

async fn arrive(book: Rc<RefCell<Book>>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if let Ok(body) = request.into_body().collect().await {
        let body = body.to_bytes();
        let marker = br#""n":"#;
        let digits = body
            .windows(marker.len())
            .position(|window| window == marker)
            .map(|at| body[at + marker.len()..].iter().take_while(|b| b.is_ascii_digit()));
        let at = digits.map_or(usize::MAX, |digits| {
            digits.fold(0, |n: usize, digit| n * 10 + usize::from(digit - b'0'))
        });
        let mut book = book.borrow_mut();
        let now = book.now();
        match book.arrived.get_mut(at) {
            Some(seen @ 0) => *seen = now,
            Some(_) => book.duplicates += 1,
            None => {} // of an earlier load
        }
    }
    Response::new(Full::default())
}

impl Book {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).expect("a short run").max(1)
    }

    fn is_complete(&self) -> bool {
        self.arrived.iter().zip(&self.ended).all(|(&arrived, &ended)| arrived > 0 && ended > 0)
    }

    fn print(&self) {
        let mut calls: Vec<u64> = Vec::new();
        let mut lags: Vec<u64> = Vec::new();
        for at in 0..self.due.len() {
            calls.push(self.ended[at].saturating_sub(self.due[at]));
            if self.arrived[at] > 0 {
                lags.push(self.arrived[at].saturating_sub(self.ended[at]));
            }
        }
        let last = self.arrived.iter().max().copied().unwrap_or_default();
        let missing = self.due.len() - lags.len();
        println!(
            "{}",
            serde_json::json!({
                "calls": self.due.len(),
                "errors": self.errors,
                "missing": missing,
                "duplicates": self.duplicates,
                "seconds": last as f64 / 1e6,
                "call_p50_ms": quantile(&mut calls, 50),
                "call_p99_ms": quantile(&mut calls, 99),
                "lag_p50_ms": quantile(&mut lags, 50),
                "lag_p99_ms": quantile(&mut lags, 99),
                "lag_max_ms": quantile(&mut lags, 100),
            })
        );
    }
}

/// Milliseconds.
fn quantile(micros: &mut [u64], percent: usize) -> f64 {
    micros.sort_unstable();
    let at = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
    micros.get(at).map_or(f64::NAN, |&micros| micros as f64 / 1e3)
}
