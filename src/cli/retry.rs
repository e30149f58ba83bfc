//! `sidehook retry ID`: one more attempt, now, whatever the delivery's state.

use std::process::ExitCode;

use super::client::AdminFlags;
use super::deliveries;

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
    deliveries::change(&arguments.admin, &arguments.id, "retry", |id| {
        format!("`sidehook history {id}` shows what comes of it")
    })
}
