//! Who is slow, silent or gone, under short limits (P47, P65 to P69, P82, P89, P90, F12, P61).

use std::sync::Arc;
use std::time::Duration;

use sidehook::proxy::Settings;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use super::report::Report;
use super::stand::{Front, Stand};
use super::strict;
use super::talk::{End, Talk, holds};
use crate::support::upstream::{Act, Upstream, head_end, ok, send};
use crate::support::wire::{Wire, some};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

const SHORT: Duration = Duration::from_millis(300);

fn short(settings: &mut Settings) {
    settings.header_timeout = SHORT;
    settings.idle_timeout = SHORT;
    settings.body_timeout = SHORT;
    settings.send_timeout = SHORT;
    settings.upstream_body_timeout = Some(SHORT);
}

/// What is wrong with how a client is got rid of: answered with this first; `None`: or with nothing.
async fn got_rid_of(client: &mut Talk, status: Option<u16>) -> Vec<String> {
    let rest = match client.ended().await {
        Ok(rest) => rest,
        Err(error) => return vec![error],
    };
    let own = strict::response(&rest, false, true).map(|got| (got.status(), got.length));
    match own {
        Ok((got, length)) if Some(got) == status && length == rest.len() => Vec::new(),
        Ok((408, length)) if length == rest.len() && status.is_none() => Vec::new(),
        Err(_) if rest.is_empty() && status.is_none() => Vec::new(),
        _ => vec![format!("not {status:?} but {}", strict::shown(&rest))],
    }
}

#[tokio::test]
async fn p65_p66_p67_heads_that_do_not_come() {
    let mut report = Report::new("P65-P67");
    let stand = Stand::with(short).await;
    for (id, bytes, status) in [
        ("P65", "", None),
        ("P65", "\r\n", None),
        ("P66", "PRI * HT", Some(408)),
        ("P66", "G", Some(408)),
        ("P66", "GET / HTTP/1.1\r\nHost: a\r\n", Some(408)),
    ] {
        let mut client = Talk::to(stand.front.addr()).await;
        client.send(bytes.as_bytes()).await;
        let findings = got_rid_of(&mut client, status).await;
        report.row(id, format!("{bytes:?}, then nothing"), findings);
    }
    for (id, what, bytes, status) in [
        ("P67", "a head byte by byte", "GET / HTTP/1.1\r\nHost: a\r\nX: ", Some(408)),
        ("P65", "a call, then nothing", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (
            "P67",
            "a call, then a head byte by byte",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /",
            Some(408),
        ),
    ] {
        let mut client = Talk::to(stand.front.addr()).await;
        client.send(bytes.as_bytes()).await;
        let mut findings = Vec::new();
        if head_end(bytes.as_bytes()).is_some() {
            findings.extend(client.response(false).await.err());
        }
        if id == "P67" {
            client.drip(Duration::from_millis(20)).await;
        }
        findings.extend(got_rid_of(&mut client, status).await);
        report.row(id, what, findings);
    }
    let complete = stand.recorder.all().len();
    if complete != 2 || !stand.recorder.partials().is_empty() {
        report.row(
            "P65-P67",
            "the upstream",
            vec![format!("{complete} requests, {:?}", stand.recorder.partials())],
        );
    }
    report.finish();
}

#[tokio::test]
async fn p47_p51_p68_bodies_that_do_not_come() {
    let mut report = Report::new("P47 P51 P68");
    for framing in [
        "Content-Length: 10\r\n\r\n",
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
    ] {
        for end in ["nothing", "FIN", "RST"] {
            let stand = Stand::with(short).await;
            let mut client = Talk::to(stand.front.addr()).await;
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}").as_bytes()).await;
            let mut findings = Vec::new();
            match end {
                "nothing" => findings.extend(got_rid_of(&mut client, Some(408)).await),
                "FIN" => {
                    client.finish().await;
                    findings.extend(client.ended().await.err());
                }
                _ => client.reset().await,
            }
            let is_over = || stand.recorder.partials().iter().all(|(_, closed)| *closed);
            if !holds(is_over).await {
                findings.push("the upstream waits for the rest".into());
            }
            for (_, recorded) in stand.recorder.since(stand.start) {
                findings.push(format!(
                    "whole at the upstream: {}",
                    strict::shown(&recorded.message.body)
                ));
            }
            findings.extend(stand.recorder.wrong_since(stand.start));
            if !stand.front.events().is_empty() {
                findings.push("an event of a broken request".into());
            }
            let id = if end == "nothing" { "P68 P51" } else { "P47" };
            report.row(id, format!("{framing:?}, then {end}"), findings);
        }
    }
    report.finish();
}

