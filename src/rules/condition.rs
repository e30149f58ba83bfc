//! The conditions of a rule, judged on a call that is complete: does it become an event, and what
//! is the event about. An expression that fails counts as not matched, or gives no subject.

use std::sync::Arc;

use crate::expr::{ExprError, Expression};
use crate::model::{EventRule, Exchange, RuleRef, Timestamp};
use crate::view::call_scope;

/// Bytes of a subject; a longer one is cut.
const SUBJECT_BYTES_MAX: usize = 1 << 10;

/// What the conditions of a rule say about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// It becomes an event.
    pub matched: bool,
    /// What the event is about; at most 1 KiB.
    pub subject: Option<String>,
    /// The expressions that failed.
    pub errors: Vec<ConditionError>,
}

/// An expression of a rule failed on a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` failed at {}: {source}", place(expression, source))]
pub struct ConditionError {
    /// `when` or `subject`.
    pub key: &'static str,
    /// As written.
    pub expression: String,
    /// Why, and where in the expression.
    pub source: ExprError,
}

impl Judgement {
    /// Why the expression of this key failed.
    pub fn error(&self, key: &str) -> Option<&ConditionError> {
        self.errors.iter().find(|error| error.key == key)
    }
}

/// Whether a rule has expressions: their calls are kept with all headers until they are judged.
pub fn has_conditions(rule: &EventRule) -> bool {
    rule.when.is_some() || rule.subject.is_some()
}

/// Whether judging a call of this rule may decode and parse a body, which takes its time.
pub fn reads_bodies(rule: &EventRule) -> bool {
    let reads = |expression: &Expression| {
        expression.may_read("request", "body") || expression.may_read("response", "body")
    };
    [&rule.when, &rule.subject].into_iter().flatten().any(reads)
}

/// Judges a call that the rule takes for a success; `exchange` has all headers, redacted.
pub fn judge(rule: &EventRule, time: Timestamp, exchange: &Arc<Exchange>) -> Judgement {
    if !has_conditions(rule) {
        return Judgement { matched: true, ..Judgement::default() };
    }
    let named = RuleRef { id: rule.id, label: rule.label.clone(), tag: rule.tag.clone() };
    let scope = call_scope(&named, time, exchange);
    let mut errors = Vec::new();
    let mut failed = |key, expression: &Expression, source| {
        let expression = expression.source().to_owned();
        errors.push(ConditionError { key, expression, source });
    };
    let matched = rule.when.as_ref().is_none_or(|when| {
        when.is_true(&scope).unwrap_or_else(|error| {
            failed("when", when, error);
            false
        })
    });
    let subject = rule.subject.as_ref().filter(|_| matched).and_then(|subject| {
        subject.text(&scope).unwrap_or_else(|error| {
            failed("subject", subject, error);
            None
        })
    });
    Judgement { matched, subject: subject.map(cut), errors }
}

fn cut(mut subject: String) -> String {
    subject.truncate(subject.floor_char_boundary(SUBJECT_BYTES_MAX));
    subject
}

/// The part of the expression that is meant.
fn place(expression: &str, error: &ExprError) -> String {
    let part = error.span.clone().and_then(|span| Some((span.start, expression.get(span)?)));
    match part {
        Some((at, part)) => format!("byte {} (`{part}`) of `{expression}`", at + 1),
        None => format!("`{expression}`"),
    }
}

#[cfg(test)]
mod tests;
