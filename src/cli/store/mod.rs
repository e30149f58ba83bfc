//! `sidehook store`: what can be done with a store while nobody uses it.

mod check;
mod export;
mod meter;
mod rebuild;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{complain, config_file};
use crate::config::Flags;
use crate::store::{Offline, StoreError};

/// The commands of `store`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read every record and compare the index; changes nothing.
    Check(check::Arguments),
    /// Write all events as JSON lines; changes nothing.
    Export(export::Arguments),
    /// Make the index anew from the journal.
    Rebuild(rebuild::Arguments),
}

/// Which store.
#[derive(Debug, clap::Args)]
struct Place {
    /// The configuration file that names the store (default: sidehook.toml).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the store.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// No progress on stderr.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Rebuild(arguments) => rebuild::run(&arguments),
    };
    done.or_else(|error| match error.downcast_ref::<StoreError>() {
        Some(StoreError::Interrupted) => {
            complain("interrupted; the store is as good as it was");
            Ok(ExitCode::FAILURE)
        }
        _ => Err(error),
    })
}

impl Place {
    /// Takes the store; the exit code when the configuration has mistakes.
    fn open(&self) -> anyhow::Result<Result<(PathBuf, Offline), ExitCode>> {
        let dir = match &self.data {
            Some(dir) => dir.clone(),
            None => match config_file::load(self.config.clone(), Flags::default()) {
                Ok(config) => config.store.path,
                Err(code) => {
                    complain("help: --data DIR names the store without a configuration");
                    return Ok(Err(code));
                }
            },
        };
        let store = Offline::open(&dir)?;
        // Whoever copies what is named here copies the folder, and not a link to it.
        Ok(Ok((fs::canonicalize(&dir).unwrap_or(dir), store)))
    }
}

/// What is wrong with the journal, to stderr.
fn tell_damage(damage: &[String]) {
    for found in damage {
        complain(&format!("damage: {}", super::screen::cell_of(found, 1000)));
    }
}
