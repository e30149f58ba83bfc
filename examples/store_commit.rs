//! How fast events become durable, and what a long queue costs. Measures, never judges.
//!
//! `cargo run --release --example store_commit [SECONDS]`: 1 and 64 producers, 2 KiB bodies, one
//! webhook, index on.
//! `... store_commit backlog N [ordered]`: N deliveries of one webhook wait, small bodies;
//! `ordered`: all in one chain.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidehook::clock;
use sidehook::model::{
    Attempt, Body, EventId, Exchange, HeaderList, NewEvent, Outcome, Reply, RequestPart,
    ResponsePart, RuleRef, Verdict, Webhook, WebhookId,
};
use sidehook::store::{Lease, OnFailure, Settings, Store};
use sidehook::telemetry::Metrics;
use tokio::runtime::Runtime;

fn main() {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    if first.as_deref() == Some("open") {
        return open_once(Path::new(&args.next().expect("a directory")));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    if first.as_deref() == Some("backlog") {
        let n = args.next().and_then(|s| s.parse().ok()).unwrap_or(1_000_000);
        return backlog(&runtime, n, args.next().is_some());
    }
    let seconds = first.and_then(|s| s.parse().ok()).unwrap_or(5);
    for n_producers in [1, 64] {
        let dir = tempfile::tempdir_in(".").expect("a directory");
        let store = open(dir.path(), false);
        let end = Instant::now() + Duration::from_secs(seconds);
        let (mut took, elapsed) =
            runtime.block_on(produce(&store, n_producers, 1024, move |_| Instant::now() < end));
        took.sort_unstable();
        let n = took.len();
        let at = |percent: usize| took[(n - 1) * percent / 100];
        let bytes = store.stats().bytes >> 20;
        let closing = Instant::now();
        store.close();
        eprintln!(
            "{n_producers} producers: {:.0} commits/s, p50 {:?}, p99 {:?}, max {:?}; {n} events, {bytes} MiB, close {:?}",
            rate(n, elapsed),
            at(50),
            at(99),
            at(100),
            closing.elapsed()
        );
        reopen(&dir);
    }
}

/// Many wait for one webhook.
fn backlog(runtime: &Runtime, n: usize, ordered: bool) {
    let dir = tempfile::tempdir_in(".").expect("a directory");
    let store = open(dir.path(), ordered);
    let n_part = (n / 10).max(64);
    for part in 1..=n / n_part {
        let (_, elapsed) = runtime.block_on(produce(&store, 64, 32, move |i| i < n_part / 64));
        eprintln!(
            "{:>9} wait: {:.0} commits/s; {}",
            part * n_part,
            rate(n_part, elapsed),
            memory()
        );
    }
    let id = WebhookId::of_name("a");
    let mut held = Vec::new();
    for round in 1..=3 {
        let start = Instant::now();
        let leases = store.lease_due(id, clock::now(), 8).expect("readable");
        let leased = start.elapsed();
        let start = Instant::now();
        let due = store.next_due(id).expect("readable").is_some();
        eprintln!(
            "lease {round}: {} in {leased:?}; next_due {due} in {:?}",
            leases.len(),
            start.elapsed()
        );
        held.extend(leases);
    }
    held.clear();
    drain(&store, id, if ordered { 2_000 } else { 20_000 });
    let start = Instant::now();
    let stats = store.stats();
    eprintln!("stats in {:?}; {} MiB; {}", start.elapsed(), stats.bytes >> 20, memory());
    let start = Instant::now();
    store.close();
    drop(store);
    eprintln!("closed in {:?}", start.elapsed());
    reopen(&dir);
}

/// Delivers so many, eight at a time, as fast as the store hands them out.
fn drain(store: &Store, id: WebhookId, n: usize) {
    let start = Instant::now();
    let mut n_done = 0;
    while n_done < n {
        let leases = store.lease_due(id, clock::now(), 8).expect("readable");
        if leases.is_empty() {
            std::thread::yield_now();
        }
        n_done += leases.len();
        leases.into_iter().for_each(|lease| deliver(store, lease));
    }
    eprintln!("drained {n_done} at {:.0}/s; {}", rate(n_done, start.elapsed()), memory());
}

fn deliver(store: &Store, lease: Lease) {
    let attempt = Attempt {
        delivery_id: lease.delivery().id,
        number: lease.attempt_number(),
        started_at: clock::now(),
        duration_ms: 1,
        outcome: Outcome::Accepted { reply: Reply { status: 200, ..Reply::default() } },
        verdict: Verdict::Delivered,
    };
    store.finish(lease, attempt);
}

/// In processes of their own: what this one has used would blur the memory.
fn reopen(dir: &tempfile::TempDir) {
    let reopened = |what: &str| {
        eprint!("  {what} ");
        let exe = std::env::current_exe().expect("a path");
        let status = std::process::Command::new(exe).arg("open").arg(dir.path()).status();
        assert!(status.expect("started").success());
    };
    reopened("opened again");
    std::fs::remove_dir_all(dir.path().join("index")).expect("removed");
    reopened("rebuilt");
}

fn open_once(path: &Path) {
    let opening = Instant::now();
    let store = open(path, false);
    eprintln!("in {:?}; {}", opening.elapsed(), memory());
    store.close();
}

fn open(path: &Path, ordered: bool) -> Store {
    let settings = Settings {
        path: path.to_owned(),
        retain: Duration::from_secs(86_400),
        max_bytes: 20 << 30,
        segment_bytes: 16 << 20,
        queue_bytes_max: 64 << 20,
        free_bytes_min: 0,
    };
    let store = Store::open(settings, Arc::new(Metrics::default())).expect("open");
    let url = url::Url::parse("http://127.0.0.1:1/").expect("a URL");
    store.set_webhooks(vec![Webhook { ordered, ..Webhook::new("a", url) }]);
    store
}

/// So many tasks commit events, one after the other each, while `goes_on` of their number says so.
async fn produce(
    store: &Store,
    n_producers: usize,
    body_bytes: usize,
    goes_on: impl Fn(usize) -> bool + Copy + Send + 'static,
) -> (Vec<Duration>, Duration) {
    let begin = Instant::now();
    let producers: Vec<_> = (0..n_producers)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                while goes_on(took.len()) {
                    let event = event(body_bytes);
                    let start = Instant::now();
                    store.commit(event, OnFailure::Refuse).await.expect("committed");
                    took.push(start.elapsed());
                }
                took
            })
        })
        .collect();
    let mut all = Vec::new();
    for producer in producers {
        all.extend(producer.await.expect("producer"));
    }
    (all, begin.elapsed())
}

fn rate(n: usize, took: Duration) -> f64 {
    n as f64 / took.as_secs_f64()
}

/// Resident memory, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name| status.lines().find(|l| l.starts_with(name)).unwrap_or(name);
    [line("VmRSS"), line("VmHWM")].join(", ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn event(body_bytes: usize) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(uuid::Uuid::now_v7()),
        time: clock::now(),
        subject: None,
        depth: 0,
        test_of: None,
        rule: RuleRef { id: 1, label: "task.created".to_owned(), tag: None },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/api/v1/tasks".to_owned(),
                params: Vec::new(),
                headers: HeaderList(vec![(
                    "content-type".to_owned(),
                    b"application/json".to_vec(),
                )]),
                body: Body::complete(vec![b'x'; body_bytes]),
            },
            response: ResponsePart {
                status: 201,
                headers: HeaderList::default(),
                body: Body::complete(vec![b'y'; body_bytes]),
            },
        },
    }
}
