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
    /// It carries some, but no secret for them was given.
    Unchecked,
    /// Every scheme that the secret is for holds.
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
    let now_secs = clock::now().as_secs();
    let signature = judge(&head.headers, &body, behaviour.secret.as_ref(), now_secs);
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

/// Checks every scheme that the request carries and the secret is for.
fn judge(headers: &HeaderMap, body: &[u8], secret: Option<&Secret>, now_secs: u64) -> Signature {
    let carried: Vec<Scheme> =
        Scheme::NAMED.into_iter().filter(|scheme| carries(headers, scheme)).collect();
    if carried.is_empty() {
        return Signature::Absent;
    }
    let Some(secret) = secret else { return Signature::Unchecked };
    // The key of an HMAC is no ed25519 key, and the other way round.
    let is_pair = is_ed25519(secret);
    let is_alone = carried.len() == 1;
    let mut verified = Vec::new();
    for scheme in carried {
        if (scheme == Scheme::StandardEd25519) != is_pair {
            continue;
        }
        match sign::verify(&scheme, secret, headers, body, now_secs, TOLERANCE) {
            Ok(()) => verified.push(scheme),
            // Beside a signature it is a secret of its own, or somebody else's token.
            Err(_) if scheme == Scheme::Authorization && !is_alone => {}
            Err(error) => return Signature::Wrong(scheme, error),
        }
    }
    if verified.is_empty() { Signature::Unchecked } else { Signature::Verified(verified) }
}

/// Whether the request says that it is signed by the scheme.
fn carries(headers: &HeaderMap, scheme: &Scheme) -> bool {
    let Some(value) = headers.get(sign::header_name(scheme)) else { return false };
    let text = value.to_str().unwrap_or_default();
    let has = |version: &str| text.split(' ').any(|one| one.starts_with(version));
    match scheme {
        // One header for both; what is neither is a `standard` one that is wrong.
        Scheme::Standard => has("v1,") || !has("v1a,"),
        Scheme::StandardEd25519 => has("v1a,"),
        Scheme::Authorization => !text.starts_with("Basic "),
        _ => true,
    }
}

/// Whether a secret is an ed25519 key, private or public.
pub(super) fn is_ed25519(secret: &Secret) -> bool {
    ["whsk_", "whpk_"].iter().any(|prefix| secret.reveal().starts_with(prefix))
}

/// A signature's worth in words.
pub(super) fn in_words(signature: &Signature) -> String {
    match signature {
        Signature::Absent => "not signed".to_owned(),
        Signature::Unchecked => "signed (give its key as --secret to check it)".to_owned(),
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

    const KEY: &str = "a key";
    const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";

    /// The headers of `{}` signed at second 5 by `schemes`; `authorization` sends `token`.
    fn signed(schemes: &[Scheme]) -> HeaderMap {
        let (key, pair, token) = (Secret::new(KEY), Secret::new(PAIR), Secret::new("token"));
        let keys = sign::Keys {
            hmac: Some(&key),
            previous: vec![],
            ed25519: Some(&pair),
            secret: Some(&token),
        };
        let mut map: HeaderMap =
            sign::headers(schemes, &keys, "id", 5, b"{}").expect("keys").into_iter().collect();
        map.insert("webhook-id", hyper::header::HeaderValue::from_static("id"));
        map.insert("webhook-timestamp", hyper::header::HeaderValue::from_static("5"));
        map
    }

    fn judged(headers: &HeaderMap, secret: &str) -> Signature {
        judge(headers, b"{}", Some(&Secret::new(secret)), 5)
    }

    #[test]
    fn every_scheme_is_recognised_and_checked_with_what_it_is_for() {
        for scheme in Scheme::NAMED {
            let headers = signed(std::slice::from_ref(&scheme));
            let right = match scheme {
                Scheme::StandardEd25519 => PAIR,
                Scheme::Authorization => "token",
                _ => KEY,
            };
            let verified = Signature::Verified(vec![scheme.clone()]);
            assert_eq!(judged(&headers, right), verified);
            assert_eq!(judge(&headers, b"{}", None, 5), Signature::Unchecked);
            let wrong = judged(&headers, "another");
            if scheme == Scheme::StandardEd25519 {
                assert_eq!(wrong, Signature::Unchecked, "no key for it");
            } else {
                assert!(matches!(wrong, Signature::Wrong(..)), "{wrong:?}");
            }
        }
        let all = signed(&Scheme::NAMED);
        let hmacs = Scheme::NAMED
            .into_iter()
            .filter(|scheme| !matches!(scheme, Scheme::StandardEd25519 | Scheme::Authorization));
        assert_eq!(judged(&all, KEY), Signature::Verified(hmacs.collect()));
        assert_eq!(judged(&all, PAIR), Signature::Verified(vec![Scheme::StandardEd25519]));
    }

    #[test]
    fn what_is_no_signature_is_not_taken_for_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(judged(&headers, KEY), Signature::Absent);
        headers.insert("authorization", "Basic dTpw".parse().expect("a value"));
        assert_eq!(judged(&headers, KEY), Signature::Absent);
        let broken = [("webhook-signature", "v2,x"), ("x-webhook-signature", "")];
        for (name, value) in broken {
            let headers = HeaderMap::from_iter([(
                hyper::header::HeaderName::from_static(name),
                value.parse().expect("a value"),
            )]);
            assert!(matches!(judged(&headers, KEY), Signature::Wrong(..)), "{name}");
        }
    }
}
