//! The language as it is here: what is taken out of minijinja, and what is bounded.

use std::fmt;
use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::{Limits, budget, filters};

/// Functions of the language, besides the variables.
pub(super) const FUNCTIONS: [&str; 2] = ["range", "dict"];

/// What expressions are compiled with; templates each have a copy with their text.
pub(super) static LANGUAGE: LazyLock<Environment<'static>> = LazyLock::new(language);

fn language() -> Environment<'static> {
    let mut language = Environment::new();
    language.set_undefined_behavior(UndefinedBehavior::Chainable);
    language.set_auto_escape_callback(|_| AutoEscape::None);
    language.set_fuel(Some(Limits::FUEL));
    language.set_recursion_limit(Limits::RECURSION_MAX);
    language.set_debug(false);
    language.set_formatter(|out, _, value| {
        let mut out = Charged { out, error: None };
        write_value(&mut out, value).map_err(|error| out.error.unwrap_or_else(|| error.into()))
    });
    for name in ["debug", "namespace"] {
        language.remove_global(name);
    }
    filters::install(&mut language);
    language
}

/// Writes a value as text: nothing for undefined and none, `true` and `false` as in JSON.
pub(super) fn write_value(out: &mut impl fmt::Write, value: &Value) -> fmt::Result {
    match (value.kind(), value.as_str()) {
        (ValueKind::Undefined | ValueKind::None, _) => Ok(()),
        (ValueKind::Bool, _) => write!(out, "{}", value.is_true()),
        (_, Some(text)) => out.write_str(text),
        (_, None) => write!(out, "{value}"),
    }
}

/// Charges what is written.
struct Charged<'o, W> {
    out: &'o mut W,
    error: Option<Error>,
}

impl<W: fmt::Write> fmt::Write for Charged<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Err(error) = budget::charge(text.len()) {
            self.error = Some(error);
            return Err(fmt::Error);
        }
        self.out.write_str(text)
    }
}

/// A text that may not grow beyond a limit.
#[derive(Default)]
pub(super) struct Bounded {
    pub(super) text: Vec<u8>,
}

impl Bounded {
    fn has_room(&self, n: usize) -> bool {
        self.text.len() + n <= Limits::TEXT_BYTES_MAX.min(Limits::OUTPUT_BYTES_MAX)
    }

    /// The text; everything written was text.
    pub(super) fn into_text(self) -> Result<String, Error> {
        let wrong = |_| Error::new(ErrorKind::WriteFailure, "the output is no text");
        String::from_utf8(self.text).map_err(wrong)
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !self.has_room(text.len()) {
            return Err(fmt::Error);
        }
        self.text.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !self.has_room(bytes.len()) {
            return Err(std::io::Error::other("it is too long"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
