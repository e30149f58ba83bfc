//! `sidehook replay ID`: an event again, to all its webhooks or to some.

use std::process::ExitCode;

use serde_json::json;

use super::answers::Counted;
use super::client::AdminFlags;
use super::names::id_of;
use super::screen;

const EXAMPLES: &str = "\
Examples:
  sidehook replay evt_019ab3c47f2e7d51b0c68a90d4f1e2aa
  sidehook replay evt_019ab3c47f2e7d51b0c68a90d4f1e2aa --webhook billing --webhook audit";

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The event, in any spelling of its id.
    #[arg(value_name = "ID")]
    id: String,
    /// Only to this webhook: its name or its id (repeatable).
    #[arg(long, value_name = "WEBHOOK")]
    webhook: Vec<String>,
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    let event = client.event_id(&arguments.id)?;
    let body = if arguments.webhook.is_empty() {
        None
    } else {
        let webhooks = client.webhooks()?;
        let ids = arguments.webhook.iter().map(|name| id_of(name, &webhooks));
        Some(json!({"webhooks": ids.collect::<anyhow::Result<Vec<_>>>()?}))
    };
    let answer = client.post(&["v1", "events", &event, "replay"], body.as_ref())?;
    if arguments.admin.wants_json() {
        return answer.print();
    }
    let event = screen::cell(&event);
    screen::print(&match answer.read::<Counted>()?.count {
        0 => format!("no webhook wants {event}; --webhook NAME sends it to one all the same"),
        n => format!(
            "{event} is queued for {n} {}; `sidehook history {event}` shows what comes of it",
            if n == 1 { "webhook" } else { "webhooks" }
        ),
    })?;
    Ok(ExitCode::SUCCESS)
}
