//! A receiver of webhooks for development: `sidehook listen` and the demo share it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::clock;
use crate::model::{Scheme, Secret, Timestamp};
use crate::sign::{self, VerifyError};

/// Largest body it takes, bytes: twice the largest captures anyone would show on a terminal.
const BODY_BYTES_MAX: usize = 64 << 20;

/// How far a `standard` signature's time may be from now (Standard Webhooks recommends minutes).
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Webhooks waiting to be looked at; a sender waits while it is full.
const WAITING_MAX: usize = 1024;

/// How it answers.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    /// The key that signatures are checked with.
    pub(super) secret: Option<Secret>,
    /// The status of every answer.
    pub(super) status: StatusCode,
    /// This many first requests are answered 500.
    pub(super) fail_first: u64,
    /// Wait before every answer.
    pub(super) delay: Duration,
}

/// One webhook that arrived.
#[derive(Debug)]
pub(super) struct Received {
    /// When it had arrived.
    pub(super) time: Timestamp,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body.
    pub(super) body: Bytes,
    /// What its signatures are worth.
    pub(super) signature: Signature,
    /// How it was answered.
    pub(super) answered: StatusCode,
}

impl Received {
    /// A header's text, or `-`.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-")
    }
}

/// What the signatures of a request are worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// It carries none.
    Absent,
    /// It carries some, but no secret was given to check them with.
    Unchecked,
    /// Every scheme that it carries holds.
    Verified(Vec<Scheme>),
    /// A scheme does not hold.
    Wrong(Scheme, VerifyError),
}

/// Serves on `listener` until the runtime ends; what arrives comes out of the channel.
pub(super) fn start(listener: TcpListener, behaviour: Behaviour) -> mpsc::Receiver<Received> {
    let (sender, received) = mpsc::channel(WAITING_MAX);
    tokio::spawn(accept(listener, Arc::new(behaviour), sender));
    received
}

async fn accept(listener: TcpListener, behaviour: Arc<Behaviour>, sender: mpsc::Sender<Received>) {
    let n_requests = Arc::new(AtomicU64::new(0));
    loop {
        let Ok((stream, _peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await; // out of descriptors: try again
            continue;
        };
        let (behaviour, sender) = (Arc::clone(&behaviour), sender.clone());
        let n_requests = Arc::clone(&n_requests);
        let service = service_fn(move |request| {
            let number = n_requests.fetch_add(1, Ordering::Relaxed);
            answer(request, number, Arc::clone(&behaviour), sender.clone())
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new());
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    number: u64,
    behaviour: Arc<Behaviour>,
    sender: mpsc::Sender<Received>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(plain(
            StatusCode::BAD_REQUEST,
            "the body is incomplete or larger than 64 MiB\n",
        ));
    };
    let body = body.to_bytes();
    let signature = judge(&head.headers, &body, behaviour.secret.as_ref());
    let fails = number < behaviour.fail_first;
    let answered = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { behaviour.status };
    tokio::time::sleep(behaviour.delay).await;
    let received =
        Received { time: clock::now(), headers: head.headers, body, signature, answered };
    // Nobody listens any more only when the process ends.
    let _ = sender.send(received).await;
    Ok(plain(answered, if answered.is_success() { "OK" } else { "as asked for" }))
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// Checks every scheme whose header is there.
fn judge(headers: &HeaderMap, body: &[u8], secret: Option<&Secret>) -> Signature {
    let carried = |scheme: &Scheme| match scheme {
        Scheme::Standard => headers.contains_key("webhook-signature"),
        Scheme::Sha256 => headers.contains_key("x-webhook-signature"),
        _ => false,
    };
    let schemes: Vec<Scheme> =
        [Scheme::Standard, Scheme::Sha256].into_iter().filter(carried).collect();
    let Some(secret) = secret else {
        return if schemes.is_empty() { Signature::Absent } else { Signature::Unchecked };
    };
    for scheme in &schemes {
        let now_secs = clock::now().as_secs();
        if let Err(error) = sign::verify(scheme, secret, headers, body, now_secs, TOLERANCE) {
            return Signature::Wrong(scheme.clone(), error);
        }
    }
    if schemes.is_empty() { Signature::Absent } else { Signature::Verified(schemes) }
}

/// A signature's worth in words.
pub(super) fn in_words(signature: &Signature) -> String {
    match signature {
        Signature::Absent => "not signed".to_owned(),
        Signature::Unchecked => "signed (give --secret to check it)".to_owned(),
        Signature::Verified(schemes) => {
            let names: Vec<&str> = schemes.iter().map(|scheme| scheme.name()).collect();
            format!("signature verified ({})", names.join(", "))
        }
        Signature::Wrong(scheme, error) => format!("SIGNATURE WRONG ({}: {error})", scheme.name()),
    }
}

/// Text from outside, safe to print on a terminal: control characters are escaped, and the text
/// ends after `chars_max` characters.
pub(super) fn excerpt(bytes: &[u8], chars_max: usize) -> String {
    shown(&String::from_utf8_lossy(bytes), chars_max, None)
}

/// Like [`excerpt`], with its lines kept: each after the first begins with `indent`, so that none
/// can pass for a line of ours. JSON that its maker spread over lines stays JSON to the eye.
pub(super) fn passage(bytes: &[u8], chars_max: usize, indent: &str) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    shown(&text, chars_max, Some(indent))
}

fn shown(text: &str, chars_max: usize, indent: Option<&str>) -> String {
    let mut shown = String::new();
    for (n, letter) in text.chars().enumerate() {
        if n == chars_max {
            shown.push_str("...");
            break;
        }
        if let Some(indent) = indent
            && matches!(letter, '\n' | '\t')
        {
            shown.push(letter);
            shown.push_str(if letter == '\n' { indent } else { "" });
            continue;
        }
        // Bidirectional overrides can make text read as something else (CVE-2021-42574).
        let is_sly = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if letter.is_control() || is_sly {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_reaches_the_terminal_raw() {
        assert_eq!(excerpt(b"a\x1b[31mb\r\n", 100), "a\\u{1b}[31mb\\u{d}\\u{a}");
        assert_eq!(excerpt("abcd".as_bytes(), 2), "ab...");
        assert_eq!(excerpt("\u{202e}x".as_bytes(), 9), "\\u{202e}x");
    }

    #[test]
    fn a_body_spread_over_lines_stays_readable_and_inside_its_margin() {
        let body = b"{\r\n\t\"a\": 1\n}\n2026 signature verified\x1b[1m\r";
        let shown = passage(body, 100, "  ");
        assert_eq!(shown, "{\n  \t\"a\": 1\n  }\n  2026 signature verified\\u{1b}[1m\\u{d}");
        assert_eq!(passage(b"a\nbc", 3, "  "), "a\n  b...");
    }
}
