//! The sections that occur once.

use std::time::Duration;

use super::Check;
use super::read::{DAY, HOUR, TICK, key};
use super::tls;
use crate::config::AdminConfig;
use crate::config::node::{Node, Table, Value};
use crate::config::problem::quoted;
use crate::model::Secret;
use crate::proxy::{self, CaptureSettings, CommitMode};
use crate::store::OnFailure;
use crate::{delivery, egress, store};

/// Captured bytes of one body. Two of them with their heads must fit in the store's queue.
pub(super) const BODY_BYTES_MAX: u64 = 16 << 20;

/// A journal segment: large enough that closing one is rare, small enough that retention, which
/// works by whole segments, follows closely.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Events that wait for their commit, together: above the two largest bodies of one event, and a
/// second or two of a fast disk's work.
const QUEUE_BYTES_MAX: u64 = 64 << 20;

/// Free space that is kept: a whole segment and the index's own writes on top of what one batch
/// (the queue) may need.
const FREE_BYTES_MIN: u64 = 96 << 20;

/// How long a matching call waits for its commit. A disk that takes longer is not slow but stuck;
/// a client's own deadline is rarely shorter.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The first probe of a paused webhook follows its pause after this time; further ones follow
/// each other at twice the distance of before, up to the longest.
const PROBE_FIRST: Duration = Duration::from_secs(30);
const PROBE_MAX: Duration = Duration::from_secs(600);

/// Always redacted, also with `keep_headers = ["*"]`.
const REDACTED_ALWAYS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// `[delivery]` as it is, and what webhooks take from it.
#[derive(Clone, Debug)]
pub(in crate::config) struct Delivery {
    pub(super) settings: delivery::Settings,
    pub(super) retry: Vec<Duration>,
    pub(super) timeout: Duration,
    pub(super) disable_after: u32,
    pub(super) pause_after: u32,
}

pub(super) fn proxy(c: &mut Check<'_>, table: &Table, capture: CaptureSettings) -> proxy::Settings {
    let k = |name| key(table, name);
    let (upstream_host, upstream_port) = c.upstream(k("upstream"));
    let workers = match c.count(k("workers"), 0..=1024) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let commits = [
        ("before-response", CommitMode::BeforeResponse),
        ("after-response", CommitMode::AfterResponse),
    ];
    proxy::Settings {
        listen: c.listen(k("listen")),
        upstream_host,
        upstream_port,
        workers,
        commit: c.choice(k("commit"), &commits),
        on_store_failure: c.choice(
            k("on_store_failure"),
            &[("refuse", OnFailure::Refuse), ("pass", OnFailure::Keep)],
        ),
        trusted_proxies: c.networks(k("trusted_proxies")),
        connections_max: c.count(k("max_connections"), 1..=1_000_000),
        head_bytes_max: c.memory(k("max_head"), 8 << 10..=1 << 20),
        via: c.flag(k("via")),
        depth_max: u8::try_from(c.count(k("max_depth"), 0..=16)).unwrap_or(u8::MAX),
        instance: instance(),
        connect_timeout: c.duration(k("connect_timeout"), TICK..=HOUR),
        response_timeout: c.optional_duration(k("response_timeout"), DAY),
        idle_timeout: c.duration(k("idle_timeout"), TICK..=DAY),
        header_timeout: c.duration(k("header_timeout"), TICK..=HOUR),
        commit_timeout: COMMIT_TIMEOUT,
        shutdown_grace: c.duration(k("shutdown_grace"), Duration::ZERO..=DAY),
        capture,
    }
}

/// This start's pseudonym in `Via`.
fn instance() -> String {
    format!("{:08x}", uuid::Uuid::new_v4().as_fields().0)
}

