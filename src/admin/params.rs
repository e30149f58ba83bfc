//! What a request carries beside its path: query parameters, ids, a body. Nothing is guessed:
//! an unknown parameter or a bad value is an error that says what would be right.

use std::convert::Infallible;
use std::str::FromStr;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};

use super::Settings;
use super::problem::{FieldError, Problem};
use crate::model::{DeliveryState, Timestamp, WebhookId};
use crate::store::{Cursor, Page};

/// The query's parameters; each is taken by its name, what is left is unknown.
#[derive(Debug)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
}

/// An id in the path; a malformed one is 404.
#[derive(Debug)]
pub(super) struct Id<T>(pub(super) T);

/// A body that has nothing to say: absent, or `{}`.
#[derive(Debug)]
pub(super) struct NoBody;

/// A body that is a JSON object.
#[derive(Debug)]
pub(super) struct Object(pub(super) Map<String, Value>);

/// A body that is a JSON object; absent, it is as `{}`.
#[derive(Debug)]
pub(super) struct OptionalObject(pub(super) Map<String, Value>);

impl Params {
    /// Takes one parameter.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.known.push(name);
        let Some(at) = self.pairs.iter().position(|(n, _)| n == name) else { return Ok(None) };
        let (_, text) = self.pairs.remove(at);
        if self.pairs.iter().any(|(n, _)| n == name) {
            return Err(Problem::bad_query(format!("`{name}` is given twice")));
        }
        match read(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(Problem::bad_query(format!("`{name}` must be {expected}"))),
        }
    }

    pub(super) fn label(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        self.take(name, "a label, [A-Za-z0-9_.:-]+", |text| {
            (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
        })
    }

    pub(super) fn time(&mut self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let form = "an RFC 3339 time such as 2026-01-31T09:30:00Z";
        self.take(name, form, Timestamp::parse_bound)
    }

    pub(super) fn state(&mut self) -> Result<Option<DeliveryState>, Problem> {
        self.take("status", "pending, held, delivered, failed or cancelled", |text| {
            DeliveryState::ALL.into_iter().find(|state| state.name() == text)
        })
    }

    pub(super) fn webhook(&mut self) -> Result<Option<WebhookId>, Problem> {
        self.take("webhook", "a webhook's id, wh_...", |text| text.parse().ok())
    }

    /// What to look for, white space and control characters around it cut.
    pub(super) fn q(&mut self) -> Result<Option<String>, Problem> {
        self.take("q", "1 to 200 characters of a path, a subject or an id", |text| {
            let is_short = text.chars().count() <= Settings::Q_CHARS_MAX;
            let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
            (is_short && !text.is_empty()).then(|| text.to_owned())
        })
    }

    /// `limit` alone, for lists with a cursor of their own.
    pub(super) fn limit(&mut self) -> Result<usize, Problem> {
        let limit = self.take("limit", "a number from 1 to 200", |text| {
            text.parse().ok().filter(|n| (1..=Settings::PAGE_MAX).contains(n))
        })?;
        Ok(limit.unwrap_or(Settings::PAGE_DEFAULT))
    }

    /// `limit` and `cursor`.
    pub(super) fn page(&mut self) -> Result<Page, Problem> {
        let limit = self.limit()?;
        let cursor =
            self.take("cursor", "the `next` of a page before", |t| t.parse::<Cursor>().ok())?;
        Ok(Page { limit, cursor })
    }

    /// After all have been taken: what is left is unknown.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let Some((name, _)) = self.pairs.first() else { return Ok(()) };
        let name: String = name.chars().take(40).collect();
        Err(Problem::bad_query(if self.known.is_empty() {
            format!("unknown parameter `{name}`; there are none here")
        } else {
            format!("unknown parameter `{name}`; there are {}", self.known.join(", "))
        }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { pairs, known: Vec::new() })
    }
}

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::not_found("resource"))
    }
}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let members = object(request).await?.unwrap_or_default();
        if members.is_empty() {
            return Ok(Self);
        }
        let unknown = members.into_iter().take(20).map(|(field, _)| FieldError::unknown(field));
        Err(Problem::invalid(unknown.collect()))
    }
}

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let members = object(request).await?;
        members.map(Self).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "bad_json", "not JSON: there is no body")
        })
    }
}

impl<S: Send + Sync> FromRequest<S> for OptionalObject {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        Ok(Self(object(request).await?.unwrap_or_default()))
    }
}

/// The members of a JSON body; `None`: there is no body.
async fn object(request: Request) -> Result<Option<Map<String, Value>>, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let body = read(request.into_body()).await?;
    let is_json = content_type.as_ref().is_some_and(|value| {
        let media = value.as_bytes().split(|&b| b == b';').next().unwrap_or_default();
        media.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    if !is_json && (content_type.is_some() || !body.is_empty()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "a body must come with `content-type: application/json`",
        ));
    }
    if body.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(members)) => Ok(Some(members)),
        Ok(_) => Err(Problem::invalid(vec![FieldError {
            field: String::new(),
            message: "the body must be an object".into(),
        }])),
        Err(error) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "bad_json", format!("not JSON: {error}")))
        }
    }
}

/// Reads a whole body within its limit. What is too large is read on for a while, and thrown away:
/// whoever is still sending when the connection closes would see a reset instead of the answer
/// (RFC 9112 9.6).
async fn read(mut body: Body) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let detail = "the body is broken: it ends too early, or its chunks are not chunks";
            Problem::new(StatusCode::BAD_REQUEST, "bad_json", detail)
        })?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], AsRef::as_ref));
        if bytes.len() > Settings::BODY_BYTES_MAX {
            let _ = tokio::time::timeout(Settings::DISCARD_TIME, discard(body)).await;
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!("a body has at most {} bytes", Settings::BODY_BYTES_MAX),
            ));
        }
    }
    Ok(bytes)
}

/// Reads what is left of a body, up to a bound.
async fn discard(mut body: Body) {
    let mut left = Settings::DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
        if left == 0 {
            break;
        }
    }
}
