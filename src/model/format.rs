//! The body that a webhook's receiver gets.

use crate::expr::{Expression, Template};

/// The body's format.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// The whole exchange, with the secret.
    Exchange,
    /// `event_name`, `time`, `data`.
    Vikunja,
    /// `event`, `timestamp`, `webhook_id`, `data`.
    Timestamped,
    /// `event`, `entity`, `identifier`, `payload`; label of two segments or more.
    WireguardPortal,
    /// `id`, `type`, `created_at`, `data`.
    Typed,
    /// `type`, `timestamp`, `data` (Standard Webhooks' recommended body).
    Standard,
    /// CloudEvents 1.0, structured mode.
    CloudEvents,
    /// CloudEvents 1.0, binary mode.
    CloudEventsBinary,
    /// The value of an expression, as JSON.
    Json(Expression),
    /// Text with `{{ }}`.
    Template {
        /// The text.
        template: Template,
        /// Its `content-type`.
        content_type: http::HeaderValue,
    },
}

impl Format {
    /// The formats that have a name of their own in configuration and API.
    pub const NAMED: [Self; 8] = [
        Self::Exchange,
        Self::Vikunja,
        Self::Timestamped,
        Self::WireguardPortal,
        Self::Typed,
        Self::Standard,
        Self::CloudEvents,
        Self::CloudEventsBinary,
    ];

    /// Its name in configuration and API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Vikunja => "vikunja",
            Self::Timestamped => "timestamped",
            Self::WireguardPortal => "wireguard-portal",
            Self::Typed => "typed",
            Self::Standard => "standard",
            Self::CloudEvents => "cloudevents",
            Self::CloudEventsBinary => "cloudevents-binary",
            Self::Json(_) => "json",
            Self::Template { .. } => "template",
        }
    }

    /// Whether a body of this format shows the webhook's `secret`: then it cannot also be a key.
    pub fn shows_secret(&self) -> bool {
        match self {
            Self::Exchange => true,
            Self::Json(expression) => expression.may_read("webhook", "secret"),
            Self::Template { template, .. } => template.may_read("webhook", "secret"),
            _ => false,
        }
    }
}
