//! The request of a delivery's next attempt, for people to look at: built as ever, of a webhook
//! whose secrets are masked.

use std::sync::Arc;

use http::HeaderValue;

use super::outgoing::{self, Order};
use crate::egress::Outgoing;
use crate::model::{BasicAuth, DeliveryId, Event, Secret, Timestamp, Webhook};
use crate::sign;

/// Stands for every secret.
const MASK: &str = "***";

/// Builds the request of attempt `number` as it would be at this time. Signatures are there by
/// name. May take long, as rendering may.
///
/// # Errors
/// The body cannot be rendered, in words.
pub fn preview(
    event: &Arc<Event>,
    webhook: &Webhook,
    delivery: DeliveryId,
    number: u32,
    source: &Arc<str>,
    now: Timestamp,
) -> Result<Outgoing, String> {
    let masked = || Secret::new(MASK);
    let webhook_masked = Webhook {
        secret: webhook.secret.as_ref().map(|_| masked()),
        signing_secret: None,
        ed25519_key: None,
        previous_secrets: Vec::new(),
        basic_auth: webhook
            .basic_auth
            .as_ref()
            .map(|auth| BasicAuth { username: auth.username.clone(), password: masked() }),
        signatures: Vec::new(),
        tls: None,
        ..webhook.clone()
    };
    let order = Order {
        event: Arc::clone(event),
        webhook: Arc::new(webhook_masked),
        delivery,
        number,
        started_at: now,
        source: Arc::clone(source),
        span: 1,
    };
    let mut outgoing = outgoing::outgoing(&order).map_err(|error| error.to_string())?;
    for scheme in &webhook.signatures {
        let mut value = HeaderValue::from_static(MASK);
        value.set_sensitive(true);
        outgoing.headers.insert(sign::header_name(scheme), value);
    }
    Ok(outgoing)
}
