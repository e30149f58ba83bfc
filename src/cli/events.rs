//! `sidehook events`: what became an event, newest first.

use std::process::ExitCode;

use super::answers::{Counts, Event, Page};
use super::client::AdminFlags;
use super::filters::{Filters, show};
use super::screen;

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Events of this label only.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Events of calls that were answered with this status.
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(100..=599))]
    code: Option<u16>,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    let mut query = arguments.filters.query();
    query.push(("label", arguments.label.clone()));
    query.push(("code", arguments.code.map(|code| code.to_string())));
    let answer = client.list(&["v1", "events"], &query)?;
    if arguments.admin.wants_json() {
        return answer.print();
    }
    let page: Page<Event<Counts>> = answer.read()?;
    let rows = page.data.iter().map(|event| {
        vec![
            screen::cell(&event.created_at),
            screen::cell(&event.id),
            screen::cell(&event.label),
            screen::cell(&format!("{} {}", event.method, event.url)),
            event.status.to_string(),
            in_words(&event.deliveries),
        ]
    });
    let header = ["time", "id", "event", "call", "status", "deliveries"];
    show(&screen::table(&header, rows.collect()), "events", page.next.as_deref())
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
