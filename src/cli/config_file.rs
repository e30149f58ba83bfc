//! Which configuration file, and how its mistakes are told.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{USAGE, complain, stderr_has_colours};
use crate::config::{self, Config, ConfigError, Environment, Flags, Inputs};

/// The file when none is named.
const DEFAULT: &str = "sidehook.toml";

/// Loads the configuration; on mistakes all of them are on stderr and the exit code is returned.
pub(super) fn load(file: Option<PathBuf>, flags: Flags) -> Result<Config, ExitCode> {
    let named = file.is_some();
    // `--upstream` without `--config` is the mode without a file.
    let file = file.or_else(|| flags.upstream.is_none().then(|| PathBuf::from(DEFAULT)));
    let inputs = Inputs { file, environment: Environment::of_process(), flags };
    config::load(&inputs).map_err(|error| {
        tell(&error, named);
        ExitCode::from(USAGE)
    })
}

fn tell(error: &ConfigError, named: bool) {
    match error {
        ConfigError::Mistakes(problems) => {
            let n = problems.count();
            complain(&problems.render(stderr_has_colours()));
            complain(&format!(
                "\n{n} {} in the configuration; nothing was started",
                if n == 1 { "mistake" } else { "mistakes" }
            ));
        }
        ConfigError::Unreadable { source, .. } => {
            complain(&format!("error: {error}: {source}"));
            if !named {
                complain(
                    "help: write a sidehook.toml (config.example.toml shows every key), name a file \
                     with --config,\n      or do without: sidehook run --upstream http://127.0.0.1:3000 \
                     --event 'task.created=POST ^/tasks$' --webhook https://receiver.example.com/",
                );
            }
        }
        ConfigError::NotText { .. } => {
            complain(&format!("error: {error}"));
            complain("help: save the file as UTF-8");
        }
    }
}
