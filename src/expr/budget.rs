//! The bytes that one evaluation may handle. The language counts its steps, but one step of a
//! filter can be any amount of work: so filters and output charge what they handle.

use std::cell::Cell;

use minijinja::{Error, ErrorKind, Value};

use super::Limits;

thread_local! {
    /// What is left to the evaluation that runs on this thread.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// What an element of a list costs beside its contents.
const ELEMENT_BYTES: usize = 24;

/// Runs one evaluation with a budget of its own.
pub(super) fn with<T>(evaluate: impl FnOnce() -> T) -> T {
    LEFT.set(Limits::WORK_BYTES_MAX);
    evaluate()
}

/// Charges bytes.
pub(super) fn charge(bytes: usize) -> Result<(), Error> {
    match LEFT.get().checked_sub(bytes) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => Err(Error::new(ErrorKind::OutOfFuel, "it handles too many bytes")),
    }
}

/// Charges a value that is handled: a text by its length, a list or map by its elements.
pub(super) fn charge_value(value: &Value) -> Result<(), Error> {
    let bytes = match value.as_str() {
        Some(text) => text.len(),
        None => value.len().unwrap_or(0).saturating_mul(ELEMENT_BYTES),
    };
    charge(bytes.saturating_add(ELEMENT_BYTES))
}
