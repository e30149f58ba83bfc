//! The nouns of sidehook: plain data, no I/O, no async, no clock.
//!
//! A **call** that matches an **event rule** becomes an **event**; an event has
//! one **delivery** per **webhook** it is for; a delivery is one or more
//! **attempts**. Every other module speaks in these types.

mod delivery;
mod event;
mod exchange;
mod failure;
mod format;
mod header;
mod id;
mod label;
mod rule;
mod scheme;
mod secret;
mod time;
mod webhook;

pub use delivery::{Attempt, Delivery, DeliveryState, Outcome, Reply, Verdict};
pub use event::{DeliveryCounts, Event, NewEvent, RuleRef};
pub use exchange::{Body, BodyState, Exchange, HeaderList, RequestPart, ResponsePart};
pub use failure::{Failure, FailurePhase, GuardReason, TlsFailure};
pub use format::Format;
pub use header::{is_reserved_header, looks_like_credential, may_hold_credential};
pub use id::{AnyId, DeliveryId, EventId, IdError, WebhookId};
pub use label::{LabelPattern, SYSTEM_LABELS};
pub use rule::{EventRule, OnDisconnect, RuleId, StatusRange};
pub use scheme::{CustomScheme, Scheme, SignatureAlgorithm, SignatureEncoding, SignedContent};
pub use secret::Secret;
pub use time::Timestamp;
pub use webhook::{
    BasicAuth, PreviousSecret, REST_MAX, RateLimit, TlsIdentity, Webhook, WebhookSource,
    WebhookState, WebhookStatus,
};
