//! Vikunja's dialect, which goes out through a proxy: here a small one, that asks for a password.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Value, json};
use sidehook::egress::EgressProxy;
use sidehook::model::{Secret, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use super::hmac_hex;
use super::stand::{Stand, as_written, secret};

/// A proxy that knows CONNECT only; it keeps the head of every request.
struct ConnectProxy {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl ConnectProxy {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&heads);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(stream, Arc::clone(&kept)));
            }
        });
        Self { addr, heads, _runtime: runtime }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic holds it").clone()
    }
}

/// One CONNECT (RFC 9110 9.3.6) with the right password, and then bytes in both directions.
async fn tunnel(mut client: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("a text head");
    heads.lock().expect("no panic holds it").push(head.clone());
    // "mole:proxy-password" (RFC 7617).
    let knows = head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic ")
        && head.contains("bW9sZTpwcm94eS1wYXNzd29yZA==");
    let mut start = head.split(' ');
    let (method, target) = (start.next(), start.next().unwrap_or_default());
    let refusal: &[u8] = match method {
        Some("CONNECT") if knows => match TcpStream::connect(target).await {
            Ok(mut server) => {
                let _ = client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await;
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                return;
            }
            Err(_) => b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        },
        Some("CONNECT") => b"HTTP/1.1 407 Who Are You\r\ncontent-length: 0\r\n\r\n",
        _ => b"HTTP/1.1 405 CONNECT Only\r\ncontent-length: 0\r\n\r\n",
    };
    let _ = client.write_all(refusal).await;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vikunja {
    event_name: String,
    time: String,
    data: Value,
}

#[test]
fn vikunja_gets_its_members_with_a_hex_signature_through_the_proxy() {
    let proxy = ConnectProxy::start();
    let task = "{\"id\": 7, \"title\": \"wash\"}";
    let stand = Stand::adjusted("vikunja", "201 Created", task, |config| {
        // Only where it is: who asks is the recipe's.
        let named = config.egress.proxy.take().expect("the recipe has one");
        let (host, port) = (proxy.addr.ip().to_string(), proxy.addr.port());
        config.egress.proxy = Some(EgressProxy { host, port, ..named });
    });
    assert_eq!(stand.call("PUT", "/api/v1/projects/3/tasks", "{\"title\": \"wash\"}"), 201);
    let request = &stand.received(1)[0];
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    let target = format!("CONNECT 127.0.0.1:{} ", stand.receiver.port());
    assert!(heads[0].starts_with(&target), "{heads:?}");
    let signature = request.header("x-vikunja-signature");
    assert_eq!(signature, hmac_hex(secret("VIKUNJA_SECRET"), &request.body));
    assert!(request.headers.get("proxy-authorization").is_none(), "that is the proxy's");
    assert_eq!(request.header("content-type"), "application/json");
    let event: Vikunja = serde_json::from_slice(&request.body).expect("Vikunja's members");
    assert_eq!(event.event_name, "task.created");
    assert!(event.time.ends_with("+00:00"), "{}", event.time);
    assert!(Timestamp::parse(&event.time).is_some(), "{}", event.time);
    assert_eq!(event.data, json!({"id": 7, "title": "wash"}));
}

#[test]
fn nothing_reaches_the_receiver_around_a_proxy_that_refuses() {
    let proxy = ConnectProxy::start();
    let stand = Stand::adjusted("vikunja", "200 OK", "{}", |config| {
        config.egress.proxy = Some(EgressProxy {
            host: proxy.addr.ip().to_string(),
            port: proxy.addr.port(),
            credentials: Some(("mole".to_owned(), Secret::new("wrong"))),
        });
        config.webhooks[0].retry.clear();
    });
    assert_eq!(stand.call("POST", "/api/v1/tasks/7", "{}"), 200);
    let failed = stand.deliveries("failed", 1);
    assert!(failed[0]["error"].as_str().is_some_and(|error| error.contains("407")), "{failed:?}");
    assert_eq!(stand.receiver.count(), 0);
}

#[test]
fn the_recipe_reads_the_proxy_and_its_password_from_the_environment() {
    let proxy = as_written("vikunja").egress.proxy.expect("the recipe has one");
    let (user, password) = proxy.credentials.expect("with a password");
    assert_eq!((proxy.host.as_str(), proxy.port), ("127.0.0.1", 4750));
    assert_eq!((user.as_str(), password.reveal()), ("mole", "proxy-password"));
}
