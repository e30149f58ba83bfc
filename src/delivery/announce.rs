//! Tells of a webhook's trouble: in the log, and as events of sidehook's own to the webhooks that
//! name them in `events`. Such an event is a made-up call `POST /sidehook/...` whose response
//! tells the story; it is kept and delivered like any other.

use serde::Serialize;
use uuid::Uuid;

use super::deliver::Context;
use super::health::Change;
use crate::model::{
    Attempt, Body, Delivery, DeliveryId, EventId, Exchange, HeaderList, NewEvent, RequestPart,
    ResponsePart, RuleRef, SYSTEM_LABELS, Timestamp, Webhook, WebhookId, WebhookState,
};

const DELIVERY_FAILED: &str = "sidehook.delivery.failed";

/// Who changed a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// What came of the webhook's attempts.
    Itself,
    /// Somebody on the admin API.
    Operator,
}

#[derive(Serialize)]
struct StatusStory<'a> {
    webhook: About<'a>,
    reason: Option<&'a str>,
    since: Timestamp,
}

#[derive(Serialize)]
struct FailedStory<'a> {
    webhook: About<'a>,
    delivery: Failed<'a>,
}

/// Query and credentials of the URL stay with the operator.
#[derive(Serialize)]
struct About<'a> {
    id: WebhookId,
    name: &'a str,
    url: String,
}

#[derive(Serialize)]
struct Failed<'a> {
    id: DeliveryId,
    event_id: EventId,
    event: &'a str,
    attempts: u32,
    error: Option<String>,
    response_code: Option<u16>,
}

/// A webhook's status has changed to `state`.
pub(super) fn status(
    context: &Context,
    webhook: &Webhook,
    change: Change,
    state: &WebhookState,
    by: By,
    now: Timestamp,
) {
    let name = webhook.name.as_str();
    let reason = state.reason.as_deref().unwrap_or_default();
    match (change, by) {
        (Change::Recovered, By::Itself) => {
            tracing::info!(webhook = name, "the webhook has recovered: a probe was accepted");
        }
        (Change::Recovered, By::Operator) => tracing::info!(webhook = name, "enabled by hand"),
        (Change::Paused, _) => {
            tracing::warn!(
                webhook = name,
                reason,
                "the webhook is paused: one probe at a time until one is accepted"
            );
        }
        (Change::Disabled, By::Itself) => {
            tracing::error!(
                webhook = name,
                reason,
                "the webhook is disabled: its deliveries are held until somebody enables it with \
                 PATCH /v1/webhooks/{}, {{\"status\": \"active\"}}",
                webhook.id
            );
        }
        (Change::Disabled, By::Operator) => tracing::info!(webhook = name, reason, "disabled"),
    }
    let label = match change {
        Change::Paused => "sidehook.webhook.paused",
        Change::Disabled => "sidehook.webhook.disabled",
        Change::Recovered => "sidehook.webhook.recovered",
    };
    let reason = match (change, by) {
        (Change::Recovered, By::Itself) => Some("a probe was accepted"),
        (Change::Recovered, By::Operator) => Some("enabled by an operator"),
        _ => state.reason.as_deref(),
    };
    // The store forgets since when a webhook is as it is by default.
    let since = if change == Change::Recovered { now } else { state.since };
    let story = StatusStory { webhook: About::of(webhook), reason, since };
    tell(context, webhook, label, &story, now);
}

/// A delivery has failed for good with this attempt. One of an event of sidehook's own raises no
/// further event: trouble with the webhook that is told of trouble must not breed more.
pub(super) fn delivery_failed(
    context: &Context,
    webhook: &Webhook,
    delivery: &Delivery,
    attempt: &Attempt,
    now: Timestamp,
) {
    if delivery.label.starts_with(SYSTEM_LABELS) {
        return;
    }
    let failed = Failed {
        id: delivery.id,
        event_id: delivery.event_id,
        event: &delivery.label,
        attempts: attempt.number,
        error: attempt.outcome.failure().map(ToString::to_string),
        response_code: attempt.outcome.reply().map(|reply| reply.status),
    };
    let story = FailedStory { webhook: About::of(webhook), delivery: failed };
    tell(context, webhook, DELIVERY_FAILED, &story, now);
}

impl<'a> About<'a> {
    fn of(webhook: &'a Webhook) -> Self {
        let mut url = webhook.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        // Fails for URLs that have no place for them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self { id: webhook.id, name: &webhook.name, url: url.into() }
    }
}

/// Commits the event, when a webhook other than the one concerned wants it.
fn tell(context: &Context, webhook: &Webhook, label: &str, story: &impl Serialize, now: Timestamp) {
    let webhooks = context.store.webhooks();
    if !webhooks.iter().any(|other| other.id != webhook.id && other.wants(label)) {
        return;
    }
    let event = event(label, &webhook.name, story, now);
    if let Err(error) = context.store.offer(event) {
        // The trouble itself has its own line, and the store has told of its own.
        tracing::debug!(webhook = webhook.name, label, %error, "nobody is told by an event");
    }
}

fn event(label: &str, subject: &str, story: &impl Serialize, now: Timestamp) -> NewEvent {
    let story = serde_json::to_vec(story).expect("stories have string keys and never fail");
    let json = ("content-type".to_owned(), b"application/json".to_vec());
    let short = label.strip_prefix(SYSTEM_LABELS).unwrap_or(label);
    NewEvent {
        id: EventId::from_uuid(Uuid::now_v7()),
        time: now,
        rule: RuleRef { id: 0, label: label.to_owned(), tag: None },
        subject: Some(subject.to_owned()),
        depth: 0,
        test_of: None,
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: format!("/sidehook/{short}"),
                params: Vec::new(),
                headers: HeaderList::default(),
                body: Body::none(),
            },
            response: ResponsePart {
                status: 200,
                headers: HeaderList(vec![json]),
                body: Body::complete(story),
            },
        },
    }
}
