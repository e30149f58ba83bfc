//! `format`: a name, an expression or a template.

use http::HeaderValue;

use super::Check;
use crate::config::node::{Node, Table, Value};
use crate::expr::NAMES;
use crate::model::Format;

/// The `content-type` of a template that does not say.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Stands in for a format that could not be read: one that shows no secret, so that nothing is
/// said about the secrets on top.
const STAND_IN: Format = Format::Standard;

pub(super) fn format(c: &mut Check<'_>, node: &Node) -> Format {
    match &node.value {
        Value::Text(text) => {
            let names: Vec<(&str, usize)> =
                Format::NAMED.iter().enumerate().map(|(at, format)| (format.name(), at)).collect();
            let chosen = c.choice(node, &names);
            let is_name = names.iter().any(|(name, _)| name == text);
            if is_name { Format::NAMED[chosen].clone() } else { STAND_IN }
        }
        Value::Table(_) => own(c, node).unwrap_or(STAND_IN),
        _ => {
            c.wrong_kind(node, "a name such as \"exchange\", or { json = '...' }");
            STAND_IN
        }
    }
}

/// `{ json = '...' }` or `{ template = '...', content_type = "..." }`.
fn own(c: &mut Check<'_>, node: &Node) -> Option<Format> {
    let form =
        "{ json = '<expression>' } or { template = '<text>', content_type = \"text/plain\" }";
    let table = c.inline_table(node, &["json", "template", "content_type"], "format", form)?;
    let content_type = table.get("content_type");
    match (table.get("json"), table.get("template")) {
        (Some(json), None) => {
            if let Some(node) = content_type {
                let cure = "take it out: the content type of a `json` format is application/json";
                c.problem(&node.place, "`content_type` belongs to a `template`", cure);
            }
            c.expression(json, &NAMES).map(Format::Json)
        }
        (None, Some(template)) => {
            let content_type = content_type.map_or(TEXT, |node| media_type(c, node));
            c.template(template).map(|template| Format::Template { template, content_type })
        }
        (Some(_), Some(template)) => {
            c.problem(&template.place, "a format is either `json` or `template`", "take one out");
            None
        }
        (None, None) => {
            if !has_unknown(table) {
                let message = "a format of your own is `json` or `template`";
                c.problem(&node.place, message, format!("write {form}"));
            }
            None
        }
    }
}

/// Whether a misspelt key, already reported, may be the missing one.
fn has_unknown(table: &Table) -> bool {
    table.entries.iter().any(|entry| entry.key != "content_type")
}

/// A media type (RFC 9110 8.3.1): `type/subtype`, perhaps with parameters.
fn media_type(c: &mut Check<'_>, node: &Node) -> HeaderValue {
    let form = "a media type, such as \"text/plain\" or \"application/xml\"";
    let Some(text) = c.text(node, form) else { return TEXT };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_token = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !part.is_empty() && part.chars().all(allowed)
    };
    let parts = essence.split_once('/');
    let fits = parts.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    match HeaderValue::from_str(text) {
        Ok(value) if fits => value,
        _ => {
            c.problem(&node.place, "this is not a media type", format!("write {form}"));
            TEXT
        }
    }
}
