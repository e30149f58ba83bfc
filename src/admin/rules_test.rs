//! `POST /v1/rules/test`: why does this not fire?

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::params::{Object, Params};
use super::problem::{FieldError, Problem, json};
use super::state::Api;
use crate::clock;
use crate::rules::{self, BadField, Call, Explained, Message, Redaction, Verdict};

/// A call that is thought of, not made. Only its description for readers: the handler reads the
/// members one by one to name every one that is wrong.
#[expect(dead_code, reason = "tells the document what `test` reads")]
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestedCall {
    /// Methods are compared exactly: `get` is not `GET`.
    #[schema(example = "POST")]
    method: String,
    /// Path and query as the proxy receives them, or a whole URL.
    #[schema(example = "/tasks/7?notify=1")]
    url: String,
    /// The status of the response; 200 unless said otherwise. 101 is taken, too.
    #[schema(minimum = 200, maximum = 599, default = 200)]
    status: Option<u16>,
    request: Option<TestedMessage>,
    response: Option<TestedMessage>,
}

/// Headers and body of a request or a response.
#[expect(dead_code, reason = "tells the document what `test` reads")]
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestedMessage {
    /// Names in any case; a value is a string, or a list of strings for a header that is repeated.
    /// Those that are always redacted (authorization, cookie) read `REDACTED` in conditions; further
    /// ones of `redact_headers` are seen as they are given here.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    headers: Option<Map<String, Value>>,
    /// A string is the body's text, anything else its JSON; null, or absent: no body.
    body: Option<Value>,
}

/// What each rule says, in the order of the configuration.
#[derive(Serialize, ToSchema)]
pub struct TestedRules {
    data: Vec<TestedRule>,
}

/// What one rule says of the call.
#[derive(Serialize, ToSchema)]
struct TestedRule {
    /// The rule's number.
    id: i64,
    /// The rule's label.
    label: String,
    /// The call becomes an event of it.
    matched: bool,
    parts: TestedParts,
    /// What the URL regex captured, where it matches.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    params: Map<String, Value>,
    /// What the event is about.
    #[schema(required)]
    subject: Option<String>,
    /// Why there is no subject although the rule has an expression for it.
    #[schema(required)]
    subject_error: Option<String>,
}

/// Each part of the rule.
#[derive(Serialize, ToSchema)]
struct TestedParts {
    method: TestedPart,
    url: TestedPart,
    query: TestedPart,
    status: TestedPart,
    when: TestedPart,
}

/// One part of the rule.
#[derive(Serialize, ToSchema)]
struct TestedPart {
    result: TestedResult,
    /// What the rule wants; null: anything.
    #[schema(required)]
    expected: Option<String>,
    /// What the call has; of `when`: the condition's value as JSON.
    #[schema(required)]
    found: Option<String>,
    /// What else there is to know, such as the form of the path that matches, or why the condition
    /// failed.
    #[schema(required)]
    note: Option<String>,
}

/// `not_asked`: the rule has no such part, or another part has decided already.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TestedResult {
    Matched,
    NotMatched,
    NotAsked,
}

/// Which rules match a call, and why the others do not.
///
/// Asks the rules in force, without making an event. `when` sees all headers but the redacted ones,
/// as at a real call; it is evaluated only where every other part matches.
#[utoipa::path(
    post,
    path = "/v1/rules/test",
    operation_id = "testRules",
    tag = "rules",
    request_body = TestedCall,
    responses((status = 200, description = "What each rule says.", body = TestedRules))
)]
pub(super) async fn test(
    State(api): State<Api>,
    params: Params,
    Object(members): Object,
) -> Result<Response, Problem> {
    params.finish()?;
    let call = read(members).map_err(Problem::invalid)?;
    let rules = api.state.control.rules();
    let explain = move |_: &_| Ok(rules.explain(&call, clock::now()));
    // Conditions take their time: not on a thread that answers others.
    let explained = api.read(explain).await?;
    Ok(json(StatusCode::OK, &TestedRules::of(explained)))
}

