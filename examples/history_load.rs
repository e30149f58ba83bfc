//! What lists of a long history cost, over HTTP. Measures, never judges.
//!
//! `cargo run --release --example history_load [EVENTS [DIRECTORY]]`: fills a store (or takes the one
//! that is there) and asks for pages of every kind of list. A second run on the same directory finds
//! nothing in the index's cache.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sidehook::admin::{
    self, Admin, ConfigStatus, Control, ProxyHealth, Registry, ReloadFailed, Reloading,
};
use sidehook::clock;
use sidehook::config::WebhookReader;
use sidehook::egress::Outgoing;
use sidehook::model::{
    Attempt, Body, DeliveryId, Event, EventId, Exchange, Failure, HeaderList, LabelPattern,
    NewEvent, Outcome, Reply, RequestPart, ResponsePart, RuleRef, Secret, Timestamp, Verdict,
    Webhook, WebhookId,
};
use sidehook::rules::RuleSet;
use sidehook::shutdown::{Stop, Tasks};
use sidehook::store::{Lease, OnFailure, Settings, Store};
use sidehook::telemetry::Metrics;
use tokio::runtime::Runtime;

const TOKEN: &str = "a-token-for-measuring";
const N_PRODUCERS: usize = 256;
const N_PAGES: usize = 8;
const LABELS: [&str; 4] = ["task.created", "task.done", "invoice.paid", "peer.create"];

/// What stands in for the rest of the program.
struct Rest;

impl Control for Rest {
    fn proxy(&self) -> ProxyHealth {
        ProxyHealth {
            listening: true,
            draining: false,
            upstream_healthy: true,
            upstream_error: None,
        }
    }

    fn rules(&self) -> RuleSet {
        RuleSet::new(Vec::new())
    }

    fn config(&self) -> ConfigStatus {
        ConfigStatus {
            generation: 1,
            loaded_at: clock::now(),
            problems: Vec::new(),
            effective: String::new(),
            needs_restart: Vec::new(),
        }
    }

    fn preview(
        &self,
        _: &Arc<Event>,
        _: &Webhook,
        _: DeliveryId,
        _: u32,
    ) -> Result<Outgoing, String> {
        Err("nothing is previewed here".to_owned())
    }

    fn probe_opens_at(&self, _webhook: WebhookId) -> Option<Timestamp> {
        None
    }

    fn reload(&self) -> Reloading<'_> {
        Box::pin(async { Err(ReloadFailed { problems: Vec::new() }) })
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let n = args.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let temporary = tempfile::tempdir_in(".").expect("a directory");
    let dir = args.next().map_or_else(|| temporary.path().to_owned(), std::path::PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let is_new = !dir.join("journal").exists();
    let opening = Instant::now();
    let metrics = Arc::new(Metrics::default());
    let store = open(&dir, Arc::clone(&metrics));
    eprintln!("opened in {:?}", opening.elapsed());
    let of_file = webhooks();
    store.set_webhooks(of_file.clone());
    if is_new {
        fill(&runtime, &store, n);
    }
    eprintln!("{}", memory());
    let addr = runtime.block_on(serve(&store, of_file, metrics));
    measure(addr);
    eprintln!("{} MiB on disk; {}", store.stats().bytes >> 20, memory());
    store.close();
}

fn open(path: &Path, metrics: Arc<Metrics>) -> Store {
    let settings = Settings {
        path: path.to_owned(),
        retain: Duration::from_secs(30 * 86_400),
        max_bytes: 40 << 30,
        segment_bytes: 16 << 20,
        queue_bytes_max: 64 << 20,
        free_bytes_min: 0,
    };
    Store::open(settings, metrics).expect("open")
}

/// `all` gets everything and ends it, `invoices` mostly fails, `off` is disabled.
fn webhooks() -> Vec<Webhook> {
    let webhook = |name, labels: &str, active| {
        let url = url::Url::parse("http://127.0.0.1:1/").expect("a URL");
        let events = vec![LabelPattern::new(labels)];
        Webhook { active, events, ..Webhook::new(name, url) }
    };
    vec![
        webhook("all", "*", true),
        webhook("invoices", "invoice.*", true),
        webhook("off", "peer.*", false),
    ]
}

fn fill(runtime: &Runtime, store: &Store, n: usize) {
    let start = Instant::now();
    let n_taken = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let producers: Vec<_> = (0..N_PRODUCERS)
            .map(|_| {
                let (store, n_taken) = (store.clone(), Arc::clone(&n_taken));
                tokio::spawn(async move {
                    loop {
                        let i = n_taken.fetch_add(1, Ordering::Relaxed);
                        if i >= n {
                            break;
                        }
                        store.commit(event(i, n), OnFailure::Refuse).await.expect("committed");
                    }
                })
            })
            .collect();
        for producer in producers {
            producer.await.expect("producer");
        }
    });
    eprintln!("{n} events in {:?}; {}", start.elapsed(), memory());
    let start = Instant::now();
    let mut n_done = 0;
    for (name, part) in [("all", 100), ("invoices", 90)] {
        // The last few stay pending.
        let n_wanted = if name == "all" { n - n / 100 } else { n / 40 * part / 100 };
        let mut n_of_it = 0;
        while n_of_it < n_wanted {
            let id = WebhookId::of_name(name);
            let leases = store.lease_due(id, clock::now(), 64).expect("readable");
            if leases.is_empty() {
                std::thread::yield_now();
            }
            for lease in leases {
                // One of a thousand fails at `all`, far back only; nine of ten at `invoices`.
                let fails = if name == "all" {
                    n_of_it % 1000 == 0 && n_of_it < n / 10
                } else {
                    n_of_it % 10 != 0
                };
                finish(store, lease, fails);
                n_of_it += 1;
            }
        }
        n_done += n_of_it;
    }
    eprintln!("{n_done} attempts in {:?}; {}", start.elapsed(), memory());
}

