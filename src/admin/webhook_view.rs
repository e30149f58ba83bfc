//! A webhook as the API shows it: never its secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use super::keys::MASK;
use super::schemas::{
    FormatName, SchemeName, SignatureAlgorithmName, SignatureEncodingName, SignedContentName,
};
use super::standing::Stands;
use crate::model::{
    CustomScheme, Format, LabelPattern, RateLimit, Scheme, SignatureAlgorithm, SignatureEncoding,
    SignedContent, Timestamp, Webhook, WebhookId, WebhookSource, WebhookStatus,
    looks_like_credential,
};

/// A webhook: the keys of the configuration, and how it stands. Never its secrets.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView<'a> {
    id: WebhookId,
    /// Unique.
    name: &'a str,
    #[schema(format = "uri")]
    url: &'a str,
    #[schema(value_type = WebhookStatus)]
    status: &'static str,
    /// Why it is disabled or paused.
    #[schema(required)]
    disabled_reason: Option<&'a str>,
    /// Since when it is paused.
    #[schema(required)]
    paused_at: Option<Timestamp>,
    /// While it is paused: when the next delivery is tried. Null while one is under way, and where
    /// nothing waits. `GET /v1/status` has it too.
    #[schema(required)]
    next_probe_at: Option<Timestamp>,
    /// Its receiver asked for no attempt before this (`Retry-After`).
    #[schema(required)]
    rests_until: Option<Timestamp>,
    /// Which labels it gets; `*` stands for any text.
    #[schema(examples(json!(["task.*"])))]
    events: Vec<&'a str>,
    #[schema(value_type = Method)]
    method: &'a str,
    format: FormatView<'a>,
    /// How its deliveries are signed; each adds its header.
    signatures: Vec<SchemeView<'a>>,
    /// Its own headers; values that may be credentials are shown as `***`.
    headers: BTreeMap<&'a str, String>,
    #[schema(required)]
    basic_auth: Option<BasicAuthView<'a>>,
    /// Whether it has an HMAC key.
    has_secret: bool,
    has_ed25519_key: bool,
    /// The waits after the first, second, ... failed attempt.
    #[schema(examples(json!(["5s", "5m"])))]
    retry: Vec<String>,
    /// One deadline over a whole attempt.
    #[schema(examples("15s"))]
    timeout: String,
    /// Attempts at a time.
    concurrency: usize,
    /// Attempts in a second, minute or hour.
    #[schema(required, examples("90/m"))]
    rate_limit: Option<String>,
    /// One delivery at a time in the order of events, per subject where there is one.
    ordered: bool,
    /// Consecutive deliveries that ended as failed after which it is disabled; 0: never.
    disable_after: u32,
    /// Consecutive failed attempts after which it is paused; 0: never.
    pause_after: u32,
    #[schema(value_type = WebhookSource)]
    source: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Until when a key that was replaced signs beside the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    previous_secret_until: Option<Timestamp>,
    /// In the answer to its creation, and where a rotation has made it: never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) secret: Option<&'a str>,
    /// In the answer to its creation, and where a rotation has made it: never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) signing_secret: Option<&'a str>,
    /// In the answer to its creation, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) ed25519_key: Option<&'a str>,
    /// In the answer to a creation or change: what works but may not be meant.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    pub(super) warnings: &'a [String],
}

/// The method of its attempts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "tells the document which methods there are")]
enum Method {
    Post,
    Put,
    Patch,
}

/// HTTP Basic authentication; the password is never shown.
#[derive(Serialize, ToSchema)]
#[schema(as = BasicAuth)]
struct BasicAuthView<'a> {
    username: &'a str,
}

