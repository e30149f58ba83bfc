//! What is in force, as TOML that can be read again, secrets masked.

use std::fmt::Write as _;

use super::check::{has_credentials, is_confidential};
use super::keys::{Kind, SECTIONS, Section};
use super::node::{Node, Table, Value};

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
        let name = http::HeaderName::from_bytes(name.as_bytes());
        if name.is_ok_and(|name| is_confidential(&name)) { secret(value) } else { plain(value) }
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
