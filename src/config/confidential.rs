//! What must not be shown of a file that has mistakes: whatever is likely to be a secret, by the name
//! of its key or its form, wherever it was written. A mistake shows its line, and a secret may stand
//! there in a table that is never read.

use super::check::Check;
use super::node::{Node, Place, Table, Value};

/// Parts of names whose values are secrets.
const TELLING: [&str; 8] =
    ["secret", "password", "passphrase", "token", "credential", "cookie", "auth", "key"];

/// Masks every likely secret of a document, also in sections and tables that are not known.
pub(super) fn mask_all(check: &mut Check<'_>, table: &Table) {
    for entry in &table.entries {
        mask(check, &entry.key, &entry.node, false);
    }
}

/// `inside`: it stands in the value of a telling key.
fn mask(check: &mut Check<'_>, name: &str, node: &Node, inside: bool) {
    let telling = inside || is_telling(name);
    match &node.value {
        // A table is expected there; what was written in its place may be `Authorization: ...`.
        _ if name == "headers" && !matches!(node.value, Value::Table(_)) => {
            check.sources().mask(&node.place);
        }
        Value::Text(text) if telling || has_userinfo(text) => check.sources().mask(&node.place),
        Value::List(items) => items.iter().for_each(|item| mask(check, name, item, telling)),
        Value::Table(table) if !is_reference(table) => {
            for entry in &table.entries {
                let is_path = matches!(name, "client_cert" | "tls") && entry.key == "key";
                let is_name = name == "basic_auth" && entry.key == "username";
                if !is_path && !is_name {
                    mask(check, &entry.key, &entry.node, telling);
                }
            }
        }
        _ => {}
    }
}

/// The line of a mistake of syntax is shown as it stands: if it looks like a secret's, its value is
/// not.
pub(super) fn mask_line(check: &mut Check<'_>, place: &Place, text: &str) {
    let Some(before) = text.get(..place.start.min(text.len())) else { return };
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = text[start..end].to_ascii_lowercase();
    let named = TELLING.iter().chain(&["egress_proxy"]).filter_map(|word| line.find(word)).min();
    let named = named.or_else(|| has_userinfo(&line).then_some(0));
    if let Some(value) = named.and_then(|at| line[at..].find('=').map(|eq| at + eq + 1)) {
        check.sources().mask(&Place { source: place.source, start: start + value, end });
    }
}

/// Whether the value of such a key is likely to be a secret.
pub(super) fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|word| name.contains(word))
}

/// `user:password@`, in a URL or without its scheme; not in an expression or a regex.
pub(super) fn has_userinfo(text: &str) -> bool {
    let Some((before, _)) = text.rsplit_once('@') else { return false };
    before.contains("://") || (before.contains(':') && !before.contains(['(', '{', '[', ' ', '"']))
}

/// `{ env = "NAME" }` or `{ file = "path" }`: says where a secret is, not what it is.
fn is_reference(table: &Table) -> bool {
    let [entry] = table.entries.as_slice() else { return false };
    matches!(entry.key.as_str(), "env" | "file") && matches!(entry.node.value, Value::Text(_))
}
