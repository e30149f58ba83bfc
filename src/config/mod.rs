//! From `config.example.toml`, the file, the environment and the flags to every component's
//! `Settings`.
//!
//! `layers` reads each source into a tree whose values know their places, checks its shape and lays
//! it over the ones below; `check` walks the one tree that results, collects every mistake, and
//! builds the settings. Components never see the configuration: they own their `Settings`, and this
//! module knows how to fill them.

mod api_webhook;
mod check;
mod confidential;
mod flags;
mod keys;
mod layers;
mod node;
mod print;
mod problem;
mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::{EventRule, Secret, Webhook};
use crate::tls::ServerTls;
use crate::{delivery, egress, proxy, store};

pub use api_webhook::WebhookReader;
pub use flags::{FlagWebhook, Flags};
pub use keys::{Kind, SECTIONS, Section};
pub use problem::{Problem, Problems};

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The request half.
    pub proxy: proxy::Settings,
    /// Which calls become events, in order.
    pub rules: Vec<EventRule>,
    /// The store.
    pub store: store::Settings,
    /// The delivery half.
    pub delivery: delivery::Settings,
    /// The way out for webhooks.
    pub egress: egress::Settings,
    /// The admin API.
    pub admin: AdminConfig,
    /// Who gets events.
    pub webhooks: Vec<Webhook>,
    /// What works but may not be meant; for the log.
    pub warnings: Vec<String>,
    /// What is in force, as TOML, secrets masked.
    pub effective: String,
    reader: WebhookReader,
}

impl Config {
    /// Reads the webhooks of the admin API under this configuration: its defaults, its guard.
    pub fn webhook_reader(&self) -> WebhookReader {
        self.reader.clone()
    }
}

/// The admin API's part: its token may have to be made first.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: std::net::SocketAddr,
    /// The bearer token; `None`: made and kept in `<store.path>/admin-token`.
    pub token: Option<Secret>,
    /// A second one that may only read.
    pub read_token: Option<Secret>,
    /// Further `Host` names it answers to.
    pub allowed_hosts: Vec<String>,
    /// Its certificate; `None`: plain HTTP.
    pub tls: Option<ServerTls>,
}

/// Environment variables, as a value so that tests need not touch the process's.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Everything a configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The file; `None`: flags and environment alone.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// The command line.
    pub flags: Flags,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not text.
    #[error("{}:{line}: not valid UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line that is not.
        line: usize,
    },
    /// It has mistakes.
    #[error("{0}")]
    Mistakes(Problems),
}

/// Reads a duration as the configuration writes them: `"250ms"`, `"15s"`, `"5m"`, `"6h"`, `"30d"`.
///
/// # Errors
/// In words, when it is none.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    units::parse_duration(text)
        .ok_or_else(|| "not a duration such as 250ms, 15s, 5m, 6h or 30d".to_owned())
}

/// Largest configuration file, bytes: far above any real one, and nobody waits for a device.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Reads, merges and checks everything.
///
/// # Errors
/// The file cannot be read, or there are mistakes: all of them.
pub fn load(inputs: &Inputs) -> Result<Config, ConfigError> {
    let file = inputs.file.as_deref().map(read).transpose()?;
    let mut check = check::Check::new(&inputs.environment);
    let root = layers::merge(&mut check, file.as_ref(), &inputs.environment, &inputs.flags);
    check::config(check, &root).map_err(ConfigError::Mistakes)
}

fn read(path: &Path) -> Result<layers::File, ConfigError> {
    use std::io::Read as _;
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(std::io::Error::other("larger than 8 MiB")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        ConfigError::NotText { path: path.to_owned(), line }
    })?;
    Ok(layers::File { path: path.to_owned(), text })
}

impl Environment {
    /// The process's environment; variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// An environment of these variables.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn with_prefix<'e>(&'e self, prefix: &'e str) -> impl Iterator<Item = (&'e str, &'e str)> {
        self.0
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
