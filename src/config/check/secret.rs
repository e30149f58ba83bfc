//! Secrets: `"text"`, `{ env = "NAME" }` or `{ file = "path" }`.

use super::Check;
use crate::config::node::{Node, Place, Value};
use crate::config::problem::{quoted, suggest};
use crate::model::Secret;

const FORM: &str = "\"text\", { env = \"NAME\" } or { file = \"path\" }";

/// Longest secret, bytes: it must fit in a header and in memory.
const SECRET_BYTES_MAX: u64 = 8 << 10;

impl Check<'_> {
    /// Reads a secret. It is never shown again: not in messages, not in the lines beside them.
    pub(super) fn secret(&mut self, node: &Node) -> Secret {
        // Stand-ins differ, so that two of them are not taken for one secret used twice.
        let stand_in = || Secret::new(format!("stand-in {:?}", node.place));
        self.secret_text(node).map_or_else(stand_in, Secret::new)
    }

    pub(super) fn secret_text(&mut self, node: &Node) -> Option<String> {
        let text = match &node.value {
            Value::Text(text) => {
                self.sources().mask(&node.place);
                text.clone()
            }
            Value::Table(table) => {
                let [entry] = table.entries.as_slice() else {
                    self.sources().mask(&node.place);
                    let message = format!("a secret has one source, found {}", table.entries.len());
                    self.problem(&node.place, message, format!("write {FORM}"));
                    return None;
                };
                let name = self.text(&entry.node, "a string")?;
                match entry.key.as_str() {
                    "env" => self.environment_secret(&entry.node.place, name)?,
                    "file" => self.file_secret(&entry.node.place, name)?,
                    other => {
                        self.sources().mask(&entry.node.place);
                        let cure = match suggest(other, ["env", "file"]) {
                            Some(meant) => format!("did you mean {}?", quoted(meant)),
                            None => format!("write {FORM}"),
                        };
                        let message = format!("{} is not a source of secrets", quoted(other));
                        self.problem(&entry.key_place, message, cure);
                        return None;
                    }
                }
            }
            _ => {
                self.sources().mask(&node.place);
                self.wrong_kind(node, FORM);
                return None;
            }
        };
        if text.is_empty() {
            self.problem(&node.place, "the secret is empty", "set it, or take the key away");
            return None;
        }
        Some(text)
    }

    fn environment_secret(&mut self, place: &Place, name: &str) -> Option<String> {
        let value = self.environment.get(name).map(str::to_owned);
        if value.is_none() {
            let message = format!("the environment variable {} is not set", quoted(name));
            self.problem(place, message, "set it where sidehook is started");
        }
        value
    }

    fn file_secret(&mut self, place: &Place, path: &str) -> Option<String> {
        let path = self.resolve(place, path);
        let read = self.read_file(&path, SECRET_BYTES_MAX);
        let shown = quoted(&path.to_string_lossy());
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("cannot read the secret file {shown}: {error}");
                self.problem(place, message, "make it readable for sidehook, or correct the path");
                return None;
            }
        };
        if bytes.len() as u64 > SECRET_BYTES_MAX {
            let message = format!("the secret file {shown} is larger than 8 KiB");
            self.problem(place, message, "it must contain the secret and nothing else");
            return None;
        }
        let Ok(mut text) = String::from_utf8(bytes) else {
            let message = format!("the secret file {shown} is not text");
            self.problem(place, message, "it must contain the secret as UTF-8 text");
            return None;
        };
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Some(text)
    }
}
