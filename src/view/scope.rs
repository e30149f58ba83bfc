//! The variables of expressions (contract 4). Bodies are decoded and parsed only when they are read,
//! and then once per scope.

use std::sync::{Arc, OnceLock};

use super::body::{BodyValue, body_view};
use super::exchange::joined;
use crate::expr::{Record, Scope, Value, record};
use crate::model::{Body, DeliveryId, Event, Exchange, HeaderList, RuleRef, Timestamp, Webhook};

/// What `when` and `subject` see: the call with all its headers but the redacted ones, which read
/// `REDACTED`. `id`, `event_id`, `webhook` and `event.subject` are undefined here: there is no
/// event yet.
pub fn call_scope(rule: &RuleRef, time: Timestamp, exchange: &Arc<Exchange>) -> Scope {
    let of = Of::Call(Arc::clone(exchange));
    Value::from_pairs([
        ("event", event(rule, None)),
        ("time", Value::from(time.to_string())),
        ("request", record(Request::new(of.clone()))),
        ("response", record(Response::new(of))),
    ])
}

/// What formats see: what was kept of the call, the delivery's id and its webhook.
pub fn delivery_scope(of: &Arc<Event>, delivery: DeliveryId, webhook: &Webhook) -> Scope {
    let call = Of::Event(Arc::clone(of));
    let mut hook = vec![
        ("id", Value::from(webhook.id.to_string())),
        ("name", Value::from(webhook.name.as_str())),
    ];
    hook.extend(webhook.secret.as_ref().map(|secret| ("secret", Value::from(secret.reveal()))));
    Value::from_pairs([
        ("event", event(&of.rule, of.subject.as_deref())),
        ("id", Value::from(delivery.to_string())),
        ("event_id", Value::from(of.id.to_string())),
        ("time", Value::from(of.time.to_string())),
        ("webhook", Value::from_pairs(hook)),
        ("request", record(Request::new(call.clone()))),
        ("response", record(Response::new(call))),
    ])
}

/// Where a call is kept.
#[derive(Clone, Debug)]
enum Of {
    Call(Arc<Exchange>),
    Event(Arc<Event>),
}

/// `request {method, url, path, query, params, headers, body}`; the method is lower case, as in
/// format `exchange`.
#[derive(Debug)]
struct Request {
    of: Of,
    query: OnceLock<Value>,
    params: OnceLock<Value>,
    headers: OnceLock<Value>,
    body: OnceLock<Value>,
}

/// `response {status, headers, body}`.
#[derive(Debug)]
struct Response {
    of: Of,
    headers: OnceLock<Value>,
    body: OnceLock<Value>,
}

impl Of {
    fn exchange(&self) -> &Exchange {
        match self {
            Self::Call(exchange) => exchange,
            Self::Event(event) => &event.exchange,
        }
    }
}

impl Request {
    fn new(of: Of) -> Self {
        let (query, params) = (OnceLock::new(), OnceLock::new());
        Self { of, query, params, headers: OnceLock::new(), body: OnceLock::new() }
    }
}

impl Record for Request {
    fn names(&self) -> &'static [&'static str] {
        &["method", "url", "path", "query", "params", "headers", "body"]
    }

    fn member(&self, name: &str) -> Option<Value> {
        let request = &self.of.exchange().request;
        let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
        Some(match name {
            "method" => Value::from(request.method.to_ascii_lowercase()),
            "url" => Value::from(request.url.as_str()),
            "path" => Value::from(path),
            "query" => self.query.get_or_init(|| query_value(query)).clone(),
            "params" => {
                let pairs = || request.params.iter().map(|(name, value)| (&**name, &**value));
                self.params.get_or_init(|| Value::from_pairs(pairs())).clone()
            }
            "headers" => self.headers.get_or_init(|| headers(&request.headers)).clone(),
            "body" => self.body.get_or_init(|| body(&request.body, &request.headers)).clone(),
            _ => return None,
        })
    }
}

impl Response {
    const fn new(of: Of) -> Self {
        Self { of, headers: OnceLock::new(), body: OnceLock::new() }
    }
}

impl Record for Response {
    fn names(&self) -> &'static [&'static str] {
        &["status", "headers", "body"]
    }

    fn member(&self, name: &str) -> Option<Value> {
        let response = &self.of.exchange().response;
        Some(match name {
            "status" => Value::from(response.status),
            "headers" => self.headers.get_or_init(|| headers(&response.headers)).clone(),
            "body" => self.body.get_or_init(|| body(&response.body, &response.headers)).clone(),
            _ => return None,
        })
    }
}

/// `event {id, label, tag, subject}`; what there is not is undefined.
fn event(rule: &RuleRef, subject: Option<&str>) -> Value {
    let mut members =
        vec![("id", Value::from(rule.id)), ("label", Value::from(rule.label.as_str()))];
    members.extend(rule.tag.as_deref().map(|tag| ("tag", Value::from(tag))));
    members.extend(subject.map(|subject| ("subject", Value::from(subject))));
    Value::from_pairs(members)
}

/// The parameters of a query (WHATWG URL 5.1): strings, or lists where a name repeats.
fn query_value(query: &str) -> Value {
    grouped(form_urlencoded::parse(query.as_bytes()))
}

/// Pairs as a map; several values of one name become a list.
fn grouped<N: AsRef<str>, V: AsRef<str>>(pairs: impl Iterator<Item = (N, V)>) -> Value {
    let mut all: Vec<(String, Vec<Value>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (name, value) in pairs {
        let place = *places.entry(name.as_ref().to_owned()).or_insert_with(|| {
            all.push((name.as_ref().to_owned(), Vec::new()));
            all.len() - 1
        });
        all[place].1.push(Value::from(value.as_ref()));
    }
    Value::from_pairs(all.into_iter().map(|(name, mut values)| {
        let one = if values.len() == 1 { values.pop() } else { None };
        (name, one.unwrap_or_else(|| Value::from(values)))
    }))
}

/// Headers by their names with `_` for `-`; repeated ones joined.
fn headers(list: &HeaderList) -> Value {
    Value::from_pairs(joined(list, |name| name.replace('-', "_")))
}

/// A body as it is shown. JSON that the language cannot hold (nested more than 128 deep, numbers
/// beyond a double) is a text.
fn body(body: &Body, headers: &HeaderList) -> Value {
    match body_view(body, headers).body {
        BodyValue::Null => Value::from(()),
        BodyValue::Json(raw) => {
            serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::from(raw.get()))
        }
        BodyValue::Form(fields) => grouped(
            fields.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value))),
        ),
        BodyValue::Text(text) => Value::from(&*text),
        bytes @ BodyValue::Bytes(_) => bytes.base64().map_or_else(|| Value::from(()), Value::from),
    }
}

#[cfg(test)]
mod tests;
