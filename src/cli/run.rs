//! `sidehook run`: the sidecar, from a file, from flags, or from both.

use std::env;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::config_file;
use super::logging::{self, Log, LogFormat};
use super::webhook_flags::WebhookFlags;
use crate::app::{App, Signals, TOKEN_FILE};
use crate::config::{Config, Flags};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The configuration file (default: sidehook.toml, or none with --upstream).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines look (default: text).
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// The API behind sidehook.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Which calls become events: 'LABEL=METHOD REGEX', such as 'task.created=POST ^/tasks$'
    /// (repeatable; instead of the rules of a file).
    #[arg(long, value_name = "RULE")]
    event: Vec<String>,
    #[command(flatten)]
    webhooks: WebhookFlags,
    /// Where clients call.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the admin API listens.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// Directory of the store.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// A private, loopback or other special network that webhooks may be in (repeatable).
    #[arg(long, value_name = "CIDR")]
    allow_network: Vec<String>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        upstream: arguments.upstream,
        listen: arguments.listen,
        admin: arguments.admin,
        data: arguments.data,
        allow_networks: arguments.allow_network,
        events: arguments.event,
        webhooks: arguments.webhooks.0,
    };
    let config = match config_file::load(arguments.config, flags) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let format = arguments.log_format.unwrap_or(LogFormat::Text);
    let log = logging::start(format).context("cannot start the thread of the log")?;
    let Err(error) = serve(config, format, &log) else { return Ok(ExitCode::SUCCESS) };
    // By the log: a stderr that nobody reads must not hold an end that a service manager waits for.
    log.say(&format!("error: {error:#}"));
    Ok(ExitCode::FAILURE)
}

fn serve(config: Config, format: LogFormat, log: &Log) -> anyhow::Result<()> {
    // Watched first: a stop that is asked for during the start is a stop like any other.
    let signals = Signals::watch()?;
    let app = App::start(config)?;
    if app.is_token_new() && format == LogFormat::Text {
        log.say(&invitation(&app, has_journal()));
    }
    signals.wait(&app, log.last_words())?;
    app.stop();
    Ok(())
}

/// The way to the dashboard, shown once: for the person who starts sidehook for the first time. Not as
/// a line of the log: those are kept, and JSON lines are for machines. A browser does not send what
/// stands after `#`, so the token is in no log of a proxy either. A journal is kept, and read by more
/// people than the token's file: there the way is shown without it.
fn invitation(app: &App, has_journal: bool) -> String {
    let (url, token) = (app.dashboard_url(), app.token().reveal());
    if has_journal {
        format!("the dashboard: {url} (its token is in the file {TOKEN_FILE} of the store)")
    } else {
        format!(
            "\n  The dashboard, with the token that was made for you (this is shown once):\n\n  \
             {url}#token={token}\n"
        )
    }
}

/// Whether systemd's journal takes what is said (`JOURNAL_STREAM`, systemd.exec(5)); a terminal that
/// was opened by a service may have inherited the variable.
fn has_journal() -> bool {
    env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal()
}
