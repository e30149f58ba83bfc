//! Edits heads in place: hop-by-hop fields go (RFC 9110 7.6.1), our own come, everything else stays
//! as it is, in its order.

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

/// Makes a client's head the upstream's.
pub(super) fn to_upstream(head: &mut Head, body: &RequestBody, client: &Client, terms: &Terms) {
    let upgrade = asked_upgrade(head, body);
    strip_hop_by_hop(head, OF_REQUESTS);
    if head.has(Name::Te) {
        keep_trailers_of_te(head);
    }
    if let Some(protocols) = upgrade {
        head.push("connection", b"Upgrade");
        head.push("upgrade", &protocols);
    }
    frame(head, body);
    forwarded(head, client, terms);
    if terms.settings.via {
        head.push("via", &client.worker.via[usize::from(head.version() == Version::Http10)]);
    }
}

/// Makes an upstream's head the client's.
pub(super) fn to_client(head: &mut Head) {
    if head.status() == 101 {
        return of_switch(head);
    }
    strip_hop_by_hop(head, OF_RESPONSES);
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
        Framing::Chunked if head.has(Name::TransferEncoding) => {}
        Framing::Chunked => {
            head.remove(FRAMING);
            head.push("transfer-encoding", b"chunked");
        }
    }
}

/// One line with the number and nothing else, where it is not that already.
fn plain_length(head: &mut Head, length: u64) {
    let text = length.to_string();
    let is_plain = head.get(Name::ContentLength) == Some(text.as_bytes())
        && head.all(Name::ContentLength).nth(1).is_none();
    if !is_plain {
        head.set("content-length", text.as_bytes());
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
        head.remove(FORWARDED);
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
    if !head.has(Name::XForwardedHost)
        && let Some(host) = head.get(Name::Host)
    {
        let host = host.to_vec();
        head.push("x-forwarded-host", &host);
    }
}

/// All addresses so far in one line, and the peer's.
fn chain(head: &Head, peer: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = head.all(Name::XForwardedFor).chain([peer]).collect();
    lines.join(&b", "[..])
}

/// A length that is written several times, identically, is written once (RFC 9112 6.3).
fn collapse_length(head: &mut Head) {
    let Some(first) = head.get(Name::ContentLength) else { return };
    let is_alone = head.all(Name::ContentLength).nth(1).is_none();
    if is_alone && first.iter().all(u8::is_ascii_digit) {
        return;
    }
    let first = first.split(|&b| b == b',').next().unwrap_or_default().trim_ascii().to_vec();
    head.set("content-length", &first);
}
