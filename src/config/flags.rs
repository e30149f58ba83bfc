//! What `run` takes on the command line instead of, or over, a file.

use std::fmt;
use std::path::PathBuf;

use super::check::Check;
use super::keys::Kind;
use super::layers::from_text;
use super::node::{Entry, Node, Place, Table, Value};

/// Settings from the command line; paths are relative to the working directory.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--upstream URL`.
    pub upstream: Option<String>,
    /// `--listen ADDRESS`.
    pub listen: Option<String>,
    /// `--admin ADDRESS`.
    pub admin: Option<String>,
    /// `--data DIR`.
    pub data: Option<String>,
    /// `--allow-network CIDR`, repeatable.
    pub allow_networks: Vec<String>,
    /// `--event 'LABEL=METHOD REGEX'`, repeatable: instead of the rules of a file.
    pub events: Vec<String>,
    /// `--webhook URL`, repeatable: instead of the webhooks of a file.
    pub webhooks: Vec<FlagWebhook>,
}

/// `--webhook URL` with the `--secret` and `--signing-secret` after it.
#[derive(Clone, Default)]
pub struct FlagWebhook {
    /// The target.
    pub url: String,
    /// `--secret`.
    pub secret: Option<String>,
    /// `--signing-secret`.
    pub signing_secret: Option<String>,
}

/// Without its secrets.
impl fmt::Debug for FlagWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagWebhook").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The flags as a layer of the configuration.
pub(super) fn layer(check: &mut Check<'_>, flags: &Flags) -> Table {
    let mut layer = Table::default();
    let singles = [
        ("proxy", "upstream", "--upstream", &flags.upstream),
        ("proxy", "listen", "--listen", &flags.listen),
        ("admin", "listen", "--admin", &flags.admin),
        ("store", "path", "--data", &flags.data),
    ];
    for (section, key, flag, text) in singles {
        if let Some(text) = text {
            let place = place_of(check, flag, text);
            put(&mut layer, section, key, Node::text(text, place));
        }
    }
    if !flags.allow_networks.is_empty() {
        let items: Vec<Node> = flags
            .allow_networks
            .iter()
            .map(|text| Node::text(text, place_of(check, "--allow-network", text)))
            .collect();
        let place = items[0].place.clone();
        put(&mut layer, "delivery", "allow_networks", Node { value: Value::List(items), place });
    }
    let events: Vec<Node> = flags.events.iter().filter_map(|text| event(check, text)).collect();
    put_list(&mut layer, "event", events);
    let webhooks = webhooks(check, &flags.webhooks);
    put_list(&mut layer, "webhook", webhooks);
    layer
}

/// `LABEL=METHOD REGEX`.
fn event(check: &mut Check<'_>, text: &str) -> Option<Node> {
    let place = place_of(check, "--event", text);
    let parts = text.split_once('=').and_then(|(label, rest)| {
        let (method, url) = rest.trim_start().split_once(' ')?;
        Some((label.trim(), method, url.trim()))
    });
    let Some((label, method, url)) = parts else {
        check.problem(
            &place,
            "an event needs a label, a method and a regex",
            "write --event 'LABEL=METHOD REGEX', such as 'task.created=POST ^/tasks$'",
        );
        check.note_unread_rule();
        return None;
    };
    let mut table = Table::default();
    for (key, part) in [("label", label), ("method", method), ("url", url)] {
        // Slices of `text`: their distance from its start is their place.
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        let place = Place { source: place.source, start, end: start + part.len() };
        table.put(entry(key, Node::text(part, place)));
    }
    Some(Node { value: Value::Table(table), place })
}

fn webhooks(check: &mut Check<'_>, webhooks: &[FlagWebhook]) -> Vec<Node> {
    let mut names: Vec<String> = Vec::new();
    let mut nodes = Vec::new();
    for webhook in webhooks {
        let place = place_of(check, "--webhook", &webhook.url);
        let name = free_name(&webhook.url, &names);
        let mut table = Table::default();
        table.put(entry("name", Node::text(&name, place.clone())));
        table.put(entry("url", Node::text(&webhook.url, place.clone())));
        table.put(entry("events", from_text(Kind::List, "*", &place)));
        let secrets = [
            ("secret", "--secret", &webhook.secret),
            ("signing_secret", "--signing-secret", &webhook.signing_secret),
        ];
        for (key, flag, text) in secrets {
            if let Some(text) = text {
                let place = place_of(check, flag, text);
                check.sources().mask(&place);
                table.put(entry(key, Node::text(text, place)));
            }
        }
        names.push(name);
        nodes.push(Node { value: Value::Table(table), place });
    }
    nodes
}

/// The URL's host, with `-2`, `-3`, ... where taken.
fn free_name(url: &str, taken: &[String]) -> String {
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_else(|| "webhook".to_owned());
    let is_free = |name: &String| !taken.contains(name);
    if is_free(&host) {
        return host;
    }
    (2..).map(|n| format!("{host}-{n}")).find(is_free).unwrap_or(host)
}

fn place_of(check: &mut Check<'_>, flag: &str, text: &str) -> Place {
    let source = check.sources().add(flag, text, PathBuf::new());
    Place { source, start: 0, end: text.len() }
}

fn entry(key: &str, node: Node) -> Entry {
    Entry { key: key.to_owned(), key_place: node.place.clone(), node }
}

fn put(layer: &mut Table, section: &str, key: &str, node: Node) {
    if layer.get(section).is_none() {
        let table = Node { value: Value::Table(Table::default()), place: node.place.clone() };
        layer.put(entry(section, table));
    }
    let found = layer.entries.iter_mut().find(|entry| entry.key == section);
    if let Some(Entry { node: Node { value: Value::Table(table), .. }, .. }) = found {
        table.put(entry(key, node));
    }
}

fn put_list(layer: &mut Table, section: &str, items: Vec<Node>) {
    if let Some(first) = items.first() {
        let place = first.place.clone();
        layer.put(entry(section, Node { value: Value::List(items), place }));
    }
}
