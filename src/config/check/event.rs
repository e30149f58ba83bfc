//! `[[event]]`: which calls become events.

use std::collections::HashMap;

use super::Check;
use super::pattern::nothing;
use super::proxy::BODY_BYTES_MAX;
use crate::config::node::{Node, Place, Table, Value};
use crate::config::problem::quoted;
use crate::model::{EventRule, OnDisconnect, RuleId, SYSTEM_LABELS, StatusRange};

/// Longest label and tag, bytes: they are stored with every event.
const NAME_BYTES_MAX: usize = 256;

/// A rule and where its parts were written.
pub(super) struct Rule {
    pub(super) rule: EventRule,
    pub(super) label_place: Place,
}

pub(super) fn rules(c: &mut Check<'_>, tables: Vec<(&Table, &Place)>) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut ids: HashMap<RuleId, String> = HashMap::new();
    let mut labels: HashMap<String, usize> = HashMap::new();
    for (at, (table, place)) in tables.into_iter().enumerate() {
        let rule = rule(c, table, place, at + 1);
        let label = rule.rule.label.clone();
        if let Some(first) = labels.get(&label).filter(|_| !label.is_empty()) {
            let message = format!("the label {} is taken by event rule {first}", quoted(&label));
            let cure = "give each rule its own label; a rule can have several methods and statuses";
            c.problem(&rule.label_place, message, cure);
        }
        if let Some(first) = ids.get(&rule.rule.id) {
            let message =
                format!("the id {} is taken by the event {}", rule.rule.id, quoted(first));
            let place = table.get("id").map_or(place, |node| &node.place);
            c.problem(place, message, "write an id that no other rule has (default: its position)");
        }
        labels.entry(label.clone()).or_insert(at + 1);
        ids.entry(rule.rule.id).or_insert(label);
        rules.push(rule);
    }
    rules
}

fn rule(c: &mut Check<'_>, table: &Table, place: &Place, position: usize) -> Rule {
    let label_node = c.required(table, place, "label", "name the event: label = \"task.created\"");
    let label = label_node.map(|node| label(c, node)).unwrap_or_default();
    let cure = "write \"POST\", a list such as [\"PUT\", \"PATCH\"], or \"*\" for any";
    let method = c.required(table, place, "method", cure);
    let cure = "write a regex for the path: url = '^/api/v1/tasks$'";
    let url = c.required(table, place, "url", cure);
    let overridden =
        |c: &mut Check<'_>, key: &str| table.get(key).map(|node| c.size(node, 0..=BODY_BYTES_MAX));
    let rule = EventRule {
        when: table.get("when").and_then(|node| c.condition(node)),
        subject: table.get("subject").and_then(|node| c.condition(node)),
        id: table
            .get("id")
            .map_or_else(|| RuleId::try_from(position).unwrap_or(RuleId::MAX), |node| id(c, node)),
        label,
        tag: table.get("tag").and_then(|node| tag(c, node)),
        methods: method.and_then(|node| methods(c, node)),
        url: url.map_or_else(nothing, |node| c.pattern(node)),
        query: table.get("query").map(|node| c.pattern(node)),
        status: table.get("status").map_or_else(|| vec![200..=299], |node| status(c, node)),
        on_disconnect: table.get("on_disconnect").map_or_else(OnDisconnect::default, |node| {
            c.choice(node, &[OnDisconnect::Continue, OnDisconnect::Cancel].map(|w| (w.name(), w)))
        }),
        max_request_body: overridden(c, "max_request_body"),
        max_response_body: overridden(c, "max_response_body"),
    };
    let label_place = label_node.map_or(place, |node| &node.place).clone();
    Rule { rule, label_place }
}

fn id(c: &mut Check<'_>, node: &Node) -> RuleId {
    match node.value {
        Value::Whole(number) if (0..=i128::from(RuleId::MAX)).contains(&number) => {
            RuleId::try_from(number).unwrap_or_default()
        }
        _ => {
            c.problem(&node.place, "an id is a whole number from 0", "write one, such as 1");
            0
        }
    }
}

fn label(c: &mut Check<'_>, node: &Node) -> String {
    let Some(text) = c.text(node, "a label, such as \"task.created\"") else {
        return String::new();
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.chars().all(allowed) {
        let cure = "use 1 to 256 letters, digits and _ . : - only, such as \"task.created\"";
        c.problem(&node.place, format!("{} is not a label", quoted(text)), cure);
    } else if text.starts_with(SYSTEM_LABELS) {
        let message = format!("labels that begin with {} are reserved", quoted(SYSTEM_LABELS));
        c.problem(&node.place, message, "write another: they are for sidehook's own events");
    }
    text.to_owned()
}

fn tag(c: &mut Check<'_>, node: &Node) -> Option<String> {
    let text = c.text(node, "a string")?;
    if text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        let cure = "write at most 256 bytes without control characters";
        c.problem(&node.place, "this is not a tag", cure);
    }
    Some(text.to_owned())
}

/// `None` is any method.
fn methods(c: &mut Check<'_>, node: &Node) -> Option<Vec<String>> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        c.problem(&node.place, "no method", "write one, such as \"POST\", or \"*\" for any");
    }
    let mut methods = Vec::new();
    for item in items {
        let Some(text) = c.text(item, "a method, such as \"POST\"") else { continue };
        if text == "*" {
            if items.len() > 1 {
                let cure = "write \"*\" alone, or only methods";
                c.problem(&item.place, "`*` stands for any method and has no company", cure);
            }
            return None;
        }
        if http::Method::from_bytes(text.as_bytes()).is_err() {
            let message = format!("{} is not a method", quoted(text));
            c.problem(&item.place, message, "write a method such as \"POST\"");
        }
        methods.push(text.to_ascii_uppercase());
    }
    Some(methods)
}

fn status(c: &mut Check<'_>, node: &Node) -> Vec<StatusRange> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        let cure = "write status = [\"2xx\"], or take the key away";
        c.problem(&node.place, "no status", cure);
    }
    let mut ranges = Vec::new();
    for item in items {
        let range = match &item.value {
            Value::Whole(number) => u16::try_from(*number).ok().map(|code| code..=code),
            Value::Text(text) => status_range(text),
            _ => None,
        };
        match range.filter(can_end) {
            Some(range) => ranges.push(range),
            None => c.problem(
                &item.place,
                "this is not a status or a range of them",
                "write \"2xx\", 201 or \"200-204\"; from 200 to 599, or 101",
            ),
        }
    }
    ranges
}

/// Only final statuses end a call, and 101, after which it is no longer HTTP: it has to be named, so
/// that no range takes it along.
fn can_end(range: &StatusRange) -> bool {
    let (first, last) = (*range.start(), *range.end());
    (first >= 200 && last <= 599 && first <= last) || (first, last) == (101, 101)
}

/// `"2xx"`, `"201"` or `"200-204"`.
fn status_range(text: &str) -> Option<StatusRange> {
    if let Some(class) = text.strip_suffix("xx") {
        let class = class.parse::<u16>().ok().filter(|class| *class < 10)?;
        return Some(class * 100..=class * 100 + 99);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
}