/// As the configuration writes formats.
#[derive(Serialize, ToSchema)]
#[schema(as = Format)]
#[serde(untagged)]
enum FormatView<'a> {
    #[schema(value_type = FormatName)]
    Named(&'static str),
    /// An expression whose value is the body.
    Json { json: &'a str },
    /// Text with `{{ }}`.
    Template { template: &'a str, content_type: String },
}

/// As the configuration writes signatures.
#[derive(Serialize, ToSchema)]
#[schema(as = Signature)]
#[serde(untagged)]
enum SchemeView<'a> {
    #[schema(value_type = SchemeName)]
    Named(&'static str),
    /// An HMAC in a header of the operator's choice.
    Custom {
        header: &'a str,
        prefix: &'a str,
        #[schema(value_type = SignatureEncodingName)]
        encoding: &'static str,
        #[schema(value_type = SignedContentName)]
        content: &'static str,
        #[schema(value_type = SignatureAlgorithmName)]
        algorithm: &'static str,
    },
}

/// The webhook, and how it stands.
pub(super) fn view<'a>(webhook: &'a Webhook, stands: &'a Stands) -> WebhookView<'a> {
    let basic = webhook.basic_auth.as_ref();
    WebhookView {
        id: webhook.id,
        name: &webhook.name,
        url: webhook.url.as_str(),
        status: stands.status.name(),
        disabled_reason: stands.reason.as_deref(),
        paused_at: stands.paused_at,
        next_probe_at: stands.next_probe_at,
        rests_until: stands.rests_until,
        events: webhook.events.iter().map(LabelPattern::as_str).collect(),
        method: webhook.method.as_str(),
        format: FormatView::of(&webhook.format),
        signatures: webhook.signatures.iter().map(SchemeView::of).collect(),
        headers: headers(webhook),
        basic_auth: basic.map(|basic| BasicAuthView { username: &basic.username }),
        has_secret: webhook.hmac_key().is_some(),
        has_ed25519_key: webhook.ed25519_key.is_some(),
        retry: webhook.retry.iter().copied().map(show_duration).collect(),
        timeout: show_duration(webhook.timeout),
        concurrency: webhook.concurrency,
        rate_limit: webhook.rate_limit.map(show_rate),
        ordered: webhook.ordered,
        disable_after: webhook.disable_after,
        pause_after: webhook.pause_after,
        source: match webhook.source {
            WebhookSource::Config => "config",
            WebhookSource::Api => "api",
        },
        created_at: webhook.created_at,
        updated_at: webhook.updated_at,
        previous_secret_until: webhook.previous_secrets.iter().map(|one| one.until).max(),
        secret: None,
        signing_secret: None,
        ed25519_key: None,
        warnings: &[],
    }
}

impl<'a> FormatView<'a> {
    fn of(format: &'a Format) -> Self {
        match format {
            Format::Json(expression) => Self::Json { json: expression.source() },
            Format::Template { template, content_type } => Self::Template {
                template: template.source(),
                content_type: String::from_utf8_lossy(content_type.as_bytes()).into_owned(),
            },
            named => Self::Named(named.name()),
        }
    }
}

impl<'a> SchemeView<'a> {
    fn of(scheme: &'a Scheme) -> Self {
        let Scheme::Custom(custom) = scheme else { return Self::Named(scheme.name()) };
        let CustomScheme { header, prefix, encoding, content, algorithm } = &**custom;
        Self::Custom {
            header: header.as_str(),
            prefix,
            encoding: match encoding {
                SignatureEncoding::Hex => "hex",
                SignatureEncoding::Base64 => "base64",
            },
            content: match content {
                SignedContent::Body => "body",
                SignedContent::TimestampBody => "timestamp.body",
                SignedContent::IdTimestampBody => "id.timestamp.body",
            },
            algorithm: match algorithm {
                SignatureAlgorithm::Sha256 => "sha256",
                SignatureAlgorithm::Sha512 => "sha512",
            },
        }
    }
}

/// Whether a header's value is not to be shown.
pub(super) fn may_be_credential(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive() || looks_like_credential(name, value.as_bytes())
}

/// The webhook's own headers; values that may be credentials are masked.
fn headers(webhook: &Webhook) -> BTreeMap<&str, String> {
    let mut shown = BTreeMap::<&str, String>::new();
    for (name, value) in &webhook.headers {
        let value = if may_be_credential(name, value) {
            MASK.into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        let name = name.as_str();
        match shown.get_mut(name) {
            Some(before) => *before = format!("{before}, {value}"),
            None => drop(shown.insert(name, value.into_owned())),
        }
    }
    shown
}

fn show_rate(rate: RateLimit) -> String {
    match rate.per.as_secs() {
        1 => format!("{}/s", rate.n),
        60 => format!("{}/m", rate.n),
        _ => format!("{}/h", rate.n),
    }
}

/// As the configuration writes durations: the largest unit that fits evenly.
fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis > 0 && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// Reads what [`show_duration`] writes: a whole number and its unit.
pub(super) fn read_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let (_, millis) = units.into_iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::expr::{Expression, Template};

    #[test]
    fn durations_read_as_the_configuration_writes_them() {
        for (millis, text) in [
            (0, "0ms"),
            (250, "250ms"),
            (15_000, "15s"),
            (90_000, "90s"),
            (300_000, "5m"),
            (21_600_000, "6h"),
            (2_592_000_000, "30d"),
        ] {
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
            assert_eq!(read_duration(text), Some(Duration::from_millis(millis)));
        }
        for text in ["", "1", "s", "-1s", "1.5h", "1h30m", "99999999999999999999d"] {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_keys_read_as_the_configuration_writes_them() {
        let custom = CustomScheme {
            header: HeaderName::from_static("x-sig"),
            prefix: "v1=".to_owned(),
            encoding: SignatureEncoding::Base64,
            content: SignedContent::IdTimestampBody,
            algorithm: SignatureAlgorithm::Sha512,
        };
        let json_format = Format::Json(Expression::parse("response.body").expect("parses"));
        let webhook = Webhook {
            format: json_format,
            signatures: vec![Scheme::Stripe, Scheme::Custom(Arc::new(custom))],
            rate_limit: Some(RateLimit { n: 90, per: Duration::from_secs(60) }),
            ordered: true,
            pause_after: 10,
            ..Webhook::new("w", url::Url::parse("https://example.com/").expect("a URL"))
        };
        let shown = serde_json::to_value(view(&webhook, &Default::default())).expect("JSON");
        assert_eq!(shown["format"], json!({"json": "response.body"}));
        let custom = json!({"header": "x-sig", "prefix": "v1=", "encoding": "base64",
            "content": "id.timestamp.body", "algorithm": "sha512"});
        assert_eq!(shown["signatures"], json!(["stripe", custom]));
        assert_eq!(shown["rate_limit"], "90/m");
        assert_eq!((&shown["ordered"], &shown["pause_after"]), (&json!(true), &json!(10)));
        assert_eq!(
            (&shown["disable_after"], &shown["has_ed25519_key"]),
            (&json!(0), &json!(false))
        );

        let template = Template::parse("{{ event.label }}").expect("parses");
        let content_type = HeaderValue::from_static("text/plain");
        let webhook = Webhook { format: Format::Template { template, content_type }, ..webhook };
        let shown = serde_json::to_value(view(&webhook, &Default::default())).expect("JSON");
        let template = json!({"template": "{{ event.label }}", "content_type": "text/plain"});
        assert_eq!(shown["format"], template);
    }
}
