//! Expressions and templates (minijinja), bounded in work and output. Knows the language only:
//! what the variables are is said by `view`, which builds the scope.
//!
//! A text is looked at before it is compiled (`analysis`): which variables it reads, whether all
//! its names are known, and how large a value it could build. Evaluation is bounded by fuel (steps)
//! and by the bytes that filters and output may handle (`budget`). The filters that could multiply
//! their input are our own (`filters`). Nothing reads the environment, the time or randomness.

mod analysis;
mod budget;
mod error;
mod expression;
mod filters;
mod language;
mod names;
mod record;
mod size;
mod template;

pub use error::ExprError;
pub use expression::Expression;
pub use record::{Record, record};
pub use template::Template;

/// A value of the language.
pub type Value = minijinja::Value;

/// The variables that an expression sees: a map from the top-level names of [`NAMES`].
pub type Scope = Value;

/// The top-level names that an expression may use.
pub const NAMES: [&str; 7] = ["event", "id", "event_id", "time", "webhook", "request", "response"];

/// Those that are known at the call already: what `when` and `subject` may use.
pub const NAMES_AT_CALL: [&str; 4] = ["event", "time", "request", "response"];

/// What an expression may cost.
struct Limits;

impl Limits {
    /// Bytes of an expression or a template.
    const SOURCE_BYTES_MAX: usize = 64 << 10;
    /// Words and signs of an expression or a template. The parser's tree is at most as deep as these
    /// are many, and it must fit on a stack of 2 MiB before anything else can be said of it.
    const TOKENS_MAX: usize = 8_000;
    /// Nesting of the syntax tree; a chain of operators nests by one for each.
    const SYNTAX_DEPTH_MAX: usize = 200;
    /// Instructions of one evaluation.
    const FUEL: u64 = 100_000;
    /// Bytes that filters and output handle in one evaluation.
    const WORK_BYTES_MAX: usize = 128 << 20;
    /// Bytes of one text that a filter makes.
    const TEXT_BYTES_MAX: usize = 16 << 20;
    /// Bytes of what comes out.
    const OUTPUT_BYTES_MAX: usize = 16 << 20;
    /// Elements of `range`, and what `batch` and `slice` fill up.
    const ELEMENTS_MAX: usize = 10_000;
    /// Bytes of a value, as foreseen from the text alone (a variable counts for one mebibyte).
    const VALUE_BYTES_MAX: u64 = 64 << 20;
    /// Nesting of a value, as foreseen from the text alone.
    const VALUE_DEPTH_MAX: u32 = 200;
    /// Loops within loops.
    const RECURSION_MAX: usize = 50;
}

#[cfg(test)]
mod tests;