#[tokio::test]
async fn p69_a_client_that_takes_nothing() {
    let mut report = Report::new("P69");
    let body = "x".repeat(32 << 20);
    for (id, lines) in [
        ("P69", format!("Content-Length: {}\r\n\r\n{body}", body.len())),
        (
            "P69",
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        ),
    ] {
        let upstream = Upstream::always(vec![send(&format!("HTTP/1.1 200 OK\r\n{lines}"))]).await;
        let front = Front::before(upstream.addr, |settings| {
            short(settings);
            settings.capture.response_body_max = 1000;
        });
        let mut client = Talk::to(front.addr()).await;
        client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
        upstream.request(0).await;
        let mut findings = Vec::new();
        // Only whoever does not read learns nothing of it: the upstream's side shows it.
        if !holds(|| upstream.open_connections() == 0).await {
            findings.push("the upstream's connection is kept".into());
        }
        match client.ended().await {
            Ok(_) if client.end == Some(End::Reset) => {}
            Ok(got) => findings.push(format!("{:?} after {} bytes", client.end, got.len())),
            Err(error) => findings.push(error),
        }
        report.row(id, format!("32 MiB, {}", lines.lines().next().unwrap_or_default()), findings);
    }
    report.finish();
}

#[tokio::test]
async fn p82_bodies_that_stand_still() {
    let mut report = Report::new("P82");
    for lines in [
        "Content-Length: 10\r\n\r\nabc",
        "Content-Length: 10\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
        "\r\nabc",
    ] {
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            let acts = vec![send(&format!("HTTP/1.1 200 OK\r\n{lines}")), Act::Stall];
            let upstream = Upstream::always(acts).await;
            let front = Front::before(upstream.addr, short);
            let mut client = Talk::to(front.addr()).await;
            client.send(format!("GET / {version}\r\nHost: a\r\n\r\n").as_bytes()).await;
            let mut findings = Vec::new();
            match client.response(false).await {
                Ok(got) if [502, 504].contains(&got.status()) => {}
                Err(_) if client.end.is_some() => {}
                other => findings.push(format!("{other:?}")),
            }
            if !holds(|| upstream.open_connections() == 0).await {
                findings.push("the upstream's connection is kept".into());
            }
            if !front.events().is_empty() {
                findings.push("an event of a broken response".into());
            }
            report.row("P82 B5", format!("{lines:?} to {version}, then nothing"), findings);
        }
    }
    report.finish();
}

