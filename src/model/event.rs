//! Events: successful calls that matched a rule.

use serde::{Deserialize, Serialize};

use super::{DeliveryId, EventId, Exchange, RuleId, Timestamp, WebhookId};

/// The rule that made an event, as it was then: rules may change, events do not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleRef {
    /// The rule's number.
    pub id: RuleId,
    /// The event's name.
    pub label: String,
    /// The rule's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// An event on its way into the store. The store chooses its deliveries when it commits it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Identity, made by the proxy (UUIDv7).
    pub id: EventId,
    /// When the upstream's response was complete.
    pub time: Timestamp,
    /// The rule that matched.
    pub rule: RuleRef,
    /// What the event is about, as the rule's `subject` says; at most 1 KiB.
    pub subject: Option<String>,
    /// How many webhooks stand before the call in a chain: 0 for a call of its own, 1 for one
    /// that a receiver makes because of a webhook.
    pub depth: u8,
    /// The captured, redacted call.
    pub exchange: Exchange,
    /// A test of this webhook: it alone gets the event, whatever it subscribes to and however it
    /// stands, in one attempt.
    pub test_of: Option<WebhookId>,
}

impl NewEvent {
    /// Memory held while it waits for its commit, in bytes: what queues count.
    pub fn weight(&self) -> usize {
        let request = &self.exchange.request;
        let response = &self.exchange.response;
        let size = |(n, v): &(String, Vec<u8>)| n.len() + v.len() + 48;
        let headers = |list: &super::HeaderList| -> usize { list.0.iter().map(size).sum() };
        512 + request.url.len()
            + self.subject.as_ref().map_or(0, String::len)
            + headers(&request.headers)
            + headers(&response.headers)
            + request.body.described_by().map(size).sum::<usize>()
            + response.body.described_by().map(size).sum::<usize>()
            + request.body.bytes.len()
            + response.body.bytes.len()
    }
}

/// A stored event. Immutable.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Identity.
    pub id: EventId,
    /// Position in the order of commits: unique, growing; cursors are made of it.
    pub ordinal: u64,
    /// When the upstream's response was complete.
    pub time: Timestamp,
    /// The rule that matched.
    pub rule: RuleRef,
    /// What the event is about.
    pub subject: Option<String>,
    /// How many webhooks stand before the call in a chain.
    pub depth: u8,
    /// The captured call.
    pub exchange: Exchange,
    /// A test of a webhook: one attempt, no retry.
    pub is_test: bool,
    /// Its deliveries, one per webhook it is for.
    pub deliveries: Vec<(DeliveryId, WebhookId)>,
}

/// How many deliveries of an event or a webhook stand in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the states")]
pub struct DeliveryCounts {
    pub pending: u64,
    pub held: u64,
    pub delivered: u64,
    pub failed: u64,
    pub cancelled: u64,
}
