//! What is wrong with an expression.

use std::ops::Range;

/// Why an expression cannot be compiled or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// In words.
    pub message: String,
    /// Where in the source, bytes.
    pub span: Option<Range<usize>>,
}
