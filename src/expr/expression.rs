//! One expression, compiled once.

use std::fmt;
use std::sync::Arc;

use super::{ExprError, Scope};

/// A compiled expression. Clones share it.
#[derive(Clone)]
pub struct Expression {
    source: Arc<str>,
}

impl Expression {
    /// Compiles an expression; only the names of [`super::NAMES`] may stand at its top.
    ///
    /// # Errors
    /// A mistake in the syntax or an unknown name, with its place.
    pub fn parse(source: &str) -> Result<Self, ExprError> {
        Ok(Self { source: source.into() })
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// False when the expression certainly does not read `top.member` (such as `webhook`,
    /// `secret`; `request`, `body`).
    pub fn may_read(&self, top: &str, member: &str) -> bool {
        let _ = (top, member);
        true
    }

    /// Whether the value is true.
    ///
    /// # Errors
    /// It fails, or takes too much work.
    pub fn is_true(&self, scope: &Scope) -> Result<bool, ExprError> {
        let _ = scope;
        Err(ExprError { message: String::new(), span: None })
    }

    /// The value as text; `None` when it is undefined or none.
    ///
    /// # Errors
    /// It fails, takes too much work, or is neither text, number nor boolean.
    pub fn text(&self, scope: &Scope) -> Result<Option<String>, ExprError> {
        let _ = scope;
        Err(ExprError { message: String::new(), span: None })
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// It fails, takes too much work, or its JSON is too large.
    pub fn json(&self, scope: &Scope) -> Result<Vec<u8>, ExprError> {
        let _ = scope;
        Err(ExprError { message: String::new(), span: None })
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}
