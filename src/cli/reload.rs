//! `sidehook reload`: the configuration again, all of it or nothing.

use std::process::ExitCode;

use super::answers::Reloaded;
use super::client::AdminFlags;
use super::screen;

/// Arguments of `reload`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A configuration with mistakes changes nothing: they are all told, and the \
                        exit code is 1. `sidehook check` looks at a file beforehand."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let answer = arguments.admin.client()?.post(&["v1", "reload"], None)?;
    if arguments.admin.wants_json() {
        return answer.print();
    }
    let reloaded: Reloaded = answer.read()?;
    let mut told = format!("generation {} is in force", reloaded.generation);
    if !reloaded.needs_restart.is_empty() {
        told.push_str("\nonly after a restart:");
    }
    for part in &reloaded.needs_restart {
        told.push_str(&format!("\n  {}", screen::cell(part)));
    }
    screen::print(&told)?;
    Ok(ExitCode::SUCCESS)
}
