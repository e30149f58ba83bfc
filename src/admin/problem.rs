//! Every error of the API: `application/problem+json` (RFC 9457) with a machine `code`.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::control::ConfigProblem;
use super::schemas;
use crate::store::StoreError;

/// One error, on its way to the caller. Boxed: it is the rare side of every `Result` here.
#[derive(Debug)]
pub(super) struct Problem(Box<Report>);

#[derive(Debug)]
struct Report {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    problems: Vec<ConfigProblem>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What is wrong with one member of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The member, such as `basic_auth.password` or `events[2]`; empty: the body as a whole.
    pub field: String,
    /// What is wrong, and what would be right.
    #[schema(value_type = String)]
    pub message: Cow<'static, str>,
}

/// Every `code`; a problem of another one is a mistake that a test finds.
pub(super) const CODES: [&str; 28] = [
    "bad_framing",
    "bad_json",
    "bad_query",
    "body_too_large",
    "cross_site",
    "declined",
    "defined_in_file",
    "ended",
    "host_not_allowed",
    "invalid",
    "invalid_configuration",
    "method_not_allowed",
    "name_taken",
    "no_randomness",
    "no_such_path",
    "not_found",
    "not_json",
    "read_only",
    "store_unavailable",
    "timeout",
    "too_many_keys",
    "too_many_streams",
    "too_many_webhooks",
    "too_many_wrong_tokens",
    "unauthorized",
    "unrenderable",
    "unusable",
    "webhook_gone",
];

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Shape<'a> {
    /// Says no more than `status` does; `code` does.
    #[schema(examples("about:blank"))]
    r#type: &'static str,
    /// The status in words.
    title: &'a str,
    #[schema(value_type = schemas::StatusCode)]
    status: u16,
    /// What is wrong, and what would be right.
    detail: &'a str,
    #[schema(value_type = ProblemCode)]
    code: &'a str,
    /// What is wrong with a body, member by member; with status 422 only.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
    /// The mistakes of a configuration, each with its place.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    problems: &'a [ConfigProblem],
}

/// What is wrong, for programs.
pub(super) struct ProblemCode;

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let (errors, problems) = (Vec::new(), Vec::new());
        Self(Box::new(Report { status, code, detail, errors, problems, header: None }))
    }

    pub(super) fn bad_query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", detail)
    }

    /// What follows on the connection cannot be told from the body.
    pub(super) fn bad_framing() -> Self {
        let detail = "send a body with a length, or as `transfer-encoding: chunked` and no other";
        Self::new(StatusCode::BAD_REQUEST, "bad_framing", detail)
            .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// Also for a malformed id: it names nothing.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} with this id"))
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "send the admin token as `Authorization: Bearer <token>`",
        )
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sidehook\""))
    }

    /// A token in a URL ends in logs and histories; taking it would teach people to put it there.
    pub(super) fn token_in_query() -> Self {
        let mut problem = Self::unauthorized();
        "the token is never taken from the URL: send it as `Authorization: Bearer <token>`, and \
         make a new one, since this one may stand in logs by now"
            .clone_into(&mut problem.0.detail);
        problem
    }

    pub(super) fn too_many_tokens(retry_after_secs: u64) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_wrong_tokens",
            "too many wrong tokens from this address; the right one is still accepted",
        )
        .with(header::RETRY_AFTER, HeaderValue::from(retry_after_secs))
    }

    pub(super) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// It cannot be so as things stand.
    pub(super) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub(super) fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// A body that is JSON but not what is asked for.
    pub(super) fn invalid(errors: Vec<FieldError>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let mut problem = Self::new(status, "invalid", "the body is not what this call takes");
        problem.0.errors = errors;
        problem
    }

    /// A configuration that is not put in force.
    pub(super) fn of_config(problems: Vec<ConfigProblem>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let detail = "the new configuration has mistakes; the running one stays as it is";
        let mut problem = Self::new(status, "invalid_configuration", detail);
        let error = |p: &ConfigProblem| FieldError {
            field: p.place(),
            message: format!("{}; {}", p.message, p.cure).into(),
        };
        problem.0.errors = problems.iter().map(error).collect();
        problem.0.problems = problems;
        problem
    }

    /// The store could not read or write; its chain of causes in one line.
    pub(super) fn of_store(error: &StoreError) -> Self {
        if let StoreError::Declined { reason } = error {
            return Self::conflict("declined", reason.clone());
        }
        let mut detail = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            detail.push_str(": ");
            detail.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::unavailable("store_unavailable", detail)
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }
}

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        let code = Object::builder()
            .schema_type(Type::String)
            .description(Some("What is wrong, for programs."))
            .enum_values(Some(CODES));
        Schema::Object(code.build()).into()
    }
}

impl ToSchema for ProblemCode {}

impl FieldError {
    pub(super) const fn unknown(field: String) -> Self {
        Self { field, message: Cow::Borrowed("there is no such member") }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let report = *self.0;
        let shape = Shape {
            r#type: "about:blank",
            title: report.status.canonical_reason().unwrap_or("Error"),
            status: report.status.as_u16(),
            detail: &report.detail,
            code: report.code,
            errors: &report.errors,
            problems: &report.problems,
        };
        let mut response = json(report.status, &shape);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = report.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_vec(body).expect("views have string keys and never fail");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_path", format!("there is no {}", uri.path()))
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{method} is not for {}; `allow` names what is", uri.path()),
    )
}
