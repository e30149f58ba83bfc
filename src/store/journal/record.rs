//! What the journal says, in a form that can be read without this program: JSON, with the
//! captured bodies raw behind it.

use std::io;

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Kind};
use super::managed::{AddedRecord, DefinitionRecord, RecoveryRecord};
use crate::model::{
    Attempt, DeliveryId, DeliveryState, Event, EventId, Exchange, RuleRef, Timestamp, WebhookId,
    WebhookState,
};
use crate::store::changes::Change;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are what there is most of: a box each would only cost"
)]
pub(crate) enum Record {
    Event {
        event: Event,
        committed_at: Timestamp,
        /// Those of its deliveries that keep to the order of events.
        ordered: Vec<DeliveryId>,
    },
    Attempt {
        attempt: Attempt,
        overtaken: bool,
    },
    State(StateRecord),
    Webhook(WebhookRecord),
    Definition(DefinitionRecord),
    Added(AddedRecord),
    Recovery(RecoveryRecord),
}

/// A delivery's state as set from outside its attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StateRecord {
    pub(crate) delivery_id: DeliveryId,
    pub(crate) state: DeliveryState,
    /// When the next attempt is due (pending only).
    pub(crate) due: Timestamp,
    /// Attempts made so far: authoritative only when carried forward.
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    pub(crate) at: Timestamp,
    pub(crate) why: Why,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What was copied with it, when carried forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carried_bytes: Option<u64>,
}

/// How a webhook stands from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WebhookRecord {
    pub(crate) webhook_id: WebhookId,
    pub(crate) state: WebhookState,
    /// When this was written, also when it was carried forward.
    pub(crate) at: Timestamp,
}

/// Why a state was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// Queued again by hand.
    Requeue,
    /// Given up by hand.
    Cancel,
    /// Copied out of a segment that is about to be removed.
    Carried,
    /// The event's record cannot be read any more.
    Damaged,
}

#[derive(Serialize)]
struct MetaOut<'a> {
    id: EventId,
    ordinal: u64,
    time: Timestamp,
    committed_at: Timestamp,
    rule: &'a RuleRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    depth: u8,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_test: bool,
    deliveries: Vec<Target>,
    request_body_len: usize,
    exchange: &'a Exchange,
}

#[derive(Deserialize)]
struct MetaIn {
    id: EventId,
    ordinal: u64,
    time: Timestamp,
    committed_at: Timestamp,
    rule: RuleRef,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    depth: u8,
    #[serde(default)]
    is_test: bool,
    deliveries: Vec<Target>,
    request_body_len: usize,
    exchange: Exchange,
}

#[derive(Serialize, Deserialize)]
struct Target {
    id: DeliveryId,
    webhook_id: WebhookId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ordered: bool,
}

impl Record {
    /// Reads a verified frame.
    ///
    /// # Errors
    /// The payload is not what its kind says: the writer's fault, not the disk's.
    pub(crate) fn decode(frame: &Frame<'_>) -> io::Result<Self> {
        match frame.kind {
            Kind::Event => decode_event(frame.payload),
            Kind::Attempt | Kind::Overtaken => Ok(Self::Attempt {
                attempt: serde_json::from_slice(frame.payload)?,
                overtaken: frame.kind == Kind::Overtaken,
            }),
            Kind::State => Ok(Self::State(serde_json::from_slice(frame.payload)?)),
            Kind::Webhook => Ok(Self::Webhook(serde_json::from_slice(frame.payload)?)),
            Kind::Definition => Ok(Self::Definition(serde_json::from_slice(frame.payload)?)),
            Kind::Added => Ok(Self::Added(serde_json::from_slice(frame.payload)?)),
            Kind::Recovery => Ok(Self::Recovery(serde_json::from_slice(frame.payload)?)),
        }
    }

