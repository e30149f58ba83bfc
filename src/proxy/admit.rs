//! Which requests are refused before anything is done with them: those that the upstream might
//! understand otherwise than we do (RFC 9110 7.2, RFC 9112 3.2 and 6).

use std::net::Ipv6Addr;

use http::StatusCode;

use super::error::Problem;
use super::terms::Terms;
use super::wire::{Head, Name, Version};

/// Checks a request's head and brings an absolute-form target into origin form.
///
/// # Errors
/// The request must not be forwarded.
pub(super) fn admit(head: &mut Head, terms: &Terms) -> Result<(), Problem> {
    method(head.method())?;
    target(head)?;
    if head.has(Name::Expect) {
        expectation(head)?;
    }
    if head.has(Name::Connection) {
        nominations(head)?;
    }
    if head.has(Name::Via) {
        loop_detection(head, terms)?;
    }
    Ok(())
}

fn bad(detail: &str) -> Problem {
    Problem::refused(StatusCode::BAD_REQUEST, detail)
}

fn method(method: &[u8]) -> Result<(), Problem> {
    if method == b"CONNECT" || method == b"TRACE" {
        let method = String::from_utf8_lossy(method);
        let detail = format!("{method} is not passed on.");
        return Err(Problem::refused(StatusCode::METHOD_NOT_ALLOWED, detail));
    }
    Ok(())
}

/// Origin form, `*` for OPTIONS, or absolute form, which is brought into one of these
/// (RFC 9112 3.2).
fn target(head: &mut Head) -> Result<(), Problem> {
    let target = head.target();
    if target.starts_with(b"/") || target == b"*" && head.method() == b"OPTIONS" {
        return host(head, None);
    }
    let after_scheme = [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(rest) = after_scheme else {
        return Err(bad("The request's target is neither a path nor an http address."));
    };
    let at = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let authority = rest[..at].to_vec();
    if !is_host(&authority) {
        return Err(bad("The authority of the request's target is not a host and a port."));
    }
    let range = target.len() - rest.len() + at..target.len();
    match rest.get(at) {
        Some(b'/') => head.narrow_target(range),
        Some(_) => {
            let target = [b"/", &rest[at..]].concat();
            head.set_target(&target);
        }
        // RFC 9112 3.2.4: what an absolute form without a path means for OPTIONS.
        None if head.method() == b"OPTIONS" => head.set_target(b"*"),
        None => head.set_target(b"/"),
    }
    host(head, Some(&authority))
}

/// Exactly one valid `Host` (RFC 9112 3.2), equal to the target's authority if it has one.
fn host(head: &mut Head, authority: Option<&[u8]>) -> Result<(), Problem> {
    let host = head.get(Name::Host);
    if head.all(Name::Host).nth(1).is_some() {
        return Err(bad("The request has more than one Host field."));
    }
    match (host, authority) {
        (Some(host), _) if !is_host(host) => {
            Err(bad("The Host field is not a host and an optional port."))
        }
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            Err(bad("The Host field differs from the authority of the request's target."))
        }
        (Some(_), _) => Ok(()),
        (None, _) if head.version() == Version::Http11 => {
            Err(bad("An HTTP/1.1 request must have a Host field (RFC 9112 3.2)."))
        }
        (None, _) if head.version() == Version::Http2 => {
            Err(bad("An HTTP/2 request must have an :authority or a Host field (RFC 9113 8.3.1)."))
        }
        (None, None) => Ok(()),
        (None, Some(authority)) => {
            head.push("host", authority);
            Ok(())
        }
    }
}

/// `host [":" port]` without user information.
fn is_host(text: &[u8]) -> bool {
    let (name, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|&b| b == b']') else { return false };
            let address = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            (&b"0"[..], &rest[end + 1..])
        }
        None => text.split_at(text.iter().position(|&b| b == b':').unwrap_or(text.len())),
    };
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(b);
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => {
            let digits = std::str::from_utf8(digits).unwrap_or("?");
            digits.is_empty()
                || digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        _ => false,
    };
    !name.is_empty() && name.iter().all(is_name) && has_sound_escapes(name) && is_port
}

/// Each `%` begins two hexadecimal digits (RFC 3986 2.1).
fn has_sound_escapes(text: &[u8]) -> bool {
    let mut after = text.split(|&b| b == b'%').skip(1);
    after.all(|rest| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit))
}

/// RFC 9110 10.1.1: the only expectation there is.
fn expectation(head: &Head) -> Result<(), Problem> {
    if head.all(Name::Expect).all(|expect| expect.eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    let detail = "The only expectation known is 100-continue.";
    Err(Problem::refused(StatusCode::EXPECTATION_FAILED, detail))
}

/// `Connection` must not name what the proxy adds or what says where the request goes.
fn nominations(head: &Head) -> Result<(), Problem> {
    for nominated in head.members(Name::Connection) {
        match Name::of(nominated) {
            Name::Host
            | Name::Via
            | Name::Forwarded
            | Name::XForwardedFor
            | Name::XForwardedHost
            | Name::XForwardedProto
            | Name::XForwardedOther => {
                return Err(bad(
                    "The Connection field names a field that is not the client's to remove.",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A request that has been here before (RFC 9110 7.6.3).
fn loop_detection(head: &Head, terms: &Terms) -> Result<(), Problem> {
    let settings = &terms.settings;
    let is_ours = |hop: &[u8]| {
        let mut words = hop.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
        let by = words.nth(1).and_then(|by| by.strip_prefix(b"sidehook-"));
        by == Some(settings.instance.as_bytes())
    };
    if settings.via && head.members(Name::Via).any(is_ours) {
        let detail = "The request has passed this proxy before: `[proxy] upstream` leads back \
                      to it.";
        return Err(Problem::refused(StatusCode::LOOP_DETECTED, detail));
    }
    Ok(())
}
