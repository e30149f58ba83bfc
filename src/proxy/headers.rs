//! Edits heads in place: hop-by-hop fields go (RFC 9110 7.6.1), our own come, everything else stays
//! as it is, in its order.

use http::HeaderMap;

use super::client::{Client, Peer, Scheme};
use super::terms::Terms;
use super::upload::RequestBody;
use super::wire::{Framing, Head, Name, Names, Version};

/// What concerns one connection only, whatever `Connection` says.
const HOP_BY_HOP: Names = Names::none()
    .with(Name::Connection)
    .with(Name::KeepAlive)
    .with(Name::ProxyConnection)
    .with(Name::Upgrade)
    .with(Name::Http2Settings);
const OF_REQUESTS: Names = Names::none().with(Name::ProxyAuthorization);
const OF_RESPONSES: Names = Names::none().with(Name::ProxyAuthenticate).with(Name::Te);
const FRAMING: Names = Names::none().with(Name::ContentLength).with(Name::TransferEncoding);
const FORWARDED: Names = Names::none()
    .with(Name::XForwardedFor)
    .with(Name::XForwardedHost)
    .with(Name::XForwardedProto)
    .with(Name::XForwardedOther);

/// What no trailer may say, since what follows the body is too late for it or nobody's to change
/// (RFC 9110 6.5.1): a recipient may merge trailers with the fields.
const NOT_IN_TRAILERS: Names = HOP_BY_HOP
    .and(OF_REQUESTS)
    .and(OF_RESPONSES)
    .and(FRAMING)
    .and(FORWARDED)
    .with(Name::ContentType)
    .with(Name::Expect)
    .with(Name::Forwarded)
    .with(Name::Host)
    .with(Name::MaxForwards)
    .with(Name::Te)
    .with(Name::Trailer)
    .with(Name::Via);
const ALSO_NOT_IN_TRAILERS: [&str; 10] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "cookie",
    "pragma",
    "range",
    "set-cookie",
    "www-authenticate",
    "x-real-ip",
];

/// Makes a client's head the upstream's.
pub(super) fn to_upstream(head: &mut Head, body: &RequestBody, client: &Client, terms: &Terms) {
    let upgrade = asked_upgrade(head, body);
    strip_hop_by_hop(head, OF_REQUESTS);
    if head.has(Name::Expect)
        && (head.version() == Version::Http10 || body.framing() == Framing::None)
    {
        // RFC 9110 10.1.1: of no meaning there.
        head.remove(Names::none().with(Name::Expect));
    }
    if head.has(Name::MaxForwards) {
        count_down(head);
    }
    if head.has(Name::Te) {
        keep_trailers_of_te(head);
    }
    if let Some(protocols) = upgrade {
        head.push("connection", b"Upgrade");
        head.push("upgrade", &protocols);
    }
    frame(head, body);
    forwarded(head, client, terms);
    if !head.has(Name::Host) {
        // An HTTP/1.0 client may name none; what we send must (RFC 9112 3.2).
        head.push("host", terms.settings.upstream.authority().as_bytes());
    }
    if terms.settings.via {
        head.push("via", &client.worker.via[head.version() as usize]);
    }
}

/// Makes an upstream's head the client's.
pub(super) fn to_client(head: &mut Head) {
    if head.status() == 101 {
        return of_switch(head);
    }
    // RFC 9110 15.5.22: what the client is to switch to.
    let wanted = (head.status() == 426).then(|| head.get(Name::Upgrade).map(<[u8]>::to_vec));
    strip_hop_by_hop(head, OF_RESPONSES);
    if let Some(protocols) = wanted.flatten() {
        head.push("connection", b"Upgrade");
        head.push("upgrade", &protocols);
    }
    if head.status() == 204 {
        // RFC 9110 8.6: some clients would wait for a body.
        head.remove(FRAMING);
    }
    if head.has(Name::TransferEncoding) {
        // It overrides Content-Length (RFC 9112 6.3); the body is chunked anew.
        head.remove(FRAMING);
    }
    collapse_length(head);
}

/// Makes the head of an interim response the client's.
pub(super) fn of_interim(head: &mut Head) {
    strip_hop_by_hop(head, OF_RESPONSES);
    // There is no body (RFC 9110 15.2).
    head.remove(FRAMING);
}

