//! Configuration: what operators write, and what they are told about it.

mod access;
mod conditions;
mod defaults;
mod dialects;
mod health;
mod layers;
mod mistakes;
mod proxy;
mod secrets;
mod way_out;

use std::path::PathBuf;

use sidehook::config::{Config, ConfigError, Environment, Flags, Inputs, Problem, Problems, load};
use tempfile::TempDir;

/// One rule, so that webhooks have something to want.
const RULE: &str = "[[event]]\nlabel = \"task.created\"\nmethod = \"POST\"\nurl = '^/tasks$'\n";

/// The begin of a webhook that wants every label.
const WEBHOOK: &str =
    "[[webhook]]\nname = \"w\"\nurl = \"https://example.com/\"\nevents = [\"*\"]\n";

/// A folder with a `sidehook.toml`.
struct Folder(TempDir);

impl Folder {
    fn new(toml: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        std::fs::write(folder.path().join("sidehook.toml"), toml).expect("writable");
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("sidehook.toml")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), content).expect("writable");
    }

    fn load_with(&self, environment: &[(&str, &str)], flags: Flags) -> Result<Config, ConfigError> {
        let environment = Environment::of(environment.iter().copied());
        load(&Inputs { file: Some(self.file()), environment, flags })
    }
}

fn load_text(toml: &str) -> Result<Config, ConfigError> {
    Folder::new(toml).load_with(&[], Flags::default())
}

/// The configuration, which must be good.
fn good(toml: &str) -> Config {
    load_text(toml).unwrap_or_else(|error| panic!("expected no mistakes:\n{error}"))
}

/// The mistakes, of which there must be some.
fn mistakes(toml: &str) -> Problems {
    problems(load_text(toml))
}

fn problems(result: Result<Config, ConfigError>) -> Problems {
    match result {
        Err(ConfigError::Mistakes(problems)) => problems,
        Err(other) => panic!("expected mistakes, not: {other}"),
        Ok(config) => panic!("expected mistakes, but it is good:\n{}", config.effective),
    }
}

/// The one mistake there must be.
fn only_mistake(toml: &str) -> Problem {
    let problems = mistakes(toml);
    assert_eq!(problems.count(), 1, "{problems}");
    problems.iter().next().expect("counted").clone()
}
