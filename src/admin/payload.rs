//! What a delivery's next attempt would send, to be looked at: secrets masked, nothing signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOf, Ref, Schema};

use super::captured::Base64;
use super::keys::MASK;
use super::openapi::{Conflict, Unrenderable};
use super::params::{Id, Params};
use super::problem::{Problem, json};
use super::queries::View;
use super::schemas::DeliveryKey;
use super::state::Api;
use super::webhook_view::may_be_credential;
use crate::egress::Outgoing;
use crate::model::DeliveryId;

/// The content type of a body that has none.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A request as it would be sent.
#[derive(Serialize, ToSchema)]
struct RequestPreview {
    method: String,
    url: String,
    /// Names in lower case, repeated ones joined by `, `; signatures and other credentials masked.
    headers: BTreeMap<String, String>,
    /// Text, or base64 where `body_encoding` says so.
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Base64)]
    body_encoding: Option<&'static str>,
}

/// With `view=request` the request; otherwise the body, which may be any JSON.
struct Previewed;

impl utoipa::PartialSchema for Previewed {
    fn schema() -> RefOr<Schema> {
        let request = Ref::from_schema_name(RequestPreview::name());
        let either = AnyOf::builder()
            .item(request)
            .item(<serde_json::Value as utoipa::PartialSchema>::schema());
        let words = "With `view=request` the request; otherwise the body, which may be any JSON.";
        Schema::AnyOf(either.description(Some(words)).build()).into()
    }
}

impl ToSchema for Previewed {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((
            RequestPreview::name().into_owned(),
            <RequestPreview as utoipa::PartialSchema>::schema(),
        ));
        RequestPreview::schemas(schemas);
    }
}

/// Shows what a delivery sends.
///
/// The body of its next attempt as it would be sent, secrets masked; with `view=request` the whole
/// request as JSON.
#[utoipa::path(
    get,
    path = "/v1/deliveries/{id}/payload",
    operation_id = "getPayload",
    tag = "deliveries",
    params(("id" = DeliveryKey, Path), View),
    responses(
        (
            status = 200,
            description = "The body, with its own content type; or the request.",
            content(
                (serde_json::Value = "*/*"),
                (Previewed = "application/json"),
            )
        ),
        (status = 409, response = Conflict),
        (status = 422, response = Unrenderable),
    )
)]
pub(super) async fn payload(
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
    mut params: Params,
) -> Result<Response, Problem> {
    let is_request = params.take("view", "`body` or `request`", |text| match text {
        "body" => Some(false),
        "request" => Some(true),
        _ => None,
    })?;
    params.finish()?;
    let outgoing = outgoing(&api, id).await?;
    if is_request.unwrap_or_default() {
        return Ok(json(StatusCode::OK, &request(&outgoing)));
    }
    let content_type = outgoing.headers.get(header::CONTENT_TYPE).cloned().unwrap_or(BYTES);
    let mut response = Response::new(Body::from(outgoing.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    // It is somebody else's content: never a page of this origin.
    let attachment = HeaderValue::from_static("attachment; filename=\"payload\"");
    headers.insert(header::CONTENT_DISPOSITION, attachment);
    Ok(response)
}

async fn outgoing(api: &Api, id: DeliveryId) -> Result<Outgoing, Problem> {
    let built = {
        let api = Arc::clone(api);
        move |store: &crate::store::Store| {
            let Some(delivery) = store.delivery(id)? else {
                return Ok(Err(Problem::not_found("delivery")));
            };
            let Some(event) = store.event(delivery.event_id)? else {
                return Ok(Err(Problem::not_found("event")));
            };
            let webhooks = store.webhooks();
            let webhook = webhooks.iter().find(|webhook| webhook.id == delivery.webhook_id);
            let Some(webhook) = webhook else {
                return Ok(Err(Problem::conflict(
                    "webhook_gone",
                    "the webhook of this delivery is gone, and with it what it would be sent as",
                )));
            };
            if let Some(reason) = &webhook.unusable {
                return Ok(Err(Problem::conflict("unusable", reason.clone())));
            }
            let control = &api.state.control;
            let built = control.preview(&Arc::new(event), webhook, id, delivery.attempts + 1);
            Ok(built.map_err(|detail| {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unrenderable", detail)
            }))
        }
    };
    // Rendering is bounded, but not short: it belongs on a blocking thread as reads do.
    api.read(built).await?
}

fn request(outgoing: &Outgoing) -> RequestPreview {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in &outgoing.headers {
        let text = if may_be_credential(name, value) {
            MASK.into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        let name = name.as_str();
        match headers.get_mut(name) {
            Some(known) => {
                known.push_str(", ");
                known.push_str(&text);
            }
            None => {
                headers.insert(name.to_owned(), text.into_owned());
            }
        }
    }
    let text = str::from_utf8(&outgoing.body);
    RequestPreview {
        method: outgoing.method.to_string(),
        url: outgoing.url.to_string(),
        headers,
        body: text.map_or_else(|_| STANDARD.encode(&outgoing.body), str::to_owned),
        body_encoding: text.is_err().then_some("base64"),
    }
}
