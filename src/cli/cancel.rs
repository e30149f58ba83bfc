//! `sidehook cancel ID`: no further attempt of a delivery that waits.

use std::process::ExitCode;

use super::answers::Delivery;
use super::client::AdminFlags;
use super::screen;

/// Arguments of `cancel`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The delivery, in any spelling of its id; it must be pending or held.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    let id = client.delivery_id(&arguments.id)?;
    let answer = client.post(&["v1", "deliveries", &id, "cancel"], None)?;
    if arguments.admin.wants_json() {
        return answer.print();
    }
    let delivery: Delivery<u32> = answer.read()?;
    screen::print(&format!(
        "{} ({}) is {} after {} attempts; `sidehook retry {}` would send it after all",
        screen::cell(&delivery.id),
        screen::cell(&delivery.event),
        screen::cell(&delivery.status),
        delivery.attempts,
        screen::cell(&delivery.id),
    ))?;
    Ok(ExitCode::SUCCESS)
}
