//! How fast events become durable: `cargo run --release --example store_commit [SECONDS]`.
//! 1 and 64 producers, 2 KiB bodies, one webhook, index on. Measures, never judges.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sidehook::clock;
use sidehook::model::{
    Body, EventId, Exchange, Format, HeaderList, LabelPattern, NewEvent, RequestPart, ResponsePart,
    RuleRef, Timestamp, Webhook, WebhookId, WebhookSource,
};
use sidehook::store::{OnFailure, Settings, Store};
use sidehook::telemetry::Metrics;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5);
    for n_producers in [1, 64] {
        let dir = tempfile::tempdir_in(".").expect("a directory");
        let store = Store::open(settings_of(&dir), Arc::new(Metrics::default())).expect("open");
        store.set_webhooks(vec![webhook()]);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (mut took, elapsed) = runtime.block_on(run(store.clone(), n_producers, seconds));
        took.sort_unstable();
        let n = took.len();
        let rate = n as f64 / elapsed.as_secs_f64();
        let at = |percent: usize| took[(n - 1) * percent / 100];
        let bytes = store.stats().bytes >> 20;
        let closing = Instant::now();
        store.close();
        eprintln!(
            "{n_producers} producers: {rate:.0} commits/s, p50 {:?}, p99 {:?}, max {:?}; {n} events, {bytes} MiB, close {:?}",
            at(50),
            at(99),
            at(100),
            closing.elapsed()
        );
        let opening = Instant::now();
        Store::open(settings_of(&dir), Arc::new(Metrics::default())).expect("open").close();
        eprintln!("  opened and closed again in {:?}", opening.elapsed());
        std::fs::remove_dir_all(dir.path().join("index")).expect("removed");
        let opening = Instant::now();
        Store::open(settings_of(&dir), Arc::new(Metrics::default())).expect("open").close();
        eprintln!("  rebuilt in {:?}", opening.elapsed());
    }
}

fn settings_of(dir: &tempfile::TempDir) -> Settings {
    Settings {
        path: dir.path().to_owned(),
        retain: Duration::from_secs(86_400),
        max_bytes: 20 << 30,
        segment_bytes: 16 << 20,
        queue_bytes_max: 64 << 20,
        free_bytes_min: 0,
    }
}

async fn run(store: Store, n_producers: usize, seconds: u64) -> (Vec<Duration>, Duration) {
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let producers: Vec<_> = (0..n_producers)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                while Instant::now() < end {
                    let event = event();
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

fn event() -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(uuid::Uuid::now_v7()),
        time: clock::now(),
        subject: None,
        depth: 0,
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
                body: Body::complete(vec![b'x'; 1024]),
            },
            response: ResponsePart {
                status: 201,
                headers: HeaderList::default(),
                body: Body::complete(vec![b'y'; 1024]),
            },
        },
    }
}

fn webhook() -> Webhook {
    Webhook {
        id: WebhookId::of_name("a"),
        name: "a".to_owned(),
        url: "http://127.0.0.1:1/".parse().expect("a URL"),
        active: true,
        events: vec![LabelPattern::new("*")],
        secret: None,
        signing_secret: None,
        headers: Vec::new(),
        basic_auth: None,
        method: http::Method::POST,
        format: Format::Exchange,
        signatures: Vec::new(),
        retry: Vec::new(),
        timeout: Duration::from_secs(1),
        concurrency: 8,
        source: WebhookSource::Config,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        ..Webhook::new("", url::Url::parse("http://stand-in.invalid/").expect("a URL"))
    }
}
