//! What a follower of the live stream is told, for the OpenAPI document. `stream` writes it.

use serde::Serialize;
use utoipa::ToSchema;

use super::views::{DeliveryInList, EventInList};
use super::webhook_view::WebhookView;
use crate::model::WebhookId;

/// The `data` of one event of the stream.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document what `stream` writes")]
pub(super) enum StreamData<'a> {
    /// `event: event`.
    Event(EventInList<'a>),
    /// `event: delivery`.
    Delivery(DeliveryInList<'a>),
    /// `event: webhook`.
    Webhook(Box<WebhookView<'a>>),
    /// `event: webhook`, of one that is gone.
    Gone(WebhookGone),
    /// `event: reset` and `event: closed`.
    Notice(StreamNotice),
}

/// A webhook that was deleted.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookGone {
    id: WebhookId,
    /// Always true.
    deleted: bool,
}

/// What the stream says of itself.
#[derive(Serialize, ToSchema)]
pub(super) struct StreamNotice {
    reason: Reason,
    /// What it means and what to do, in words.
    detail: String,
}

/// Why changes were missed, or why the stream ends.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "tells the document what `stream` writes")]
enum Reason {
    Missed,
    TooSlow,
    StoreUnavailable,
    Stopping,
    TokenChanged,
}
