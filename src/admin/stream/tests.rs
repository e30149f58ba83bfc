//! The ends of a stream that a client brings about, over a connection that holds next to nothing.

use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;
use crate::admin::listen::serve;
use crate::admin::state::Shared;
use crate::admin::{
    self, ConfigStatus, Control, FieldError, ProxyHealth, ReadKeys, ReadWebhook, Registry,
    Reloading, router,
};
use crate::clock;
use crate::egress::Outgoing;
use crate::model::{DeliveryId, Event, EventId, Secret, Timestamp, Webhook};
use crate::rules::RuleSet;
use crate::shutdown::Tasks;
use crate::store::{self, Store};
use crate::telemetry::Metrics;

const TOKEN: &str = "a-token";
/// What the connection holds.
const HELD_BYTES: usize = 256;

/// Nothing here asks for it.
struct Rest;

impl Control for Rest {
    fn proxy(&self) -> ProxyHealth {
        unreachable!("not asked for")
    }
    fn rules(&self) -> RuleSet {
        unreachable!("not asked for")
    }
    fn config(&self) -> ConfigStatus {
        unreachable!("not asked for")
    }
    fn preview(
        &self,
        _: &Arc<Event>,
        _: &Webhook,
        _: DeliveryId,
        _: u32,
    ) -> Result<Outgoing, String> {
        unreachable!("not asked for")
    }
    fn probe_opens_at(&self, _webhook: WebhookId) -> Option<Timestamp> {
        None
    }

    fn reload(&self) -> Reloading<'_> {
        unreachable!("not asked for")
    }
}

impl ReadWebhook for Rest {
    fn read(
        &self,
        _: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<ReadKeys, Vec<FieldError>> {
        unreachable!("not asked for")
    }
    fn knows(&self, _: &str) -> bool {
        unreachable!("not asked for")
    }
}

struct World {
    api: Api,
    webhook: WebhookId,
    _directory: TempDir,
}

impl World {
    fn open(pace: Pace) -> Self {
        let directory = TempDir::new().expect("a directory");
        let metrics = Arc::new(Metrics::default());
        let settings = store::Settings {
            path: directory.path().join("data"),
            retain: Duration::from_secs(3600),
            max_bytes: 1 << 30,
            segment_bytes: 1 << 20,
            queue_bytes_max: 1 << 24,
            free_bytes_min: 0,
        };
        let store = Store::open(settings, Arc::clone(&metrics)).expect("a new store");
        let webhook = Webhook::new("w", url::Url::parse("http://example.com/").expect("a URL"));
        let id = webhook.id;
        let registry = Registry::start(store.clone(), vec![webhook], Box::new(Rest));
        let state = admin::State {
            store,
            metrics,
            registry: Arc::new(registry),
            control: Box::new(Rest),
            started_at: clock::now(),
        };
        let listen = "127.0.0.1:1".parse().expect("an address");
        let settings = Settings {
            listen,
            token: Secret::new(TOKEN),
            read_token: None,
            allowed_hosts: Vec::new(),
            tls: None,
        };
        let mut shared = Shared::new(&settings, listen, state);
        shared.pace = pace;
        Self { api: Arc::new(shared), webhook: id, _directory: directory }
    }

    /// A client whose connection holds few bytes, following from `mark` on.
    async fn follow(&self, mark: ChangeMark) -> DuplexStream {
        let (mut client, server) = tokio::io::duplex(HELD_BYTES);
        let peer = "127.0.0.1:9".parse().expect("an address");
        tokio::spawn(serve(server, peer, router(Arc::clone(&self.api)), Tasks::default()));
        let request = format!(
            "GET /v1/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             last-event-id: {mark}\r\n\r\n"
        );
        client.write_all(request.as_bytes()).await.expect("it reads");
        client
    }

    /// Enough changes for so many pieces.
    fn change_webhook(&self, n_pieces: usize) {
        let changes = self.api.state.store.changes();
        changes.publish((0..n_pieces * N_CHANGES_MAX).map(|_| Change::Webhook(self.webhook)));
    }

    async fn all_places_free(&self) {
        let n_max = u32::try_from(Settings::STREAMS_MAX).expect("few");
        let all = self.api.streams.acquire_many(n_max);
        let limit = Duration::from_secs(20);
        drop(tokio::time::timeout(limit, all).await.expect("the stream has ended"));
    }
}

async fn read_until(client: &mut DuplexStream, text: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(text) {
        let mut piece = [0; 128];
        let n = client.read(&mut piece).await.expect("readable");
        assert!(n > 0, "ended before {text:?}: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let world = World::open(Pace { stall: Duration::from_millis(100), ..Pace::default() });
    let mark = world.api.state.store.changes().now();
    world.change_webhook(20);
    let mut client = world.follow(mark).await;
    read_until(&mut client, "event: webhook").await;
    world.all_places_free().await;
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("the connection is gone");
    assert!(rest.len() <= HELD_BYTES, "{} bytes were kept for it", rest.len());
}

#[tokio::test]
async fn a_client_that_falls_behind_is_told_so() {
    let world = World::open(Pace::default());
    let changes = world.api.state.store.changes();
    let mark = changes.now();
    world.change_webhook(20);
    let mut client = world.follow(mark).await;
    read_until(&mut client, "event: webhook").await;
    // Nothing is known of these events: only their number matters.
    changes
        .publish((0..70_000).map(|n| Change::Event(EventId::from_uuid(uuid::Uuid::from_u128(n)))));
    let told = read_until(&mut client, "event: closed").await;
    let mut rest = told;
    client.read_to_string(&mut rest).await.expect("the connection ends");
    assert!(rest.contains("too_slow"), "{rest}");
}

#[tokio::test]
async fn a_silent_stream_says_that_it_is_alive() {
    let world = World::open(Pace { heartbeat: Duration::from_millis(5), ..Pace::default() });
    let mark = world.api.state.store.changes().now();
    let mut client = world.follow(mark).await;
    for _ in 0..3 {
        read_until(&mut client, &format!(":\nid: {mark}\n\n")).await;
    }
    world.change_webhook(1);
    read_until(&mut client, "event: webhook").await;
    drop(client);
    world.all_places_free().await;
}

/// Who was let in with a token that leaked does not go on listening when it is replaced.
#[tokio::test]
async fn a_stream_ends_with_the_tokens_it_was_opened_under() {
    let world = World::open(Pace::default());
    let mark = world.api.state.store.changes().now();
    let mut client = world.follow(mark).await;
    world.change_webhook(1);
    read_until(&mut client, "event: webhook").await;
    let listen = "127.0.0.1:1".parse().expect("an address");
    let mut settings = Settings {
        listen,
        token: Secret::new(TOKEN),
        read_token: None,
        allowed_hosts: vec!["another.example".to_owned()],
        tls: None,
    };
    world.api.access.store(Arc::new(Access::new(&settings, listen)));
    world.change_webhook(1);
    read_until(&mut client, "event: webhook").await;
    settings.token = Secret::new("another");
    world.api.access.store(Arc::new(Access::new(&settings, listen)));
    world.change_webhook(1);
    let told = read_until(&mut client, "event: closed").await;
    assert!(!told.contains("event: webhook"), "{told}");
    let mut rest = told;
    client.read_to_string(&mut rest).await.expect("the connection ends");
    assert!(rest.contains("token_changed"), "{rest}");
}
