//! What is wrong with an expression.

use std::ops::Range;

use minijinja::ErrorKind;
use minijinja::machinery::Span;

/// Why an expression cannot be compiled or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// In words.
    pub message: String,
    /// Where in the source, bytes.
    pub span: Option<Range<usize>>,
}

impl ExprError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None }
    }

    pub(super) fn at(span: Span, message: impl Into<String>) -> Self {
        let span = Some(span.start_offset as usize..span.end_offset as usize);
        Self { message: message.into(), span }
    }

    /// What the language says; never the values that were at hand.
    pub(super) fn of(error: &minijinja::Error, source: &str) -> Self {
        let message = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => "it takes too many steps".to_owned(),
            (_, Some(detail)) => detail.to_owned(),
            (kind, None) => kind.to_string(),
        };
        let span = error.range().or_else(|| error.line().and_then(|n| line(source, n)));
        let span = span.filter(|span| source.get(span.clone()).is_some());
        let at_mistake = |span: &Range<usize>| source.get(span.start..);
        let is_syntax = error.kind() == ErrorKind::SyntaxError;
        match span.as_ref().filter(|_| is_syntax).and_then(at_mistake).and_then(habit) {
            Some(cure) => Self { message: format!("{message}; {cure}"), span },
            None => Self { message, span },
        }
    }
}

/// What a text that cannot be read probably means: signs of other languages.
fn habit(rest: &str) -> Option<&'static str> {
    match rest.chars().next()? {
        '=' => Some("`==` compares"),
        '&' => Some("write `and`"),
        '|' => Some("write `or`"),
        '!' => Some("write `not`"),
        '?' => Some("write `a if condition else b`"),
        _ => None,
    }
}

/// The range of a line, counted from 1.
fn line(source: &str, number: usize) -> Option<Range<usize>> {
    let line = source.split('\n').nth(number.checked_sub(1)?)?;
    let start = line.as_ptr() as usize - source.as_ptr() as usize;
    Some(start..start + line.len())
}