fn finish(store: &Store, lease: Lease, fails: bool) {
    let status = if fails { 500 } else { 200 };
    let reply = Reply { status, ..Reply::default() };
    let outcome = if fails {
        Outcome::Failed { failure: Failure::Rejected { status }, reply: Some(reply) }
    } else {
        Outcome::Accepted { reply }
    };
    let attempt = Attempt {
        delivery_id: lease.delivery().id,
        number: lease.attempt_number(),
        started_at: clock::now(),
        duration_ms: 1,
        outcome,
        verdict: if fails { Verdict::Failed } else { Verdict::Delivered },
    };
    store.finish(lease, attempt);
}

/// Spread over a year, oldest first. Labels in runs, so that some are far back only; a rare status.
fn event(i: usize, n: usize) -> NewEvent {
    let label = match i % 40 {
        0 => LABELS[2],
        1 if i < n / 4 => LABELS[3],
        k if k % 2 == 0 => LABELS[0],
        _ => LABELS[1],
    };
    let ago_ms = (n - i) as u64 * (365 * 86_400_000 / n as u64);
    NewEvent {
        id: EventId::from_uuid(uuid::Uuid::now_v7()),
        time: Timestamp::from_millis(clock::now().as_millis() - ago_ms),
        subject: Some(format!("subject-{}", i % 10_000)),
        depth: 0,
        test_of: None,
        rule: RuleRef { id: 1, label: label.to_owned(), tag: None },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: format!("/api/v1/lists/{}/tasks/{i}", i % 100),
                params: Vec::new(),
                headers: HeaderList::default(),
                body: Body::complete(vec![b'x'; 100]),
            },
            response: ResponsePart {
                status: if i % 50_000 == 7 { 202 } else { 201 },
                headers: HeaderList::default(),
                body: Body::complete(vec![b'y'; 100]),
            },
        },
    }
}

async fn serve(store: &Store, of_file: Vec<Webhook>, metrics: Arc<Metrics>) -> SocketAddr {
    let reader = Box::new(WebhookReader::default());
    let registry = Registry::start(store.clone(), of_file, reader);
    let state = admin::State {
        store: store.clone(),
        metrics,
        registry: Arc::new(registry),
        control: Box::new(Rest),
        started_at: clock::now(),
    };
    let settings = admin::Settings {
        listen: "127.0.0.1:0".parse().expect("an address"),
        token: Secret::new(TOKEN),
        allowed_hosts: Vec::new(),
        read_token: None,
        tls: None,
    };
    let admin = Admin::start(settings, state, Tasks::new(Stop::new())).await.expect("starts");
    admin.local_addr()
}

