//! `sidehook retry ID`: one more attempt, now, whatever the delivery's state.

use std::process::ExitCode;

use super::answers::Delivery;
use super::client::AdminFlags;
use super::screen;

/// Arguments of `retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The delivery, in any spelling of its id: the `webhook-id` that the receiver sees.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    let answer =
        client.post(&["v1", "deliveries", &client.delivery_id(&arguments.id)?, "retry"], None)?;
    if arguments.admin.wants_json() {
        return answer.print();
    }
    let delivery: Delivery<u32> = answer.read()?;
    screen::print(&format!(
        "{} ({}) is {} after {} attempts; `sidehook history {}` shows what comes of it",
        screen::cell(&delivery.id),
        screen::cell(&delivery.event),
        screen::cell(&delivery.status),
        delivery.attempts,
        screen::cell(&delivery.id),
    ))?;
    Ok(ExitCode::SUCCESS)
}
