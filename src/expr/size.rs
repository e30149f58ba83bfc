//! An upper bound for a value, told from the text of an expression.

use minijinja::machinery::Span;

use super::{ExprError, Limits};

/// How large a value can be. A bound for the shape, not a measure: a variable counts for one
/// mebibyte however large the body behind it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    bytes: u64,
    depth: u32,
}

impl Size {
    pub(super) const SMALL: Self = Self { bytes: 16, depth: 0 };
    /// JSON is nested 128 deep at most.
    pub(super) const VARIABLE: Self = Self { bytes: 1 << 20, depth: 130 };

    pub(super) fn of_text(text: &str) -> Self {
        Self::of_bytes(text.len() as u64 + 16)
    }

    pub(super) const fn of_bytes(bytes: u64) -> Self {
        Self { bytes, depth: 0 }
    }

    /// Both together in one value.
    pub(super) fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), depth: self.depth.max(other.depth) }
    }

    /// One of them.
    pub(super) fn or(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), depth: self.depth.max(other.depth) }
    }

    /// Lists of lists of it.
    pub(super) const fn deeper(self) -> Self {
        Self { bytes: self.bytes, depth: self.depth + 2 }
    }

    /// A text: nothing is inside it.
    pub(super) const fn flat(self) -> Self {
        Self { bytes: self.bytes, depth: 0 }
    }

    /// The size, if it is within the limits.
    pub(super) fn check(self, at: Span) -> Result<Self, ExprError> {
        if self.bytes > Limits::VALUE_BYTES_MAX {
            return Err(ExprError::at(at, "this could grow too large"));
        }
        if self.depth > Limits::VALUE_DEPTH_MAX {
            return Err(ExprError::at(at, "this could be nested too deeply"));
        }
        Ok(self)
    }
}
