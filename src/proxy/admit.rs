//! Which requests are refused before anything is done with them: those that the upstream might
//! understand otherwise than we do (RFC 9110 7.2, RFC 9112 3.2 and 6).

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};

use super::client::Client;
use super::error::Problem;
use super::terms::Terms;

/// Checks a request's head and brings an absolute-form target into origin form.
///
/// # Errors
/// The request must not be forwarded.
pub(super) fn admit(head: &mut Parts, client: &Client, terms: &Terms) -> Result<(), Problem> {
    method(&head.method)?;
    authority(head)?;
    target(head)?;
    framing(&head.headers, client)?;
    expectation(&head.headers)?;
    nominations(&head.headers)?;
    loop_detection(&head.headers, terms)
}

fn bad(detail: &str) -> Problem {
    Problem::refused(StatusCode::BAD_REQUEST, detail)
}

fn method(method: &Method) -> Result<(), Problem> {
    if *method == Method::CONNECT || *method == Method::TRACE {
        let detail = format!("{method} is not passed on.");
        return Err(Problem::refused(StatusCode::METHOD_NOT_ALLOWED, detail));
    }
    Ok(())
}

/// Exactly one valid `Host` (RFC 9112 3.2), equal to the target's authority if it has one.
fn authority(head: &mut Parts) -> Result<(), Problem> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("The request has more than one Host field."));
    }
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(bad("The Host field is not a host and an optional port."));
    }
    let Some(target) = head.uri.authority() else {
        return match host {
            None if head.version == Version::HTTP_11 => {
                Err(bad("An HTTP/1.1 request must have a Host field (RFC 9112 3.2)."))
            }
            _ => Ok(()),
        };
    };
    if !matches!(head.uri.scheme_str(), Some("http" | "https")) {
        return Err(bad("The request's target is neither a path nor an http address."));
    }
    if !is_host(target.as_str().as_bytes()) {
        return Err(bad("The authority of the request's target is not a host and a port."));
    }
    match host {
        Some(host) if host.as_bytes().eq_ignore_ascii_case(target.as_str().as_bytes()) => Ok(()),
        Some(_) => Err(bad("The Host field differs from the authority of the request's target.")),
        None if head.version == Version::HTTP_11 => {
            Err(bad("An HTTP/1.1 request must have a Host field (RFC 9112 3.2)."))
        }
        None => {
            let host = host_of(target);
            head.headers.insert(header::HOST, host);
            Ok(())
        }
    }
}

fn host_of(authority: &Authority) -> HeaderValue {
    HeaderValue::from_str(authority.as_str())
        .expect("an authority consists of characters that a field value may have")
}

/// `host [":" port]` without user information.
fn is_host(text: &[u8]) -> bool {
    let (name, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|&b| b == b']') else { return false };
            let is_address = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
            if end == 0 || !rest[..end].iter().all(is_address) {
                return false;
            }
            (&b"[]"[..], &rest[end + 1..])
        }
        None => text.split_at(text.iter().position(|&b| b == b':').unwrap_or(text.len())),
    };
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=[]".contains(b);
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => {
            let digits = std::str::from_utf8(digits).unwrap_or("?");
            digits.is_empty()
                || digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        _ => false,
    };
    !name.is_empty() && name.iter().all(is_name) && is_port
}

/// Origin form, or `*` for OPTIONS (RFC 9112 3.2).
fn target(head: &mut Parts) -> Result<(), Problem> {
    let Some(target) = head.uri.path_and_query() else {
        return Err(bad("The request's target has no path."));
    };
    let is_asterisk = target.as_str() == "*" && head.method == Method::OPTIONS;
    if !is_asterisk && !target.as_str().starts_with('/') {
        return Err(bad("The request's target must begin with a slash."));
    }
    if head.uri.authority().is_some() {
        head.uri = target.clone().into();
    }
    Ok(())
}

/// One way to tell the body's length (RFC 9112 6.1).
fn framing(headers: &HeaderMap, client: &Client) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if codings.next().is_some() {
        return Err(bad("The request has more than one Transfer-Encoding field."));
    }
    if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        let tokens = coding.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii);
        let is_chunked = |token: &&[u8]| token.eq_ignore_ascii_case(b"chunked");
        if tokens.clone().any(<[u8]>::is_empty) || tokens.filter(is_chunked).count() > 1 {
            return Err(bad("The Transfer-Encoding field is malformed."));
        }
        let detail = "Only the transfer coding `chunked` is known here.";
        return Err(Problem::refused(StatusCode::NOT_IMPLEMENTED, detail));
    }
    // The parser has taken the length away by now.
    if headers.contains_key(header::CONTENT_LENGTH) || client.head_names("content-length") {
        return Err(bad("The request has both Transfer-Encoding and Content-Length."));
    }
    Ok(())
}

/// RFC 9110 10.1.1: the only expectation there is.
fn expectation(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::EXPECT) {
        Some(expect) if !expect.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            let detail = "The only expectation known is 100-continue.";
            Err(Problem::refused(StatusCode::EXPECTATION_FAILED, detail))
        }
        _ => Ok(()),
    }
}

/// `Connection` must not name what the proxy adds or what says where the request goes.
fn nominations(headers: &HeaderMap) -> Result<(), Problem> {
    for nominated in super::headers::nominated(headers) {
        let has_prefix = |prefix: &[u8]| {
            nominated.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let is_ours =
            [&b"host"[..], b"via", b"forwarded"].iter().any(|n| nominated.eq_ignore_ascii_case(n));
        if is_ours || has_prefix(b"x-forwarded-") {
            return Err(bad(
                "The Connection field names a field that is not the client's to remove.",
            ));
        }
    }
    Ok(())
}

/// A request that has been here before (RFC 9110 7.6.3).
fn loop_detection(headers: &HeaderMap, terms: &Terms) -> Result<(), Problem> {
    let settings = &terms.settings;
    if !settings.via {
        return Ok(());
    }
    for via in headers.get_all(header::VIA) {
        let is_ours = |hop: &[u8]| {
            let mut words = hop.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
            let by = words.nth(1).and_then(|by| by.strip_prefix(b"sidehook-"));
            by == Some(settings.instance.as_bytes())
        };
        if via.as_bytes().split(|&b| b == b',').any(is_ours) {
            let detail = "The request has passed this proxy before: `[proxy] upstream` leads back \
                          to it.";
            return Err(Problem::refused(StatusCode::LOOP_DETECTED, detail));
        }
    }
    Ok(())
}
