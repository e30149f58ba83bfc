//! What is in force, as TOML that can be read again, secrets masked.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::Files;
use super::check::{has_credentials, is_confidential};
use super::keys::{Kind, SECTIONS, Section};
use super::node::{Node, Table, Value};
use super::restart::Key;
use crate::model::looks_like_credential;

/// Stands for a secret.
const MASK: &str = "\"***\"";

/// Every section with its keys, in the order of the example file.
pub(super) fn effective(root: &Table) -> String {
    let mut out = String::new();
    for section in SECTIONS {
        match root.get(section.name).map(|node| &node.value) {
            Some(Value::Table(table)) => write_table(&mut out, section, table),
            Some(Value::List(items)) => {
                for item in items {
                    if let Value::Table(table) = &item.value {
                        write_table(&mut out, section, table);
                    }
                }
            }
            _ => {}
        }
    }
    out
}

/// One number for every value, secrets included, and the content of the files beside `file`.
pub(super) fn fingerprint(root: &Table, files: &Files, file: Option<&Path>) -> [u8; 32] {
    let mut all = Sha256::new();
    for entry in &root.entries {
        all.update(format!("{} = {}\n", quote(&entry.key), plain(&entry.node)));
    }
    all.update(files.fingerprint(file));
    all.finalize().into()
}

/// What is in force where the `kept` keys stay as they were: their lines are those of `running`.
pub(super) fn with_kept(new: &str, running: &str, kept: &[Key]) -> String {
    let mut section = "";
    let mut out = String::with_capacity(new.len());
    for line in new.lines() {
        let heading = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        section = heading.unwrap_or(section);
        let of_section = || kept.iter().filter(|(of, _)| *of == section);
        if heading.is_none() && of_section().any(|(_, key)| is_of(line, key)) {
            continue;
        }
        let _ = writeln!(out, "{line}");
        if heading.is_some() {
            for line in of_section().filter_map(|key| line_of(running, *key)) {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

/// The line of a key in what [`effective`] made.
pub(super) fn line_of(text: &str, (section, key): Key) -> Option<&str> {
    let heading = format!("[{section}]");
    let lines = text.lines().skip_while(|line| *line != heading);
    lines.skip(1).take_while(|line| !line.starts_with('[')).find(|line| is_of(line, key))
}

fn is_of(line: &str, key: &str) -> bool {
    line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "))
}

fn write_table(out: &mut String, section: &Section, table: &Table) {
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", section.heading());
    for (key, kind) in section.keys {
        let Some(node) = table.get(key) else { continue };
        let value = match (*key, kind) {
            ("egress_proxy", _) => egress_proxy(node),
            (_, Kind::Secret) => secret(node),
            ("headers", _) => headers(node),
            ("basic_auth", _) => basic_auth(node),
            _ => plain(node),
        };
        let _ = writeln!(out, "{key} = {value}");
    }
}

/// A reference says where the secret is, not what it is.
fn secret(node: &Node) -> String {
    match &node.value {
        Value::Table(_) => plain(node),
        _ => MASK.to_owned(),
    }
}

/// Where it is, without who asks.
fn egress_proxy(node: &Node) -> String {
    match &node.value {
        Value::Text(text) if !has_credentials(text) => plain(node),
        Value::Text(text) => match text.rsplit_once('@') {
            Some((_, host)) => quote(&format!("http://***:***@{host}")),
            None => MASK.to_owned(),
        },
        _ => secret(node),
    }
}

fn headers(node: &Node) -> String {
    inline(node, |name, value| {
        let text = match &value.value {
            Value::Text(text) => text.as_bytes(),
            _ => b"",
        };
        let name = http::HeaderName::from_bytes(name.as_bytes());
        let hides = |name| is_confidential(&name) || looks_like_credential(&name, text);
        if name.is_ok_and(hides) { secret(value) } else { plain(value) }
    })
}

fn basic_auth(node: &Node) -> String {
    inline(node, |name, value| if name == "password" { secret(value) } else { plain(value) })
}

fn plain(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => quote(text),
        Value::Whole(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Flag(flag) => flag.to_string(),
        Value::Date(date) => date.clone(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", "))
        }
        Value::Table(_) => inline(node, |_, value| plain(value)),
    }
}

fn inline(node: &Node, show: impl Fn(&str, &Node) -> String) -> String {
    let Value::Table(table) = &node.value else { return plain(node) };
    let shown: Vec<String> = table
        .entries
        .iter()
        .map(|entry| format!("{} = {}", quote(&entry.key), show(&entry.key, &entry.node)))
        .collect();
    format!("{{ {} }}", shown.join(", "))
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
