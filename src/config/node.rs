//! A TOML document as a tree in which every value knows where it was written.
//!
//! serde stops at the first mistake and loses places in nested types, so the configuration is read
//! from this tree by hand: that is what lets `check` report all mistakes at once. Values from the
//! environment and from flags are nodes too, and so are reported in the same way.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was written: a source (by its number in [`super::problem::Sources`]) and bytes in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) source: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// The kinds of TOML values.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// Wider than TOML's 64 bits, so that a range check catches what is out of range.
    Whole(i128),
    Real(f64),
    Flag(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

/// A table, its entries in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// One key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

impl Place {
    pub(super) const fn new(source: usize, span: &Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
    }
}

impl Node {
    pub(super) fn text(text: impl Into<String>, place: Place) -> Self {
        Self { value: Value::Text(text.into()), place }
    }
}

impl Value {
    /// Its kind in words, for "expected ..., found ...".
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Whole(_) => "a whole number",
            Self::Real(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Date(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Puts an entry, in the place of an earlier one of the same key.
    pub(super) fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }
}

/// A mistake in the TOML itself.
pub(super) struct SyntaxError {
    pub(super) place: Place,
    pub(super) message: String,
}

/// Reads a document as far as it can be read, with every mistake of its syntax.
pub(super) fn parse(source: usize, text: &str) -> (Table, Vec<SyntaxError>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors = errors
        .into_iter()
        .map(|error| SyntaxError {
            place: Place::new(source, &error.span().unwrap_or(0..0)),
            message: error.message().to_owned(),
        })
        .collect();
    (table_of(source, table.into_inner()), errors)
}

fn table_of(source: usize, table: DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_place: Place::new(source, &key.span()),
            key: key.into_inner().into_owned(),
            node: node_of(source, value),
        })
        .collect();
    entries.sort_by(|a, b| a.key_place.cmp(&b.key_place));
    Table { entries }
}

fn node_of(source: usize, value: Spanned<DeValue<'_>>) -> Node {
    let place = Place::new(source, &value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let parsed = i128::from_str_radix(number.as_str(), number.radix());
            Value::Whole(parsed.unwrap_or(i128::MAX))
        }
        DeValue::Float(number) => Value::Real(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(items) => {
            Value::List(items.into_iter().map(|item| node_of(source, item)).collect())
        }
        DeValue::Table(table) => Value::Table(table_of(source, table)),
    };
    Node { value, place }
}
