//! C1: a request is sent again only where that cannot make the upstream do a thing twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::stand::{plain, settings, with};
use crate::support::client::RawClient;
use crate::support::upstream::{Act, Seen, Upstream, message_end, ok, reply, send};
use crate::support::wire::Wire;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Answers the first call, so that its connection is kept, and does this with the others until the
/// last, which it answers.
async fn after_one_call(request: &str, acts: Vec<Act>, n_failing: usize) -> (u16, Vec<Seen>) {
    let upstream = Upstream::start(move |n, _| match n {
        0 => ok("first"),
        n if n <= n_failing => acts.clone(),
        _ => ok("again"),
    })
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send(GET).await;
    assert_eq!(client.reply().await.text(), "first");
    client.send(request).await;
    let reply = client.reply_without_body().await;
    (reply.status(), upstream.requests())
}

fn of_length(method: &str, n: usize) -> String {
    let body: String = (b'a'..=b'w').cycle().take(n).map(char::from).collect();
    format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n{body}")
}

fn chunked(method: &str, more: &str) -> String {
    format!(
        "{method} / HTTP/1.1\r\nHost: a\r\n{more}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"
    )
}

#[tokio::test]
async fn c1_what_may_be_done_twice_is_sent_again_whole() {
    for request in [
        GET.to_owned(),
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        of_length("PUT", 1),
        of_length("PUT", 60_000),
        of_length("DELETE", 9000),
        chunked("PUT", ""),
        chunked("POST", "Idempotency-Key: k1\r\n"),
        "POST / HTTP/1.1\r\nHost: a\r\nidempotency-KEY: k\r\nContent-Length: 2\r\n\r\nhi".into(),
    ] {
        for act in [Act::Close, Act::Reset] {
            let (status, seen) = after_one_call(&request, vec![act], 1).await;
            assert_eq!(status, 200, "{request:.80}");
            assert_eq!(seen.len(), 3, "{request:.80}");
            assert!(seen[1].raw == seen[2].raw, "{}\n{}", seen[1].text(), seen[2].text());
            assert!(seen[2].complete);
        }
    }
}

#[tokio::test]
async fn c1_nothing_else_is_sent_again() {
    let close = || vec![Act::Close];
    for (request, acts) in [
        (of_length("POST", 2), close()),
        (of_length("PATCH", 2), close()),
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n".into(), close()),
        (chunked("POST", ""), vec![Act::Reset]),
        // Too large to be kept.
        (of_length("PUT", 70_000), close()),
        // The response has begun.
        (GET.into(), vec![send("HTTP/1.1 2"), Act::Close]),
        (GET.into(), vec![send("HTTP/1.1 103 Early Hints\r\n\r\n"), Act::Close]),
        (GET.into(), vec![send("what?\r\n\r\n"), Act::Close]),
    ] {
        let (status, seen) = after_one_call(&request, acts, 1).await;
        assert!(status == 502 || status == 103, "{status} to {request:.80}");
        assert_eq!(seen.len(), 2, "{request:.80}");
    }
    // Once, and on a new connection: that one is not stale.
    let (status, seen) = after_one_call(GET, close(), 2).await;
    assert_eq!((status, seen.len()), (502, 3));
    let upstream = Upstream::always(close()).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send(of_length("PUT", 2)).await;
    client.reply().await.problem(502, "connection_terminated");
    assert_eq!(upstream.requests().len(), 1);
}

/// C2: an upstream that closes idle connections at any moment costs no GET, and no POST comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_calls_at_random_moments_survive_an_impatient_upstream() {
    const CLIENTS: u64 = 12;
    const CALLS: u64 = 60;
    let seen = Arc::<Mutex<HashMap<String, usize>>>::default();
    let upstream = impatient(Arc::clone(&seen)).await;
    let (proxy, _client) = with(settings(([127, 0, 0, 1], upstream.port).into())).await;
    let mut working = tokio::task::JoinSet::new();
    for n in 0..CLIENTS {
        let address = proxy.local_addr();
        working.spawn(async move {
            let mut answered = Vec::new();
            let mut client = RawClient::connect(address).await;
            let mut random = Random(n + 1);
            for call in 0..CALLS {
                tokio::time::sleep(Duration::from_micros(random.below(15_000))).await;
                let is_post = random.below(2) == 0;
                let method = if is_post { "POST" } else { "GET" };
                let target = format!("/{method}/{n}/{call}");
                let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n");
                let more = if is_post { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" };
                client.send(format!("{head}{more}")).await;
                let reply = client.reply().await;
                let status = reply.status();
                assert!(status == 200 || is_post && status == 502, "{} to {target}", reply.text());
                if status == 200 {
                    answered.push(target);
                }
            }
            answered
        });
    }
    let answered = working.join_all().await.concat();
    let seen = seen.lock().expect("sound");
    assert!(answered.iter().all(|target| seen.contains_key(target)));
    let twice: Vec<_> =
        seen.iter().filter(|(target, n)| target.starts_with("/POST") && **n > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// Closes each connection after a call when the next does not come within a random moment.
async fn impatient(seen: Arc<Mutex<HashMap<String, usize>>>) -> Wire {
    Wire::start(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut random = Random(u64::from(stream.peer_addr().expect("connected").port()));
            let mut input = Vec::new();
            // A new connection is not idle: its first request is awaited.
            let mut patience = Duration::from_secs(10);
            loop {
                while message_end(&input).is_none() {
                    let read = tokio::time::timeout(patience, stream.read_buf(&mut input)).await;
                    if !matches!(read, Ok(Ok(1..))) {
                        return;
                    }
                }
                let request = String::from_utf8_lossy(&input).into_owned();
                let target = request.split(' ').nth(1).expect("a request line").to_owned();
                *seen.lock().expect("sound").entry(target).or_default() += 1;
                input.clear();
                patience = Duration::from_micros(1 + random.below(12_000));
                if stream.write_all(&reply("200 OK", "done")).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

/// The same moments in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// C1: an empty chunked body that is sent again still ends.
#[tokio::test]
async fn c1_an_empty_chunked_body_is_whole_the_second_time_too() {
    let upstream = Upstream::start(|n, _| if n == 1 { vec![Act::Close] } else { ok("x") }).await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply().await.status(), 200);
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    assert_eq!(client.reply().await.status(), 200);
    assert!(upstream.requests()[2].raw.ends_with(b"0\r\n\r\n"));
}
