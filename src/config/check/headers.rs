//! The headers of a webhook's attempts: its own ones and basic authentication.

use http::{HeaderName, HeaderValue};

use super::Check;
use crate::config::node::{Entry, Node, Place, Value};
use crate::config::problem::quoted;
use crate::model::{BasicAuth, is_reserved_header, may_hold_credential};

pub(super) fn basic_auth(c: &mut Check<'_>, node: &Node) -> Option<BasicAuth> {
    let form = "basic_auth = { username = \"u\", password = { env = \"NAME\" } }";
    if !matches!(node.value, Value::Table(_)) {
        c.sources().mask(&node.place);
    }
    let table = c.inline_table(node, &["username", "password"], "basic_auth", form)?;
    let password = c.required(table, &node.place, "password", form).map(|node| c.secret(node));
    let name_node = c.required(table, &node.place, "username", form)?;
    let username = c.text(name_node, "a string")?;
    // RFC 7617 2: the colon ends the user name, and control characters are not allowed.
    if username.contains(':') || username.chars().any(char::is_control) {
        let cure = "write a name without colon and control characters (RFC 7617)";
        // It may be `user:password`.
        c.sources().mask(&name_node.place);
        c.problem(&name_node.place, "this is not a user name", cure);
    }
    Some(BasicAuth { username: username.to_owned(), password: password? })
}

pub(super) fn headers(
    c: &mut Check<'_>,
    node: &Node,
    has_basic_auth: bool,
) -> Vec<(HeaderName, HeaderValue)> {
    let Value::Table(table) = &node.value else {
        c.sources().mask(&node.place);
        c.wrong_kind(node, "a table, such as { \"X-Env\" = \"prod\" }");
        return Vec::new();
    };
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for entry in &table.entries {
        let Some(name) = own_name(c, entry, has_basic_auth) else {
            // Nobody can say whether the value of a header without a name is a secret.
            if !matches!(entry.node.value, Value::Table(_)) {
                c.sources().mask(&entry.node.place);
            }
            continue;
        };
        if headers.iter().any(|(other, _)| *other == name) {
            let message = format!("the header {} is written twice", quoted(name.as_str()));
            c.problem(&entry.key_place, message, "write it once: names are the same in any case");
        }
        let secret = matches!(entry.node.value, Value::Table(_)) || is_confidential(&name);
        let text = match &entry.node.value {
            Value::Text(text) if !secret => text.clone(),
            _ => c.secret(&entry.node).reveal().to_owned(),
        };
        match HeaderValue::from_str(&text) {
            Ok(mut value) => {
                value.set_sensitive(secret);
                headers.push((name, value));
            }
            Err(_) => {
                let cure = "write visible ASCII characters, spaces and tabs only (RFC 9110 5.5)";
                c.problem(&entry.node.place, "this cannot be a header's value", cure);
            }
        }
    }
    headers
}

/// Whether a header's value is likely to be a secret even when it is written as text.
pub(in crate::config) fn is_confidential(name: &HeaderName) -> bool {
    may_hold_credential(name)
}

/// A header that a webhook may set to a fixed value.
fn own_name(c: &mut Check<'_>, entry: &Entry, has_basic_auth: bool) -> Option<HeaderName> {
    let name = c.header_name(&entry.key, &entry.key_place)?;
    let text = name.as_str();
    let signature = ["webhook-signature", "x-webhook-signature"].contains(&text);
    let cure = match text {
        "user-agent" => "set [delivery] user_agent",
        "authorization" if has_basic_auth => "keep either it or basic_auth",
        _ if signature || is_reserved_header(&name) => {
            "take it out: sidehook sets it where it is needed"
        }
        _ => return Some(name),
    };
    reserved(c, &entry.key, &entry.key_place, cure);
    None
}

/// The header of a signature of the operator's own making.
pub(super) fn signature_header(c: &mut Check<'_>, node: &Node) -> Option<HeaderName> {
    let text = c.text(node, "a header name, such as \"X-Signature\"")?;
    let name = c.header_name(text, &node.place)?;
    if is_reserved_header(&name) {
        reserved(c, text, &node.place, "write another name: sidehook sets this one itself");
        return None;
    }
    Some(name)
}

fn reserved(c: &mut Check<'_>, name: &str, place: &Place, cure: &str) {
    c.problem(place, format!("the header {} is reserved", quoted(name)), cure);
}

impl Check<'_> {
    fn header_name(&mut self, text: &str, place: &Place) -> Option<HeaderName> {
        let name = HeaderName::from_bytes(text.as_bytes()).ok();
        if name.is_none() {
            let message = format!("{} is not a header name", quoted(text));
            self.problem(place, message, "write a name such as \"X-Env\"");
        }
        name
    }
}
