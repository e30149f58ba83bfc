//! The OpenAPI document. The handlers describe themselves; here stands what holds for all of
//! them, so that none can forget it: the answers of the guard and of the readers of queries, ids
//! and bodies.

use std::sync::OnceLock;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{Object, Ref, Schema, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Header, Info, License, OpenApi, RefOr, Required, Response as Answer,
    Server, Tag,
};
use utoipa::{ToResponse, ToSchema};

use super::control::ConfigProblem;
use super::links;
use super::params::Params;
use super::problem::{FieldError, Problem, ProblemCode, Shape};
use super::receivers;
use super::schemas::{AnyKey, DeliveryKey, EventKey, RecoveryKey, WebhookKey};

/// A body that has nothing to say.
#[derive(ToSchema)]
#[schema(as = Nothing)]
#[serde(deny_unknown_fields)]
pub(super) struct NoMembers {}

/// It cannot be so as things stand; `code` says why.
pub(super) struct Conflict;

/// The request of a delivery cannot be built.
pub(super) struct Unrenderable;

/// A configuration has mistakes.
pub(super) struct InvalidConfiguration;

const DESCRIPTION: &str = "\
The admin API of sidehook: what happened, how it stands, and what to do about it.

**Authentication**: every call but `/livez` and `/readyz` needs `Authorization: Bearer <token>`, \
the token of `[admin] token` or the one that sidehook made at its first start. After ten wrong \
tokens in a minute an address gets 429 for the wrong ones. `Host` must be one of the server's \
names (`[admin] allowed_hosts`), and pages of other origins are refused.

**Lists** come newest first, in pages: `limit` items, and `next` is the `cursor` of the page after. \
A cursor stays good while new items arrive.

**Ids** may be spelled with their prefix or without, with hyphens or without, in any case. \
A malformed id is 404: it names nothing.

**Errors** are `application/problem+json` (RFC 9457) with a `code` for programs, and for 422 with \
`errors`, member by member. A path that is not here is 404, a method that is not here is 405 with \
`allow`; an unknown query parameter is 400, an unknown member 422.

**Reading tokens** (`[admin] read_token`) may only GET; changes are 403 with code `read_only`.

**Secrets** are shown once, when they are made, and never again.";

const TAGS: [(&str, &str); 8] = [
    ("webhooks", "Where deliveries go."),
    ("events", "Successful calls that matched a rule."),
    ("deliveries", "One event for one webhook, and its attempts."),
    ("recoveries", "What is queued again in the background."),
    ("rules", "Which calls become events."),
    ("status", "How sidehook is, its configuration, and what happens live."),
    ("probes", "For orchestrators and scrapers."),
    ("received", "What the receivers of webhooks get."),
];

/// The token of the admin API.
const BEARER: &str = "bearer";

/// Serves the OpenAPI document.
///
/// This document.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "getOpenApi",
    tag = "status",
    responses((status = 200, description = "The document, OpenAPI 3.1.", body = serde_json::Value))
)]
pub(super) async fn document(params: Params) -> Result<Response, Problem> {
    static TEXT: OnceLock<String> = OnceLock::new();
    params.finish()?;
    let text = TEXT.get_or_init(|| {
        super::openapi().to_json().expect("the document has string keys and never fails")
    });
    let mut response = Response::new(Body::from(text.as_str()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// What the document says beside the handlers.
pub(super) fn frame() -> OpenApi {
    let licence = License::builder()
        .name("MIT OR Apache-2.0")
        .identifier(Some(env!("CARGO_PKG_LICENSE")))
        .build();
    let info = Info::builder()
        .title("sidehook")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(licence))
        .build();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("The token of `[admin] token`.".to_owned());
    let components = Components::builder()
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .schema_from::<Shape<'_>>()
        .schema_from::<ProblemCode>()
        .schema_from::<FieldError>()
        .schema_from::<ConfigProblem>()
        // Those of parameters are not found by themselves.
        .schema_from::<EventKey>()
        .schema_from::<DeliveryKey>()
        .schema_from::<WebhookKey>()
        .schema_from::<AnyKey>()
        .schema_from::<RecoveryKey>()
        .response_from::<Conflict>()
        .response_from::<Unrenderable>()
        .response_from::<InvalidConfiguration>()
        .build();
    let tags = TAGS.map(|(name, description)| {
        Tag::builder().name(name).description(Some(description)).build()
    });
    OpenApi::builder()
        .info(info)
        .servers(Some([Server::new("/")]))
        .security(Some([SecurityRequirement::new::<_, _, String>(BEARER, [])]))
        .components(Some(components))
        .webhooks(Some(receivers::webhooks()))
        .tags(Some(tags))
        .build()
}

/// Adds to every operation what the guard and the readers of requests may answer.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        for (is_read, operation) in operations(item) {
            leave_out_null(operation);
            describe_problems(operation, is_read);
        }
    }
    links::add(&mut document);
    document
}

