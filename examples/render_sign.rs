//! How long it takes to render and sign one attempt: a 2 KiB exchange, schemes `standard` and
//! `sha256`. Prints nanoseconds per operation; run it with `--release`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use sidehook::model::{
    Body, DeliveryId, Event, EventId, Exchange, Format, HeaderList, RequestPart, ResponsePart,
    RuleRef, Scheme, Secret, Timestamp, Webhook,
};
use sidehook::{payload, sign};

/// Operations in one round; the best of some rounds is the least disturbed.
const OPERATIONS: u32 = 20_000;
const ROUNDS: u32 = 5;

fn main() {
    let event = Arc::new(event());
    let url = url::Url::parse("https://receiver.example.com/").expect("a URL");
    let mut webhook = Webhook {
        signing_secret: Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        ed25519_key: Some(Secret::new("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=")),
        ..Webhook::new("bench", url)
    };
    let both = vec![Scheme::Standard, Scheme::Sha256];
    for (format, schemes) in [
        (Format::Exchange, both.clone()),
        (Format::Exchange, vec![]),
        (Format::Typed, both.clone()),
        (Format::CloudEvents, both.clone()),
        (Format::CloudEventsBinary, both),
        (Format::Exchange, vec![Scheme::StandardEd25519]),
    ] {
        webhook.format = format;
        webhook.signatures = schemes;
        let (bytes, nanos) = measure(&event, &webhook);
        let names: Vec<&str> = webhook.signatures.iter().map(Scheme::name).collect();
        let format = webhook.format.name();
        println!("render+sign {format:19} [{}]: {bytes} bytes, {nanos} ns/op", names.join(", "));
    }
}

/// Bytes of the body, and nanoseconds of one operation.
fn measure(event: &Arc<Event>, webhook: &Webhook) -> (usize, u128) {
    let mut best = u128::MAX;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..OPERATIONS {
            bytes = black_box(attempt(black_box(event), black_box(webhook)));
        }
        best = best.min(started.elapsed().as_nanos() / u128::from(OPERATIONS));
    }
    (bytes, best)
}

fn attempt(event: &Arc<Event>, webhook: &Webhook) -> usize {
    let delivery = DeliveryId::from_uuid(uuid::Uuid::from_u128(7));
    let rendered = payload::render(event, delivery, webhook, "//upstream").expect("renders");
    let keys = sign::Keys::of(webhook, Timestamp::default());
    let id = delivery.to_string();
    let schemes = &webhook.signatures;
    let headers = sign::headers(schemes, &keys, &id, 1_700_000_000, &rendered.body).expect("keys");
    black_box(headers);
    rendered.body.len()
}

fn event() -> Event {
    let json = || HeaderList(vec![("content-type".to_owned(), b"application/json".to_vec())]);
    let item = r#"{"id":12345,"title":"buy milk","done":false,"tags":["a","b"],"price":1.50}"#;
    let body = |items: usize| Body::complete(format!("[{}]", vec![item; items].join(",")));
    Event {
        id: EventId::from_uuid(uuid::Uuid::from_u128(1)),
        ordinal: 1,
        time: Timestamp::from_millis(1_769_851_800_123),
        subject: None,
        depth: 0,
        is_test: false,
        rule: RuleRef { id: 1, label: "task.created".to_owned(), tag: None },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/api/v1/tasks".to_owned(),
                params: Vec::new(),
                headers: json(),
                body: body(12),
            },
            response: ResponsePart { status: 201, headers: json(), body: body(13) },
        },
        deliveries: Vec::new(),
    }
}