    /// Which kind of frame it goes into.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Event { .. } => Kind::Event,
            Self::Attempt { overtaken: false, .. } => Kind::Attempt,
            Self::Attempt { overtaken: true, .. } => Kind::Overtaken,
            Self::State(_) => Kind::State,
            Self::Webhook(_) => Kind::Webhook,
            Self::Definition(_) => Kind::Definition,
            Self::Added(_) => Kind::Added,
            Self::Recovery(_) => Kind::Recovery,
        }
    }

    /// What followers are told of it.
    pub(crate) fn changes(&self, out: &mut Vec<Change>) {
        match self {
            Self::Event { event, .. } => out.push(Change::Event(event.id)),
            Self::Attempt { attempt, .. } => out.push(Change::Delivery(attempt.delivery_id)),
            Self::State(state) => out.push(Change::Delivery(state.delivery_id)),
            Self::Webhook(webhook) => out.push(Change::Webhook(webhook.webhook_id)),
            Self::Definition(definition) => out.push(Change::Webhook(definition.webhook_id)),
            Self::Added(added) => {
                out.extend(added.deliveries.iter().map(|target| Change::Delivery(target.id)));
            }
            // Its steps are changes of deliveries.
            Self::Recovery(_) => {}
        }
    }

    /// Writes the payload behind what `out` holds.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Event { event, committed_at, ordered } => {
                encode_event(event, *committed_at, ordered, out);
            }
            Self::Attempt { attempt, .. } => write_json(attempt, out),
            Self::State(state) => write_json(state, out),
            Self::Webhook(webhook) => write_json(webhook, out),
            Self::Definition(definition) => write_json(definition, out),
            Self::Added(added) => write_json(added, out),
            Self::Recovery(recovery) => write_json(recovery, out),
        }
    }
}

fn encode_event(event: &Event, committed_at: Timestamp, ordered: &[DeliveryId], out: &mut Vec<u8>) {
    let request = &event.exchange.request.body.bytes;
    let response = &event.exchange.response.body.bytes;
    let target = |&(id, webhook_id): &(DeliveryId, WebhookId)| Target {
        id,
        webhook_id,
        ordered: ordered.contains(&id),
    };
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write_json(
        &MetaOut {
            id: event.id,
            ordinal: event.ordinal,
            time: event.time,
            committed_at,
            rule: &event.rule,
            subject: event.subject.as_deref(),
            depth: event.depth,
            is_test: event.is_test,
            deliveries: event.deliveries.iter().map(target).collect(),
            request_body_len: request.len(),
            exchange: &event.exchange,
        },
        out,
    );
    let meta_len = u32::try_from(out.len() - at - 4).expect("request heads are bounded");
    out[at..at + 4].copy_from_slice(&meta_len.to_le_bytes());
    out.extend_from_slice(request);
    out.extend_from_slice(response);
}

fn decode_event(payload: &[u8]) -> io::Result<Record> {
    let short = || io::Error::new(io::ErrorKind::InvalidData, "event record too short");
    let (len, rest) = payload.split_first_chunk::<4>().ok_or_else(short)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).map_err(io::Error::other)?;
    let (meta, bodies) = rest.split_at_checked(len).ok_or_else(short)?;
    let mut meta: MetaIn = serde_json::from_slice(meta)?;
    let (request, response) = bodies.split_at_checked(meta.request_body_len).ok_or_else(short)?;
    meta.exchange.request.body.bytes = request.to_vec();
    meta.exchange.response.body.bytes = response.to_vec();
    let ordered = meta.deliveries.iter().filter(|t| t.ordered).map(|t| t.id).collect();
    let event = Event {
        id: meta.id,
        ordinal: meta.ordinal,
        time: meta.time,
        rule: meta.rule,
        subject: meta.subject,
        depth: meta.depth,
        is_test: meta.is_test,
        exchange: meta.exchange,
        deliveries: meta.deliveries.into_iter().map(|t| (t.id, t.webhook_id)).collect(),
    };
    Ok(Record::Event { event, committed_at: meta.committed_at, ordered })
}

fn write_json<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("plain data into memory");
}
