//! A webhook of the API as the store keeps it: the keys as they were given, with the secrets that
//! were made, and what a change leaves behind.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::problem::FieldError;
use super::registry::{ReadKeys, ReadWebhook};
use crate::model::{
    LabelPattern, PreviousSecret, Secret, Timestamp, Webhook, WebhookId, WebhookSource,
};
use crate::store::Definition;

/// Of the text; a newer one is not guessed at.
const VERSION: u32 = 1;

/// What a definition's text says. Holds secrets: it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    version: u32,
    pub(super) keys: Map<String, Value>,
    #[serde(default)]
    previous_secrets: Vec<Previous>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// A key that was replaced.
#[derive(Clone, Serialize, Deserialize)]
struct Previous {
    secret: String,
    until: Timestamp,
}

impl Stored {
    /// New with these keys.
    pub(super) const fn new(keys: Map<String, Value>, now: Timestamp) -> Self {
        let previous_secrets = Vec::new();
        Self { version: VERSION, keys, previous_secrets, created_at: now, updated_at: now }
    }

    /// Reads a definition's text.
    ///
    /// # Errors
    /// In words, without the text itself.
    pub(super) fn parse(text: &Secret) -> Result<Self, String> {
        // What serde says of a mistake may show what stands there.
        let stored: Self = serde_json::from_str(text.reveal())
            .map_err(|_| "its stored definition cannot be read".to_owned())?;
        if stored.version > VERSION {
            return Err("its definition was stored by a newer version of sidehook".to_owned());
        }
        Ok(stored)
    }

    /// As it is kept.
    pub(super) fn text(&self) -> Secret {
        Secret::new(serde_json::to_string(self).expect("keys are strings"))
    }

    /// Replaced keys whose overlap has ended are dropped.
    pub(super) fn drop_expired(&mut self, now: Timestamp) {
        self.previous_secrets.retain(|previous| now < previous.until);
    }

    /// How many replaced keys sign still.
    pub(super) const fn n_previous(&self) -> usize {
        self.previous_secrets.len()
    }

    /// A key goes on signing beside its successor for a while.
    pub(super) fn overlap(&mut self, secret: &Secret, until: Timestamp) {
        self.previous_secrets.push(Previous { secret: secret.reveal().to_owned(), until });
    }

    /// A key that was set by hand takes the place of all before it, at once.
    pub(super) fn forget_previous(&mut self) {
        self.previous_secrets.clear();
    }

    /// The webhook, by the checks of the configuration in force.
    ///
    /// # Errors
    /// What is wrong, field by field.
    pub(super) fn read(
        &self,
        id: WebhookId,
        reader: &dyn ReadWebhook,
    ) -> Result<ReadKeys, Vec<FieldError>> {
        let mut read = reader.read(&self.keys)?;
        self.complete(&mut read.webhook, id);
        Ok(read)
    }

    fn complete(&self, webhook: &mut Webhook, id: WebhookId) {
        webhook.id = id;
        webhook.source = WebhookSource::Api;
        webhook.created_at = self.created_at;
        webhook.updated_at = self.updated_at;
        let previous = |p: &Previous| PreviousSecret {
            secret: Secret::new(p.secret.as_str()),
            until: p.until,
        };
        webhook.previous_secrets = self.previous_secrets.iter().map(previous).collect();
    }

    /// What can be shown of a webhook that the configuration does not allow, and what its events
    /// need to wait for it.
    fn stand_in(&self, id: WebhookId, reason: String) -> Webhook {
        let text = |key: &str| self.keys.get(key).and_then(Value::as_str);
        let url = text("url").and_then(|url| url::Url::parse(url).ok()).unwrap_or_else(nowhere);
        let events = self.keys.get("events").and_then(Value::as_array);
        let events = events.into_iter().flatten().filter_map(Value::as_str);
        let mut webhook = Webhook {
            events: events.map(LabelPattern::new).collect(),
            secret: text("secret").map(Secret::new),
            signing_secret: text("signing_secret").map(Secret::new),
            ordered: self.keys.get("ordered").and_then(Value::as_bool).unwrap_or_default(),
            unusable: Some(reason),
            ..Webhook::new(text("name").unwrap_or_default(), url)
        };
        self.complete(&mut webhook, id);
        webhook
    }
}

/// The webhook of a definition. One that does not fit the configuration is there all the same:
/// its events wait for it, and nothing is sent.
pub(super) fn webhook_of(definition: &Definition, reader: &dyn ReadWebhook) -> Webhook {
    let id = definition.id;
    let unusable = match Stored::parse(&definition.text) {
        Ok(stored) => match stored.read(id, reader) {
            Ok(read) => return read.webhook,
            Err(errors) => stored.stand_in(id, words(&errors)),
        },
        Err(reason) => Webhook {
            id,
            events: Vec::new(),
            source: WebhookSource::Api,
            unusable: Some(reason),
            ..Webhook::new(id.to_string(), nowhere())
        },
    };
    tracing::error!(
        webhook = unusable.name,
        reason = unusable.unusable,
        "a webhook of the admin API cannot be used: its deliveries are held until it is changed \
         with PATCH /v1/webhooks/{id}, or the configuration is"
    );
    unusable
}

fn words(errors: &[FieldError]) -> String {
    let shown = |error: &FieldError| format!("{}: {}", error.field, error.message);
    let all = errors.iter().take(5).map(shown).collect::<Vec<_>>().join("; ");
    format!("it does not fit the configuration: {all}")
}

/// Stands in for a target that cannot be read.
fn nowhere() -> url::Url {
    url::Url::parse("http://stand-in.invalid/").expect("a constant, valid URL")
}