pub(super) fn capture(c: &mut Check<'_>, table: &Table) -> CaptureSettings {
    let k = |name| key(table, name);
    let mut redact_headers: Vec<String> = REDACTED_ALWAYS.map(str::to_owned).to_vec();
    redact_headers.extend(c.header_names(k("redact_headers")));
    CaptureSettings {
        request_body_max: c.size(k("max_request_body"), 0..=BODY_BYTES_MAX),
        response_body_max: c.size(k("max_response_body"), 0..=BODY_BYTES_MAX),
        total_max: c.memory(k("max_total"), 0..=1 << 40),
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

pub(super) fn store(c: &mut Check<'_>, table: &Table) -> store::Settings {
    let k = |name| key(table, name);
    let path = match c.text(k("path"), "a directory") {
        Some("") => {
            c.problem(&k("path").place, "the path is empty", "write a directory, such as \"data\"");
            std::path::PathBuf::new()
        }
        Some(path) => c.resolve(&k("path").place, path),
        None => std::path::PathBuf::new(),
    };
    let max_bytes = c.size(k("max_size"), 1 << 20..=1 << 50);
    store::Settings {
        path,
        retain: c.duration(k("retain"), TICK..=3650 * DAY),
        max_bytes,
        // A small store has small parts: several segments, so that retention has something to
        // remove, and a reserve that leaves most of a small disk usable.
        segment_bytes: SEGMENT_BYTES.min((max_bytes / 16).max(64 << 10)),
        queue_bytes_max: usize::try_from(QUEUE_BYTES_MAX.min(max_bytes)).unwrap_or(usize::MAX),
        free_bytes_min: FREE_BYTES_MIN.min(max_bytes / 8),
    }
}

pub(super) fn delivery(c: &mut Check<'_>, table: &Table, proxy: &proxy::Settings) -> Delivery {
    let k = |name| key(table, name);
    Delivery {
        settings: delivery::Settings {
            source: source(proxy).into(),
            concurrency: c.count(k("concurrency"), 1..=65_536),
            jitter: c.real(k("jitter"), 0.0..=1.0),
            probe_first: PROBE_FIRST,
            probe_max: PROBE_MAX,
        },
        retry: c.retry(k("retry")),
        timeout: c.duration(k("timeout"), TICK..=HOUR),
        disable_after: c.times(k("disable_after")),
        pause_after: c.times(k("pause_after")),
    }
}

/// `//` and the upstream's authority (RFC 3986 3.2), without the default port.
fn source(proxy: &proxy::Settings) -> String {
    let (host, port) = (&proxy.upstream_host, proxy.upstream_port);
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    if port == 80 { format!("//{host}") } else { format!("//{host}:{port}") }
}

pub(super) fn egress(c: &mut Check<'_>, table: &Table) -> egress::Settings {
    let k = |name| key(table, name);
    let agent = c.text(k("user_agent"), "a string").unwrap_or_default();
    let user_agent = agent.replace("<version>", env!("CARGO_PKG_VERSION"));
    if user_agent.is_empty() || http::HeaderValue::from_str(&user_agent).is_err() {
        let cure = "write printable ASCII, such as \"sidehook/<version>\"";
        c.problem(&k("user_agent").place, "not a value for a User-Agent", cure);
    }
    egress::Settings {
        proxy: table.get("egress_proxy").and_then(|node| c.egress_proxy(node)),
        source_address: table.get("source_address").and_then(|node| c.source_address(node)),
        allow_networks: c.networks(k("allow_networks")),
        deny_networks: c.networks(k("deny_networks")),
        require_https: c.flag(k("require_https")),
        user_agent,
        response_kept_max: c.memory(k("max_response_kept"), 0..=1 << 20),
    }
}

pub(super) fn admin(c: &mut Check<'_>, table: &Table) -> AdminConfig {
    let token = table.get("token").map(|node| bearer(c, node, "token"));
    let read_token = table.get("read_token").map(|node| {
        let read_token = bearer(c, node, "read_token");
        if token.as_ref() == Some(&read_token) {
            let cure = "make another for those who may only read";
            c.problem(&node.place, "[admin] token and read_token are the same", cure);
        }
        read_token
    });
    let listen = c.listen(key(table, "listen"));
    let tls = table.get("tls").and_then(|node| tls::server(c, node));
    if !listen.ip().is_loopback() && table.get("tls").is_none() {
        c.warn(format!(
            "[admin] listens on {listen} without tls: tokens and captured content cross the network \
             in the clear; set [admin] tls, or let only a proxy that has TLS reach it"
        ));
    }
    let allowed_hosts = c.hosts(key(table, "allowed_hosts"));
    AdminConfig { listen, token, read_token, allowed_hosts, tls }
}

/// A token that clients send as `Authorization: Bearer`. Short ones are told, not refused: on a
/// loopback address of a developer's machine they do no harm.
fn bearer(c: &mut Check<'_>, node: &Node, name: &str) -> Secret {
    let token = c.secret(node);
    if !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        let cure = "use visible ASCII without spaces: it is sent as Authorization: Bearer";
        c.problem(&node.place, "this token cannot be sent in a header", cure);
    } else if token.reveal().len() < 16 {
        c.warn(format!("[admin] {name} is shorter than 16 characters and can be guessed"));
    }
    token
}
