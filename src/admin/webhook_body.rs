//! The bodies that make and change webhooks, as the OpenAPI document tells them. They are read by
//! the checks of the configuration, not by these types: a test compares the keys.

use std::borrow::Cow;
use std::collections::BTreeMap;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, OneOf, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::schemas::{
    FormatName, SchemeName, SignatureAlgorithmName, SignatureEncodingName, SignedContentName,
};

/// The keys of a `[[webhook]]`; null is as absent. Files and the environment of the machine
/// (`ca_file`, `client_cert`, `{ env }`, `{ file }`) can be named in the configuration file only.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what the configuration's checks read")]
pub(super) struct NewWebhook {
    /// Unique. Default: the URL's host, with `-2`, `-3`, ... where that is taken.
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// The target, `http://` or `https://`, without user information.
    #[schema(format = "uri", examples("https://billing.example.com/hook"))]
    url: String,
    /// Which labels it gets; `*` stands for any text within a segment, or alone for all.
    #[schema(min_items = 1, examples(json!(["task.created", "invoice.*"])))]
    events: Vec<Pattern>,
    /// False: it begins disabled. Default: true.
    active: Option<bool>,
    /// Shown in formats that carry it, sent by the signature `authorization`; the HMAC key where
    /// neither is so and there is no `signing_secret`.
    #[schema(min_length = 1, write_only)]
    secret: Option<String>,
    /// The HMAC key; `whsec_` and base64, or any text. Made where neither it, `secret` nor
    /// `ed25519_key` is given.
    #[schema(min_length = 1, write_only)]
    signing_secret: Option<String>,
    /// The key of `standard-ed25519`: `whsk_` and the base64 of its 32-byte seed, or of the seed and
    /// the public key.
    #[schema(
        write_only,
        pattern = "^whsk_([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/]{85}[AQgw]==)$",
        examples("whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    )]
    ed25519_key: Option<String>,
    /// Headers of its own.
    headers: Option<BTreeMap<String, String>>,
    basic_auth: Option<NewBasicAuth>,
    /// Default: `POST`.
    method: Option<NewMethod>,
    /// Default: `exchange`.
    format: Option<NewFormat>,
    /// Default: `standard` and `sha256` where there is an HMAC key that the format does not show.
    #[schema(max_items = 16)]
    signatures: Option<Vec<NewSignature>>,
    /// The waits after the first, second, ... failed attempt. Default: that of `[delivery]`.
    #[schema(max_items = 64)]
    retry: Option<Vec<DurationText>>,
    /// One deadline over a whole attempt, 1h at most. Default: that of `[delivery]`.
    timeout: Option<DurationText>,
    /// Consecutive deliveries that ended as failed after which it is disabled; 0: never.
    #[schema(minimum = 0, maximum = 1_000_000)]
    disable_after: Option<u32>,
    /// Consecutive failed attempts after which it is paused; 0: never.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pause_after: Option<u32>,
    /// Attempts at a time. Default: 8.
    #[schema(minimum = 1, maximum = 4096)]
    concurrency: Option<u32>,
    /// Attempts in a second, minute or hour, 1 to 1000000.
    #[schema(pattern = "^[0-9]+/[smh]$", examples("10/s"))]
    rate_limit: Option<String>,
    /// One delivery at a time in the order of events, per subject where there is one.
    ordered: Option<bool>,
}

/// What changes of a webhook: members replace its keys, null sets them back to their defaults,
/// `headers` and `basic_auth` are merged member by member. Of a webhook of the configuration file
/// only `status` can be changed.
pub(super) struct WebhookChange;

/// A label, or labels with `*`.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Za-z0-9_.:*-]+$")]
#[expect(dead_code, reason = "tells the document")]
pub(super) struct Pattern(String);

/// A duration.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9]+(ms|s|m|h|d)$", examples("5m"))]
#[expect(dead_code, reason = "tells the document")]
pub(super) struct DurationText(String);

/// HTTP Basic authentication (RFC 7617).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document")]
struct NewBasicAuth {
    #[schema(pattern = "^[^:]*$")]
    username: String,
    #[schema(min_length = 1, write_only)]
    password: String,
}

/// The method of its attempts.
#[derive(serde::Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "tells the document")]
enum NewMethod {
    Post,
    Put,
    Patch,
}

/// The body's format.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document")]
enum NewFormat {
    #[schema(value_type = FormatName)]
    Named(String),
    Json(NewJson),
    Template(NewTemplate),
}

/// An expression whose value is the body.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document")]
struct NewJson {
    #[schema(examples("{'text': event.label ~ ' ' ~ request.path}"))]
    json: String,
}

/// Text with `{{ }}`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document")]
struct NewTemplate {
    #[schema(examples("{{ event.label }}: {{ request.path }}"))]
    template: String,
    /// Default: `text/plain; charset=utf-8`.
    content_type: Option<String>,
}

/// How its deliveries are signed.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document")]
enum NewSignature {
    #[schema(value_type = SchemeName)]
    Named(String),
    Custom(NewCustomSignature),
}

/// An HMAC in a header of your choice.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document")]
struct NewCustomSignature {
    #[schema(pattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", examples("X-Signature"))]
    header: String,
    /// What stands before the signature. Default: nothing.
    #[schema(max_length = 128)]
    prefix: Option<String>,
    /// Default: `hex`.
    #[schema(value_type = Option<SignatureEncodingName>)]
    encoding: Option<String>,
    /// Default: `body`.
    #[schema(value_type = Option<SignedContentName>)]
    content: Option<String>,
    /// Default: `sha256`.
    #[schema(value_type = Option<SignatureAlgorithmName>)]
    algorithm: Option<String>,
}

/// What is wanted of a webhook's status.
#[derive(serde::Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "tells the document")]
enum WantedStatus {
    /// Ends a pause too, and goes before `active = false` in the file.
    Active,
    /// Its deliveries are held.
    Disabled,
}

impl PartialSchema for WebhookChange {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut object)) = NewWebhook::schema() else {
            unreachable!("a struct with named fields is an object")
        };
        object.required.clear();
        object.description = Some(
            "What changes: members replace keys, null sets them back to their defaults, `headers` \
             and `basic_auth` are merged member by member. Of a webhook of the configuration file \
             only `status` can be changed."
                .to_owned(),
        );
        for key in ["url", "events"] {
            if let Some(property) = object.properties.get_mut(key) {
                let null = Schema::Object(Object::with_type(Type::Null));
                let either = OneOf::builder().item(null).item(property.clone()).build();
                *property = Schema::OneOf(either).into();
            }
        }
        object.properties.insert("status".to_owned(), WantedStatus::schema());
        Schema::Object(object).into()
    }
}

impl ToSchema for WebhookChange {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("WebhookChange")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NewWebhook::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of a `[[webhook]]` but those of files.
    #[test]
    fn the_document_names_the_keys_of_the_file() {
        let schema = serde_json::to_value(NewWebhook::schema()).expect("JSON");
        let told = schema["properties"].as_object().expect("properties");
        let of_files = ["ca_file", "client_cert"];
        let mut keys: Vec<&str> = crate::admin::webhooks::KEYS_OF_FILE
            .into_iter()
            .filter(|key| !of_files.contains(key))
            .collect();
        keys.sort_unstable();
        let mut told: Vec<&str> = told.keys().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, keys);
        assert_eq!(schema["required"], serde_json::json!(["url", "events"]));
    }
}
