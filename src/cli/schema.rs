//! `sidehook schema`: the JSON Schema of the configuration file.

use std::process::ExitCode;

use super::screen;
use crate::config;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    screen::print(&serde_json::to_string_pretty(&config::schema())?)?;
    Ok(ExitCode::SUCCESS)
}
