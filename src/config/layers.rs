//! From the example file, the file, the environment and the flags to one tree.
//!
//! Every layer is checked for its shape (known sections and keys) before it is laid over the ones
//! below, so that what comes out has only keys that exist.

use std::path::PathBuf;

use super::Environment;
use super::check::Check;
use super::confidential;
use super::flags::{self, Flags};
use super::keys::{Kind, SECTIONS, Section};
use super::node::{self, Entry, Node, Place, Table, Value};
use super::problem::{quoted, suggest};

/// The source of the defaults, and the documentation of every key.
pub(super) const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Its number among the sources of values.
pub(super) const EXAMPLE_SOURCE: usize = 0;

/// The configuration file as it was read.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Whether a file has nothing but remarks.
pub(super) fn says_nothing(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}

/// Lays all layers over each other; problems of their shape go to `check`.
pub(super) fn merge(
    check: &mut Check<'_>,
    file: Option<&File>,
    environment: &Environment,
    flags: &Flags,
) -> Table {
    let folder = file
        .and_then(|file| file.path.parent())
        .map_or_else(PathBuf::new, std::path::Path::to_path_buf);
    debug_assert!(check.sources().is_empty(), "the example is the first source");
    let mut root = read(check, "config.example.toml", EXAMPLE, folder.clone());
    if let Some(file) = file {
        let layer = read(check, &file.path.display().to_string(), &file.text, folder.clone());
        lay_over(&mut root, layer);
    }
    let layer = overrides(check, environment, &folder);
    lay_over(&mut root, layer);
    let layer = flags::layer(check, flags);
    lay_over(&mut root, layer);
    root
}

fn read(check: &mut Check<'_>, name: &str, text: &str, folder: PathBuf) -> Table {
    let source = check.sources().add(name, text, folder);
    let (table, errors) = node::parse(source, text);
    confidential::mask_all(check, &table);
    for error in &errors {
        confidential::mask_line(check, &error.place, text);
        check.problem(
            &error.place,
            format!("not TOML: {}", error.message),
            "correct the notation (TOML 1.1); config.example.toml shows every key as it is written",
        );
    }
    check.count_syntax_errors(errors.len());
    shaped(check, table)
}

/// The entries of a layer that are known sections with known keys; the others are reported.
fn shaped(check: &mut Check<'_>, table: Table) -> Table {
    let mut kept = Table::default();
    for mut entry in table.entries {
        let Some(section) = Section::of_name(&entry.key) else {
            unknown_section(check, &entry);
            continue;
        };
        let fits = match &mut entry.node.value {
            Value::Table(table) if !section.repeated => {
                known_keys(check, section, table);
                true
            }
            Value::List(items) if section.repeated => items.iter_mut().all(|item| {
                let Value::Table(table) = &mut item.value else { return false };
                known_keys(check, section, table);
                true
            }),
            _ => false,
        };
        if fits {
            kept.put(entry);
        } else {
            let message = format!("{} is written as {}", quoted(&entry.key), section.heading());
            let cure = format!("write {} on a line of its own", section.heading());
            check.problem(&entry.key_place, message, cure);
        }
    }
    kept
}

fn unknown_section(check: &mut Check<'_>, entry: &Entry) {
    mask_unknown(check, entry);
    let message = format!("{} is not a section", quoted(&entry.key));
    let headings = SECTIONS.iter().map(Section::heading).collect::<Vec<_>>().join(", ");
    let home = SECTIONS.iter().find(|section| section.kind(&entry.key).is_some());
    let cure = match (suggest(&entry.key, SECTIONS.iter().map(|s| s.name)), home) {
        (Some(name), _) => {
            let meant = Section::of_name(name).map(Section::heading).unwrap_or_default();
            format!("did you mean {meant}?")
        }
        (None, Some(section)) => {
            format!("{} belongs below {}", quoted(&entry.key), section.heading())
        }
        (None, None) => format!("the sections are {headings}"),
    };
    check.problem(&entry.key_place, message, cure);
}

/// Keeps the known keys of a section's table and reports the others. A misspelt key is read as the
/// one that was probably meant, so that its value is checked and nothing is reported as missing.
pub(super) fn known_keys(check: &mut Check<'_>, section: &Section, table: &mut Table) {
    let (known, unknown): (Vec<Entry>, Vec<Entry>) =
        table.entries.drain(..).partition(|entry| section.kind(&entry.key).is_some());
    table.entries = known;
    for entry in unknown {
        mask_unknown(check, &entry);
        let (message, cure) = unknown_key(section, &entry.key);
        check.problem(&entry.key_place, message, cure);
        let meant = suggest(&entry.key, section.keys.iter().map(|(name, _)| *name));
        if let Some(meant) = meant.filter(|meant| table.get(meant).is_none()) {
            table.put(Entry { key: meant.to_owned(), ..entry });
        }
    }
}

