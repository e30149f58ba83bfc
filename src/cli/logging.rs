//! Logs to stderr: for people on a terminal, as JSON lines for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use super::complain;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging; `SIDEHOOK_LOG` filters as `RUST_LOG` does elsewhere (`debug`,
/// `sidehook::delivery=debug`; default `info`).
pub(super) fn start(format: LogFormat) {
    let directives = std::env::var("SIDEHOOK_LOG").unwrap_or_default();
    let filter = EnvFilter::try_new(if directives.is_empty() { "info" } else { &directives });
    let filter = filter.unwrap_or_else(|error| {
        complain(&format!("warning: SIDEHOOK_LOG is not a filter ({error}); using info"));
        EnvFilter::new("info")
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        // serde_json escapes control characters itself.
        LogFormat::Json => builder.json().flatten_event(true).with_target(true).try_init(),
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal() && super::stderr_has_colours())
            .with_target(false)
            .fmt_fields(debug_fn(|writer, field, value| {
                if field.name() == "message" {
                    escaped(writer, &format!("{value:?}"))
                } else {
                    escaped(writer, &format!(" {}={value:?}", field.name()))
                }
            }))
            .try_init(),
    };
    // A second start in one process (tests) keeps the first.
    drop(started);
}

/// What is logged may come from clients and receivers: it must not move the cursor, forge lines or
/// recolour the terminal.
fn escaped(writer: &mut Writer<'_>, text: &str) -> std::fmt::Result {
    for c in text.chars() {
        if c.is_control() {
            write!(writer, "{}", c.escape_default())?;
        } else {
            writer.write_char(c)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut out = String::new();
        escaped(&mut Writer::new(&mut out), "a\nERROR b\u{1b}[31m\u{9b}c").expect("a String");
        assert_eq!(out, "a\\nERROR b\\u{1b}[31m\\u{9b}c");
    }
}