/// Whether a request ends here (RFC 9110 7.6.2).
pub(super) fn is_at_last_hop(head: &Head) -> bool {
    head.method() == b"OPTIONS" && forwards_left(head) == Some(0)
}

/// Takes away what trailers of a request must not say, under whatever name a gateway interface
/// would read it.
pub(super) fn clean_request_trailers(trailers: &mut HeaderMap) {
    let is_refused = |name: &str| {
        let name = name.replace('_', "-");
        NOT_IN_TRAILERS.has(Name::of(name.as_bytes()))
            || ALSO_NOT_IN_TRAILERS.contains(&name.as_str())
            || name.starts_with("if-")
    };
    remove_trailers(trailers, is_refused);
}

/// Takes away what trailers of a response must not say about the connection.
pub(super) fn clean_response_trailers(trailers: &mut HeaderMap) {
    let names = HOP_BY_HOP.and(OF_RESPONSES).and(FRAMING).with(Name::Host).with(Name::Trailer);
    remove_trailers(trailers, |name| names.has(Name::of(name.as_bytes())));
}

fn remove_trailers(trailers: &mut HeaderMap, is_refused: impl Fn(&str) -> bool) {
    let refused: Vec<_> =
        trailers.keys().filter(|name| is_refused(name.as_str())).cloned().collect();
    for name in refused {
        trailers.remove(name);
    }
}

fn forwards_left(head: &Head) -> Option<u64> {
    std::str::from_utf8(head.get(Name::MaxForwards)?).ok()?.parse().ok()
}

/// RFC 9110 7.6.2: for OPTIONS it is counted; other methods keep what they say.
fn count_down(head: &mut Head) {
    if head.method() == b"OPTIONS"
        && let Some(left) = forwards_left(head)
    {
        head.set("max-forwards", left.saturating_sub(1).to_string().as_bytes());
    }
}

/// 101: what it switches to stays.
fn of_switch(head: &mut Head) {
    let protocols = head.get(Name::Upgrade).map(<[u8]>::to_vec);
    strip_hop_by_hop(head, OF_RESPONSES);
    head.remove(FRAMING);
    head.push("connection", b"Upgrade");
    if let Some(protocols) = protocols {
        head.push("upgrade", &protocols);
    }
}

/// The protocols that a client wants to switch to, those left out that lead past the proxy.
fn asked_upgrade(head: &Head, body: &RequestBody) -> Option<Vec<u8>> {
    if !head.has(Name::Upgrade)
        || head.version() != Version::Http11
        || body.framing() != Framing::None
        || !head.lists(Name::Connection, b"upgrade")
    {
        return None;
    }
    let is_http = |protocol: &[u8]| {
        protocol.eq_ignore_ascii_case(b"h2c")
            || protocol.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"http"))
    };
    let kept: Vec<&[u8]> =
        head.members(Name::Upgrade).filter(|protocol| !is_http(protocol)).collect();
    (!kept.is_empty()).then(|| kept.join(&b", "[..]))
}

fn strip_hop_by_hop(head: &mut Head, more: Names) {
    if head.has(Name::Connection) {
        strip_nominated(head);
    }
    head.remove(HOP_BY_HOP.and(more));
}

/// Removes the fields that all `Connection` fields name (RFC 9110 7.6.1).
fn strip_nominated(head: &mut Head) {
    // Most say only this.
    let is_usual = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"keep-alive")
            || name.eq_ignore_ascii_case(b"close")
            || name.eq_ignore_ascii_case(b"upgrade")
    };
    let names: Vec<Vec<u8>> = head
        .members(Name::Connection)
        .filter(|name| !is_usual(name))
        // Framing is nobody's to remove; TE is judged by its value.
        .filter(|name| {
            !matches!(
                Name::of(name),
                Name::ContentLength | Name::TransferEncoding | Name::Te | Name::Trailer
            )
        })
        .map(<[u8]>::to_vec)
        .collect();
    names.iter().for_each(|name| head.remove_named(name));
}

/// Of `TE` only `trailers` is passed on (RFC 9110 10.1.4).
fn keep_trailers_of_te(head: &mut Head) {
    let wants_trailers = head.lists(Name::Te, b"trailers");
    head.remove(Names::none().with(Name::Te));
    if wants_trailers {
        head.push("te", b"trailers");
    }
}

