//! The keys of a `[[webhook]]` that come as JSON from the admin API: the same tree, the same checks.
//!
//! Every member gets a place of its own, and the place of a mistake is the member to name. What
//! would read this machine (files, variables) is refused here: a token must not be able to.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::check::{self, Check, Ground};
use super::keys::{Kind, Section};
use super::layers::known_keys;
use super::node::{Entry, Node, Place, Table, Value};
use super::{Environment, Files, Inputs};
use crate::admin::{FieldError, ReadKeys, ReadWebhook};

/// So many mistakes are told at once.
const N_ERRORS_MAX: usize = 100;

/// Reads webhooks of the API under a configuration.
#[derive(Clone, Debug)]
pub struct WebhookReader {
    ground: Arc<Ground>,
}

/// A tree under construction.
struct Tree {
    /// The only source of places.
    source: usize,
    /// The member of each place.
    fields: Vec<String>,
    refused: Vec<FieldError>,
}

impl WebhookReader {
    pub(super) fn on(ground: Ground) -> Self {
        Self { ground: Arc::new(ground) }
    }
}

impl Default for WebhookReader {
    /// Under the defaults.
    fn default() -> Self {
        super::load(&Inputs::default()).expect("the defaults have no mistakes").webhook_reader()
    }
}

impl ReadWebhook for WebhookReader {
    fn read(&self, keys: &Map<String, Json>) -> Result<ReadKeys, Vec<FieldError>> {
        let environment = Environment::default();
        let mut check = Check::new(&environment, Files::default());
        let source = check.sources().add("the body", "", std::path::PathBuf::new());
        let mut tree = Tree { source, fields: vec![String::new()], refused: Vec::new() };
        let whole = tree.place(0);
        let mut table = tree.webhook(keys);
        let section = Section::of_name("webhook").expect("there are webhooks");
        known_keys(&mut check, section, &mut table);
        let Tree { fields, mut refused, .. } = tree;
        match check::api_webhook(check, &table, &whole, &self.ground) {
            Ok((webhook, warnings)) if refused.is_empty() => Ok(ReadKeys { webhook, warnings }),
            Ok(_) => Err(refused),
            Err(problems) => {
                let errors = problems.iter().map(|problem| FieldError {
                    field: match missing(&problem.message) {
                        Some(key) => join(&fields[problem.start()], key),
                        None => fields[problem.start()].clone(),
                    },
                    message: format!("{}; {}", problem.message, problem.cure).into(),
                });
                for error in errors {
                    // One error is enough for a field; what is wrong with a stand-in is not the
                    // caller's mistake.
                    let is_new = refused.iter().all(|known| known.field != error.field);
                    if is_new && refused.len() < N_ERRORS_MAX {
                        refused.push(error);
                    }
                }
                Err(refused)
            }
        }
    }

    fn knows(&self, key: &str) -> bool {
        Section::of_name("webhook").is_some_and(|section| section.kind(key).is_some())
    }
}

/// The key of "`key` is missing": the place of that is the table around it.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix('`')?.strip_suffix("` is missing")
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

impl Tree {
    const fn place(&self, number: usize) -> Place {
        Place { source: self.source, start: number, end: number }
    }

    fn new_place(&mut self, field: String) -> Place {
        self.fields.push(field);
        self.place(self.fields.len() - 1)
    }

    fn refuse(&mut self, field: &str, message: &'static str) {
        self.refused.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// The table of a webhook.
    fn webhook(&mut self, keys: &Map<String, Json>) -> Table {
        let mut table = Table::default();
        for (key, value) in keys {
            if matches!(key.as_str(), "ca_file" | "client_cert") && !value.is_null() {
                self.refuse(key, "files of this machine are named in the configuration file only");
                continue;
            }
            if let Some(entry) = self.entry("", key, value) {
                table.put(entry);
            }
        }
        table
    }

    /// A member as an entry; null is as absent.
    fn entry(&mut self, table: &str, key: &str, value: &Json) -> Option<Entry> {
        let field = join(table, key);
        let section = Section::of_name("webhook")?;
        let is_secret = match table {
            "" => section.kind(key) == Some(Kind::Secret),
            "basic_auth" => key == "password",
            table => table == "headers",
        };
        let node = match value {
            Json::Object(source) if is_secret => {
                self.refuse(
                    &field,
                    if source.contains_key("env") || source.contains_key("file") {
                        "files and the environment of this machine are named in the configuration \
                         file only; write the value itself, as a string"
                    } else {
                        "write the value itself, as a string"
                    },
                );
                // A stand-in, so that nothing is said to be missing.
                let place = self.new_place(field);
                Node::text(format!("stand-in-{}", place.start), place)
            }
            value => self.node(field, value)?,
        };
        Some(Entry { key: key.to_owned(), key_place: node.place.clone(), node })
    }

    fn node(&mut self, field: String, value: &Json) -> Option<Node> {
        let place = self.new_place(field.clone());
        let value = match value {
            Json::Null => return None,
            Json::Bool(flag) => Value::Flag(*flag),
            Json::String(text) => Value::Text(text.clone()),
            Json::Number(number) => {
                let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
                whole.map_or_else(|| Value::Real(number.as_f64().unwrap_or(f64::NAN)), Value::Whole)
            }
            Json::Array(items) => Value::List(self.items(&field, items)),
            Json::Object(members) => {
                let mut table = Table::default();
                for (key, value) in members {
                    if let Some(entry) = self.entry(&field, key, value) {
                        table.put(entry);
                    }
                }
                Value::Table(table)
            }
        };
        Some(Node { value, place })
    }

    fn items(&mut self, field: &str, items: &[Json]) -> Vec<Node> {
        let mut nodes = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let field = format!("{field}[{at}]");
            match self.node(field.clone(), item) {
                Some(node) => nodes.push(node),
                None => self.refuse(&field, "null has no meaning in a list; take it out"),
            }
        }
        nodes
    }
}