fn measure(addr: SocketAddr) {
    let now = clock::now().as_millis();
    let ago = |days: u64| Timestamp::from_millis(now - days * 86_400_000);
    let (long_ago, then) = (ago(364), ago(180));
    let id = |name| WebhookId::of_name(name);
    let (all, invoices, off) = (id("all"), id("invoices"), id("off"));
    let first = get(addr, "/v1/events?limit=1");
    let newest = first["data"][0]["id"].as_str().expect("there are some").to_owned();
    let oldest = get(addr, &format!("/v1/events?limit=1&until={long_ago}"));
    let oldest = oldest["data"][0]["id"].as_str().expect("there are some").to_owned();
    let (beginning, bare) = (&oldest[..20], &oldest[4..].to_uppercase());
    println!(
        "Milliseconds; in each case the middle and the worst of up to {N_PAGES} pages, and the worst CPU time"
    );
    println!("(all threads, client included). First: nothing of it is in the index's cache yet.\n");
    println!("| list | rows | first, limit 200 | again, limit 200 | limit 50 |");
    println!("|---|---|---|---|---|");
    for path in [
        "/v1/events",
        "/v1/events?label=task.created",
        "/v1/events?label=peer.create",
        "/v1/events?label=never.seen",
        "/v1/events?status=failed",
        "/v1/events?status=held",
        "/v1/events?status=pending",
        "/v1/events?status=delivered",
        "/v1/events?status=cancelled",
        "/v1/events?code=201",
        "/v1/events?code=202",
        "/v1/events?code=500",
        "/v1/events?label=peer.create&status=failed",
        "/v1/events?label=task.done&status=failed",
        "/v1/events?label=task.created&status=held",
        "/v1/events?label=task.done&code=202&status=delivered",
        &format!("/v1/events?until={long_ago}"),
        &format!("/v1/events?until={then}"),
        &format!("/v1/events?since={}", ago(1)),
        &format!("/v1/events?since={long_ago}&until={}", ago(363)),
        &format!("/v1/events?until={then}&status=failed"),
        &format!("/v1/events?webhook={invoices}"),
        &format!("/v1/events?webhook={off}&status=held"),
        &format!("/v1/events?webhook={off}&label=invoice.paid"),
        &format!("/v1/events?q={newest}"),
        &format!("/v1/events?q={bare}"),
        &format!("/v1/events?q={beginning}"),
        &format!("/v1/events?q={}", &oldest[..6]),
        "/v1/events?q=subject-77",
        "/v1/events?q=lists/5/",
        "/v1/events?q=nowhere",
        "/v1/events?q=nowhere&label=invoice.paid",
        "/v1/events?q=tasks/7&code=202",
        "/v1/deliveries",
        "/v1/deliveries?status=failed",
        "/v1/deliveries?status=held",
        "/v1/deliveries?status=pending",
        "/v1/deliveries?status=delivered",
        "/v1/deliveries?status=cancelled",
        "/v1/deliveries?event=peer.create",
        "/v1/deliveries?event=peer.create&status=failed",
        "/v1/deliveries?until=2020-01-01T00:00:00Z",
        "/v1/deliveries?since=2999-01-01T00:00:00Z",
        &format!("/v1/deliveries?webhook={all}&status=failed"),
        &format!("/v1/deliveries?webhook={invoices}&status=delivered"),
        &format!("/v1/webhooks/{off}/deliveries"),
        &format!("/v1/webhooks/{off}/deliveries?status=delivered"),
        &format!("/v1/deliveries?q={beginning}"),
        "/v1/deliveries?q=nowhere",
    ] {
        let limited = format!("{path}{}limit=", if path.contains('?') { '&' } else { '?' });
        show(addr, path, &[200, 200, 50].map(|limit| format!("{limited}{limit}")));
    }
    for path in ["/v1/status", "/metrics", &format!("/v1/history/{bare}")] {
        show(addr, path, &[(); 3].map(|()| path.to_owned()));
    }
}

fn show(addr: SocketAddr, name: &str, paths: &[String]) {
    let measured: Vec<_> = paths.iter().map(|path| pages(addr, path)).collect();
    let (n_rows, has_more, _) = measured[0];
    let more = if has_more { "+" } else { "" };
    let times: Vec<_> = measured.into_iter().map(|(_, _, times)| times).collect();
    println!("| `{name}` | {n_rows}{more} | {} |", times.join(" | "));
}

/// The first few pages of a list: how many rows, whether there are more, and how long they took.
fn pages(addr: SocketAddr, path: &str) -> (usize, bool, String) {
    let (mut took, mut ran, mut n_rows) = (Vec::new(), Vec::new(), 0);
    let mut next = None;
    while took.len() < N_PAGES {
        let (start, computed) = (Instant::now(), computed());
        let page = match &next {
            None => get(addr, path),
            Some(cursor) => get(addr, &format!("{path}&cursor={cursor}")),
        };
        took.push(start.elapsed());
        ran.push(self::computed().saturating_sub(computed));
        n_rows += page["data"].as_array().map_or(0, Vec::len);
        next = page["next"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    took.sort_unstable();
    let millis = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let (middle, worst) = (millis(took.get(took.len() / 2)), millis(took.last()));
    let text = format!("{middle:.1}, {worst:.1}, CPU {:.1}", millis(ran.iter().max()));
    (n_rows, next.is_some(), text)
}

/// How long all threads of this process have run, as Linux tells it: on a busy machine the rest
/// of a time is others' work.
fn computed() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("sched")).ok());
    let millis = |text: String| -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with("se.sum_exec_runtime"))?;
        line.split(':').next_back()?.trim().parse().ok()
    };
    Duration::from_secs_f64(stats.filter_map(millis).sum::<f64>() / 1000.0)
}

/// A JSON answer, or null for one that is not JSON.
fn get(addr: SocketAddr, path: &str) -> Value {
    let mut socket = TcpStream::connect(addr).expect("connected");
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).expect("sent");
    let mut reply = String::new();
    socket.read_to_string(&mut reply).expect("read");
    assert!(reply.starts_with("HTTP/1.1 200"), "{path}: {reply}");
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_default()
}

/// Resident memory, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name| status.lines().find(|l| l.starts_with(name)).unwrap_or(name);
    [line("VmRSS"), line("VmHWM")].join(", ").split_whitespace().collect::<Vec<_>>().join(" ")
}
