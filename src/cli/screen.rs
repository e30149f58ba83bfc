//! What goes to the terminal: tables, and text from outside made harmless.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};

use super::receiver::excerpt;

/// Characters of one cell.
const CELL_CHARS_MAX: usize = 100;

/// Whether somebody reads along.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Writes a line, or several, to stdout; a reader that has seen enough (`| head`) is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Text from outside as a cell.
pub(super) fn cell(text: &str) -> String {
    cell_of(text, CELL_CHARS_MAX)
}

/// Text from outside, at most so many characters of it.
pub(super) fn cell_of(text: &str, chars_max: usize) -> String {
    excerpt(text.as_bytes(), chars_max)
}

/// A value that may be absent.
pub(super) fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| cell(&value.to_string()))
}

/// A table with one line per row, however narrow the terminal: ids stay whole and can be copied.
/// Nothing at all when there are no rows.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows);
    let lines = table.lines().map(|line| line.trim().to_owned() + "\n");
    lines.collect()
}

/// JSON as it came, with what a terminal could obey escaped. Such characters stand in strings
/// only: JSON text has no others above the space, and below it only white space.
pub(super) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_sly = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(letter, '\u{2066}'..='\u{2069}');
        if is_sly || (letter.is_control() && !letter.is_ascii_whitespace()) {
            write!(safe, "\\u{:04x}", u32::from(letter)).expect("writing to a string cannot fail");
        } else {
            safe.push(letter);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_meaning_and_loses_its_tricks() {
        let hostile = "{\"a\":\"x\u{9b}31m\u{7f}\u{202e}\"}";
        let safe = json(hostile);
        assert!(safe.is_ascii(), "{safe}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&safe), read(hostile));
    }

    #[test]
    fn cells_are_short_and_harmless() {
        let cell = cell(&format!("\u{1b}]0;title\u{7}{}", "x".repeat(1000)));
        assert!(!cell.chars().any(char::is_control), "{cell}");
        assert!(cell.len() < 200, "{cell}");
    }
}
