//! `sidehook cancel ID`: no further attempt of a delivery that waits.

use std::process::ExitCode;

use super::client::AdminFlags;
use super::deliveries;

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
    deliveries::change(&arguments.admin, &arguments.id, "cancel", |id| {
        format!("`sidehook retry {id}` would send it after all")
    })
}
