//! Names, connections, and what breaks or hangs on the way to a reply.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::Case;
use crate::support::receiver::{Answer, dead_port};
use crate::support::wire::{Wire, full_port, reset, some};

const OK_9: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";

pub(super) async fn cases() -> Vec<Case> {
    let mut cases = connections().await;
    cases.extend(requests().await);
    cases.extend(heads().await);
    cases.extend(bodies().await);
    cases
}

fn url(port: u16) -> url::Url {
    format!("http://127.0.0.1:{port}/").parse().expect("a URL")
}

async fn connections() -> Vec<Case> {
    // A label of more than 63 octets (RFC 1035 2.3.4): no resolver asks anybody for it.
    let nowhere = format!("http://{}.invalid/", "a".repeat(64)).parse().expect("a URL");
    let (full, queue) = full_port();
    let closing = Wire::start(|stream| async { drop(stream) }).await;
    let resetting = Wire::start(|stream| async {
        let _ = stream.peek(&mut [0]).await;
        reset(stream);
    })
    .await;
    vec![
        Case::new("a name that does not exist", nowhere, "unreachable/resolve", "", ()),
        Case::new(
            "nobody listens",
            url(dead_port().await),
            "unreachable/connect",
            "Connection refused",
            (),
        ),
        Case::new("a host that is silent", url(full), "timed_out/connect", "connecting", queue)
            .short(),
        Case::new("closed after accept", closing.url("http"), "broken/response", "", closing),
        Case::new(
            "reset at the first byte",
            resetting.url("http"),
            "broken/response",
            "",
            resetting,
        ),
    ]
}

async fn requests() -> Vec<Case> {
    let within = Wire::start(|mut stream| async {
        some(&mut stream).await;
        reset(stream);
    })
    .await;
    let deaf = Wire::start(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    vec![
        Case::new("reset within the request", within.url("http"), "broken/response", "", within)
            .large(),
        Case::new("the request is never read", deaf.url("http"), "timed_out/response", "", deaf)
            .large()
            .short(),
    ]
}

async fn heads() -> Vec<Case> {
    let part = b"HTTP/1.1 200 OK\r\ncontent-le".to_vec();
    let drip = Wire::start(|mut stream| async move {
        some(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nx-endless: ".iter().chain(std::iter::repeat(&b'.'));
        for &byte in head {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let hang = Wire::says(part.clone()).await;
    vec![
        Case::answered("silence", Answer::Hang, "timed_out/response", "").await.short(),
        Case::answered("reset before the head", Answer::Reset, "broken/response", "reset").await,
        Case::answered(
            "closed before the head",
            Answer::CloseAfter(Vec::new()),
            "broken/response",
            "closed before the reply was whole",
        )
        .await,
        Case::answered(
            "closed within the head",
            Answer::CloseAfter(part.clone()),
            "broken/response",
            "closed before the reply was whole",
        )
        .await,
        Case::answered(
            "reset within the head",
            Answer::ResetAfter(part),
            "broken/response",
            "reset",
        )
        .await,
        Case::new("a head that stops", hang.url("http"), "timed_out/response", "", hang).short(),
        Case::new("a head that drips", drip.url("http"), "timed_out/response", "", drip).short(),
    ]
}

async fn bodies() -> Vec<Case> {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel".to_vec();
    let bad_chunk =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n".to_vec();
    let after = |what, answer, says| Case::answered(what, answer, "broken/body", says);
    let drip = Answer::Drip(Duration::from_millis(20));
    vec![
        after("reset within the body", Answer::ResetAfter(OK_9.to_vec()), "reset").await,
        after("a body shorter than told", Answer::CloseAfter(OK_9.to_vec()), "before").await,
        after("closed within a chunk", Answer::CloseAfter(chunked), "").await,
        after("a bad chunk size", Answer::Raw(bad_chunk), "").await,
        Case::answered("a body that stops", Answer::Raw(OK_9.to_vec()), "timed_out/body", "")
            .await
            .short(),
        Case::answered("a body that drips", drip, "timed_out/body", "").await.short(),
        Case::answered("an endless body: its status counts", Answer::Endless, "delivered", "")
            .await,
        Case::answered("a gzip bomb: not decompressed", Answer::Raw(bomb()), "delivered", "").await,
    ]
}

/// 1 MB of a compressed stream.
fn bomb() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1000003\r\n\r\n";
    [head.as_bytes(), b"\x1f\x8b\x08", &[0; 1_000_000]].concat()
}
