//! What a large recovery costs: counting, its own time, and what it does to the commits meanwhile.
//! Measures, never judges.
//!
//! `cargo run --release --example recover_load [DELIVERIES [PRODUCERS]]`: so many deliveries have
//! failed, and all of them are queued again while others commit events.
//! `... recover_load count DIRECTORY`: only counts, in a store that `history_load` has filled.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sidehook::clock;
use sidehook::model::{
    Attempt, Body, DeliveryState, EventId, Exchange, Failure, HeaderList, LabelPattern, NewEvent,
    Outcome, Reply, RequestPart, ResponsePart, RuleRef, Timestamp, Verdict, Webhook, WebhookId,
};
use sidehook::store::{Lease, OnFailure, RecoverySpec, Settings, Store};
use sidehook::telemetry::Metrics;

const WARM_UP: Duration = Duration::from_secs(5);
/// Calls come so far apart at each producer.
const PACE: Duration = Duration::from_millis(20);

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("count") {
        return count_in(Path::new(&args.next().expect("a directory")));
    }
    let mut args = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let n = args.next().unwrap_or(100_000);
    let n_producers = args.next().unwrap_or(8);
    let dir = tempfile::tempdir_in(".").expect("a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let store = open(dir.path(), "a", "task.*");
    runtime.block_on(async {
        commit(&store, n, 256).await;
        fail_all(&store, n);
        while store.count_recoverable(&spec("a", DeliveryState::Failed)).expect("readable")
            < n as u64
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        count(&store, &spec("a", DeliveryState::Failed));
        let before = committing(&store, n_producers, WARM_UP).await;
        eprintln!("commits before: {before}");
        let start = Instant::now();
        let recovering = store.recover(spec("a", DeliveryState::Failed)).await.expect("starts");
        eprintln!("recovery of {} answered in {:?}", recovering.count, start.elapsed());
        let is_over = Arc::new(AtomicBool::new(false));
        let (watched, over) = (store.clone(), Arc::clone(&is_over));
        let watch = tokio::spawn(async move {
            let mut shown = Instant::now();
            loop {
                let recovery = watched.recoveries().remove(0);
                if recovery.ended_at.is_some() {
                    over.store(true, Ordering::Relaxed);
                    return recovery.n_done;
                }
                if shown.elapsed() > Duration::from_secs(1) {
                    shown = Instant::now();
                    eprintln!("  {} of {}", recovery.n_done, recovery.count);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let during =
            committing_while(&store, n_producers, move || !is_over.load(Ordering::Relaxed)).await;
        let n_done = watch.await.expect("ends");
        let rate = n_done as f64 / start.elapsed().as_secs_f64();
        eprintln!("{n_done} queued again in {:?}, {rate:.0}/s", start.elapsed());
        eprintln!("commits meanwhile: {during}");
        eprintln!("commits after: {}", committing(&store, n_producers, WARM_UP).await);
    });
    store.close();
}

fn open(path: &Path, name: &str, labels: &str) -> Store {
    let settings = Settings {
        path: path.to_owned(),
        retain: Duration::from_secs(30 * 86_400),
        max_bytes: 40 << 30,
        segment_bytes: 16 << 20,
        queue_bytes_max: 64 << 20,
        free_bytes_min: 0,
    };
    let store = Store::open(settings, Arc::new(Metrics::default())).expect("open");
    let url = url::Url::parse("http://127.0.0.1:1/").expect("a URL");
    let events = vec![LabelPattern::new(labels)];
    store.set_webhooks(vec![Webhook { events, ..Webhook::new(name, url) }]);
    store
}

fn count_in(dir: &Path) {
    let store = open(dir, "all", "*");
    let half_a_year_ago = Timestamp::from_millis(clock::now().as_millis() - 180 * 86_400_000);
    for (state, until, backfill) in [
        (DeliveryState::Failed, None, false),
        (DeliveryState::Delivered, None, false),
        (DeliveryState::Delivered, Some(half_a_year_ago), true),
    ] {
        count(&store, &RecoverySpec { until, backfill, ..spec("all", state) });
    }
    store.close();
}

fn spec(name: &str, state: DeliveryState) -> RecoverySpec {
    let webhook = WebhookId::of_name(name);
    RecoverySpec { webhook, since: None, until: None, state, backfill: false }
}

fn count(store: &Store, spec: &RecoverySpec) {
    let start = Instant::now();
    let n = store.count_recoverable(spec).expect("readable");
    let (state, took) = (spec.state, start.elapsed());
    let until = spec.until.map_or(String::new(), |until| format!(", until {until}"));
    eprintln!("{n} counted in {took:?} ({state:?}, backfill {}{until})", spec.backfill);
}

/// So many, as fast as they go.
async fn commit(store: &Store, n: usize, n_producers: usize) {
    let start = Instant::now();
    let producers: Vec<_> = (0..n_producers)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..(n + i) / n_producers {
                    store.commit(event("task.done"), OnFailure::Refuse).await.expect("committed");
                }
            })
        })
        .collect();
    for producer in producers {
        producer.await.expect("producer");
    }
    eprintln!("{n} events in {:?}", start.elapsed());
}

