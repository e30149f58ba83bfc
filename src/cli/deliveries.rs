//! `sidehook deliveries`: where every webhook stands, newest first.

use std::process::ExitCode;

use super::answers::{Delivery, Webhook};
use super::client::AdminFlags;
use super::filters::{Filters, show};
use super::names::{id_of, name_of};
use super::screen::{self, Cell};
use crate::clock;

const EXAMPLES: &str = "\
Examples:
  sidehook deliveries --webhook billing --status failed --since 6h
  sidehook deliveries --status pending --json | jq '.data | length'";

/// Arguments of `deliveries`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Deliveries of events of this label only.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Deliveries of this webhook only: its name or its id.
    #[arg(long, value_name = "WEBHOOK")]
    webhook: Option<String>,
    /// Deliveries of events with this in their path, subject or ids.
    #[arg(short, long = "query", value_name = "TEXT")]
    q: Option<String>,
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
    query.push(("q", arguments.q.clone()));
    if let Some(name) = &arguments.webhook {
        query.push(("webhook", Some(id_of(name, &webhooks)?)));
    }
    let list = arguments.filters.list(&client, &["v1", "deliveries"], query)?;
    if arguments.admin.wants_json() {
        return list.print();
    }
    let rows = list.read::<Delivery<u32>>()?;
    let rows = rows.iter().map(|delivery| row(delivery, &webhooks)).collect();
    let header = ["time", "id", "event", "webhook", "status", "attempts", "last outcome"];
    show(&arguments.admin.looks().table(&header, rows), "deliveries", list.next.as_deref())
}

/// Does this to one delivery, and says how it stands then and what `comes_next`, by its id.
pub(super) fn change(
    admin: &AdminFlags,
    id: &str,
    verb: &str,
    comes_next: impl Fn(&str) -> String,
) -> anyhow::Result<ExitCode> {
    let client = admin.client()?;
    let id = client.delivery_id(id)?;
    let answer = client.post(&["v1", "deliveries", &id, verb], None)?;
    if admin.wants_json() {
        return answer.print();
    }
    let delivery: Delivery<u32> = answer.read()?;
    let id = screen::cell(&delivery.id);
    screen::print(&format!(
        "{id} ({}) is {} after {} attempts; {}",
        screen::cell(&delivery.event),
        screen::cell(&delivery.status),
        delivery.attempts,
        comes_next(&id),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn row(delivery: &Delivery<u32>, webhooks: &[Webhook]) -> Vec<Cell> {
    vec![
        Cell::new(&delivery.created_at),
        Cell::new(&delivery.id),
        Cell::long(&delivery.event),
        Cell::long(name_of(&delivery.webhook_id, webhooks)),
        Cell::state(&delivery.status),
        Cell::new(&delivery.attempts.to_string()),
        Cell::long(&outcome(delivery)),
    ]
}

/// The last attempt in words, and when the next one is.
fn outcome<A>(delivery: &Delivery<A>) -> String {
    let last = match (&delivery.error, delivery.response_code) {
        (Some(error), _) => Some(screen::cell(error)),
        (None, code) => code.map(|code| code.to_string()),
    };
    let told: Vec<String> = last.into_iter().chain(delivery.next(clock::now())).collect();
    if told.is_empty() { "-".to_owned() } else { told.join("; ") }
}
