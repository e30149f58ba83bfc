//! `sidehook openapi`: the document that a running sidehook serves at `/v1/openapi.json`.

use std::process::ExitCode;

use super::screen;
use crate::admin;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    screen::print(&serde_json::to_string_pretty(&admin::openapi())?)?;
    Ok(ExitCode::SUCCESS)
}
