//! `sidehook events`: what became an event, newest first.

use std::process::ExitCode;

use super::answers::{Counts, Event};
use super::client::AdminFlags;
use super::filters::{Filters, show};
use super::screen::{Cell, Tone};

const EXAMPLES: &str = "\
Examples:
  sidehook events --since 1h --status failed
  sidehook events -q /orders/42
  sidehook events --limit 500 --json | jq -r '.data[].id'";

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Events of this label only.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Events that this webhook gets: its name or its id.
    #[arg(long, value_name = "WEBHOOK")]
    webhook: Option<String>,
    /// Events of calls that were answered with this status.
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(100..=599))]
    code: Option<u16>,
    /// Events with this in their path, subject or ids.
    #[arg(short, long = "query", value_name = "TEXT")]
    q: Option<String>,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    let mut query = arguments.filters.query();
    query.push(("label", arguments.label.clone()));
    if let Some(name) = &arguments.webhook {
        query.push(("webhook", Some(client.webhook_id(name)?)));
    }
    query.push(("code", arguments.code.map(|code| code.to_string())));
    query.push(("q", arguments.q.clone()));
    let list = arguments.filters.list(&client, &["v1", "events"], query)?;
    if arguments.admin.wants_json() {
        return list.print();
    }
    let rows = list.read::<Event<Counts>>()?;
    let rows = rows.iter().map(row).collect();
    let header = ["time", "id", "event", "call", "status", "deliveries"];
    show(&arguments.admin.looks().table(&header, rows), "events", list.next.as_deref())
}

fn row(event: &Event<Counts>) -> Vec<Cell> {
    vec![
        Cell::new(&event.created_at),
        Cell::new(&event.id),
        Cell::long(&event.label),
        Cell::long(&format!("{} {}", event.method, event.url)),
        Cell::new(&event.status.to_string()),
        Cell::new(&in_words(&event.deliveries)).toned(tone(&event.deliveries)),
    ]
}

/// The worst of them.
fn tone(counts: &Counts) -> Tone {
    match counts {
        Counts { failed: 1.., .. } => Tone::Bad,
        Counts { pending: 1.., .. } | Counts { held: 1.., .. } => Tone::Odd,
        Counts { delivered: 1.., .. } => Tone::Good,
        _ => Tone::Plain,
    }
}

fn in_words(counts: &Counts) -> String {
    let states = [
        (counts.delivered, "delivered"),
        (counts.pending, "pending"),
        (counts.held, "held"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
    ];
    let words: Vec<String> =
        states.iter().filter(|(n, _)| *n > 0).map(|(n, state)| format!("{n} {state}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