/// B3: the answer comes before the body has gone, and is not lost.
#[tokio::test]
async fn p89_early_answers() {
    let mut report = Report::new("P89 B3");
    for status in ["413 Content Too Large", "401 Unauthorized", "200 OK"] {
        for (end, what) in [(Act::Stall, "silence"), (Act::Close, "FIN"), (Act::Reset, "RST")] {
            for framing in ["Content-Length: 15000000", "Transfer-Encoding: chunked"] {
                let answer = send(&format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nearly"));
                let end = end.clone();
                let upstream =
                    Upstream::start_at_head(move |_, _| vec![answer.clone(), end.clone()]).await;
                let front = Front::before(upstream.addr, |_| {});
                let mut client = Talk::to(front.addr()).await;
                client
                    .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").as_bytes())
                    .await;
                let mut body = vec![b'x'; 4_000_000];
                if framing.starts_with('T') {
                    body = [b"3d0900\r\n", &body[..], b"\r\n"].concat();
                }
                client.send(&body).await;
                let findings = match client.response(false).await {
                    Ok(got) if got.status().to_string() == status[..3] && got.body == b"early" => {
                        Vec::new()
                    }
                    other => vec![format!("{:?}", other.map(|got| strict::text(&got.start)))],
                };
                report.row(
                    "P89 B3 B4",
                    format!("{status} before 4 MB of {framing}, then {what}"),
                    findings,
                );
            }
        }
    }
    report.finish();
}

/// P90, C1: what may have been carried out is not sent again.
#[tokio::test]
async fn p90_only_what_is_idempotent_is_sent_again() {
    let mut report = Report::new("P90 C1");
    for (id, what, request, total, status) in [
        ("P90 C1", "POST", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 2, 502),
        ("P90 C1", "PATCH", "PATCH /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 2, 502),
        (
            "P90 C1",
            "POST without a body",
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            2,
            502,
        ),
        ("P90 C1", "GET", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 3, 200),
        ("P90 C1", "DELETE", "DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", 3, 200),
    ] {
        let upstream =
            Upstream::start(|n, _| if n == 1 { vec![Act::Close] } else { ok("fine") }).await;
        let front = Front::before(upstream.addr, |_| {});
        let mut client = Talk::to(front.addr()).await;
        client.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut findings: Vec<String> = client.response(false).await.err().into_iter().collect();
        client.send(request.as_bytes()).await;
        match client.response(false).await {
            Ok(got) if got.status() == status => {}
            other => findings.push(format!("{:?}", other.map(|got| strict::text(&got.start)))),
        }
        let seen = upstream.requests().len();
        if seen != total {
            findings.push(format!("{seen} requests at the upstream, not {total}"));
        }
        report.row(
            id,
            format!("{what} on a connection that closes instead of answering"),
            findings,
        );
    }
    report.finish();
}

/// F12: what comes on an idle connection answers nobody.
#[tokio::test]
async fn f12_bytes_on_an_idle_connection() {
    let mut report = Report::new("F12");
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (id, late) in
        [("F12", evil), ("F12", "x"), ("F12", "HTTP/1.1 408 Timeout\r\nConnection: close\r\n\r\n")]
    {
        let (go, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (go_there, gone_there) = (Arc::clone(&go), Arc::clone(&gone));
        let upstream = Wire::start(move |mut stream| {
            let (go, gone) = (Arc::clone(&go_there), Arc::clone(&gone_there));
            async move {
                let first = whole_head(&mut stream).await.starts_with(b"GET /first ");
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
                if first {
                    go.notified().await;
                    let _ = stream.write_all(late.as_bytes()).await;
                    gone.notify_one();
                }
                while !some(&mut stream).await.is_empty() {}
            }
        })
        .await;
        let front = Front::before(([127, 0, 0, 1], upstream.port).into(), |_| {});
        let mut client = Talk::to(front.addr()).await;
        let mut findings = Vec::new();
        for target in ["/first", "/second"] {
            client
                .send(
                    format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                        .replace("POST /first", "GET /first")
                        .as_bytes(),
                )
                .await;
            match client.response(false).await {
                Ok(got) if got.body == b"good" => {}
                other => findings
                    .push(format!("{target}: {:?}", other.map(|got| strict::text(&got.body)))),
            }
            go.notify_one();
            if target == "/first" {
                gone.notified().await;
            }
        }
        report.row(id, format!("{late:?} after a response"), findings);
    }
    report.finish();
}

/// P61, G3: what a client sends behind its wish to upgrade waits for the 101.
#[tokio::test]
async fn p61_nothing_goes_before_101() {
    let mut report = Report::new("P61");
    let evil = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    let behind_length = evil.len();
    let go = Arc::new(Notify::new());
    let early = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (go_there, early_there) = (Arc::clone(&go), Arc::clone(&early));
    let upstream = Wire::start(move |mut stream| {
        let (go, early) = (Arc::clone(&go_there), Arc::clone(&early_there));
        async move {
            let head = whole_head(&mut stream).await;
            if head.starts_with(b"GET /barrier ") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                return;
            }
            go.notified().await;
            let mut buffer = [0; 1024];
            let waiting = stream.try_read(&mut buffer).map_or(Vec::new(), |n| buffer[..n].to_vec());
            let behind = head[head_end(&head).unwrap_or(0)..].to_vec();
            *early.lock().expect("sound") = [behind, waiting].concat();
            let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello").await;
            let mut got = vec![0; behind_length];
            let _ = stream.read_exact(&mut got).await;
            let _ = stream.write_all(&[b"echo ", &got[..]].concat()).await;
        }
    })
    .await;
    let front = Front::before(([127, 0, 0, 1], upstream.port).into(), |_| {});
    let mut client = Talk::to(front.addr()).await;
    client.send(format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n{evil}").as_bytes()).await;
    let mut other = Talk::to(front.addr()).await;
    other.send(b"GET /barrier HTTP/1.1\r\nHost: b\r\n\r\n").await;
    let mut findings: Vec<String> = other.response(false).await.err().into_iter().collect();
    go.notify_one();
    match client.response(false).await {
        Ok(got) if got.status() == 101 => {}
        other => findings.push(format!("{:?}", other.map(|got| strict::text(&got.start)))),
    }
    match client.ended().await {
        Ok(got) if got == format!("helloecho {evil}").as_bytes() => {}
        other => {
            findings.push(format!("through the tunnel: {:?}", other.map(|got| strict::text(&got))));
        }
    }
    let early = strict::shown(&early.lock().expect("sound"));
    if early != "\"\"" {
        findings.push(format!("before the 101: {early}"));
    }
    report.row("P61 G1 G3", "an upgrade with a request in the same packet", findings);
    report.finish();
}

async fn whole_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut input = Vec::new();
    while head_end(&input).is_none() && stream.read_buf(&mut input).await.is_ok_and(|n| n > 0) {}
    input
}
