//! The query parameters of the API as the OpenAPI document tells them. Each set stands for what
//! `params` takes.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{Object, Schema, Type};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams, PartialSchema};

use super::Settings;
use super::schemas::{Label, Moment, RangeName, RecoveryKey, StatusCode, WebhookKey};
use crate::model::DeliveryState;

/// A place in the sequence of changes.
const MARK: &str = "^[0-9a-f]{1,16}-[0-9]{1,19}$";

macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident: [$($parameter:expr),* $(,)?];)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![$($parameter),*]
            }
        }
    )*};
}

queries! {
    /// `limit` and `cursor` of a list of the store.
    Paging: [
        limit(),
        query(
            "cursor",
            "Where the page begins: the `next` of the page before, as it is.",
            text("^[0-9a-f]{1,16}-[0-9a-f]{1,8}$"),
        ),
    ];
    /// `limit` and `cursor` of the rules.
    RulePaging: [
        limit(),
        query(
            "cursor",
            "Where the page begins: the `next` of the page before, as it is.",
            text("^[0-9]{1,9}$"),
        ),
    ];
    /// `limit` and `cursor` of the webhooks.
    WebhookPaging: [
        limit(),
        query(
            "cursor",
            "Where the page begins: the `next` of the page before, as it is.",
            text("^[0-9a-f]{1,12}-[0-9a-f]{32}$"),
        ),
    ];
    /// `limit` and `cursor` of the recoveries.
    RecoveryPaging: [
        limit(),
        query(
            "cursor",
            "Where the page begins: the `next` of the page before, as it is.",
            RecoveryKey::schema(),
        ),
    ];
    /// `since` and `until`.
    Between: [
        query("since", "Only what is of this time or later.", Moment::schema()),
        query("until", "Only what is of before this time.", Moment::schema()),
    ];
    /// `status` of deliveries.
    InState: [query("status", "Only deliveries in this state.", DeliveryState::schema())];
    /// `event` of deliveries.
    OfEvent: [query("event", "Only deliveries of events of this label.", Label::schema())];
    /// `webhook` of deliveries.
    OfWebhook: [query("webhook", "Only deliveries to this webhook.", WebhookKey::schema())];
    /// `q` of events and deliveries.
    Search: [query("q", "Only what has this text in its path, its subject or one of its ids.", words())];
    /// What is shown of a delivery's request.
    View: [query(
        "view",
        "`body` (default) or `request`: the whole request, as JSON.",
        text("^(body|request)$"),
    )];
    /// What a follower of the live stream asks for.
    Following: [
        query(
            "types",
            "What to hear of: some of `event`, `delivery`, `webhook`, with commas; otherwise all.",
            text("^(event|delivery|webhook)(,(event|delivery|webhook))*$"),
        ),
        query(
            "webhook",
            "Only what concerns this webhook: events that it gets, its deliveries, itself.",
            WebhookKey::schema(),
        ),
        query(
            "last_event_id",
            "In place of `Last-Event-ID`, for a first connection; the header goes before it.",
            text(MARK),
        ),
        Parameter::builder()
            .name("Last-Event-ID")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("The `id` of the last event that was received."))
            .schema(Some(text(MARK)))
            .build(),
    ];
    /// What charts are asked for.
    Charted: [
        query("range", "How far they go back; default `15m`.", RangeName::schema()),
        query(
            "webhooks",
            "Webhooks that are shown one by one: ids with commas between them. One that there is none \
             of (any more) is left out of the answer.",
            webhook_ids(),
        ),
    ];
    /// What only events are filtered by.
    OfCall: [
        query("label", "Only events of this label.", Label::schema()),
        query("status", "Only events with a delivery in this state.", DeliveryState::schema()),
        query("code", "Only calls that were answered with this status.", StatusCode::schema()),
        query("webhook", "Only events with a delivery to this webhook.", WebhookKey::schema()),
    ];
}

/// Ids of webhooks in any spelling, with commas between them.
fn webhook_ids() -> Schema {
    let uuid = "([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})";
    let more = Settings::CHARTED_MAX - 1;
    text(&format!("^(wh_)?{uuid}(,(wh_)?{uuid}){{0,{more}}}$"))
}

/// Text that holds something to look for.
fn words() -> Schema {
    let schema = Object::builder()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(Settings::Q_CHARS_MAX))
        .pattern(Some(r"[^\s\u0000-\u001f\u007f-\u009f]"))
        .examples(["/tasks/7"]);
    Schema::Object(schema.build())
}

fn limit() -> Parameter {
    let schema = Object::builder()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(Settings::PAGE_MAX))
        .default(Some(Settings::PAGE_DEFAULT.into()));
    query("limit", "So many items at most.", Schema::Object(schema.build()))
}

/// An optional query parameter.
pub(super) fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    Parameter::builder()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// Text of this pattern.
pub(super) fn text(pattern: &str) -> Schema {
    Schema::Object(Object::builder().schema_type(Type::String).pattern(Some(pattern)).build())
}
