//! The command line: one file per command, each with its arguments and its `run`.
//!
//! Exit codes: 0 success, 1 failure at run time, 2 usage or configuration. Errors go to stderr and
//! name the next step.

mod access;
mod answers;
mod cancel;
mod check;
mod client;
mod completions;
mod config_file;
mod confirm;
mod connection;
mod deliveries;
mod demo;
mod events;
mod filters;
mod health;
mod history;
mod listen;
mod logging;
mod man;
mod matching;
mod names;
mod openapi;
mod raw_request;
mod receiver;
mod recover;
mod refusal;
mod reload;
mod replay;
mod retry;
mod run;
mod schema;
mod screen;
mod status;
mod store;
mod tail;
mod test_webhook;
mod verify;
mod webhook_flags;
mod webhooks;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Usage or configuration: the caller has to change something.
pub(crate) const USAGE: u8 = 2;

/// What only the caller can mend, by calling otherwise: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misused(String);

/// Reverse-proxy sidecar that turns an HTTP API's traffic into durable webhooks.
#[derive(Debug, Parser)]
#[command(version, about, subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar.
    Run(run::Arguments),
    /// Check a configuration file: all its mistakes at once.
    Check(check::Arguments),
    /// See it work: an API, sidehook and a verifying receiver in one process.
    Demo(demo::Arguments),
    /// A receiver for development: prints each webhook and checks its signature.
    Listen(listen::Arguments),
    /// Check the signature of a captured webhook request.
    Verify(verify::Arguments),
    /// How a running sidehook is: upstream, store, queues.
    Status(status::Arguments),
    /// Whether a running sidehook is ready, as an exit code: for probes.
    Health(health::Arguments),
    /// The latest events.
    Events(events::Arguments),
    /// The latest deliveries.
    Deliveries(deliveries::Arguments),
    /// The whole story of an event or a delivery.
    History(history::Arguments),
    /// Attempt a delivery again, now.
    Retry(retry::Arguments),
    /// Give up a delivery that waits.
    Cancel(cancel::Arguments),
    /// Send an event again, to all its webhooks or to some.
    Replay(replay::Arguments),
    /// Send again what a webhook missed.
    Recover(recover::Arguments),
    /// The webhooks: list, create, change, enable, disable, delete, rotate.
    Webhooks(Box<webhooks::Arguments>),
    /// Send a test event to a webhook, now.
    Test(test_webhook::Arguments),
    /// Follow live what happens.
    Tail(tail::Arguments),
    /// Read the configuration again.
    Reload(reload::Arguments),
    /// Which rules match a call, and why the others do not.
    Match(matching::Arguments),
    /// Examine, export or mend the store while nobody uses it.
    #[command(subcommand)]
    Store(store::Command),
    /// The OpenAPI document of the admin API, to standard output.
    Openapi,
    /// The JSON Schema of the configuration file, to standard output.
    Schema,
    /// Completions for a shell, to standard output.
    Completions(completions::Arguments),
    /// Manual pages.
    Man(man::Arguments),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Listen(arguments) => listen::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Deliveries(arguments) => deliveries::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Retry(arguments) => retry::run(&arguments),
        Command::Cancel(arguments) => cancel::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Webhooks(arguments) => webhooks::run(*arguments),
        Command::Test(arguments) => test_webhook::run(&arguments),
        Command::Tail(arguments) => tail::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Match(arguments) => matching::run(arguments),
        Command::Store(command) => store::run(command),
        Command::Openapi => openapi::run(),
        Command::Schema => schema::run(),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        complain(&format!("error: {error:#}"));
        if error.is::<Misused>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
    })
}

/// Writes to stderr; a closed stderr is nobody's concern.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether colours are welcome on stderr (<https://no-color.org>).
fn stderr_has_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
