//! The members of a small body, taken one by one; what is wrong is collected, so that all mistakes
//! are told at once.

use serde_json::{Map, Value};

use super::problem::{FieldError, Problem};
use crate::model::Timestamp;

/// See the module. `null` is as absent.
pub(super) struct Fields {
    members: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub(super) const fn new(members: Map<String, Value>) -> Self {
        Self { members, errors: Vec::new() }
    }

    /// Takes one member; `expected` says what would be right.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        let taken = read(&value);
        if taken.is_none() {
            self.refuse(name, format!("must be {expected}"));
        }
        taken
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.take(name, "true or false", Value::as_bool).unwrap_or_default()
    }

    pub(super) fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.take(name, "an RFC 3339 time such as 2026-01-31T09:30:00Z", |value| {
            value.as_str().and_then(Timestamp::parse_bound)
        })
    }

    pub(super) fn label(&mut self, name: &str) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        self.take(name, "a label, [A-Za-z0-9_.:-]+, of 128 characters at most", |value| {
            let label = value.as_str().filter(|label| (1..=128).contains(&label.len()))?;
            label.chars().all(fits).then(|| label.to_owned())
        })
    }

    /// Takes a list; each item that does not fit is named.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        n_max: usize,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let form = format!("a list of 1 to {n_max} items, each {expected}");
        let items = self.take(name, &form, |value| {
            value.as_array().filter(|items| (1..=n_max).contains(&items.len())).cloned()
        })?;
        let mut taken = Vec::new();
        for (at, item) in items.iter().enumerate() {
            match item.as_str().and_then(&read) {
                Some(value) => taken.push(value),
                None => self.refuse(&format!("{name}[{at}]"), format!("must be {expected}")),
            }
        }
        Some(taken)
    }

    pub(super) fn refuse(&mut self, field: &str, message: impl Into<String>) {
        let message = message.into().into();
        self.errors.push(FieldError { field: field.to_owned(), message });
    }

    /// After all have been taken: what is left is unknown.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        let unknown =
            self.members.into_iter().take(20).map(|(field, _)| FieldError::unknown(field));
        self.errors.extend(unknown);
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}
