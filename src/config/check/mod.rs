//! Walks the merged tree, collects every mistake and builds the settings.
//!
//! A reader that reports a mistake returns a stand-in and goes on, so that the mistakes after it are
//! found too; a `Config` with a stand-in in it is never handed out.

mod bare_key;
mod cross;
mod door;
mod egress_proxy;
mod event;
mod format;
mod headers;
mod odd_method;
mod pattern;
mod place;
mod proxy;
mod read;
mod schemes;
mod secret;
mod sections;
mod tls;
mod upstream;
mod webhook;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use door::door;
pub(super) use egress_proxy::has_credentials;
pub(super) use headers::is_confidential;

use super::layers::EXAMPLE_SOURCE;
use super::node::{Place, Table, Value};
use super::problem::{Problems, Sources};
use super::{Config, Environment, Files, Inputs, WebhookReader, print};
use crate::egress;
use crate::model::Webhook;

/// A check under way.
pub(super) struct Check<'e> {
    problems: Problems,
    syntax_errors: usize,
    environment: &'e Environment,
    /// What has been read so far.
    files: Files,
    warnings: Vec<String>,
    /// A rule could not be read at all, so that nothing can be said about missing labels.
    has_unread_rule: bool,
}

impl<'e> Check<'e> {
    pub(super) fn new(environment: &'e Environment, files: Files) -> Self {
        let problems = Problems::new(Sources::default());
        Self {
            problems,
            syntax_errors: 0,
            environment,
            files,
            warnings: Vec::new(),
            has_unread_rule: false,
        }
    }

    pub(super) const fn sources(&mut self) -> &mut Sources {
        self.problems.sources_mut()
    }

    /// Reports a mistake: what is wrong, and what would be right.
    pub(super) fn problem(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.problems.add(place, message.into(), cure.into(), false);
    }

    /// Reports that something needed is not there.
    fn absence(&mut self, place: &Place, message: impl Into<String>, cure: impl Into<String>) {
        self.problems.add(place, message.into(), cure.into(), true);
    }

    pub(super) const fn count_syntax_errors(&mut self, n: usize) {
        self.syntax_errors += n;
    }

    pub(super) const fn note_unread_rule(&mut self) {
        self.has_unread_rule = true;
    }

    /// Notes what works but may not be meant.
    fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Reads a file, at most one byte more than `bytes_max`.
    fn read_file(&mut self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.files.read(path, bytes_max)
    }

    /// Notes a file that somebody else reads.
    fn note_file(&mut self, path: &Path, bytes_max: u64) {
        self.files.note(path, bytes_max);
    }

    /// A path as written, relative to the folder of its source.
    fn resolve(&self, place: &Place, path: &str) -> PathBuf {
        self.problems.sources().get(place.source).base.join(Path::new(path))
    }
}

/// What a webhook of the API is checked against: the configuration in force.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    delivery: sections::Delivery,
    egress: egress::Settings,
    /// The labels of the rules.
    labels: Vec<String>,
}

/// Builds the configuration.
pub(super) fn config(
    mut check: Check<'_>,
    root: &Table,
    inputs: &Inputs,
) -> (Result<Config, Problems>, Files) {
    let c = &mut check;
    let capture = proxy::capture(c, section(root, "capture"));
    let proxy = proxy::proxy(c, section(root, "proxy"), capture);
    let store = sections::store(c, section(root, "store"));
    let egress = sections::egress(c, section(root, "delivery"));
    let delivery = sections::delivery(c, section(root, "delivery"), &proxy);
    let admin = sections::admin(c, section(root, "admin"));
    let rules = event::rules(c, repeated(root, "event"));
    let webhooks = webhook::webhooks(c, repeated(root, "webhook"), &delivery, &egress);
    cross::check(c, root, &proxy, &store, &rules, &webhooks, &egress);
    let Check { mut problems, syntax_errors, warnings, files, .. } = check;
    problems.drop_consequences(syntax_errors);
    if problems.count() > 0 {
        problems.sort();
        return (Err(problems), files);
    }
    let connections = read::key(section(root, "proxy"), "max_connections");
    let labels = rules.iter().map(|rule| rule.rule.label.clone()).collect();
    let ground = Ground { delivery: delivery.clone(), egress: egress.clone(), labels };
    let config = Config {
        reader: WebhookReader::on(ground),
        proxy,
        rules: rules.into_iter().map(|rule| rule.rule).collect(),
        store,
        delivery: delivery.settings,
        egress,
        admin,
        webhooks: webhooks.into_iter().map(|webhook| webhook.webhook).collect(),
        warnings,
        effective: print::effective(root),
        asks_for_connections: connections.place.source != EXAMPLE_SOURCE,
        inputs: Arc::new(inputs.clone()),
        // Who has read it knows.
        is_file_empty: false,
        files: files.clone(),
        fingerprint: print::fingerprint(root, &files, inputs.file.as_deref()),
    };
    (Ok(config), files)
}

/// Builds a webhook of the API; the warnings are for whoever made it.
pub(super) fn api_webhook(
    mut check: Check<'_>,
    table: &Table,
    place: &Place,
    ground: &Ground,
) -> Result<(Webhook, Vec<String>), Problems> {
    let placed = webhook::webhook(&mut check, table, place, &ground.delivery, &ground.egress);
    cross::check_of_api(&mut check, &ground.labels, &placed);
    let Check { mut problems, warnings, .. } = check;
    if problems.count() > 0 {
        problems.sort();
        return Err(problems);
    }
    Ok((placed.webhook, warnings))
}

/// A section's table.
fn section<'t>(root: &'t Table, name: &str) -> &'t Table {
    match root.get(name).map(|node| &node.value) {
        Some(Value::Table(table)) => table,
        _ => unreachable!("config.example.toml has [{name}], and only tables are laid over it"),
    }
}

/// The tables of a `[[name]]`, each with its place.
fn repeated<'t>(root: &'t Table, name: &str) -> Vec<(&'t Table, &'t Place)> {
    let Some(Value::List(items)) = root.get(name).map(|node| &node.value) else {
        return Vec::new();
    };
    let table = |node: &'t super::node::Node| match &node.value {
        Value::Table(table) => Some((table, &node.place)),
        _ => None,
    };
    items.iter().filter_map(table).collect()
}