/// Says how the body ends, once and in the plainest way.
fn frame(head: &mut Head, body: &RequestBody) {
    match body.framing() {
        Framing::None | Framing::UntilClose => {
            head.remove(Names::none().with(Name::TransferEncoding));
            if head.has(Name::ContentLength) {
                plain_length(head, 0);
            }
        }
        Framing::Exact(length) => plain_length(head, length),
        Framing::Chunked if head.get(Name::TransferEncoding) == Some(b"chunked") => {}
        Framing::Chunked => {
            head.remove(FRAMING);
            head.push("transfer-encoding", b"chunked");
        }
    }
}

/// One line with the number and nothing else, where it is not that already.
fn plain_length(head: &mut Head, length: u64) {
    // It is this number, and may be written with zeros in front or more than once.
    let first = head.get(Name::ContentLength);
    let is_plain = first.is_some_and(|text| text.len() == 1 || text.first() != Some(&b'0'))
        && head.all(Name::ContentLength).nth(1).is_none();
    if !is_plain {
        head.set("content-length", length.to_string().as_bytes());
    }
}

/// Says who called: a trusted proxy's word is kept and added to, anyone else's is replaced.
fn forwarded(head: &mut Head, client: &Client, terms: &Terms) {
    let proto: &[u8] = match client.scheme {
        Scheme::Http => b"http",
        Scheme::Https => b"https",
    };
    let is_trusted = match client.peer {
        Peer::Local => true,
        Peer::Ip(ip) => terms.settings.trusted_proxies.iter().any(|net| net.contains(&ip)),
    };
    if !is_trusted {
        head.remove(FORWARDED.with(Name::Forwarded));
    }
    if head.has(Name::Forwarded) {
        let is_ipv6 = matches!(client.peer, Peer::Ip(ip) if ip.is_ipv6());
        let chain = forwarded_chain(head, &client.address, is_ipv6, proto);
        head.set("forwarded", &chain);
    }
    if client.peer == Peer::Local {
        // It has no address that could be added, and said who called it, if anybody did.
    } else if head.has(Name::XForwardedFor) {
        let chain = chain(head, client.address.as_bytes());
        head.set("x-forwarded-for", &chain);
    } else {
        head.push("x-forwarded-for", client.address.as_bytes());
    }
    if !head.has(Name::XForwardedProto) {
        head.push("x-forwarded-proto", proto);
    }
    if !head.has(Name::XForwardedHost) {
        head.push_value_of("x-forwarded-host", Name::Host);
    }
}

/// All elements so far in one line, and ours (RFC 7239 4 and 6).
fn forwarded_chain(head: &Head, peer: &str, is_ipv6: bool, proto: &[u8]) -> Vec<u8> {
    let mut chain = head.all(Name::Forwarded).collect::<Vec<_>>().join(&b", "[..]);
    let node = if is_ipv6 { format!("\"[{peer}]\"") } else { peer.to_owned() };
    chain.extend_from_slice(format!(", for={node}").as_bytes());
    if let Some(host) = head.get(Name::Host) {
        chain.extend_from_slice(b";host=\"");
        chain.extend_from_slice(host);
        chain.push(b'"');
    }
    chain.extend_from_slice(b";proto=");
    chain.extend_from_slice(proto);
    chain
}

/// All addresses so far in one line, and the peer's.
fn chain(head: &Head, peer: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = head.all(Name::XForwardedFor).chain([peer]).collect();
    lines.join(&b", "[..])
}

/// A length that is written several times, identically, is written once (RFC 9112 6.3), and plainly.
fn collapse_length(head: &mut Head) {
    let Some(first) = head.get(Name::ContentLength) else { return };
    let is_alone = head.all(Name::ContentLength).nth(1).is_none();
    let is_plain = first.len() == 1 || first.first() != Some(&b'0');
    if is_alone && is_plain && first.iter().all(u8::is_ascii_digit) {
        return;
    }
    let first = first.split(|&b| b == b',').next().unwrap_or_default().trim_ascii();
    let n_zeros = first.iter().take_while(|&&b| b == b'0').count();
    let plain = first[n_zeros.min(first.len().saturating_sub(1))..].to_vec();
    head.set("content-length", &plain);
}
