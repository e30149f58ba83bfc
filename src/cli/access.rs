//! Where a running sidehook is asked, and with which token: what was named on the command line or in
//! the environment, then what its configuration file says, then what is usual.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use url::Url;

use super::{Misused, complain, stderr_has_colours};
use crate::app::TOKEN_FILE;
use crate::config::{self, AdminDoor, ConfigError, DoorToken, Environment, Flags, Inputs};

/// Nobody writes a longer token by hand.
const TOKEN_BYTES_MAX: u64 = 4096;
/// Where it listens when nobody says otherwise.
const ADMIN: &str = "http://127.0.0.1:8081";
/// The store when nobody says otherwise.
const DATA: &str = "data";

/// What the caller has named.
pub(super) struct Named<'a> {
    pub(super) admin: Option<&'a Url>,
    pub(super) token: Option<&'a str>,
    pub(super) config: Option<&'a Path>,
    pub(super) data: Option<&'a Path>,
}

/// What is needed to ask.
pub(super) struct Access {
    pub(super) admin: Url,
    pub(super) token: Token,
}

/// The token, or why there is none. Some questions need none, so that this is no error yet.
pub(super) enum Token {
    Here(String),
    Nowhere(String),
}

impl Named<'_> {
    /// # Errors
    /// The configuration file cannot be read or does not say it, or is about another store than
    /// `--data`.
    pub(super) fn find(&self) -> anyhow::Result<Access> {
        let door = self.config.map(door).transpose()?;
        if let (Some(file), Some(door), Some(data)) = (self.config, &door, self.data)
            && !is_same(&door.store, data)
        {
            return Err(Misused(format!(
                "--config and --data name two stores: [store] path of {} is {}, and --data says {}. \
                 Leave one of them out",
                file.display(),
                door.store.display(),
                data.display()
            ))
            .into());
        }
        let admin = match (self.admin, &door) {
            (Some(admin), _) => admin.clone(),
            (None, Some(door)) => address(door)?,
            (None, None) => ADMIN.parse()?,
        };
        let token = match (self.token, door) {
            (Some(token), _) => Token::Here(token.to_owned()),
            (None, Some(door)) => match door.token {
                DoorToken::Configured(token) => Token::Here(token.reveal().to_owned()),
                DoorToken::Elsewhere(why) => Token::Nowhere(format!("[admin] token: {why}")),
                DoorToken::Kept => kept(&door.store),
            },
            (None, None) => kept(self.data.unwrap_or_else(|| Path::new(DATA))),
        };
        Ok(Access { admin, token })
    }
}

/// What a configuration file says of it; its mistakes are told.
fn door(file: &Path) -> anyhow::Result<AdminDoor> {
    let (file, environment) = (Some(PathBuf::from(file)), Environment::of_process());
    let inputs = Inputs { file, environment, flags: Flags::default() };
    const OTHERWISE: &str = "SIDEHOOK_ADMIN and SIDEHOOK_TOKEN, or --data, do without it";
    config::find_door(&inputs).map_err(|error| {
        let why = match &error {
            ConfigError::Mistakes(problems) => {
                complain(&format!("{}\n", problems.render(stderr_has_colours())));
                "the configuration does not say where sidehook is".to_owned()
            }
            ConfigError::Unreadable { source, .. } => format!("{error}: {source}"),
            ConfigError::NotText { .. } => error.to_string(),
        };
        Misused(format!("{why}; {OTHERWISE}")).into()
    })
}

/// The address to connect to: one that stands for all addresses is reached at the machine's own.
fn address(door: &AdminDoor) -> anyhow::Result<Url> {
    let mut listen = door.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let scheme = if door.has_tls { "https" } else { "http" };
    Ok(format!("{scheme}://{listen}").parse()?)
}

/// Whether two paths are the same directory; of one that is not there, its name decides.
fn is_same(a: &Path, b: &Path) -> bool {
    let [a, b] = [a, b].map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()));
    a == b
}

/// The token that sidehook made, when it made one and we may read it.
fn kept(store: &Path) -> Token {
    let file = store.join(TOKEN_FILE);
    let read = || {
        let mut token = String::new();
        File::open(&file)?.take(TOKEN_BYTES_MAX).read_to_string(&mut token)?;
        io::Result::Ok(token.trim().to_owned())
    };
    let shown = file.display();
    match read() {
        Ok(token) if !token.is_empty() => Token::Here(token),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Token::Nowhere(format!("{shown} cannot be read ({error})"))
        }
        Ok(_) | Err(_) => Token::Nowhere(format!("there is none in {shown}")),
    }
}
