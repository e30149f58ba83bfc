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
mod files;
mod flags;
mod keys;
mod layers;
mod node;
mod print;
mod problem;
mod restart;
mod schema;
mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{EventRule, Secret, Webhook};
use crate::tls::ServerTls;
use crate::{delivery, egress, proxy, store};

pub use api_webhook::WebhookReader;
pub use files::Files;
pub use flags::{FlagWebhook, Flags};
pub use keys::{Kind, SECTIONS, Section};
pub use problem::{Problem, Problems};
pub use restart::Fixed;
pub use schema::schema;

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
    /// What it was made of, to read it again.
    pub inputs: Arc<Inputs>,
    /// `[proxy] max_connections` is somebody's wish, not the default.
    pub asks_for_connections: bool,
    /// There is a file, and it says nothing: somebody may be writing it just now.
    pub is_file_empty: bool,
    /// The files among that, as they were.
    pub files: Files,
    /// Differs where any value does, those of secrets and files included.
    pub fingerprint: [u8; 32],
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
    /// Takes a new configuration when its files change.
    pub watch_config: bool,
    /// Its certificate; `None`: plain HTTP.
    pub tls: Option<ServerTls>,
}

/// How the admin API of a running sidehook is asked, as its configuration says.
#[derive(Clone, Debug)]
pub struct AdminDoor {
    /// Where it listens.
    pub listen: std::net::SocketAddr,
    /// Whether it speaks TLS there.
    pub has_tls: bool,
    /// The store's directory.
    pub store: PathBuf,
    /// The bearer token.
    pub token: DoorToken,
}

/// Where the token of the admin API is.
#[derive(Clone, Debug)]
pub enum DoorToken {
    /// Configured, and here it is.
    Configured(Secret),
    /// None is configured: in `<store.path>/admin-token`.
    Kept,
    /// Configured, and not to be had here: why, in words.
    Elsewhere(String),
}

/// Environment variables, as a value so that tests need not touch the process's.
#[derive(Clone, Default)]
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
    load_from(inputs, Files::default()).0
}

/// [`load`] in a process that runs, and the files that were read for it, also where there is no
/// configuration.
pub fn load_again(inputs: &Inputs) -> (Result<Config, ConfigError>, Files) {
    load_from(inputs, Files::again())
}

/// Reads only how a running sidehook is asked. What is wrong with the rest of the configuration,
/// and secrets that whoever asks cannot see, are no mistakes here.
///
/// # Errors
/// The file cannot be read, is no TOML, or one of these few keys is wrong.
pub fn find_door(inputs: &Inputs) -> Result<AdminDoor, ConfigError> {
    let mut files = Files::default();
    let file = inputs.file.as_deref().map(|path| read(path, &mut files)).transpose()?;
    let mut check = check::Check::new(&inputs.environment, files);
    let root = layers::merge(&mut check, file.as_ref(), &inputs.environment, &inputs.flags);
    check::door(check, &root).map_err(ConfigError::Mistakes)
}

fn load_from(inputs: &Inputs, mut files: Files) -> (Result<Config, ConfigError>, Files) {
    let file = match inputs.file.as_deref().map(|path| read(path, &mut files)).transpose() {
        Ok(file) => file,
        Err(error) => return (Err(error), files),
    };
    let mut check = check::Check::new(&inputs.environment, files);
    let root = layers::merge(&mut check, file.as_ref(), &inputs.environment, &inputs.flags);
    let is_file_empty = file.is_some_and(|file| layers::says_nothing(&file.text));
    let (config, files) = check::config(check, &root, inputs);
    let config = config.map(|config| Config { is_file_empty, ..config });
    (config.map_err(ConfigError::Mistakes), files)
}

fn read(path: &Path, files: &mut Files) -> Result<layers::File, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let bytes = files.read(path, FILE_BYTES_MAX).map_err(unreadable)?;
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

/// Names alone: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
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
