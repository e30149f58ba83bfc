//! `sidehook deliveries`: where every webhook stands, newest first.

use std::process::ExitCode;

use anyhow::bail;

use super::answers::{Delivery, Page, Webhook};
use super::client::AdminFlags;
use super::filters::{Filters, show};
use super::screen;
use crate::model::WebhookId;

/// Arguments of `deliveries`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Deliveries of events of this label only.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Deliveries of this webhook only: its name or its id.
    #[arg(long, value_name = "WEBHOOK")]
    webhook: Option<String>,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    let webhooks = client.webhooks()?;
    let mut query = arguments.filters.query();
    query.push(("event", arguments.label.clone()));
    if let Some(name) = &arguments.webhook {
        query.push(("webhook", Some(id_of(name, &webhooks)?)));
    }
    let answer = client.list(&["v1", "deliveries"], &query)?;
    if arguments.admin.wants_json() {
        return answer.print();
    }
    let page: Page<Delivery<u32>> = answer.read()?;
    let rows = page.data.iter().map(|delivery| {
        vec![
            screen::cell(&delivery.created_at),
            screen::cell(&delivery.id),
            screen::cell(&delivery.event),
            screen::cell(name_of(&delivery.webhook_id, &webhooks)),
            screen::cell(&delivery.status),
            delivery.attempts.to_string(),
            outcome(delivery),
        ]
    });
    let header = ["time", "id", "event", "webhook", "status", "attempts", "last outcome"];
    show(&screen::table(&header, rows.collect()), "deliveries", page.next.as_deref())
}

/// A webhook's name; its id, when it is no longer configured.
pub(super) fn name_of<'a>(id: &'a str, webhooks: &'a [Webhook]) -> &'a str {
    webhooks.iter().find(|webhook| webhook.id == id).map_or(id, |webhook| &webhook.name)
}

/// The last attempt in words, and when the next one is.
pub(super) fn outcome<A>(delivery: &Delivery<A>) -> String {
    let last = match (&delivery.error, delivery.response_code) {
        (Some(error), _) => screen::cell(error),
        (None, Some(code)) => code.to_string(),
        (None, None) => "-".to_owned(),
    };
    match &delivery.next_attempt_at {
        Some(next) => format!("{last}; next {}", screen::cell(next)),
        None => last,
    }
}

fn id_of(name: &str, webhooks: &[Webhook]) -> anyhow::Result<String> {
    if let Some(webhook) = webhooks.iter().find(|webhook| webhook.name == name) {
        return Ok(webhook.id.clone());
    }
    if let Ok(id) = name.parse::<WebhookId>() {
        return Ok(id.to_string());
    }
    let names: Vec<String> = webhooks.iter().map(|webhook| screen::cell(&webhook.name)).collect();
    bail!("there is no webhook `{}`; there are: {}", screen::cell(name), names.join(", "))
}
