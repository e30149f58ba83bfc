//! Readers of single values: each reports what does not fit and returns a stand-in.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Check;
use crate::config::node::{Node, Place, Table, Value};
use crate::config::problem::{quoted, suggest};
use crate::config::units::{self, DURATION_FORM, SIZE_FORM};

/// Shortest wait that is not none at all.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// An hour.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// A day.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A section's key; the defaults have every one of them.
pub(super) fn key<'t>(table: &'t Table, key: &str) -> &'t Node {
    table.get(key).expect("config.example.toml sets every key of a section; a test compares them")
}

impl Check<'_> {
    /// A key without which its table means nothing.
    pub(super) fn required<'t>(
        &mut self,
        table: &'t Table,
        place: &Place,
        key: &str,
        cure: &str,
    ) -> Option<&'t Node> {
        let found = table.get(key);
        if found.is_none() {
            self.absence(place, format!("{} is missing", quoted(key)), cure);
        }
        found
    }

    /// A table inside a value, such as `client_cert = { cert = "c.pem", key = "k.pem" }`; keys
    /// that it does not have are reported.
    pub(super) fn inline_table<'n>(
        &mut self,
        node: &'n Node,
        names: &[&str],
        what: &str,
        form: &str,
    ) -> Option<&'n Table> {
        let Value::Table(table) = &node.value else {
            let message = format!("expected a table, found {}", node.value.kind());
            self.problem(&node.place, message, format!("write {form}"));
            return None;
        };
        for entry in table.entries.iter().filter(|entry| !names.contains(&entry.key.as_str())) {
            // It may be a misspelt password.
            if what == "basic_auth" {
                self.sources().mask(&entry.node.place);
            }
            let cure = match suggest(&entry.key, names.iter().copied()) {
                Some(meant) => format!("did you mean {}?", quoted(meant)),
                None => format!("write {form}"),
            };
            let message = format!("{} is not a key of {what}", quoted(&entry.key));
            self.problem(&entry.key_place, message, cure);
        }
        Some(table)
    }

    /// Reports a value of the wrong kind.
    pub(super) fn wrong_kind(&mut self, node: &Node, wanted: &str) {
        let message = format!("expected {wanted}, found {}", node.value.kind());
        self.problem(&node.place, message, format!("write {wanted}"));
    }

    pub(super) fn text<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            _ => {
                self.wrong_kind(node, wanted);
                None
            }
        }
    }

    pub(super) fn flag(&mut self, node: &Node) -> bool {
        match node.value {
            Value::Flag(flag) => flag,
            _ => {
                self.wrong_kind(node, "true or false");
                false
            }
        }
    }

    /// A whole number within limits.
    pub(super) fn count(&mut self, node: &Node, limits: RangeInclusive<usize>) -> usize {
        let Value::Whole(number) = node.value else {
            self.wrong_kind(node, "a whole number");
            return *limits.start();
        };
        match usize::try_from(number) {
            Ok(number) if limits.contains(&number) => number,
            _ => {
                self.out_of_limits(node, &limits);
                *limits.start()
            }
        }
    }

    /// How often something happens before something is done; 0: it never is.
    pub(super) fn times(&mut self, node: &Node) -> u32 {
        u32::try_from(self.count(node, 0..=1_000_000)).unwrap_or(u32::MAX)
    }

    /// A number within limits.
    pub(super) fn real(&mut self, node: &Node, limits: RangeInclusive<f64>) -> f64 {
        let number = match node.value {
            Value::Real(number) => number,
            Value::Whole(0) => 0.0,
            Value::Whole(1) => 1.0,
            Value::Whole(_) => f64::NAN,
            _ => {
                self.wrong_kind(node, "a number");
                return *limits.start();
            }
        };
        if limits.contains(&number) {
            return number;
        }
        self.out_of_limits(node, &limits);
        *limits.start()
    }

    pub(super) fn duration(&mut self, node: &Node, limits: RangeInclusive<Duration>) -> Duration {
        let stand_in = *limits.start();
        let Some(text) = self.text(node, DURATION_FORM) else { return stand_in };
        match units::parse_duration(text) {
            None => {
                let message = format!("{} is not a duration", quoted(text));
                self.problem(&node.place, message, format!("write {DURATION_FORM}"));
                stand_in
            }
            Some(duration) if limits.contains(&duration) => duration,
            Some(_) => {
                let [least, most] =
                    [limits.start(), limits.end()].map(|&limit| units::show_duration(limit));
                self.out_of_limits(node, &(least..=most));
                stand_in
            }
        }
    }

    /// `"0s"` is none.
    pub(super) fn optional_duration(&mut self, node: &Node, most: Duration) -> Option<Duration> {
        Some(self.duration(node, Duration::ZERO..=most)).filter(|duration| !duration.is_zero())
    }

    pub(super) fn size(&mut self, node: &Node, limits: RangeInclusive<u64>) -> u64 {
        let stand_in = *limits.start();
        let Some(text) = self.text(node, SIZE_FORM) else { return stand_in };
        match units::parse_size(text) {
            None => {
                let message = format!("{} is not a size", quoted(text));
                self.problem(&node.place, message, format!("write {SIZE_FORM}"));
                stand_in
            }
            Some(size) if limits.contains(&size) => size,
            Some(_) => {
                let [least, most] =
                    [limits.start(), limits.end()].map(|&limit| units::show_size(limit));
                self.out_of_limits(node, &(least..=most));
                stand_in
            }
        }
    }

    /// A size that fits in memory.
    pub(super) fn memory(&mut self, node: &Node, limits: RangeInclusive<u64>) -> usize {
        usize::try_from(self.size(node, limits)).unwrap_or(usize::MAX)
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, of: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            _ => {
                self.wrong_kind(node, &format!("a list of {of}"));
                &[]
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node, choices: &[(&str, T)]) -> T {
        let (_, stand_in) = choices[0];
        let words =
            choices.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let Some(text) = self.text(node, &words) else { return stand_in };
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return *choice;
        }
        let cure = match suggest(text, choices.iter().map(|(word, _)| *word)) {
            Some(meant) => format!("did you mean \"{meant}\"? It can be {words}"),
            None => format!("write {words}"),
        };
        self.problem(&node.place, format!("{} is not one of the choices", quoted(text)), cure);
        stand_in
    }

    /// The waits of a retry schedule.
    pub(super) fn retry(&mut self, node: &Node) -> Vec<Duration> {
        // 64 waits of a year each are beyond any use; the limits keep a schedule readable.
        const WAITS_MAX: usize = 64;
        let items = self.list(node, "durations, such as [\"1m\", \"5m\"]");
        if items.len() > WAITS_MAX {
            let message = format!("{} waits are too many", items.len());
            self.problem(&node.place, message, format!("write at most {WAITS_MAX}"));
            return Vec::new();
        }
        items.iter().map(|item| self.duration(item, TICK..=365 * DAY)).collect()
    }

    fn out_of_limits<L: fmt::Display>(&mut self, node: &Node, limits: &RangeInclusive<L>) {
        let cure = format!("write a value from {} to {}", limits.start(), limits.end());
        self.problem(&node.place, "out of range", cure);
    }
}
