//! `sidehook health`: whether a running sidehook is well, as an exit code; the probe of a container,
//! whose image need not hold an HTTP client for it.

use std::process::ExitCode;

use serde::Deserialize;

use super::client::AdminFlags;
use super::screen;

/// Arguments of `health`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: ready. 1: not ready, or nobody answers. Needs no token. A probe that \
                        restarts what fails it wants --live: a full store is not mended by a restart."
)]
pub(super) struct Arguments {
    /// Ask only whether the process answers (/livez), not whether it takes calls (/readyz).
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    admin: AdminFlags,
}

/// `/livez` and `/readyz`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Health {
    status: String,
    reasons: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = if arguments.live { "livez" } else { "readyz" };
    let (is_well, answer) = arguments.admin.client()?.probe(path)?;
    if arguments.admin.wants_json() {
        answer.print()?;
    } else {
        let health: Health = answer.read()?;
        let reasons = health.reasons.iter().map(|reason| format!("\n  {}", screen::cell(reason)));
        screen::print(&format!("{}{}", screen::cell(&health.status), reasons.collect::<String>()))?;
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