/// What is wrong with an unknown key, and the cure.
fn unknown_key(section: &Section, key: &str) -> (String, String) {
    if section.later.contains(&key) {
        let message = format!("{} is not supported by this version yet", quoted(key));
        return (message, "remove it".to_owned());
    }
    let message = format!("{} is not a key of {}", quoted(key), section.heading());
    let names = || section.keys.iter().map(|(name, _)| *name);
    let elsewhere = SECTIONS.iter().find(|other| other.kind(key).is_some());
    let cure = match (suggest(key, names()), elsewhere) {
        (Some(meant), _) => format!("did you mean {}?", quoted(meant)),
        (None, Some(other)) => format!("it belongs below {}", other.heading()),
        (None, None) => format!("its keys are {}", names().collect::<Vec<_>>().join(", ")),
    };
    (message, cure)
}

/// A misspelt secret is a secret.
fn mask_unknown(check: &mut Check<'_>, entry: &Entry) {
    let secrets = [
        "secret",
        "signing_secret",
        "ed25519_key",
        "basic_auth",
        "token",
        "password",
        "egress_proxy",
    ];
    let alike = suggest(&entry.key, secrets);
    if alike.is_some() || confidential::is_telling(&entry.key) {
        check.sources().mask(&entry.node.place);
    }
}

/// Lays a shaped layer over the tree: keys of sections one by one, `[[...]]` lists as a whole.
fn lay_over(root: &mut Table, layer: Table) {
    for entry in layer.entries {
        let below = root.entries.iter_mut().find(|old| old.key == entry.key);
        match (below, entry) {
            (
                Some(Entry { node: Node { value: Value::Table(below), .. }, .. }),
                Entry { node: Node { value: Value::Table(above), .. }, .. },
            ) => above.entries.into_iter().for_each(|key| below.put(key)),
            (Some(below), entry) => *below = entry,
            (None, entry) => root.entries.push(entry),
        }
    }
}

/// `SIDEHOOK_<SECTION>_<KEY>`.
fn overrides(check: &mut Check<'_>, environment: &Environment, folder: &std::path::Path) -> Table {
    let mut layer = Table::default();
    for section in SECTIONS.iter().filter(|section| !section.repeated) {
        let prefix = format!("SIDEHOOK_{}_", section.name.to_ascii_uppercase());
        let mut table = Table::default();
        for (name, text) in environment.with_prefix(&prefix) {
            let key = name[prefix.len()..].to_ascii_lowercase();
            if is_service_link(&key) {
                continue;
            }
            let source = check.sources().add(name, text, folder.to_path_buf());
            let place = Place { source, start: 0, end: text.len() };
            match section.kind(&key) {
                Some(kind) => {
                    let node = from_text(kind, text, &place);
                    table.put(Entry { key, key_place: place, node });
                }
                None => {
                    check.sources().mask(&place);
                    let (message, cure) = unknown_key(section, &key);
                    check.problem(&place, format!("{name}: {message}"), cure);
                }
            }
        }
        if !table.entries.is_empty() {
            let place = table.entries[0].key_place.clone();
            let node = Node { value: Value::Table(table), place: place.clone() };
            layer.put(Entry { key: section.name.to_owned(), key_place: place, node });
        }
    }
    layer
}

/// Kubernetes sets `SIDEHOOK_ADMIN_SERVICE_HOST`, `SIDEHOOK_PROXY_PORT_80_TCP` and such in every
/// container beside a service of that name: they are not overrides.
fn is_service_link(key: &str) -> bool {
    key == "service_host" || key.starts_with("service_port") || key.starts_with("port")
}

/// A value written as plain text (environment, flag) as the kind that its key has; what does not
/// fit stays text, and the check of the key says what it wants.
pub(super) fn from_text(kind: Kind, text: &str, place: &Place) -> Node {
    let value = match kind {
        Kind::Whole => text.trim().parse().ok().map(Value::Whole),
        Kind::Real => text.trim().parse().ok().map(Value::Real),
        Kind::Flag => text.trim().parse().ok().map(Value::Flag),
        Kind::List => Some(Value::List(split(text, place))),
        Kind::Text | Kind::Secret | Kind::Other => None,
    };
    Node { value: value.unwrap_or_else(|| Value::Text(text.to_owned())), place: place.clone() }
}

/// The items of a comma-separated list, each with its place; empty text is the empty list.
fn split(text: &str, place: &Place) -> Vec<Node> {
    let mut items = Vec::new();
    let mut at = place.start;
    for part in text.split(',') {
        let start = at + (part.len() - part.trim_start().len());
        let item = part.trim();
        let end = start + item.len();
        if !(item.is_empty() && text.trim().is_empty()) {
            items.push(Node::text(item, Place { source: place.source, start, end }));
        }
        at += part.len() + 1;
    }
    items
}
