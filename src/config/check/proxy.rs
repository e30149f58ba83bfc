//! `[proxy]` and `[capture]`.

use std::time::Duration;

use super::Check;
use super::read::{DAY, HOUR, TICK, key};
use super::tls;
use super::upstream::{self, is_unix};
use crate::config::node::{Node, Table, Value};
use crate::config::problem::quoted;
use crate::proxy::{CaptureSettings, CommitMode, Settings};
use crate::rules::redact;
use crate::store::OnFailure;
use crate::tls::HTTP2_OR_1;

/// Captured bytes of one body. Two of them with their heads must fit in the store's queue.
pub(super) const BODY_BYTES_MAX: u64 = 16 << 20;

/// How long a matching call waits for its commit. A disk that takes longer is not slow but stuck;
/// a client's own deadline is rarely shorter.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Each holds a connection to the upstream; clients that leave must not heap them up without end.
const MATCHED_CALLS_MAX: usize = 10_000;

pub(super) fn proxy(c: &mut Check<'_>, table: &Table, capture: CaptureSettings) -> Settings {
    let k = |name| key(table, name);
    exclusions(c, table);
    let workers = match c.count(k("workers"), 0..=1024) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let commits = [
        ("before-response", CommitMode::BeforeResponse),
        ("after-response", CommitMode::AfterResponse),
    ];
    Settings {
        listen: c.proxy_listen(k("listen")),
        tls: table.get("tls").and_then(|node| tls::server(c, node, HTTP2_OR_1)),
        h2c: c.flag(k("h2c")),
        proxy_protocol: c.flag(k("proxy_protocol")),
        upstream: upstream::settings(c, table),
        workers,
        commit: c.choice(k("commit"), &commits),
        on_store_failure: c.choice(
            k("on_store_failure"),
            &[("refuse", OnFailure::Refuse), ("pass", OnFailure::Keep)],
        ),
        trusted_proxies: c.networks(k("trusted_proxies")),
        connections_max: c.count(k("max_connections"), 1..=1_000_000),
        connections_per_client_max: c.count(k("max_connections_per_client"), 0..=1_000_000),
        head_bytes_max: c.memory(k("max_head"), 8 << 10..=1 << 20),
        via: c.flag(k("via")),
        depth_max: u8::try_from(c.count(k("max_depth"), 0..=16)).unwrap_or(u8::MAX),
        instance: instance(),
        connect_timeout: c.duration(k("connect_timeout"), TICK..=HOUR),
        response_timeout: c.optional_duration(k("response_timeout"), DAY),
        upstream_idle_timeout: c.duration(k("upstream_idle_timeout"), TICK..=HOUR),
        idle_timeout: c.duration(k("idle_timeout"), TICK..=DAY),
        header_timeout: c.duration(k("header_timeout"), TICK..=HOUR),
        body_timeout: c.duration(k("body_timeout"), TICK..=HOUR),
        send_timeout: c.duration(k("send_timeout"), TICK..=HOUR),
        upstream_body_timeout: c.optional_duration(k("upstream_body_timeout"), DAY),
        tunnel_timeout: c.duration(k("tunnel_timeout"), TICK..=30 * DAY),
        commit_timeout: COMMIT_TIMEOUT,
        shutdown_grace: c.duration(k("shutdown_grace"), Duration::ZERO..=DAY),
        capture,
    }
}

/// Keys that do not go together.
fn exclusions(c: &mut Check<'_>, table: &Table) {
    let is_on = |name| matches!(key(table, name).value, Value::Flag(true));
    if is_on("h2c") && table.get("tls").is_some() {
        let cure = "take h2c away: over TLS clients choose HTTP/2 themselves, by ALPN";
        c.problem(&key(table, "h2c").place, "h2c is HTTP/2 without TLS, and there is tls", cure);
    }
    let is_unix = matches!(&key(table, "listen").value, Value::Text(text) if is_unix(text));
    let trusted = &key(table, "trusted_proxies").value;
    let trusts_nobody = matches!(trusted, Value::List(items) if items.is_empty());
    if is_on("proxy_protocol") && trusts_nobody && !is_unix {
        let message = "with proxy_protocol every client comes through one of trusted_proxies, and \
                       there are none: every connection would be refused";
        let cure = "write the addresses of the load balancers: trusted_proxies = [\"10.0.0.0/8\"]";
        c.problem(&key(table, "proxy_protocol").place, message, cure);
    }
}

