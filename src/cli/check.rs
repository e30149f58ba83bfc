//! `sidehook check`: what a file means, or everything that is wrong with it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{complain, config_file};
use crate::config::Flags;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration file (default: sidehook.toml).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print what is in force (defaults, file and environment together), secrets masked.
    #[arg(long)]
    print: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = match config_file::load(arguments.config.clone(), Flags::default()) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    for warning in &config.warnings {
        complain(&format!("warning: {warning}"));
    }
    let mut out = std::io::stdout().lock();
    if arguments.print {
        write!(out, "{}", config.effective)?;
    } else {
        writeln!(
            out,
            "The configuration is good: {}, {}.",
            counted(config.rules.len(), "event rule"),
            counted(config.webhooks.len(), "webhook")
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
