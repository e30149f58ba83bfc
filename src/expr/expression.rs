//! One expression, compiled once.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::parse_expr;

use super::analysis::Analysis;
use super::language::{Bounded, LANGUAGE};
use super::{ExprError, Scope, Value, budget};

/// A compiled expression. Clones share it.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: String,
    analysis: Analysis,
    code: minijinja::Expression<'static, 'static>,
}

impl Expression {
    /// Compiles an expression; only the names of [`super::NAMES`] may stand at its top.
    ///
    /// # Errors
    /// A mistake in the syntax, an unknown name, filter or test, or a value that could grow too
    /// large; with its place.
    pub fn parse(source: &str) -> Result<Self, ExprError> {
        Analysis::fits(source, true)?;
        let wrong = |error| ExprError::of(&error, source);
        let analysis = Analysis::of_expression(&parse_expr(source).map_err(wrong)?)?;
        let code = LANGUAGE.compile_expression_owned(source.to_owned()).map_err(wrong)?;
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), analysis, code })))
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// False when the expression certainly does not read `top.member` (such as `webhook`,
    /// `secret`; `request`, `body`).
    pub fn may_read(&self, top: &str, member: &str) -> bool {
        self.0.analysis.may_read(top, member)
    }

    /// Where a variable is read first, bytes of the source.
    pub fn first_read(&self, top: &str) -> Option<Range<usize>> {
        self.0.analysis.first_read(top)
    }

    /// Whether the value is true.
    ///
    /// # Errors
    /// It fails, or takes too much work.
    pub fn is_true(&self, scope: &Scope) -> Result<bool, ExprError> {
        budget::with(|| Ok(self.value(scope)?.is_true()))
    }

    /// The value as text; `None` when it is undefined or none.
    ///
    /// # Errors
    /// It fails, takes too much work, or is neither text, number nor boolean.
    pub fn text(&self, scope: &Scope) -> Result<Option<String>, ExprError> {
        budget::with(|| {
            let value = self.value(scope)?;
            if value.is_undefined() || value.is_none() {
                return Ok(None);
            }
            let is_boolean = matches!(value.kind(), minijinja::value::ValueKind::Bool);
            match value.as_str() {
                Some(text) => Ok(Some(text.to_owned())),
                None if is_boolean => Ok(Some(value.is_true().to_string())),
                None if value.is_number() => Ok(Some(value.to_string())),
                None => Err(ExprError::new(format!("the value is a {}, no text", value.kind()))),
            }
        })
    }

    /// The value as JSON: the order of keys is that of the expression and of the bodies it takes
    /// values from, undefined is `null`. A number that is taken from a JSON body is written again:
    /// whole numbers of 64 bits keep all their digits, any other is a double (IEEE 754), and
    /// `1.0` stays `1.0`.
    ///
    /// # Errors
    /// It fails, takes too much work, or its JSON is too large.
    pub fn json(&self, scope: &Scope) -> Result<Vec<u8>, ExprError> {
        budget::with(|| {
            let value = self.value(scope)?;
            let mut out = Bounded::default();
            serde_json::to_writer(&mut out, &value).map_err(|error| {
                ExprError::new(format!("the value cannot be written as JSON: {error}"))
            })?;
            Ok(out.text)
        })
    }

    fn value(&self, scope: &Scope) -> Result<Value, ExprError> {
        self.0.code.eval(scope).map_err(|error| ExprError::of(&error, self.source()))
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source()).finish()
    }
}
