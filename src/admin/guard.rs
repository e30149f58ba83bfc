//! What every request passes before its handler, and every answer after it.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;

use super::Settings;
use super::auth::{Access, Rights};
use super::dashboard;
use super::hosts::Hosts;
use super::problem::Problem;
use super::state::Api;

/// The address a request came from; set by the listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Open to everyone: they say nothing that a connection attempt does not.
const OPEN: [&str; 2] = ["/livez", "/readyz"];
/// Asks what the rules in force make of a call, and changes nothing.
const RULES_TEST: &str = "/v1/rules/test";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Answers only to its own names, only to its own pages, only with the token.
pub(super) async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let admitted = admit(&api, &api.access.load(), &request);
    let mut response = match admitted.map(|rights| request.extensions_mut().insert(rights)) {
        Err(problem) => problem.into_response(),
        Ok(_) => match tokio::time::timeout(Settings::ANSWER_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                Problem::unavailable("timeout", "the store did not answer in time").into_response()
            }
        },
    };
    harden(response.headers_mut());
    response
}

/// What the sender may do; on the open paths nobody asks.
fn admit(api: &Api, access: &Access, request: &Request) -> Result<Rights, Problem> {
    check_framing(request.headers())?;
    check_host(&access.hosts, request)?;
    check_origin(&access.hosts, request)?;
    let path = request.uri().path();
    if OPEN.contains(&path) || dashboard::is_open(path) {
        return Ok(Rights::Read);
    }
    let rights = check_token(api, access, request)?;
    // Methods that change nothing; the routes take no others that do. A test of the rules is a question
    // that is too long for an address.
    let is_question = *request.method() == Method::POST && path == RULES_TEST;
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if rights == Rights::Read && !is_read && !is_question {
        let detail = "this token may only read; changes need the token of [admin] token";
        return Err(Problem::forbidden("read_only", detail));
    }
    Ok(rights)
}

/// hyper takes any list of codings that ends in `chunked` as that. Whoever stands before this
/// listener may read it differently, and so see other requests.
fn check_framing(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next();
    let is_chunked = first.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if is_chunked && codings.next().is_none() { Ok(()) } else { Err(Problem::bad_framing()) }
}

fn check_host(names: &Hosts, request: &Request) -> Result<(), Problem> {
    let ours = |host: &str| names.answers_to(host);
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().map(|value| value.to_str().unwrap_or_default());
    let target = request.uri().authority().map(Authority::as_str);
    let named = host.or(target).is_some();
    if named && hosts.next().is_none() && host.is_none_or(ours) && target.is_none_or(ours) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "host_not_allowed",
        "this Host is not one of this server's names; list it in [admin] allowed_hosts",
    ))
}

fn check_origin(names: &Hosts, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let own = |origin: &HeaderValue| origin.to_str().is_ok_and(|o| names.is_own_origin(o));
    let same_site = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    if headers.get_all(header::ORIGIN).iter().all(own)
        && (headers.get_all(SEC_FETCH_SITE).iter().all(same_site) || is_followed_link(request))
    {
        return Ok(());
    }
    Err(Problem::forbidden("cross_site", "pages of other origins may not use this API"))
}

/// Somebody has followed a link to the dashboard, in a chat or a runbook: the other site learns nothing
/// of what comes, and the page without its token shows nothing.
fn is_followed_link(request: &Request) -> bool {
    let is = |name, value: &str| request.headers().get(name).is_some_and(|v| v == value);
    matches!(*request.method(), Method::GET | Method::HEAD)
        && dashboard::is_page(request.uri().path())
        && is(SEC_FETCH_MODE, "navigate")
        && is(SEC_FETCH_DEST, "document")
}

fn check_token(api: &Api, access: &Access, request: &Request) -> Result<Rights, Problem> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let token = match (values.next(), values.next()) {
        (Some(value), None) => bearer(value).ok_or_else(Problem::unauthorized)?,
        (None, _) if has_token_in_query(request) => return Err(Problem::token_in_query()),
        _ => return Err(Problem::unauthorized()),
    };
    if let Some(rights) = access.rights(token) {
        return Ok(rights);
    }
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |p| p.0);
    match api.wrong_tokens.count(peer, Instant::now()) {
        None => Err(Problem::unauthorized()),
        Some(wait) => Err(Problem::too_many_tokens(wait.as_secs().max(1))),
    }
}

/// Somebody put it where proxies, browsers and logs keep it.
fn has_token_in_query(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        ["token", "access_token", "api_key"].iter().any(|n| name.eq_ignore_ascii_case(n))
    })
}

/// The token of `Bearer <token>` (RFC 6750 2.1); the scheme's case does not matter.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Answers hold captured content: nothing may sniff, frame, run or keep them. What the dashboard has
/// said for itself stays: it runs, and is kept.
fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (CORP, "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
