//! `/v1/rules`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::params::Params;
use super::problem::{Problem, json};
use super::queries::RulePaging;
use super::schemas::Label;
use super::state::Api;
use crate::expr::Expression;
use crate::model::{EventRule, OnDisconnect, RuleId, StatusRange, Timestamp};
use crate::rules::Counts;

/// One page of the rules.
#[derive(Serialize, ToSchema)]
struct RuleList<'a> {
    data: Vec<RuleView<'a>>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

/// A rule: the keys of `[[event]]` (those that were left out are null) and what it has seen since
/// the start.
#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub(super) struct RuleView<'a> {
    /// The rule's number.
    #[schema(value_type = i64)]
    id: RuleId,
    #[schema(value_type = Label)]
    label: &'a str,
    #[schema(required)]
    tag: Option<&'a str>,
    method: Methods<'a>,
    /// The pattern that path and query must match, a regular expression.
    url: &'a str,
    /// The pattern that the query must match, a regular expression.
    #[schema(required)]
    query: Option<&'a str>,
    /// The statuses that count as success.
    status: Vec<StatusView>,
    /// The expression that must be true.
    #[schema(required)]
    when: Option<&'a str>,
    /// The expression that says what the event is about.
    #[schema(required)]
    subject: Option<&'a str>,
    /// What becomes of a call whose client hangs up.
    on_disconnect: OnDisconnectView,
    /// Bytes of the request's body that are captured at most.
    #[schema(required)]
    max_request_body: Option<u64>,
    /// Bytes of the response's body that are captured at most.
    #[schema(required)]
    max_response_body: Option<u64>,
    /// Calls that it made events of.
    hits: u64,
    #[schema(required)]
    last_hit_at: Option<Timestamp>,
    /// Calls on which `when` failed.
    condition_errors: u64,
    /// How it failed last.
    #[schema(required)]
    last_condition_error: Option<String>,
}

/// As the file has it: `*`, one, or several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Methods<'a> {
    /// A method, or `*` for all.
    One(&'a str),
    Several(&'a [String]),
}

/// As it can be written in the file: `2xx`, 201 or `200-204`.
#[derive(Serialize, ToSchema)]
#[schema(as = StatusRange)]
#[serde(untagged)]
enum StatusView {
    One(u16),
    Range(String),
}

/// As in the file.
#[derive(Serialize, ToSchema)]
#[schema(as = OnDisconnect)]
#[serde(rename_all = "lowercase")]
enum OnDisconnectView {
    Continue,
    Cancel,
}

/// Lists the rules.
///
/// In the order of the configuration.
#[utoipa::path(
    get,
    path = "/v1/rules",
    operation_id = "listRules",
    tag = "rules",
    params(RulePaging),
    responses((status = 200, description = "A page of rules.", body = RuleList))
)]
pub(super) async fn list(State(api): State<Api>, mut params: Params) -> Result<Response, Problem> {
    let limit = params.limit()?;
    // A cursor is a position.
    let start: usize = params
        .take("cursor", "the `next` of a page before", |text| text.parse().ok())?
        .unwrap_or(0);
    params.finish()?;
    let rules = api.state.control.rules();
    let mut rest = rules.rules().zip(rules.tallies()).skip(start);
    let page = rest.by_ref().take(limit);
    let data: Vec<RuleView<'_>> = page.map(|(rule, tally)| view(rule, tally.counts())).collect();
    let next = rest.next().map(|_| (start + data.len()).to_string());
    Ok(json(StatusCode::OK, &RuleList { data, next }))
}

fn view(rule: &EventRule, counts: Counts) -> RuleView<'_> {
    RuleView {
        id: rule.id,
        label: &rule.label,
        tag: rule.tag.as_deref(),
        method: match rule.methods.as_deref() {
            None => Methods::One("*"),
            Some([one]) => Methods::One(one),
            Some(several) => Methods::Several(several),
        },
        url: rule.url.as_str(),
        query: rule.query.as_ref().map(|query| query.as_str()),
        status: rule.status.iter().map(StatusView::of).collect(),
        when: rule.when.as_ref().map(Expression::source),
        subject: rule.subject.as_ref().map(Expression::source),
        on_disconnect: OnDisconnectView::of(rule.on_disconnect),
        max_request_body: rule.max_request_body,
        max_response_body: rule.max_response_body,
        hits: counts.hits,
        last_hit_at: counts.last_hit_at,
        condition_errors: counts.condition_errors,
        last_condition_error: counts.last_condition_error,
    }
}

impl OnDisconnectView {
    const fn of(what: OnDisconnect) -> Self {
        match what {
            OnDisconnect::Continue => Self::Continue,
            OnDisconnect::Cancel => Self::Cancel,
        }
    }
}

impl StatusView {
    fn of(range: &StatusRange) -> Self {
        let (first, last) = (*range.start(), *range.end());
        if first == last {
            Self::One(first)
        } else if first % 100 == 0 && last == first + 99 {
            Self::Range(format!("{}xx", first / 100))
        } else {
            Self::Range(format!("{first}-{last}"))
        }
    }
}
