//! Expressions and templates (minijinja), bounded in work and output. Knows the language only:
//! what the variables are is said by `view`, which builds the scope.

mod error;
mod expression;
mod template;

pub use error::ExprError;
pub use expression::Expression;
pub use template::Template;

/// The variables that an expression sees: a map from the top-level names of [`NAMES`].
pub type Scope = minijinja::Value;

/// The top-level names that an expression may use.
pub const NAMES: [&str; 7] = ["event", "id", "event_id", "time", "webhook", "request", "response"];