/// This start's pseudonym in `Via`.
fn instance() -> String {
    format!("{:08x}", uuid::Uuid::new_v4().as_fields().0)
}

pub(super) fn capture(c: &mut Check<'_>, table: &Table) -> CaptureSettings {
    let k = |name| key(table, name);
    let mut redact_headers: Vec<String> = redact::ALWAYS.map(str::to_owned).to_vec();
    redact_headers.extend(c.header_names(k("redact_headers")));
    CaptureSettings {
        request_body_max: c.size(k("max_request_body"), 0..=BODY_BYTES_MAX),
        response_body_max: c.size(k("max_response_body"), 0..=BODY_BYTES_MAX),
        total_max: c.memory(k("max_total"), 0..=1 << 40),
        max_duration: c.duration(k("max_duration"), TICK..=DAY),
        calls_max: MATCHED_CALLS_MAX,
        keep_headers: keep_headers(c, k("keep_headers")),
        redact_headers,
        redact_fields: redact_fields(c, k("redact_fields")),
        redact_query: c.names(k("redact_query"), "query parameters"),
    }
}

/// `["*"]` is all of them.
fn keep_headers(c: &mut Check<'_>, node: &Node) -> Option<Vec<String>> {
    match &node.value {
        Value::List(items) if matches!(items.as_slice(), [Node { value: Value::Text(star), .. }] if star == "*") => {
            None
        }
        _ => Some(c.header_names(node)),
    }
}

fn redact_fields(c: &mut Check<'_>, node: &Node) -> Vec<String> {
    let mut pointers = Vec::new();
    for item in c.list(node, "JSON pointers") {
        let form = "a JSON pointer (RFC 6901), such as \"/request/body/password\"";
        let Some(text) = c.text(item, form) else { continue };
        let below = ["/request/body", "/response/body"]
            .iter()
            .find_map(|body| text.strip_prefix(body))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        // RFC 6901 3: `~` occurs only as ~0 and ~1.
        let escapes = text.split('~').skip(1).all(|part| part.starts_with(['0', '1']));
        if below && escapes {
            pointers.push(text.to_owned());
        } else {
            let message = format!("{} does not point into a body", quoted(text));
            let cure = "begin with /request/body or /response/body; `~` is written ~0, `/` ~1";
            c.problem(&item.place, message, cure);
        }
    }
    pointers
}

impl Check<'_> {
    /// Header names, in lower case.
    fn header_names(&mut self, node: &Node) -> Vec<String> {
        let mut names = Vec::new();
        for item in self.list(node, "header names") {
            let Some(text) = self.text(item, "a header name") else { continue };
            match http::HeaderName::from_bytes(text.as_bytes()) {
                Ok(_) if text == "*" => self.problem(
                    &item.place,
                    "`*` stands for all headers and has no company",
                    "write keep_headers = [\"*\"], or only names",
                ),
                Ok(name) => names.push(name.as_str().to_owned()),
                Err(_) => {
                    let message = format!("{} is not a header name", quoted(text));
                    self.problem(&item.place, message, "write a name such as \"x-request-id\"");
                }
            }
        }
        names
    }

    fn names(&mut self, node: &Node, of: &str) -> Vec<String> {
        let mut names = Vec::new();
        for item in self.list(node, of) {
            match self.text(item, "a name") {
                Some("") => {
                    self.problem(&item.place, "a name is empty", "write it, or take it out");
                }
                Some(name) => names.push(name.to_owned()),
                None => {}
            }
        }
        names
    }
}