impl TestedRules {
    /// Shows what the rules say.
    pub fn of(explained: Vec<Explained>) -> Self {
        Self { data: explained.into_iter().map(TestedRule::of).collect() }
    }
}

impl TestedRule {
    fn of(said: Explained) -> Self {
        let rules::Parts { method, url, query, status, when } = said.parts;
        Self {
            id: said.rule.id,
            label: said.rule.label.clone(),
            matched: said.matched,
            parts: TestedParts {
                method: method.into(),
                url: url.into(),
                query: query.into(),
                status: status.into(),
                when: when.into(),
            },
            params: said.params.into_iter().map(|(name, v)| (name, Value::from(v))).collect(),
            subject: said.subject,
            subject_error: said.subject_error,
        }
    }
}

impl From<rules::Part> for TestedPart {
    fn from(part: rules::Part) -> Self {
        let result = match part.verdict {
            Verdict::Matched => TestedResult::Matched,
            Verdict::NotMatched => TestedResult::NotMatched,
            Verdict::NotAsked => TestedResult::NotAsked,
        };
        Self { result, expected: part.expected, found: part.found, note: part.note }
    }
}

/// Reads the call; all its mistakes at once.
fn read(mut members: Map<String, Value>) -> Result<Call, Vec<FieldError>> {
    let mut errors = Vec::new();
    let method = text(members.remove("method"), "method", &mut errors);
    let url = text(members.remove("url"), "url", &mut errors);
    let status = match members.remove("status") {
        None | Some(Value::Null) => Some(200),
        Some(status) => status.as_u64().and_then(|status| u16::try_from(status).ok()),
    };
    if status.is_none() {
        errors.push(wrong("status", "must be a number, 200 to 599, or 101"));
    }
    let mut message = |name| match members.remove(name) {
        None | Some(Value::Null) => Message::default(),
        Some(given) => read_message(name, given, &mut errors),
    };
    let messages = [message("request"), message("response")];
    errors.extend(members.into_iter().take(20).map(|(field, _)| FieldError::unknown(field)));
    // What was wrong above is not told twice: a stand-in goes on.
    let (method, url) = (method.as_deref().unwrap_or("GET"), url.as_deref().unwrap_or("/"));
    let call = Call::new(method, url, status.unwrap_or(200), messages, &Redaction::default());
    match call {
        Ok(call) if errors.is_empty() => Ok(call),
        Ok(_) => Err(errors),
        Err(bad) => {
            errors.extend(bad.into_iter().map(|BadField { field, message }| wrong(field, message)));
            Err(errors)
        }
    }
}

fn text(given: Option<Value>, field: &str, errors: &mut Vec<FieldError>) -> Option<String> {
    match given {
        Some(Value::String(text)) => return Some(text),
        Some(_) => errors.push(wrong(field, "must be a string")),
        None => errors.push(wrong(field, "must be given")),
    }
    None
}

fn read_message(name: &str, given: Value, errors: &mut Vec<FieldError>) -> Message {
    let Value::Object(mut members) = given else {
        errors.push(wrong(name, "must be an object with `headers` and `body`"));
        return Message::default();
    };
    let body = match members.remove("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.into_bytes(),
        Some(body) => body.to_string().into_bytes(),
    };
    let mut message = Message::of(body);
    match members.remove("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(headers)) => {
            for (header, value) in &headers {
                if let Err(why) = add(&mut message, header, value) {
                    errors.push(wrong(&format!("{name}.headers.{header}"), why));
                }
            }
        }
        Some(_) => errors.push(wrong(&format!("{name}.headers"), "must be an object")),
    }
    let unknown = members.into_iter().take(20);
    errors.extend(unknown.map(|(field, _)| FieldError::unknown(format!("{name}.{field}"))));
    message
}

fn add(message: &mut Message, name: &str, value: &Value) -> Result<(), &'static str> {
    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    for value in values {
        let text = value.as_str().ok_or("must be a string, or a list of strings")?;
        message.header(name, text)?;
    }
    Ok(())
}

fn wrong(field: &str, message: &'static str) -> FieldError {
    FieldError { field: field.to_owned(), message: message.into() }
}
