//! The sections that occur once.

use std::path::PathBuf;
use std::time::Duration;

use super::Check;
use super::read::{DAY, HOUR, TICK, key};
use super::tls;
use crate::config::AdminConfig;
use crate::config::node::{Node, Table};
use crate::model::Secret;
use crate::tls::HTTP1;
use crate::{delivery, egress, proxy, store};

/// A journal segment: large enough that closing one is rare, small enough that retention, which
/// works by whole segments, follows closely.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Below, the index and its garbage are no small part of a store.
const SIZE_ORDINARY: u64 = 16 << 20;

/// Events that wait for their commit, together: above the two largest bodies of one event, and a
/// second or two of a fast disk's work.
const QUEUE_BYTES_MAX: u64 = 64 << 20;

/// Free space that is kept: a whole segment and the index's own writes on top of what one batch
/// (the queue) may need.
const FREE_BYTES_MIN: u64 = 96 << 20;

/// The first probe of a paused webhook follows its pause after this time; further ones follow
/// each other at twice the distance of before, up to the longest.
const PROBE_FIRST: Duration = Duration::from_secs(30);
const PROBE_MAX: Duration = Duration::from_secs(600);

/// `[delivery]` as it is, and what webhooks take from it.
#[derive(Clone, Debug)]
pub(in crate::config) struct Delivery {
    pub(super) settings: delivery::Settings,
    pub(super) retry: Vec<Duration>,
    pub(super) timeout: Duration,
    pub(super) disable_after: u32,
    pub(super) pause_after: u32,
}

pub(super) fn store_path(c: &mut Check<'_>, table: &Table) -> PathBuf {
    let node = key(table, "path");
    match c.text(node, "a directory") {
        Some("") => {
            c.problem(&node.place, "the path is empty", "write a directory, such as \"data\"");
            PathBuf::new()
        }
        Some(path) => c.resolve(&node.place, path),
        None => PathBuf::new(),
    }
}

pub(super) fn store(c: &mut Check<'_>, table: &Table) -> store::Settings {
    let k = |name| key(table, name);
    let path = store_path(c, table);
    let max_bytes = c.size(k("max_size"), 1 << 20..=1 << 50);
    if (1 << 20..SIZE_ORDINARY).contains(&max_bytes) {
        c.warn(
            "[store] max_size is below 16MiB: the index alone may fill it after some hundred events, \
             and matching calls are refused from then on",
        );
    }
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
            source: format!("//{}", proxy.upstream.authority()).into(),
            concurrency: c.count(k("concurrency"), 1..=delivery::Settings::CONCURRENCY_MAX),
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
    let tls = table.get("tls").and_then(|node| tls::server(c, node, HTTP1));
    if !listen.ip().is_loopback() && table.get("tls").is_none() {
        c.warn(format!(
            "[admin] listens on {listen} without tls: tokens and captured content cross the network \
             in the clear; set [admin] tls, or let only a proxy that has TLS reach it"
        ));
    }
    let allowed_hosts = c.hosts(key(table, "allowed_hosts"));
    let watch_config = c.flag(key(table, "watch_config"));
    AdminConfig { listen, token, read_token, allowed_hosts, tls, watch_config }
}

/// A token that clients send as `Authorization: Bearer`. Short ones are told, not refused: on a
/// loopback address of a developer's machine they do no harm.
fn bearer(c: &mut Check<'_>, node: &Node, name: &str) -> Secret {
    let Some(token) = c.secret_text(node).map(Secret::new) else {
        return Secret::new(format!("stand-in for {name}")); // reported
    };
    if !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        let cure = "use visible ASCII without spaces: it is sent as Authorization: Bearer";
        c.problem(&node.place, "this token cannot be sent in a header", cure);
    } else if token.reveal().len() < 16 {
        c.warn(format!("[admin] {name} is shorter than 16 characters and can be guessed"));
    }
    token
}