/// Each, and whether it only reads.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let changes = [&mut item.post, &mut item.patch, &mut item.put, &mut item.delete];
    let changes = changes.into_iter().filter_map(|one| Some((false, one.as_mut()?)));
    item.get.iter_mut().map(|one| (true, one)).chain(changes)
}

/// A body that a handler describes as `Option` need not be there; it is never `null`.
fn leave_out_null(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        let RefOr::T(Content { schema: Some(schema), .. }) = content else { continue };
        let RefOr::T(Schema::OneOf(either)) = &*schema else { continue };
        if let [it, RefOr::T(Schema::Object(Object { schema_type, .. }))] = &*either.items
            && *schema_type == SchemaType::Type(Type::Null)
        {
            *schema = it.clone();
            body.required = Some(Required::False);
        }
    }
}

fn describe_problems(operation: &mut Operation, is_read: bool) {
    let parameters = || operation.parameters.iter().flatten();
    let has_path = parameters().any(|parameter| {
        matches!(parameter, RefOr::T(Parameter { parameter_in: ParameterIn::Path, .. }))
    });
    let is_open = operation.security.is_some();
    let takes_body = operation.request_body.is_some();
    let mut add = |status: &str, description: &str| {
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| problem(status, description).into());
    };
    add(
        "403",
        if is_read {
            "The `Host` is not one of this server's names, or the page is of another origin."
        } else {
            "The token may only read (`read_only`), the `Host` is not one of this server's names, \
             or the page is of another origin."
        },
    );
    add("503", "The store is not available, or has not answered in time.");
    if is_open {
        return;
    }
    add("400", "A query parameter is unknown or not as described, or a body is not JSON.");
    add("401", "The token is missing or wrong.");
    add("429", "Too many wrong tokens from this address; the right one always works.");
    if has_path {
        add("404", "There is nothing with this id.");
    }
    if takes_body {
        add("413", "The body is too large.");
        add("415", "A body came without `content-type: application/json`.");
        add("422", "The body is not what this call takes; `errors` says where.");
    }
}

fn problem(status: &str, description: &str) -> Answer {
    let schema = Ref::from_schema_name(Shape::name());
    let mut answer = Answer::builder()
        .description(description)
        .content("application/problem+json", Content::new(Some(schema)));
    if status == "401" {
        let challenge = Object::builder().schema_type(Type::String).build();
        let header = Header::builder()
            .description(Some("`Bearer`: how to say who is asking."))
            .schema(Some(Schema::Object(challenge)));
        answer = answer.header("www-authenticate", header.build());
    }
    if matches!(status, "429" | "503") {
        let seconds = Object::builder().schema_type(Type::Integer).minimum(Some(0)).build();
        let header = Header::builder()
            .description(Some("Seconds to wait before the next try."))
            .schema(Some(Schema::Object(seconds)));
        answer = answer.header("retry-after", header.build());
    }
    answer.build()
}

impl<'r> ToResponse<'r> for Conflict {
    fn response() -> (&'r str, RefOr<Answer>) {
        ("Conflict", problem("409", "It cannot be so as things stand; `code` says why.").into())
    }
}

impl<'r> ToResponse<'r> for Unrenderable {
    fn response() -> (&'r str, RefOr<Answer>) {
        ("Unrenderable", problem("422", "The request cannot be built; `detail` says why.").into())
    }
}

impl<'r> ToResponse<'r> for InvalidConfiguration {
    fn response() -> (&'r str, RefOr<Answer>) {
        let description =
            "It has mistakes, each in `errors` and `problems`; the running one stays as it is.";
        ("InvalidConfiguration", problem("422", description).into())
    }
}
