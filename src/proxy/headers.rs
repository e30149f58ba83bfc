//! Edits heads in place: hop-by-hop fields go (RFC 9110 7.6.1), our own come, everything else stays
//! as it is, in its order.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Version, request, response};
use http_body::Body;
use hyper::body::Incoming;

use super::client::{Client, Peer, Scheme};
use super::terms::Terms;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Makes a client's head the upstream's.
pub(super) fn to_upstream(
    head: &mut request::Parts,
    body: &Incoming,
    client: &Client,
    terms: &Terms,
) {
    let headers = &mut head.headers;
    strip_hop_by_hop(headers);
    keep_trailers_of_te(headers);
    headers.remove(header::PROXY_AUTHORIZATION);
    // Met by now: the parser answers 100 as soon as the body is asked for.
    headers.remove(header::EXPECT);
    if body.is_end_stream() {
        // A body that is not there must not be announced: the upstream would wait for it.
        headers.remove(header::TRANSFER_ENCODING);
        if headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0") {
            headers.remove(header::CONTENT_LENGTH);
        }
    }
    // `Transfer-Encoding: chunked` stays otherwise: without it a chunked GET would lose its body.
    forwarded(headers, client, terms);
    if terms.settings.via {
        let via = &client.worker.via[usize::from(head.version == Version::HTTP_10)];
        headers.append(header::VIA, via.clone());
    }
    head.version = Version::HTTP_11;
}

/// Makes an upstream's head the client's.
pub(super) fn to_client(head: &mut response::Parts, body: &Incoming) {
    let headers = &mut head.headers;
    strip_hop_by_hop(headers);
    headers.remove(header::TE);
    headers.remove(header::PROXY_AUTHENTICATE);
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // Transfer-Encoding overrides Content-Length (RFC 9112 6.3); the body is chunked anew.
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
    }
    collapse_length(headers, body);
    head.version = Version::HTTP_11;
}

/// The field names in all `Connection` fields (RFC 9110 7.6.1).
pub(super) fn nominated(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(header::CONNECTION).iter();
    let names =
        lines.flat_map(|line| line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii));
    names.filter(|name| !name.is_empty())
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        strip_nominated(headers);
        headers.remove(header::CONNECTION);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(header::UPGRADE);
    headers.remove(HTTP2_SETTINGS);
}

fn strip_nominated(headers: &mut HeaderMap) {
    // Most clients say only this.
    let is_usual = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"keep-alive") || name.eq_ignore_ascii_case(b"close")
    };
    let names: Vec<HeaderName> = nominated(headers)
        .filter(|name| !is_usual(name))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect();
    for name in names {
        // Framing is not the client's to remove; TE is judged by its value.
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TE, header::TRAILER]
            .contains(&name)
        {
            headers.remove(name);
        }
    }
}

/// Of `TE` only `trailers` is passed on (RFC 9110 10.1.4).
fn keep_trailers_of_te(headers: &mut HeaderMap) {
    if !headers.contains_key(header::TE) {
        return;
    }
    let wants_trailers = headers.get_all(header::TE).iter().any(|te| {
        let mut codings = te.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii);
        codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
    });
    if wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(header::TE);
    }
}

/// Says who called: a trusted proxy's word is kept and added to, anyone else's is replaced.
fn forwarded(headers: &mut HeaderMap, client: &Client, terms: &Terms) {
    let host = headers.get(header::HOST).cloned();
    let proto = HeaderValue::from_static(match client.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    });
    let is_trusted = match client.peer {
        Peer::Local => true,
        Peer::Ip(ip) => terms.settings.trusted_proxies.iter().any(|net| net.contains(&ip)),
    };
    if is_trusted {
        if client.peer != Peer::Local {
            let chain = chain(headers, &client.address);
            headers.insert(FORWARDED_FOR, chain);
        }
        headers.entry(FORWARDED_PROTO).or_insert(proto);
        if let Some(host) = host {
            headers.entry(FORWARDED_HOST).or_insert(host);
        }
        return;
    }
    strip_forwarded(headers);
    headers.insert(FORWARDED_FOR, client.address.clone());
    headers.insert(FORWARDED_PROTO, proto);
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
}

fn strip_forwarded(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| name.as_str().starts_with("x-forwarded-")) {
        let name = name.clone();
        headers.remove(name);
    }
}

/// All addresses so far in one line, and the peer's.
fn chain(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut lines = headers.get_all(FORWARDED_FOR).iter().peekable();
    if lines.peek().is_none() {
        return peer.clone();
    }
    let mut all = Vec::new();
    for line in lines.chain([peer]) {
        if !all.is_empty() {
            all.extend_from_slice(b", ");
        }
        all.extend_from_slice(line.as_bytes());
    }
    HeaderValue::from_bytes(&all).unwrap_or_else(|_| peer.clone())
}

/// A length that is written several times, identically, is written once (RFC 9112 6.3).
fn collapse_length(headers: &mut HeaderMap, body: &Incoming) {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    if lengths.next().is_none() && first.as_bytes().iter().all(u8::is_ascii_digit) {
        return;
    }
    let length = match body.size_hint().exact() {
        Some(length) if !body.is_end_stream() => Some(HeaderValue::from(length)),
        // The answer to a HEAD: there is no body to ask.
        _ => {
            let mut words = first.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii);
            words.next().and_then(|word| HeaderValue::from_bytes(word).ok())
        }
    };
    headers.remove(header::CONTENT_LENGTH);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length);
    }
}
