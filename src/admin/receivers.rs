//! What receivers of webhooks get, for the OpenAPI document: one entry per format, with its headers
//! and the schema of its body. `payload` writes the bodies; scripts/verify-api checks that they are
//! so.

use utoipa::PartialSchema as _;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterIn, PathItem, Paths};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{Object, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{Content, RefOr, Required, Response};

use crate::model::{EventId, Format, Timestamp, WebhookId};

/// The headers of every attempt.
const HEADERS: [(&str, bool, &str); 13] = [
    ("webhook-id", true, "The delivery's id: the same on every attempt. Use it to ignore repeats."),
    ("webhook-timestamp", true, "When the attempt was made, seconds since the Unix epoch."),
    ("x-webhook-id", true, "The webhook's id."),
    ("x-webhook-event", true, "The event's label."),
    ("x-webhook-timestamp", true, "The same as `webhook-timestamp`."),
    ("x-webhook-attempt", true, "The attempt's number, from 1, counting on over retries by hand."),
    ("traceparent", false, "Where the call carried one: the same trace (W3C Trace Context)."),
    ("tracestate", false, "Beside `traceparent`."),
    (
        "webhook-signature",
        false,
        "With schemes `standard` and `standard-ed25519`: signatures over \
         `{webhook-id}.{webhook-timestamp}.{body}`, space separated.",
    ),
    (
        "x-webhook-signature",
        false,
        "With scheme `sha256`: `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.",
    ),
    (
        "x-vikunja-signature",
        false,
        "With scheme `vikunja`: the HMAC-SHA256 of the body in hexadecimal digits.",
    ),
    (
        "x-hub-signature-256",
        false,
        "With scheme `github`: `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.",
    ),
    (
        "stripe-signature",
        false,
        "With scheme `stripe`: `t={timestamp},v1=` and the HMAC-SHA256 of `{timestamp}.{body}` in \
         hexadecimal digits.",
    ),
];

/// The further headers of `cloudevents-binary`.
const CLOUD_EVENT: [(&str, bool, &str); 9] = [
    ("ce-specversion", true, "`1.0`."),
    ("ce-id", true, "The event's id."),
    ("ce-source", true, "`//` and the authority of the upstream."),
    ("ce-type", true, "The event's label."),
    ("ce-time", true, "When the upstream's response was complete."),
    ("ce-subject", false, "What the event is about."),
    ("ce-sidehooktruncated", false, "`true` where the body is cut."),
    ("ce-sidehooksize", false, "Bytes of the whole body on the wire, where it is cut."),
    ("ce-sidehookdepth", false, "How many webhooks stand before the call in a chain."),
];

/// The `webhooks` of the document.
pub(super) fn webhooks() -> Paths {
    Format::NAMED.iter().fold(Paths::new(), |mut paths, format| {
        let item = PathItem::new(HttpMethod::Post, received(format));
        paths.paths.insert(format.name().to_owned(), item);
        paths
    })
}

fn received(format: &Format) -> Operation {
    let name = format.name();
    let own: &[_] = if *format == Format::CloudEventsBinary { &CLOUD_EVENT } else { &[] };
    let parameters = HEADERS.iter().chain(own).map(|&(name, is_required, description)| {
        Parameter::builder()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(if is_required { Required::True } else { Required::False })
            .description(Some(description))
            .schema(Some(text()))
            .build()
    });
    let (content_type, schema) = match format {
        Format::CloudEvents => ("application/cloudevents+json", body(format)),
        // The body is the response's own.
        Format::CloudEventsBinary => ("*/*", Schema::default()),
        _ => ("application/json", body(format)),
    };
    let request = RequestBody::builder()
        .description(Some("The event. Any further format is an expression or a template of yours."))
        .required(Some(Required::True))
        .content(content_type, Content::new(Some(schema)));
    Operation::builder()
        .operation_id(Some(format!("receive-{name}")))
        .tag("received")
        .summary(Some(format!("An event in format `{name}`.")))
        .description(Some(
            "Sent to the webhook's URL with its method, until an answer is 2xx or the retries are \
             exhausted. The scheme `authorization` puts the secret, basic authentication its user \
             and password, into `authorization`; signatures of your own and the webhook's headers \
             have the names that you gave them.",
        ))
        .parameters(Some(parameters.collect::<Vec<_>>()))
        .request_body(Some(request.build()))
        .response("2XX", Response::new("The event is taken; it is not sent again."))
        .response("default", Response::new("The event is sent again later."))
        .build()
}

/// The members of a body, in the order in which they are written.
fn body(format: &Format) -> Schema {
    let time = || Timestamp::schema();
    let members: Vec<(&str, RefOr<Schema>)> = match format {
        Format::Exchange => {
            let rule = object([("id", whole_number()), ("label", label())]);
            let rule = rule.property("depth", whole_number()).build();
            let id = Ref::from_schema_name("DeliveryId").into();
            let call = [("event", Schema::Object(rule).into()), ("id", id)];
            call.into_iter().chain(call_members()).collect()
        }
        Format::Vikunja => vec![("event_name", label()), ("time", time()), ("data", anything())],
        Format::Timestamped => vec![
            ("event", label()),
            ("timestamp", time()),
            ("webhook_id", WebhookId::schema()),
            ("data", anything()),
        ],
        Format::WireguardPortal => vec![
            ("event", text()),
            ("entity", text()),
            ("identifier", text()),
            ("payload", anything()),
        ],
        Format::Typed => vec![
            ("id", EventId::schema()),
            ("type", label()),
            ("created_at", time()),
            ("data", anything()),
        ],
        Format::Standard => vec![("type", label()), ("timestamp", time()), ("data", anything())],
        Format::CloudEvents => vec![
            ("specversion", text()),
            ("id", EventId::schema()),
            ("source", text()),
            ("type", label()),
            ("time", time()),
            ("data", Schema::Object(object(call_members()).build()).into()),
        ],
        Format::CloudEventsBinary | Format::Json(_) | Format::Template { .. } => Vec::new(),
    };
    let body = object(members);
    Schema::Object(match format {
        Format::Exchange => body.property("secret", text()).build(),
        Format::CloudEvents => {
            body.property("subject", text()).property("sidehookdepth", whole_number()).build()
        }
        Format::WireguardPortal => marked(body, "payload").build(),
        _ => marked(body, "data").build(),
    })
}

/// What may stand beside a captured body.
fn marked(object: ObjectBuilder, name: &str) -> ObjectBuilder {
    let truth = Schema::Object(Object::builder().schema_type(Type::Boolean).build());
    object
        .property(format!("{name}_encoding"), Ref::from_schema_name("BodyEncoding"))
        .property(format!("{name}_truncated"), truth)
        .property(format!("{name}_size"), whole_number())
}

fn call_members() -> [(&'static str, RefOr<Schema>); 2] {
    let request = object([("method", text()), ("url", text()), ("body", anything())]);
    let request = marked(request.property("tag", text()), "body");
    let status = Ref::from_schema_name("StatusCode").into();
    let response = marked(object([("status", status), ("body", anything())]), "body");
    [
        ("request", Schema::Object(request.build()).into()),
        ("response", Schema::Object(response.build()).into()),
    ]
}

/// An object that has all these members.
fn object<'n>(members: impl IntoIterator<Item = (&'n str, RefOr<Schema>)>) -> ObjectBuilder {
    members.into_iter().fold(Object::builder().schema_type(Type::Object), |object, member| {
        object.property(member.0, member.1).required(member.0)
    })
}

fn text() -> RefOr<Schema> {
    Schema::Object(Object::builder().schema_type(Type::String).build()).into()
}

fn whole_number() -> RefOr<Schema> {
    Schema::Object(Object::builder().schema_type(Type::Integer).build()).into()
}

fn label() -> RefOr<Schema> {
    Ref::from_schema_name("Label").into()
}

/// A body: JSON as received, an object of a form's fields, text, or base64; null where there is none.
fn anything() -> RefOr<Schema> {
    serde_json::Value::schema()
}
