//! Texts in a language of their own: regexes, expressions and templates. A mistake in one is
//! reported at its place inside the text.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use super::Check;
use crate::config::node::{Node, Place};
use crate::expr::{self, ExprError, Expression, Template};

/// Longest pattern, bytes.
const PATTERN_BYTES_MAX: usize = 1 << 10;
/// Memory of one compiled pattern, bytes: generous for 1 KiB of it, and finite.
const PATTERN_MEMORY_MAX: usize = 4 << 20;
/// Longest expression or template, bytes: a page of text, not a program.
const EXPRESSION_BYTES_MAX: usize = 32 << 10;

impl Check<'_> {
    /// A regex within its limits.
    pub(super) fn pattern(&mut self, node: &Node) -> Regex {
        let Some(text) = self.bounded(node, "a regex, such as '^/tasks$'", PATTERN_BYTES_MAX)
        else {
            return nothing();
        };
        match RegexBuilder::new(text).size_limit(PATTERN_MEMORY_MAX).build() {
            Ok(regex) => regex,
            Err(regex::Error::CompiledTooBig(_)) => {
                let cure = "use smaller repetitions, or [0-9] for \\d and [A-Za-z0-9_] for \\w";
                self.problem(&node.place, "this regex needs too much memory", cure);
                nothing()
            }
            Err(error) => {
                let error = error.to_string();
                let (at, why) = syntax_error(&error, text);
                let place = self.place_in(node, text, at.map(|at| at..at + 1));
                let position = at.map(|at| format!(" at its byte {}", at + 1)).unwrap_or_default();
                let cure = "correct it there; in '...' backslashes stand for themselves";
                self.problem(&place, format!("this regex is wrong{position}: {why}"), cure);
                nothing()
            }
        }
    }

    /// An expression (contract 4); `names` are the variables that are offered.
    pub(super) fn expression(&mut self, node: &Node, names: &[&str]) -> Option<Expression> {
        let form = "an expression, such as 'response.body.status == \"done\"'";
        let text = self.bounded(node, form, EXPRESSION_BYTES_MAX)?;
        if text.trim().is_empty() {
            self.problem(&node.place, "the expression is empty", format!("write {form}"));
            return None;
        }
        let parsed = Expression::parse(text);
        self.parsed(node, text, "expression", names, parsed)
    }

    /// An expression that is evaluated at the call: `when` and `subject`.
    pub(super) fn condition(&mut self, node: &Node) -> Option<Expression> {
        let expression = self.expression(node, &expr::NAMES_AT_CALL)?;
        for name in expr::NAMES.iter().filter(|name| !expr::NAMES_AT_CALL.contains(name)) {
            let Some(span) = expression.first_read(name) else { continue };
            let place = self.place_in(node, expression.source(), Some(span));
            let message = format!("`{name}` is not known at the call, and only formats can use it");
            self.problem(&place, message, there_are(&expr::NAMES_AT_CALL));
        }
        Some(expression)
    }

    /// Text with `{{ }}` (contract 4).
    pub(super) fn template(&mut self, node: &Node) -> Option<Template> {
        let form = "a text, such as '{{ event.label }}'";
        let text = self.bounded(node, form, EXPRESSION_BYTES_MAX)?;
        let parsed = Template::parse(text);
        self.parsed(node, text, "template", &expr::NAMES, parsed)
    }

    fn parsed<T>(
        &mut self,
        node: &Node,
        text: &str,
        what: &str,
        names: &[&str],
        parsed: Result<T, ExprError>,
    ) -> Option<T> {
        let error = match parsed {
            Ok(parsed) => return Some(parsed),
            Err(error) => error,
        };
        let place = self.place_in(node, text, error.span);
        let cure = format!("correct it there; {}", there_are(names));
        self.problem(&place, format!("this {what} is wrong: {}", error.message), cure);
        None
    }

    fn bounded<'n>(&mut self, node: &'n Node, form: &str, bytes_max: usize) -> Option<&'n str> {
        let text = self.text(node, form)?;
        if text.len() > bytes_max {
            let message = format!("a text of {} bytes is too long here", text.len());
            self.problem(&node.place, message, format!("write at most {bytes_max} bytes"));
            return None;
        }
        Some(text)
    }

    /// A place inside a string, when the string stands in its source byte for byte.
    fn place_in(&mut self, node: &Node, text: &str, span: Option<Range<usize>>) -> Place {
        let source = self.sources().get(node.place.source);
        let written = source.text.get(node.place.start..node.place.end).unwrap_or_default();
        match (span, written.find(text)) {
            (Some(span), Some(quote)) if !text.is_empty() && span.start <= text.len() => {
                let start = node.place.start + quote + span.start;
                let end = node.place.start + quote + span.end.min(text.len());
                // At least one byte, so that there is something to point at.
                let end = end.max(start + 1).min(node.place.end);
                Place { source: node.place.source, start, end }
            }
            _ => node.place.clone(),
        }
    }
}

fn there_are(names: &[&str]) -> String {
    format!("its variables are {}", names.join(", "))
}

/// What the regex crate draws (the pattern, a caret below it, the reason) as position and reason.
fn syntax_error<'e>(error: &'e str, pattern: &str) -> (Option<usize>, &'e str) {
    let why = error.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(error);
    let caret = error.lines().find_map(|line| {
        let before = line.strip_suffix('^').map(|l| l.trim_end_matches('^'))?;
        before.bytes().all(|byte| byte == b' ').then_some(before.len())
    });
    // The drawing indents by four and counts characters.
    let at = caret
        .and_then(|column| column.checked_sub(4))
        .and_then(|n| pattern.char_indices().map(|(at, _)| at).chain([pattern.len()]).nth(n))
        .filter(|_| !pattern.contains('\n'));
    (at, why)
}

/// Stands in for a regex that could not be read.
pub(super) fn nothing() -> Regex {
    Regex::new(r"[^\s\S]").expect("a constant, valid pattern")
}
