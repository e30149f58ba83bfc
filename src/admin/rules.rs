//! `/v1/rules`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::params::Params;
use super::problem::{Problem, json};
use super::state::Api;
use crate::model::{EventRule, StatusRange};
use crate::rules::Counts;

#[derive(Serialize)]
struct Rules {
    data: Vec<Value>,
    next: Option<String>,
}

/// In the order of the configuration; a cursor is a position in it.
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let limit = params.limit()?;
    let start: usize = params
        .take("cursor", "the `next` of a page before", |text| text.parse().ok())?
        .unwrap_or(0);
    params.finish()?;
    let rules = api.state.control.rules();
    let mut rest = rules.rules().zip(rules.tallies()).skip(start);
    let page = rest.by_ref().take(limit);
    let data: Vec<Value> = page.map(|(rule, tally)| view(rule, tally.counts())).collect();
    let next = rest.next().map(|_| (start + data.len()).to_string());
    Ok(json(StatusCode::OK, &Rules { data, next }))
}

/// The keys of `[[event]]` (those that were left out are null) and the counters.
fn view(rule: &EventRule, counts: Counts) -> Value {
    let method = match rule.methods.as_deref() {
        None => Value::from("*"),
        Some([one]) => Value::from(one.as_str()),
        Some(several) => Value::from(several),
    };
    let expression =
        |e: &Option<crate::expr::Expression>| e.as_ref().map(|e| e.source().to_owned());
    let status: Vec<Value> = rule.status.iter().map(status).collect();
    let members = [
        ("id", Value::from(rule.id)),
        ("label", Value::from(rule.label.as_str())),
        ("tag", Value::from(rule.tag.as_deref())),
        ("method", method),
        ("url", Value::from(rule.url.as_str())),
        ("query", Value::from(rule.query.as_ref().map(|query| query.as_str()))),
        ("status", Value::from(status)),
        ("when", Value::from(expression(&rule.when))),
        ("subject", Value::from(expression(&rule.subject))),
        ("max_request_body", Value::from(rule.max_request_body)),
        ("max_response_body", Value::from(rule.max_response_body)),
        ("hits", Value::from(counts.hits)),
        ("last_hit_at", Value::from(counts.last_hit_at.map(|at| at.to_string()))),
        ("condition_errors", Value::from(counts.condition_errors)),
        ("last_condition_error", Value::from(counts.last_condition_error)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// As it can be written in the file: `"2xx"`, 201 or `"200-204"`.
fn status(range: &StatusRange) -> Value {
    let (first, last) = (*range.start(), *range.end());
    if first == last {
        Value::from(first)
    } else if first % 100 == 0 && last == first + 99 {
        Value::from(format!("{}xx", first / 100))
    } else {
        Value::from(format!("{first}-{last}"))
    }
}
