//! Logs to stderr: for people on a terminal, as JSON lines for machines.
//!
//! What is logged may come from clients, upstreams and receivers. It must not move the cursor, forge
//! lines, recolour the terminal or turn the reading direction, and one value must not fill the disk.
//! And whoever reads the log must not hold whoever writes it: see [`queue`].

mod queue;

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use self::queue::Queue;
use crate::telemetry::log_lines_dropped;

/// Characters of one value in a line; what goes on is left out.
const VALUE_CHARS_MAX: usize = 4096;

/// Bytes of a JSON line from which on its values are looked at for their length.
const LINE_BYTES_MAX: usize = 16 << 10;

/// Memory for lines that wait to be taken: thousands of them, or seconds of a busy log of calls.
const QUEUE_BYTES_MAX: usize = 4 << 20;

/// What the last lines get at the end of the process, where nobody takes them.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The same for the line of a panic, which may be about to end the process: once, for it holds a thread
/// that has calls.
const PANIC_WORDS: Duration = Duration::from_millis(100);

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log of this process. What is in it is written before this goes, if anybody takes it.
#[derive(Debug)]
pub(super) struct Log(Queue);

/// The way for JSON lines: each event arrives here as one piece.
struct JsonLines(Queue);

/// Starts logging; `SIDEHOOK_LOG` filters as `RUST_LOG` does elsewhere (`debug`,
/// `info,sidehook::access=debug`; default `info`).
///
/// # Errors
/// The system refuses a thread.
pub(super) fn start(format: LogFormat) -> io::Result<Log> {
    let notice = move |n| lost(format, n);
    let queue = Queue::start(QUEUE_BYTES_MAX, io::stderr(), log_lines_dropped, notice)?;
    let log = Log(queue.clone());
    let directives = std::env::var("SIDEHOOK_LOG").unwrap_or_default();
    let filter = EnvFilter::try_new(if directives.is_empty() { "info" } else { &directives });
    let filter = filter.unwrap_or_else(|error| {
        log.say(&format!("warning: SIDEHOOK_LOG is not a filter ({error}); using info"));
        EnvFilter::new("info")
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let started = match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_target(true)
            .with_writer(move || JsonLines(queue.clone()))
            .try_init(),
        LogFormat::Text => builder
            .with_ansi(io::stderr().is_terminal() && super::stderr_has_colours())
            .with_target(false)
            .with_writer(move || queue.clone())
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
    if started.is_ok() {
        tell_panics(log.0.clone());
    }
    Ok(log)
}

/// What stands where lines are missing. Past the filter: whoever reads any line must know of it.
fn lost(format: LogFormat, n: u64) -> String {
    const MESSAGE: &str = "lines of the log were lost: stderr did not take them";
    let mut time = String::new();
    // Without one, it is still true.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    match format {
        LogFormat::Json => format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"message\":\"{MESSAGE}\",\"lines\":{n},\
             \"target\":\"sidehook::log\"}}\n"
        ),
        LogFormat::Text => format!("{time}  WARN {MESSAGE} lines={n}\n"),
    }
}

fn tell_panics(queue: Queue) {
    let has_reader = AtomicBool::new(true);
    std::panic::set_hook(Box::new(move |panic| {
        tell_panic(panic);
        if has_reader.load(Ordering::Relaxed) && !queue.flush(PANIC_WORDS) {
            has_reader.store(false, Ordering::Relaxed);
        }
    }));
}

/// A panic is a line like any other; the default hook writes several, unescaped.
fn tell_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let panic = panic.payload_as_str().unwrap_or_default();
    tracing::error!(at, panic, "a part of sidehook panicked; please report it");
}

/// Writes a value for people.
fn escaped(writer: &mut Writer<'_>, text: &str) -> std::fmt::Result {
    for (at, c) in text.chars().enumerate() {
        if at >= VALUE_CHARS_MAX {
            return writer.write_char('\u{2026}');
        }
        if is_unsafe(c) {
            write!(writer, "{}", c.escape_default())?;
        } else {
            writer.write_char(c)?;
        }
    }
    Ok(())
}

/// What a terminal or an editor would obey rather than show: control characters of both ranges, line
/// and paragraph separators, marks that turn the direction, and those that nobody sees.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl Log {
    /// Words for people that are no line of the log, at their place between its lines.
    pub(super) fn say(&self, text: &str) {
        self.0.put(format!("{text}\n").as_bytes());
    }

    /// For whoever ends the process elsewhere: has what is in the log written.
    pub(super) fn last_words(&self) -> impl FnOnce() + Send + 'static {
        let queue = self.0.clone();
        move || {
            queue.flush(LAST_WORDS);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(LAST_WORDS);
    }
}

impl io::Write for JsonLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line).ok().and_then(tamed) {
            Some(tamed) => self.0.put(tamed.as_bytes()),
            None => self.0.put(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A JSON line without unsafe characters and overlong values; `None`: it is as it should be.
/// Such characters stand in strings only, where an escape means the same.
fn tamed(line: &str) -> Option<String> {
    let shortened = if line.len() > LINE_BYTES_MAX { shortened(line) } else { None };
    let line = shortened.as_deref().unwrap_or(line);
    let is_unsafe = |c: char| c != '\n' && is_unsafe(c);
    if !line.contains(is_unsafe) {
        return shortened;
    }
    let mut tamed = String::with_capacity(line.len() + 64);
    for c in line.chars() {
        if is_unsafe(c) {
            let _ = write!(tamed, "\\u{:04x}", u32::from(c));
        } else {
            tamed.push(c);
        }
    }
    Some(tamed)
}

fn shortened(line: &str) -> Option<String> {
    let mut object: serde_json::Map<_, _> = serde_json::from_str(line).ok()?;
    for value in object.values_mut() {
        if let serde_json::Value::String(text) = value
            && let Some((end, _)) = text.char_indices().nth(VALUE_CHARS_MAX)
        {
            text.truncate(end);
            text.push('\u{2026}');
        }
    }
    serde_json::to_string(&object).ok().map(|line| line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        escaped(&mut Writer::new(&mut out), text).expect("a String");
        out
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(shown("a\nERROR b\u{1b}[31m\u{9b}c"), "a\\nERROR b\\u{1b}[31m\\u{9b}c");
        assert_eq!(shown("a\u{202e}b\u{2066}\u{2028}"), "a\\u{202e}b\\u{2066}\\u{2028}");
        assert_eq!(shown("Grüße, 世界"), "Grüße, 世界");
        let long = shown(&"x".repeat(VALUE_CHARS_MAX + 9));
        assert_eq!(long.chars().count(), VALUE_CHARS_MAX + 1);
    }

    #[test]
    fn a_json_line_means_the_same_and_shows_nothing_unsafe() {
        let line = "{\"a\":\"x\u{202e}y\u{7f}\u{9b}z\"}\n";
        let safe = tamed(line).expect("changed");
        assert_eq!(safe, "{\"a\":\"x\\u202ey\\u007f\\u009bz\"}\n");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&safe), value(line));
        assert_eq!(tamed("{\"a\":\"plain ü\"}\n"), None);
        let long = format!("{{\"a\":\"{}\u{202e}\",\"b\":1}}\n", "ü".repeat(20_000));
        let short = tamed(&long).expect("changed");
        assert!(short.ends_with("\"b\":1}\n") && short.len() < LINE_BYTES_MAX, "{short}");
    }
}
