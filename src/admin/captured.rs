//! How a captured call looks in the OpenAPI document. `view` writes it; it must say the same.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::schemas::StatusCode;

/// The request, as far as it was kept.
#[derive(ToSchema)]
#[expect(dead_code, reason = "tells the document what `view` writes")]
pub(super) struct CapturedRequest {
    /// The rule's tag, where it has one.
    #[schema(nullable = false)]
    tag: Option<String>,
    /// In lower case.
    #[schema(examples("post"))]
    method: String,
    /// Path and query as received.
    url: String,
    /// What the rule's pattern captured.
    params: BTreeMap<String, String>,
    /// Names in lower case, repeated ones joined by `, `.
    headers: BTreeMap<String, String>,
    /// The body: the JSON received, an object of a form's fields, text, or base64.
    body: Value,
    /// What `body` is where it is not plain JSON.
    #[schema(nullable = false)]
    body_encoding: Option<BodyEncoding>,
    /// True where a part of the body is all there is; `capture` says why.
    #[schema(nullable = false)]
    body_truncated: Option<bool>,
    /// Bytes on the wire, where they are not all here.
    #[schema(nullable = false)]
    body_size: Option<u64>,
    capture: Capture,
}

/// The response, as far as it was kept.
#[derive(ToSchema)]
#[expect(dead_code, reason = "tells the document what `view` writes")]
pub(super) struct CapturedResponse {
    #[schema(value_type = StatusCode)]
    status: u16,
    /// Names in lower case, repeated ones joined by `, `.
    headers: BTreeMap<String, String>,
    /// The body: the JSON received, an object of a form's fields, text, or base64.
    body: Value,
    /// What `body` is where it is not plain JSON.
    #[schema(nullable = false)]
    body_encoding: Option<BodyEncoding>,
    /// True where a part of the body is all there is; `capture` says why.
    #[schema(nullable = false)]
    body_truncated: Option<bool>,
    /// Bytes on the wire, where they are not all here.
    #[schema(nullable = false)]
    body_size: Option<u64>,
    capture: Capture,
}

/// What a body is where it is not plain JSON.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "tells the document what `view` writes")]
pub(super) enum BodyEncoding {
    Form,
    Text,
    Base64,
    Omitted,
}

/// How much of a body was captured: all of it (`complete`); a part, because of the capture limit
/// (`truncated`), because its client hung up (`client_aborted`), because the upstream answered without
/// taking all of a request (`upstream_aborted`), or because it had not ended by `[capture]
/// max_duration` (`streaming`); nothing, because of `[capture] max_total` (`over_budget`) or because
/// redaction could not be sure of it (`redacted`).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "tells the document what `view` writes")]
pub(super) enum Capture {
    Complete,
    Truncated,
    OverBudget,
    Redacted,
    ClientAborted,
    UpstreamAborted,
    Streaming,
}

/// Bytes that are not text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "tells the document what `views` writes")]
pub(super) enum Base64 {
    Base64,
}
