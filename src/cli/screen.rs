//! What goes to the terminal: tables, colours, and text from outside made harmless.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};

use super::receiver::excerpt;

/// Characters of one cell.
const CELL_CHARS_MAX: usize = 100;
/// A cell is not cut below this, however narrow the terminal.
const CUT_CHARS_MIN: usize = 16;
/// Between two columns.
const GAP: usize = 2;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ColourChoice {
    /// On a terminal that has them, unless `NO_COLOR` says no.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How tables look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looks {
    has_colours: bool,
    /// Characters of a line; `None`: as many as it takes.
    width: Option<usize>,
}

/// What a word means for the one who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Odd,
    Bad,
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
    /// It may be cut where the terminal is narrow; ids never are.
    can_be_cut: bool,
}

impl Looks {
    pub(super) fn of_stdout(choice: ColourChoice) -> Self {
        Self { has_colours: has_colours(choice, is_terminal()), width: width() }
    }

    /// A word in its colour.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => 32,
            Tone::Odd => 33,
            Tone::Bad => 31,
            Tone::Plain => return text.to_owned(),
        };
        if self.has_colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A table with one line per row; nothing at all when there are no rows.
    pub(super) fn table(self, header: &[&str], mut rows: Vec<Vec<Cell>>) -> String {
        if rows.is_empty() {
            return String::new();
        }
        if let Some(width) = self.width {
            fit(header, &mut rows, width);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.force_no_tty();
        table.set_header(header.iter().map(|name| name.to_uppercase()));
        table.add_rows(rows.iter().map(|row| row.iter().map(|cell| &cell.text)));
        let lines = table.lines().enumerate().map(|(n, line)| {
            let row = n.checked_sub(1).and_then(|n| rows.get(n));
            self.paint_cells(line.trim(), row.map_or(&[], Vec::as_slice)) + "\n"
        });
        lines.collect()
    }

    /// Colours the cells of a line; between them is nothing but space.
    fn paint_cells(self, line: &str, cells: &[Cell]) -> String {
        let mut painted = String::with_capacity(line.len());
        let mut rest = line;
        for cell in cells {
            let Some((space, after)) = rest.split_once(cell.text.as_str()) else { continue };
            painted.push_str(space);
            painted.push_str(&self.paint(cell.tone, &cell.text));
            rest = after;
        }
        painted + rest
    }
}

impl Tone {
    /// Of a state of a delivery or a webhook.
    pub(super) fn of_state(state: &str) -> Self {
        match state {
            "delivered" | "active" | "done" => Self::Good,
            "pending" | "held" | "paused" | "running" => Self::Odd,
            "failed" | "disabled" | "stopped" => Self::Bad,
            _ => Self::Plain,
        }
    }
}

impl Cell {
    /// Text from outside.
    pub(super) fn new(text: &str) -> Self {
        Self { text: cell(text), tone: Tone::Plain, can_be_cut: false }
    }

    /// Text from outside that may be cut.
    pub(super) fn long(text: &str) -> Self {
        Self { can_be_cut: true, ..Self::new(text) }
    }

    /// A value that may be absent.
    pub(super) fn or_dash<T: ToString>(value: Option<&T>) -> Self {
        value.map_or_else(|| Self::new("-"), |value| Self::new(&value.to_string()))
    }

    /// A state, in its colour.
    pub(super) fn state(state: &str) -> Self {
        Self::new(state).toned(Tone::of_state(state))
    }

    pub(super) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    fn chars(&self) -> usize {
        self.text.chars().count()
    }

    fn cut(&mut self, chars_max: usize) {
        if self.chars() > chars_max {
            let kept: String = self.text.chars().take(chars_max.saturating_sub(3)).collect();
            self.text = kept + "...";
        }
    }
}

/// Whether somebody reads along.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether stderr can show a line that changes in place.
pub(super) fn has_moving_stderr() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Writes a line, or several, to stdout; a reader that has seen enough (`| head`) is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    write_lines(text).map(drop)
}

/// Like [`print`]; `false`: nobody reads any more.
pub(super) fn write_lines(text: &str) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Text from outside, short and harmless.
pub(super) fn cell(text: &str) -> String {
    cell_of(text, CELL_CHARS_MAX)
}

/// Text from outside, at most so many characters of it.
pub(super) fn cell_of(text: &str, chars_max: usize) -> String {
    excerpt(text.as_bytes(), chars_max)
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

/// Cuts the cells that may be cut, those of the widest column first, until the lines fit.
fn fit(header: &[&str], rows: &mut [Vec<Cell>], width: usize) {
    let longest = |at: usize| rows.iter().map(move |row| row[at].chars()).max().unwrap_or(0);
    let mut widths: Vec<usize> =
        (0..header.len()).map(|at| longest(at).max(header[at].len())).collect();
    let can_be_cut: Vec<bool> =
        (0..header.len()).map(|at| rows.iter().any(|row| row[at].can_be_cut)).collect();
    let gaps = GAP * header.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let widest = (0..widths.len())
            .filter(|&at| can_be_cut[at] && widths[at] > CUT_CHARS_MIN)
            .max_by_key(|&at| widths[at]);
        let Some(at) = widest else { break };
        widths[at] -= 1;
    }
    for row in rows {
        for (cell, &width) in row.iter_mut().zip(&widths) {
            if cell.can_be_cut {
                cell.cut(width);
            }
        }
    }
}

/// <https://no-color.org>: any value but the empty one.
fn has_colours(choice: ColourChoice, is_terminal: bool) -> bool {
    match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto => {
            is_terminal
                && !is_dumb()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

/// Characters of a line of the terminal; `None`: stdout is none, or does not say.
fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
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

    #[test]
    fn lines_fit_and_ids_stay_whole() {
        let id = "evt_7019548689344a31a504a97a72c7f322";
        let row = || vec![Cell::new(id), Cell::long(&"x".repeat(90)), Cell::state("failed")];
        let looks = Looks { has_colours: false, width: Some(80) };
        let table = looks.table(&["id", "call", "status"], vec![row(), row()]);
        assert!(table.lines().skip(1).all(|line| line.starts_with(id)), "{table}");
        assert_eq!(table.lines().map(|line| line.chars().count()).max(), Some(80), "{table}");
        let narrow = Looks { width: Some(10), ..looks };
        assert!(narrow.table(&["id", "call", "status"], vec![row()]).contains(id));
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let rows = || vec![vec![Cell::state("failed"), Cell::new("x")]];
        let colourful = Looks { has_colours: true, width: None };
        let table = colourful.table(&["a", "b"], rows());
        assert!(table.ends_with("\n\u{1b}[31mfailed\u{1b}[0m  x\n"), "{table:?}");
        assert!(!Looks::default().table(&["a", "b"], rows()).contains('\u{1b}'));
        assert!(!Looks::default().paint(Tone::Bad, "x").contains('\u{1b}'));
        assert!(!has_colours(ColourChoice::Auto, false));
    }
}
