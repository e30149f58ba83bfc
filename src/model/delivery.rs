//! Deliveries and their attempts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DeliveryId, EventId, Failure, HeaderList, Timestamp, WebhookId};

/// Where a delivery stands. `held` is not stored: it is how a pending delivery of a webhook
/// that is not active (or no longer configured) is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Queued, or waiting for its next attempt.
    Pending,
    /// Its webhook is disabled, paused or gone.
    Held,
    /// A receiver answered 2xx.
    Delivered,
    /// Its schedule is exhausted.
    Failed,
    /// An operator gave it up.
    Cancelled,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Held, Self::Delivered, Self::Failed, Self::Cancelled];

    /// Its name on the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One event for one webhook, as it stands now.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Identity.
    pub id: DeliveryId,
    /// The event.
    pub event_id: EventId,
    /// The event's position in the order of commits.
    pub ordinal: u64,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The event's label.
    pub label: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempts: u32,
    /// When its event was committed.
    pub created_at: Timestamp,
    /// Start of the last attempt.
    pub last_attempt_at: Option<Timestamp>,
    /// When the next attempt is due; pending and held only.
    pub next_attempt_at: Option<Timestamp>,
    /// Status of the last reply.
    pub response_code: Option<u16>,
    /// Duration of the last attempt.
    pub response_time_ms: Option<u64>,
    /// Why the last attempt failed, in words.
    pub error: Option<String>,
}

/// One HTTP request of a delivery, and what came of it. Stored as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// From 1, counting on over retries by hand.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// What follows from it.
    pub verdict: Verdict,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The receiver answered 2xx.
    Accepted {
        /// The reply.
        reply: Reply,
    },
    /// Anything else.
    Failed {
        /// Why.
        failure: Failure,
        /// The reply, when one arrived.
        reply: Option<Reply>,
    },
}

impl Outcome {
    /// The reply, when one arrived.
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Accepted { reply } => Some(reply),
            Self::Failed { reply, .. } => reply.as_ref(),
        }
    }

    /// Why it failed, when it did.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Accepted { .. } => None,
            Self::Failed { failure, .. } => Some(failure),
        }
    }
}

/// A receiver's reply, as far as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// Its headers (bounded).
    pub headers: HeaderList,
    /// The first `max_response_kept` bytes of the body.
    #[serde(with = "base64_bytes")]
    pub body: Vec<u8>,
    /// Whether there was more.
    pub body_truncated: bool,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "then", rename_all = "snake_case")]
pub enum Verdict {
    /// Done.
    Delivered,
    /// Tried again at this time.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// The schedule is exhausted: visibly failed.
    Failed,
}

impl Verdict {
    /// The wait until the next attempt, seen from `now`.
    pub fn wait(self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Retry { at } => Some(at.since(now)),
            Self::Delivered | Self::Failed => None,
        }
    }
}

/// Bytes as base64 text, so that records stay self-describing JSON.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}
