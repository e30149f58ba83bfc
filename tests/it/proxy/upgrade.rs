//! Connections that go on in another protocol (G1 to G5).

use std::time::Duration;

use sidehook::proxy::{Drained, Proxy, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::callers::closes;
use super::stand::{Storage, plain, rule, settings, start};
use crate::support::upstream::{Act, Upstream, head_end, ok, reply, send};
use crate::support::wire::Wire;
use crate::support::{soon, until};

const ASKED: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                     Upgrade: h2c, WebSocket\r\nHTTP2-Settings: AAAA\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-a: b\r\n\r\n";

/// Switches, greets in the same packet, echoes what comes, and says `bye` when nothing more does.
async fn echoing() -> Wire {
    Wire::start(|mut stream| async move {
        let mut input = Vec::new();
        while head_end(&input).is_none() {
            if stream.read_buf(&mut input).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8_lossy(&input[..head_end(&input).expect("whole")]).to_string();
        let behind = input.split_off(head.len());
        let hop = |line: &&str| {
            ["connection", "upgrade", "http2"].iter().any(|n| line.to_lowercase().starts_with(n))
        };
        let hops = head.lines().filter(hop).collect::<Vec<_>>().join("|");
        let _ = stream.write_all(format!("{SWITCHED}{hops}\n").as_bytes()).await;
        let _ = stream.write_all(&behind).await;
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.write_all(b"bye").await;
    })
    .await
}

fn before(upstream: &Wire, change: impl FnOnce(&mut Settings)) -> Proxy {
    let mut settings = settings(([127, 0, 0, 1], upstream.port).into());
    change(&mut settings);
    start(settings, Vec::new(), Storage::new().store)
}

async fn read_until(client: &mut TcpStream, input: &mut Vec<u8>, text: &str) {
    while !String::from_utf8_lossy(input).contains(text) {
        let n = soon(text, client.read_buf(input)).await.expect("open");
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(input));
    }
}

#[tokio::test]
async fn g1_to_g4_bytes_pass_both_ways_to_both_ends() {
    let upstream = echoing().await;
    let proxy = before(&upstream, |_| {});
    let mut client = TcpStream::connect(proxy.local_addr()).await.expect("listens");
    client.write_all(format!("{ASKED}first ").as_bytes()).await.expect("taken");
    let mut input = Vec::new();
    read_until(&mut client, &mut input, "first ").await;
    let head = "HTTP/1.1 101 Switching Protocols\r\nX-a: b\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    let hops = "connection: Upgrade|upgrade: WebSocket\n";
    assert_eq!(String::from_utf8_lossy(&input), format!("{head}{hops}first "));
    let large = vec![b'x'; 3 << 20];
    input.clear();
    let (mut read, mut write) = client.split();
    let writing = async {
        write.write_all(&large).await.expect("taken");
        write.shutdown().await.expect("open");
    };
    let ((), read) =
        soon("all of it", async { tokio::join!(writing, read.read_to_end(&mut input)) }).await;
    read.expect("a proper end");
    assert!(input.len() == large.len() + 3 && input.ends_with(b"bye"), "{} bytes", input.len());
}

#[tokio::test]
async fn g1_without_101_it_is_a_call_like_any_other() {
    let upstream = Upstream::start(|_, head| match head.starts_with("GET /ws ") {
        true => vec![Act::Send(reply("400 Bad Request", "no"))],
        false => ok("next"),
    })
    .await;
    let (_proxy, mut client) = plain(&upstream).await;
    client.send(format!("{ASKED}GET /evil HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let refused = client.reply().await;
    assert_eq!((refused.status(), refused.text().as_str()), (400, "no"));
    assert_eq!(client.reply().await.text(), "next");
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn g1_g2_only_what_was_asked_for_is_switched_to() {
    for (asked, switched) in [
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", "Upgrade: other\r\n"),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", "Upgrade: websocket, other\r\n"),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", ""),
        ("Connection: Upgrade\r\nUpgrade: h2c\r\n", "Upgrade: h2c\r\n"),
        ("", "Upgrade: websocket\r\n"),
        ("Upgrade: websocket\r\n", "Upgrade: websocket\r\n"),
        ("Connection: Upgrade\r\n", "Upgrade: websocket\r\n"),
    ] {
        let head =
            format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n{switched}\r\n");
        let upstream = Upstream::always(vec![send(&head), Act::Stall]).await;
        let (_proxy, mut client) = plain(&upstream).await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{asked}\r\n")).await;
        client.reply().await.problem(502, "http_upgrade_failed");
        until("the upstream's connection to close", || upstream.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn g4_a_tunnel_that_says_nothing_ends() {
    let upstream = echoing().await;
    let proxy = before(&upstream, |settings| settings.tunnel_timeout = Duration::from_millis(200));
    let mut client = TcpStream::connect(proxy.local_addr()).await.expect("listens");
    client.write_all(ASKED.as_bytes()).await.expect("taken");
    let mut input = Vec::new();
    read_until(&mut client, &mut input, "WebSocket\n").await;
    let end = soon("the end", client.read_to_end(&mut input)).await;
    assert_eq!(end.expect_err("a reset").kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn g4_a_drain_waits_for_tunnels_and_then_cuts_them() {
    for is_patient in [true, false] {
        let upstream = echoing().await;
        let proxy = before(&upstream, |_| {});
        let mut client = TcpStream::connect(proxy.local_addr()).await.expect("listens");
        client.write_all(ASKED.as_bytes()).await.expect("taken");
        let mut input = Vec::new();
        read_until(&mut client, &mut input, "WebSocket\n").await;
        let grace = if is_patient { crate::support::PATIENCE } else { Duration::from_millis(100) };
        let address = proxy.local_addr();
        let talking = async {
            closes(address).await;
            if is_patient {
                client.write_all(b"still here").await.expect("taken");
                read_until(&mut client, &mut input, "still here").await;
                client.shutdown().await.expect("open");
            }
            let _ = soon("the end", client.read_to_end(&mut input)).await;
        };
        let (drained, ()) = tokio::join!(proxy.drain(grace), talking);
        let calls_cut = usize::from(!is_patient);
        assert_eq!(drained, Drained { calls_cut, matched_cut: 0 });
        assert_eq!(input.ends_with(b"bye"), is_patient);
    }
}

/// A rule that takes 101 for a success stores its event before the client learns of it.
#[tokio::test]
async fn g1_a_matched_switch_is_an_event_and_a_tunnel() {
    let upstream = echoing().await;
    let storage = Storage::new();
    let mut matching = rule("a", "GET ^/ws");
    matching.status = vec![101..=101];
    let settings = settings(([127, 0, 0, 1], upstream.port).into());
    let proxy = start(settings, vec![matching], storage.store.clone());
    let mut client = TcpStream::connect(proxy.local_addr()).await.expect("listens");
    client.write_all(format!("{ASKED}first ").as_bytes()).await.expect("taken");
    let mut input = Vec::new();
    read_until(&mut client, &mut input, "first ").await;
    assert_eq!(storage.as_after_a_crash().len(), 1);
    client.shutdown().await.expect("open");
    read_until(&mut client, &mut input, "bye").await;
}
