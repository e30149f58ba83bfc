//! The names of the language, and what is said of one that is not among them.

use minijinja::machinery::Span;

use super::ExprError;

/// The tests of the language (`x is NAME`).
pub(super) const TESTS: [&str; 41] = [
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
];

/// Whether a name is there.
pub(super) fn known(what: &str, name: &str, names: &[&str], at: Span) -> Result<(), ExprError> {
    if names.contains(&name) { Ok(()) } else { Err(unknown(what, name, names, at)) }
}

/// A name that is not there, with the nearest that is.
pub(super) fn unknown(what: &str, name: &str, names: &[&str], at: Span) -> ExprError {
    let near = |known: &&&str| strsim::damerau_levenshtein(known, name) <= 2;
    let cure = match names.iter().filter(near).min_by_key(|n| strsim::levenshtein(n, name)) {
        _ if matches!(name, "null" | "nil") => "did you mean `none`?".to_owned(),
        Some(near) => format!("did you mean `{near}`?"),
        None if names.len() < 10 => format!("there are {}", names.join(", ")),
        None => "docs/expressions.md lists those there are".to_owned(),
    };
    ExprError::at(at, format!("there is no {what} `{name}`; {cure}"))
}