fn fail_all(store: &Store, n: usize) {
    let start = Instant::now();
    let mut n_done = 0;
    while n_done < n {
        let id = WebhookId::of_name("a");
        let leases = store.lease_due(id, clock::now(), 256).expect("readable");
        n_done += leases.len();
        if leases.is_empty() {
            std::thread::yield_now();
        }
        leases.into_iter().for_each(|lease| fail(store, lease));
    }
    eprintln!("{n_done} failed in {:?}", start.elapsed());
}

fn fail(store: &Store, lease: Lease) {
    let reply = Some(Reply { status: 500, ..Reply::default() });
    let attempt = Attempt {
        delivery_id: lease.delivery().id,
        number: lease.attempt_number(),
        started_at: clock::now(),
        duration_ms: 1,
        outcome: Outcome::Failed { failure: Failure::Rejected { status: 500 }, reply },
        verdict: Verdict::Failed,
    };
    store.finish(lease, attempt);
}

async fn committing(store: &Store, n_producers: usize, time: Duration) -> String {
    let end = Instant::now() + time;
    committing_while(store, n_producers, move || Instant::now() < end).await
}

/// Calls at a steady pace that nobody gets: how long their commits took.
async fn committing_while(
    store: &Store,
    n_producers: usize,
    goes_on: impl Fn() -> bool + Clone + Send + 'static,
) -> String {
    let producers: Vec<_> = (0..n_producers)
        .map(|_| {
            let (store, goes_on) = (store.clone(), goes_on.clone());
            tokio::spawn(async move {
                let mut took = Vec::new();
                let mut pace = tokio::time::interval(PACE);
                while goes_on() {
                    pace.tick().await;
                    let start = Instant::now();
                    store.commit(event("other"), OnFailure::Refuse).await.expect("committed");
                    took.push(start.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for producer in producers {
        took.extend(producer.await.expect("producer"));
    }
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len() * percent / 100).or(took.last()).copied();
    let [middle, worse, worst] = [50, 99, 100].map(|percent| at(percent).unwrap_or_default());
    format!("{}, p50 {middle:.1?}, p99 {worse:.1?}, max {worst:.1?}", took.len())
}

fn event(label: &str) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(uuid::Uuid::now_v7()),
        time: clock::now(),
        subject: None,
        depth: 0,
        test_of: None,
        rule: RuleRef { id: 1, label: label.to_owned(), tag: None },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/api/v1/tasks".to_owned(),
                params: Vec::new(),
                headers: HeaderList::default(),
                body: Body::complete(vec![b'x'; 100]),
            },
            response: ResponsePart {
                status: 201,
                headers: HeaderList::default(),
                body: Body::complete(vec![b'y'; 100]),
            },
        },
    }
}
