//! What is wrong with a configuration, shown where it was written.

use std::fmt;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::node::Place;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, environment variable or flag.
    pub source: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub cure: String,
    place: Place,
    /// Something needed is not there: not to be trusted beside mistakes of syntax.
    absence: bool,
}

/// All mistakes of a configuration, in the order of the file.
#[derive(Clone, Debug)]
pub struct Problems {
    sources: Sources,
    found: Vec<Problem>,
}

/// Everything that values come from: the example, the file, environment variables and flags.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Vec<Source>);

/// One source of values.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Shown before line and column.
    pub(super) name: String,
    pub(super) text: String,
    /// The folder that its paths are relative to.
    pub(super) base: PathBuf,
}

impl Problem {
    /// Where its source begins to be wrong, in bytes.
    pub(super) const fn start(&self) -> usize {
        self.place.start
    }
}

impl Problems {
    /// The mistakes.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.found.iter()
    }

    /// How many there are; never 0 outside the configuration itself.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Shows every mistake with its line, as compilers do.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let shown: Vec<String> = self.found.iter().map(|p| self.render_one(p, &renderer)).collect();
        shown.join("\n\n")
    }

    pub(super) const fn new(sources: Sources) -> Self {
        Self { sources, found: Vec::new() }
    }

    pub(super) const fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(super) const fn sources_mut(&mut self) -> &mut Sources {
        &mut self.sources
    }

    pub(super) fn add(&mut self, place: &Place, message: String, cure: String, absence: bool) {
        let source = &self.sources.0[place.source];
        let before = source.text.get(..place.start).unwrap_or(&source.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.found.push(Problem {
            source: source.name.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
            cure,
            place: place.clone(),
            absence,
        });
    }

    /// Drops all, for who reads only a part of what they are about.
    pub(super) fn clear(&mut self) {
        self.found.clear();
    }

    /// Takes back what was reported last.
    pub(super) fn take_last(&mut self) -> Option<Problem> {
        self.found.pop()
    }

    /// Drops what only follows from mistakes of syntax: whatever is said to be missing, and what
    /// stands on the same lines.
    pub(super) fn drop_consequences(&mut self, syntax_errors: usize) {
        if syntax_errors == 0 {
            return;
        }
        let lines: Vec<(usize, usize)> =
            self.found[..syntax_errors].iter().map(|p| (p.place.source, p.line)).collect();
        let mut at = 0;
        self.found.retain(|p| {
            at += 1;
            at <= syntax_errors || !(p.absence || lines.contains(&(p.place.source, p.line)))
        });
    }

    pub(super) fn sort(&mut self) {
        self.found.sort_by(|a, b| a.place.cmp(&b.place));
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        let source = &self.sources.0[problem.place.source];
        let text = &source.text;
        let start = problem.place.start.min(text.len());
        // A mistake that spans lines (an open string, a whole table) is marked on its first line.
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = problem.place.end.clamp(start, line_end.max(start));
        let snippet = Snippet::source(text.as_str())
            .path(source.name.as_str())
            .annotation(AnnotationKind::Primary.span(start..end));
        let report = [Level::ERROR
            .primary_title(problem.message.as_str())
            .element(snippet)
            .element(Level::HELP.message(problem.cure.as_str()))];
        renderer.render(&report)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

impl Sources {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a source and gives its number.
    pub(super) fn add(&mut self, name: impl Into<String>, text: &str, base: PathBuf) -> usize {
        self.0.push(Source { name: name.into(), text: text.to_owned(), base });
        self.0.len() - 1
    }

    pub(super) fn get(&self, number: usize) -> &Source {
        &self.0[number]
    }

    /// Overwrites a secret in the text that may be shown, byte for byte, so that places stay true.
    pub(super) fn mask(&mut self, place: &Place) {
        let text = &mut self.0[place.source].text;
        let Some(range) = text.get(place.start..place.end) else { return };
        let masked: String = range
            .bytes()
            .map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { '*' })
            .collect();
        text.replace_range(place.start..place.end, &masked);
    }
}

/// User text inside a message: in backticks, control characters escaped, at most 80 characters.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(80).flat_map(escape).collect();
    if text.chars().nth(80).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

fn escape(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// The candidate that was probably meant.
pub(super) fn suggest<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let written = written.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&written, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
