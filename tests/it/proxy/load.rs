//! Many clients at once on several workers: every call gets its own answer, every matching one
//! its one event, and what each is worth is not mixed up.

use std::collections::BTreeSet;

use sidehook::proxy::Drained;

use super::stand::{Storage, rule, settings, start};
use crate::support::PATIENCE;
use crate::support::client::RawClient;
use crate::support::upstream::{Upstream, ok, send};

const N_CLIENTS: usize = 16;
const N_CALLS: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_events_are_not_mixed_up() {
    let upstream = Upstream::start(|n, request| {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let chunked = format!("{:x}\r\n{path}\r\n", path.len());
        match n % 3 {
            0 => ok(&path),
            1 => vec![
                send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
                send(&chunked),
                send("0\r\n\r\n"),
            ],
            _ => vec![
                send(&format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", path.len())),
                send(&path),
            ],
        }
    })
    .await;
    let storage = Storage::new();
    let mut settings = settings(upstream.addr);
    settings.workers = 2;
    let proxy = start(settings, vec![rule("ordered", "POST ^/orders/")], storage.store.clone());
    let address = proxy.local_addr();
    let clients = (0..N_CLIENTS).map(|client| {
        tokio::spawn(async move {
            let mut connection = RawClient::connect(address).await;
            for n in 0..N_CALLS {
                let kind = if n % 2 == 0 { "orders" } else { "plain" };
                let path = format!("/{kind}/{client}/{n}");
                let length = path.len();
                let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}");
                connection.send(format!("{head}\r\n\r\n{path}")).await;
                let reply = connection.reply().await;
                assert!(reply.status() < 300 && reply.text().contains(&path), "{}", reply.text());
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("every answer is its own");
    }
    assert_eq!(proxy.drain(PATIENCE).await, Drained::default());
    let mut seen = BTreeSet::new();
    let n_matching = N_CLIENTS * N_CALLS / 2;
    for event in storage.events_of(n_matching).await {
        let url = event.exchange.request.url.clone();
        assert_eq!(event.exchange.request.body.bytes, url.as_bytes());
        assert_eq!(event.exchange.response.body.bytes, url.as_bytes());
        assert!(url.starts_with("/orders/") && seen.insert(url), "one event for each call");
    }
    assert_eq!(seen.len(), n_matching);
}
