//! Heads between the form that the proxy keeps them in and HTTP/2's (RFC 9113 8).

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};

use crate::proxy::wire::{FIELDS_MAX, Head, Name, Version};

/// A head that HTTP/2 cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("HTTP/2 cannot carry its {0}")]
pub(in crate::proxy) struct Unsayable(&'static str);

/// Reads a client's request.
///
/// # Errors
/// It must be refused with this status, for this reason.
pub(in crate::proxy) fn from_request(
    request: &Request<impl Sized>,
    head: &mut Head,
) -> Result<(), (StatusCode, &'static str)> {
    let bad = |reason| Err((StatusCode::BAD_REQUEST, reason));
    let uri = request.uri();
    let authority = uri.authority().map(Authority::as_str);
    let path = uri.path_and_query().map(PathAndQuery::as_str);
    let is_http = |scheme: &str| ["http", "https"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
    if uri.scheme_str().is_some_and(|scheme| !is_http(scheme)) {
        return bad("The request's :scheme is neither http nor https.");
    }
    // CONNECT has an authority only.
    let target = path.or(authority).unwrap_or_default();
    head.request(request.method().as_str().as_bytes(), target.as_bytes(), Version::Http2);
    if let Some(authority) = authority {
        let mut hosts = request.headers().get_all(http::header::HOST).iter();
        if !hosts.all(|host| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())) {
            return bad("The Host field differs from :authority (RFC 9113 8.3.1).");
        }
        if !request.headers().contains_key(http::header::HOST) {
            head.push("host", authority.as_bytes());
        }
    }
    if request.method() != Method::CONNECT && !target.starts_with('/') && target != "*" {
        return bad("The request's :path is not a path (RFC 9113 8.3.1).");
    }
    push_fields(request.headers(), head);
    if head.n_fields() > FIELDS_MAX {
        let reason = "The request has more than 128 fields.";
        return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason));
    }
    Ok(())
}

/// Reads an upstream's response.
pub(in crate::proxy) fn from_response(response: &Response<impl Sized>, head: &mut Head) {
    let status = response.status();
    // HTTP/2 has no reason phrase: who speaks HTTP/1 gets the usual one.
    let reason = status.canonical_reason().unwrap_or_default();
    head.response(status.as_u16(), reason.as_bytes(), Version::Http2);
    push_fields(response.headers(), head);
}

fn push_fields(fields: &HeaderMap, head: &mut Head) {
    let mut cookies = fields.get_all(http::header::COOKIE).iter().peekable();
    // In pieces, for the sake of compression; HTTP/1 wants one line (RFC 9113 8.2.3).
    let cookie = cookies.peek().is_some().then(|| {
        let crumbs: Vec<&[u8]> = cookies.map(HeaderValue::as_bytes).collect();
        crumbs.join(&b"; "[..])
    });
    let mut cookie = cookie.as_deref();
    for (name, value) in fields {
        if name != http::header::COOKIE {
            // HTTP/1 has no white space around values; RFC 9113 8.2.1 forbids it, the library does not.
            head.push(name.as_str(), value.as_bytes().trim_ascii());
        } else if let Some(cookie) = cookie.take() {
            head.push("cookie", cookie);
        }
    }
}

/// Writes a request for the upstream; `authority` where the client named none.
///
/// # Errors
/// HTTP/2 or its library has no form for it.
pub(in crate::proxy) fn to_request(
    head: &Head,
    scheme: Scheme,
    authority: &str,
) -> Result<Request<()>, Unsayable> {
    let mut request = Request::new(());
    *request.version_mut() = http::Version::HTTP_2;
    *request.method_mut() = Method::from_bytes(head.method()).map_err(|_| Unsayable("method"))?;
    let authority = head.get(Name::Host).unwrap_or(authority.as_bytes());
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(Authority::try_from(authority).map_err(|_| Unsayable("Host"))?);
    let target = PathAndQuery::try_from(head.target());
    let target = target.ok().filter(|target| target.as_str().as_bytes() == head.target());
    parts.path_and_query = Some(target.ok_or(Unsayable("target"))?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Unsayable("target"))?;
    *request.headers_mut() = to_fields(head, true)?;
    Ok(request)
}

/// Writes a response for the client.
///
/// # Errors
/// HTTP/2 has no form for it.
pub(in crate::proxy) fn to_response(head: &Head) -> Result<Response<()>, Unsayable> {
    let mut response = Response::new(());
    *response.version_mut() = http::Version::HTTP_2;
    *response.status_mut() =
        StatusCode::from_u16(head.status()).map_err(|_| Unsayable("status"))?;
    *response.headers_mut() = to_fields(head, false)?;
    Ok(response)
}

/// Without what concerns an HTTP/1 connection (RFC 9113 8.2.2).
fn to_fields(head: &Head, of_request: bool) -> Result<HeaderMap, Unsayable> {
    let mut fields = HeaderMap::new();
    for (name, value) in head.fields() {
        let is_left_out = match Name::of(name) {
            Name::Connection
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::TransferEncoding
            | Name::Http2Settings
            | Name::Upgrade => true,
            Name::Host => of_request,
            Name::Te => !of_request || !value.eq_ignore_ascii_case(b"trailers"),
            _ => false,
        };
        if !is_left_out {
            let name = HeaderName::from_bytes(name).map_err(|_| Unsayable("fields"))?;
            let value = HeaderValue::from_bytes(value).map_err(|_| Unsayable("fields"))?;
            fields.try_append(name, value).map_err(|_| Unsayable("many fields"))?;
        }
    }
    Ok(fields)
}

/// A trailer section without what must not be in one (RFC 9110 6.5.1): a server further on might
/// take it for part of the head.
pub(in crate::proxy) fn trailers(mut fields: HeaderMap) -> HeaderMap {
    use http::header;
    for name in [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        fields.remove(name);
    }
    fields.remove("keep-alive");
    fields.remove("proxy-connection");
    fields
}
