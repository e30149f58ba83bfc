//! What people call things: webhooks by name or id, events and deliveries by any spelling.

use anyhow::bail;

use super::answers::{Kind, Typed, Webhook};
use super::client::{Client, Query};
use super::filters::Rows;
use super::screen;
use crate::model::WebhookId;

/// So many webhooks are read for their names.
const N_WEBHOOKS_MAX: usize = 10_000;
/// So many names are told to one who missed them.
const N_NAMES_MAX: usize = 20;
/// A name is meant where this much of it is right (Jaro-Winkler).
const LIKENESS_MIN: f64 = 0.8;

impl Client {
    /// The webhooks, to show names beside ids.
    pub(super) fn webhooks(&self) -> anyhow::Result<Vec<Webhook>> {
        self.block_on(self.fetch_webhooks())
    }

    pub(super) async fn fetch_webhooks(&self) -> anyhow::Result<Vec<Webhook>> {
        self.fetch_rows().await?.read()
    }

    /// The webhooks, as they came.
    pub(super) fn all_webhooks(&self) -> anyhow::Result<Rows> {
        self.block_on(self.fetch_rows())
    }

    async fn fetch_rows(&self) -> anyhow::Result<Rows> {
        let path = ["v1", "webhooks"];
        Rows::fetch(self, &path, Query::new(), N_WEBHOOKS_MAX, None).await
    }

    /// The id of the webhook of this name or id.
    pub(super) fn webhook_id(&self, name: &str) -> anyhow::Result<String> {
        id_of(name, &self.webhooks()?)
    }

    /// The event or delivery of an id in any spelling.
    pub(super) fn find(&self, id: &str) -> anyhow::Result<Typed> {
        self.get(&["v1", "history", id.trim()])?.read()
    }

    /// The id of the delivery of an id in any spelling.
    pub(super) fn delivery_id(&self, id: &str) -> anyhow::Result<String> {
        let found = self.find(id)?;
        match found.kind {
            Kind::Delivery => Ok(found.id),
            Kind::Event => {
                let id = screen::cell(&found.id);
                bail!(
                    "{id} is an event: `sidehook history {id}` shows its deliveries, `sidehook \
                     replay {id}` sends it again to all its webhooks"
                )
            }
        }
    }

    /// The id of the event of an id in any spelling.
    pub(super) fn event_id(&self, id: &str) -> anyhow::Result<String> {
        let found = self.find(id)?;
        match found.kind {
            Kind::Event => Ok(found.id),
            Kind::Delivery => {
                let id = screen::cell(&found.id);
                let event = screen::cell(found.event_id.as_deref().unwrap_or("-"));
                bail!(
                    "{id} is a delivery: `sidehook retry {id}` attempts it again, `sidehook \
                     replay {event}` sends its event again to all webhooks"
                )
            }
        }
    }
}

/// A webhook's name; its id, when it is no longer configured.
pub(super) fn name_of<'a>(id: &'a str, webhooks: &'a [Webhook]) -> &'a str {
    webhooks.iter().find(|webhook| webhook.id == id).map_or(id, |webhook| &webhook.name)
}

/// The id of the webhook of this name or id; an id may be of one that is gone.
pub(super) fn id_of(name: &str, webhooks: &[Webhook]) -> anyhow::Result<String> {
    if let Some(webhook) = webhooks.iter().find(|webhook| webhook.name == name) {
        return Ok(webhook.id.clone());
    }
    if let Ok(id) = name.trim().parse::<WebhookId>() {
        return Ok(id.to_string());
    }
    let shown = screen::cell(name);
    if webhooks.is_empty() {
        bail!(
            "there is no webhook `{shown}`, nor any other; `sidehook webhooks create` makes one, \
             and so does [[webhook]] in the configuration"
        );
    }
    let likeness = |webhook: &Webhook| {
        strsim::jaro_winkler(&webhook.name.to_lowercase(), &name.to_lowercase())
    };
    let meant = webhooks
        .iter()
        .map(|webhook| (likeness(webhook), webhook))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, webhook)| format!(" (did you mean `{}`?)", screen::cell(&webhook.name)))
        .unwrap_or_default();
    let mut names: Vec<String> =
        webhooks.iter().take(N_NAMES_MAX).map(|webhook| screen::cell(&webhook.name)).collect();
    if webhooks.len() > N_NAMES_MAX {
        names.push(format!("and {} more", webhooks.len() - N_NAMES_MAX));
    }
    bail!("there is no webhook `{shown}`{meant}; there are: {}", names.join(", "))
}
