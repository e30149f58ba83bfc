//! The answers of the admin API, as far as the commands show them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::screen;
use crate::model::Timestamp;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    pub(super) next: Option<String>,
}

/// What an id is of.
#[derive(Debug, Deserialize)]
pub(super) struct Typed {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) id: String,
    /// Of a delivery.
    pub(super) event_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Event,
    Delivery,
}

/// An event; `D` is the counts of its deliveries in a list, else the deliveries.
#[derive(Debug, Deserialize)]
pub(super) struct Event<D> {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) created_at: String,
    pub(super) request: Option<Part>,
    pub(super) response: Option<Part>,
    pub(super) deliveries: D,
}

/// Request or response of an event.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) body: Option<Box<RawValue>>,
    pub(super) body_encoding: Option<String>,
    pub(super) body_truncated: Option<bool>,
    pub(super) body_size: Option<u64>,
    /// How much of the body there is; a server before this one does not say.
    pub(super) capture: Option<String>,
}

/// How many deliveries stand in each state.
#[derive(Debug, Deserialize)]
pub(super) struct Counts {
    pub(super) pending: u64,
    pub(super) held: u64,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
}

/// A delivery; `A` is the number of its attempts in a list, else the attempts.
#[derive(Debug, Deserialize)]
pub(super) struct Delivery<A> {
    pub(super) id: String,
    pub(super) event_id: String,
    pub(super) webhook_id: String,
    pub(super) event: String,
    pub(super) status: String,
    pub(super) response_code: Option<u16>,
    pub(super) response_time_ms: Option<u64>,
    pub(super) attempts: A,
    pub(super) created_at: String,
    /// Of the last attempt.
    pub(super) timestamp: Option<String>,
    pub(super) next_attempt_at: Option<String>,
    pub(super) error: Option<String>,
}

impl<A> Delivery<A> {
    /// When it goes out, in words; one that is held waits for something else than a time.
    pub(super) fn next(&self, now: Timestamp) -> Option<String> {
        let next = self.next_attempt_at.as_deref().filter(|_| self.status != "held")?;
        // Both are written alike: the order of the texts is that of the times.
        let is_due = next <= now.to_string().as_str();
        Some(if is_due { "due now".to_owned() } else { format!("next {}", screen::cell(next)) })
    }
}

/// One attempt.
#[derive(Debug, Deserialize)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) started_at: String,
    pub(super) response_code: Option<u16>,
    pub(super) response_body: Option<String>,
    pub(super) response_time_ms: u64,
    pub(super) error: Option<String>,
}

/// A webhook.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Webhook {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) status: String,
    pub(super) disabled_reason: Option<String>,
    /// A server before this one does not say, as of the next.
    pub(super) paused_at: Option<String>,
    pub(super) next_probe_at: Option<String>,
    pub(super) rests_until: Option<String>,
    #[serde(default)]
    pub(super) events: Vec<String>,
    #[serde(default)]
    pub(super) source: String,
    pub(super) updated_at: Option<String>,
    /// Of one that was just created or rotated, once.
    pub(super) secret: Option<String>,
    pub(super) signing_secret: Option<String>,
    pub(super) ed25519_key: Option<String>,
    /// In the live stream: all that is said of one that is gone.
    #[serde(default)]
    pub(super) deleted: bool,
    /// What works but may not be meant.
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

impl Webhook {
    /// One that is no longer there: its id is its name.
    pub(super) fn unknown(id: &str) -> Self {
        Self { id: id.to_owned(), name: id.to_owned(), ..Self::default() }
    }
}

/// What became of a test.
#[derive(Debug, Deserialize)]
pub(super) struct Tested {
    pub(super) id: String,
    pub(super) delivery_id: String,
    pub(super) status: String,
    pub(super) response_code: Option<u16>,
    pub(super) response_body: Option<String>,
    pub(super) response_time_ms: Option<u64>,
    pub(super) error: Option<String>,
}

/// How many were queued, or would be; `id` is the recovery's.
#[derive(Debug, Deserialize)]
pub(super) struct Counted {
    pub(super) count: u64,
    pub(super) id: Option<String>,
}

/// A recovery.
#[derive(Debug, Deserialize)]
pub(super) struct Recovery {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) count: u64,
    pub(super) done: u64,
}

/// What a reload did.
#[derive(Debug, Deserialize)]
pub(super) struct Reloaded {
    pub(super) generation: u64,
    #[serde(default)]
    pub(super) needs_restart: Vec<String>,
}

/// `/v1/status`.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) version: String,
    pub(super) uptime_seconds: u64,
    pub(super) upstream: Upstream,
    pub(super) store: Store,
    pub(super) webhooks: Vec<Queue>,
    pub(super) config: Option<ConfigStatus>,
    /// A server before this one does not say.
    #[serde(default)]
    pub(super) problems: Vec<Degraded>,
}

/// Something that is not as it should be.
#[derive(Debug, Deserialize)]
pub(super) struct Degraded {
    pub(super) severity: String,
    pub(super) message: String,
    pub(super) cure: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ConfigStatus {
    pub(super) generation: u64,
    pub(super) loaded_at: String,
    #[serde(default)]
    pub(super) problems: Vec<String>,
    #[serde(default)]
    pub(super) needs_restart: Vec<String>,
}

/// Why the live stream ends, or that changes were missed.
#[derive(Debug, Deserialize)]
pub(super) struct Notice {
    pub(super) detail: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Upstream {
    pub(super) healthy: bool,
    pub(super) last_error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Store {
    pub(super) healthy: bool,
    pub(super) reason: Option<String>,
    pub(super) bytes: u64,
    pub(super) max_bytes: u64,
    pub(super) commit_p50_ms: Option<f64>,
    pub(super) commit_p99_ms: Option<f64>,
    #[serde(default)]
    pub(super) damage: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Queue {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) pending: u64,
    pub(super) held: u64,
    pub(super) oldest_seconds: Option<u64>,
}
