//! How identities, times and the other words of the model look in the OpenAPI document: as they
//! are written in answers, and as they may be spelled in a path.

use std::borrow::Cow;

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Object, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::degraded;
use crate::model::{
    DeliveryId, DeliveryState, EventId, Format, Scheme, Timestamp, WebhookId, WebhookSource,
    WebhookStatus,
};
use crate::telemetry::Range;

/// 32 hexadecimal digits, or a UUID with its hyphens (RFC 9562 4), in any case.
macro_rules! uuid_in_any_spelling {
    ($prefix:literal) => {
        concat!(
            "^",
            $prefix,
            "([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$"
        )
    };
}

/// An event's id in a path.
pub(super) struct EventKey;
/// A delivery's id in a path.
pub(super) struct DeliveryKey;
/// A webhook's id in a path or a query.
pub(super) struct WebhookKey;
/// An event's or a delivery's id in a path.
pub(super) struct AnyKey;
/// What is not as it should be, for programs.
pub(super) struct DegradedCode;
/// How far charts go back.
pub(super) struct RangeName;
/// A recovery's id.
pub(super) struct RecoveryKey;
/// How a recovery stands.
pub(super) struct RecoveryState;
/// What a probe is told in a word.
pub(super) struct Probed;
/// The name of a format.
pub(super) struct FormatName;
/// The name of a signature scheme.
pub(super) struct SchemeName;
/// How a signature is written.
pub(super) struct SignatureEncodingName;
/// What is signed.
pub(super) struct SignedContentName;
/// The hash of an HMAC.
pub(super) struct SignatureAlgorithmName;
/// A status code of HTTP.
pub(super) struct StatusCode;
/// An RFC 3339 time that a request may hold, with any offset.
pub(super) struct Moment;
/// An event's label.
pub(super) struct Label;

macro_rules! written {
    ($($type:ty as $name:literal: $schema:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                Schema::Object($schema.build()).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

written! {
    EventId as "EventId": text("An event: `evt_` and 32 hexadecimal digits of a UUIDv7.")
        .pattern(Some("^evt_[0-9a-f]{32}$"))
        .examples(["evt_019ab1c2d3e47f5a8b6c7d8e9f0a1b2c"]);
    DeliveryId as "DeliveryId":
        text("A delivery: a UUIDv7, sent as `webhook-id` on every attempt.")
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .examples(["019ab1c2-d3e4-7f5a-8b6c-7d8e9f0a1b2c"]);
    WebhookId as "WebhookId": text("A webhook: `wh_` and 32 hexadecimal digits.")
        .pattern(Some("^wh_[0-9a-f]{32}$"))
        .examples(["wh_6f0d9c0e2b1a4c559d1e7a5431c288f1"]);
    EventKey as "EventKey":
        text("An event's id, with `evt_` or without, with hyphens or without, in any case.")
        .pattern(Some(uuid_in_any_spelling!("(evt_)?")));
    DeliveryKey as "DeliveryKey":
        text("A delivery's id, with `del_` or without, with hyphens or without, in any case.")
        .pattern(Some(uuid_in_any_spelling!("(del_)?")));
    WebhookKey as "WebhookKey":
        text("A webhook's id, with `wh_` or without, with hyphens or without, in any case.")
        .pattern(Some(uuid_in_any_spelling!("(wh_)?")));
    AnyKey as "AnyKey":
        text("An event's or a delivery's id, in any spelling; a bare UUID may be either.")
        .pattern(Some(uuid_in_any_spelling!("(evt_|del_)?")));
    DegradedCode as "DegradedCode": text("What is not as it should be, for programs.")
        .enum_values(Some(degraded::CODES));
    RangeName as "Range": text("How far charts go back.")
        .enum_values(Some(Range::ALL.map(Range::name)));
    RecoveryKey as "RecoveryId": text("A recovery: a UUID.")
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .examples(["019ab1c2-d3e4-7f5a-8b6c-7d8e9f0a1b2c"]);
    RecoveryState as "RecoveryState": text("How a recovery stands.")
        .enum_values(Some(["running", "done", "stopped"]));
    Probed as "Probed": text("What a probe is told in a word.")
        .enum_values(Some(["alive", "ready", "not ready"]));
    Timestamp as "Timestamp": text("A time (RFC 3339), in UTC, with milliseconds.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-01-31T09:30:00.123Z"]);
    Moment as "Moment": text("A time (RFC 3339) with any offset.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-01-31T10:30:00+01:00"]);
    Label as "Label": text("The name of a kind of event.")
        .pattern(Some("^[A-Za-z0-9_.:-]+$"))
        .examples(["task.created"]);
    DeliveryState as "DeliveryState": text(
            "`pending`: queued, or waiting for its next attempt; `held`: its webhook is disabled, \
             paused or gone; `delivered`: the receiver answered 2xx; `failed`: its schedule is \
             exhausted; `cancelled`: an operator gave it up.",
        )
        .enum_values(Some(Self::ALL.map(Self::name)));
    WebhookStatus as "WebhookStatus": text(
            "`active`; `paused`: one delivery at a time is tried until one is accepted; \
             `disabled`: its deliveries are held until somebody enables it.",
        )
        .enum_values(Some([Self::Active, Self::Paused, Self::Disabled].map(Self::name)));
    WebhookSource as "WebhookSource":
        text("Where the webhook is defined: the configuration file, or this API.")
        .enum_values(Some(["config", "api"]));
    FormatName as "FormatName": text("A body format; see the webhooks of this document.")
        .enum_values(Some(Format::NAMED.map(|format| format.name())));
    SchemeName as "SchemeName": text("A signature scheme.")
        .enum_values(Some(Scheme::NAMED.map(|scheme| scheme.name())));
    SignatureEncodingName as "SignatureEncoding": text("How a signature is written.")
        .enum_values(Some(["hex", "base64"]));
    SignedContentName as "SignedContent":
        text("What is signed: the body, alone or after the timestamp, or the id and the timestamp.")
        .enum_values(Some(["body", "timestamp.body", "id.timestamp.body"]));
    SignatureAlgorithmName as "SignatureAlgorithm": text("The hash of an HMAC.")
        .enum_values(Some(["sha256", "sha512"]));
    StatusCode as "StatusCode": Object::builder()
        .schema_type(Type::Integer)
        .description(Some("A status code of HTTP."))
        .minimum(Some(100))
        .maximum(Some(599));
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn ids_are_written_and_read_as_their_patterns_say() {
        fn pattern<T: PartialSchema>() -> Regex {
            let schema = serde_json::to_value(T::schema()).expect("JSON");
            Regex::new(schema["pattern"].as_str().expect("a pattern")).expect("a regex")
        }
        let uuid = uuid::Uuid::now_v7();
        assert!(pattern::<EventId>().is_match(&EventId::from_uuid(uuid).to_string()));
        assert!(pattern::<WebhookId>().is_match(&WebhookId::from_uuid(uuid).to_string()));
        for text in [
            format!("evt_{}", uuid.hyphenated()),
            format!("evt_{}", uuid.simple()),
            uuid.to_string().to_uppercase(),
            format!("evt_{}x", uuid.simple()),
            format!("wh_{}", uuid.simple()),
            format!("{{{uuid}}}"),
            "evt_".to_owned(),
        ] {
            let is_id = text.parse::<EventId>().is_ok();
            assert_eq!(pattern::<EventKey>().is_match(&text), is_id, "{text}");
            let is_id = text.parse::<WebhookId>().is_ok();
            assert_eq!(pattern::<WebhookKey>().is_match(&text), is_id, "{text}");
        }
    }
}
