//! A webhook: where deliveries go, how they look and how they are signed.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Format, LabelPattern, Scheme, Secret, Timestamp, WebhookId};

/// A target URL with everything that shapes its deliveries, already checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Identity; derived from the name for webhooks of the file.
    pub id: WebhookId,
    /// Unique name.
    pub name: String,
    /// `http://` or `https://` target, without user information.
    pub url: url::Url,
    /// False: its deliveries are held until it is active again.
    pub active: bool,
    /// Which labels it wants.
    pub events: Vec<LabelPattern>,
    /// Shown in formats that carry it; the signing key where nothing shows it.
    pub secret: Option<Secret>,
    /// The signing key.
    pub signing_secret: Option<Secret>,
    /// Keys that sign beside the current one until their overlap ends (schemes `standard` and
    /// `stripe`).
    pub previous_secrets: Vec<PreviousSecret>,
    /// The key of `standard-ed25519`: `whsk_` and base64.
    pub ed25519_key: Option<Secret>,
    /// Further headers of every attempt, checked against the reserved names.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// `authorization: Basic`.
    pub basic_auth: Option<BasicAuth>,
    /// POST, PUT or PATCH.
    pub method: http::Method,
    /// The body's format.
    pub format: Format,
    /// Signature schemes, each adds its header.
    pub signatures: Vec<Scheme>,
    /// Waits after the first, second, ... failed attempt.
    pub retry: Vec<Duration>,
    /// One deadline over a whole attempt.
    pub timeout: Duration,
    /// Attempts at a time.
    pub concurrency: usize,
    /// Attempts in a time; `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// One delivery at a time in the order of events, per subject where there is one.
    pub ordered: bool,
    /// Consecutive deliveries that ended as failed after which it is disabled; 0: never.
    pub disable_after: u32,
    /// Consecutive failed attempts after which it is paused; 0: never.
    pub pause_after: u32,
    /// A private CA and a client certificate.
    pub tls: Option<Arc<TlsIdentity>>,
    /// Where it is defined.
    pub source: WebhookSource,
    /// When it was first seen (the start of the process, for webhooks of the file).
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Why nothing can be sent to it at all, by hand neither: its stored definition does not fit
    /// the configuration in force.
    pub unusable: Option<String>,
}

impl Webhook {
    /// A webhook of this name and target that wants every event, with nothing else set: no
    /// secrets, no retries, no limits but 15 s and 8 attempts at a time.
    pub fn new(name: impl Into<String>, url: url::Url) -> Self {
        let name = name.into();
        Self {
            id: WebhookId::of_name(&name),
            name,
            url,
            active: true,
            events: vec![LabelPattern::new("*")],
            secret: None,
            signing_secret: None,
            previous_secrets: Vec::new(),
            ed25519_key: None,
            headers: Vec::new(),
            basic_auth: None,
            method: http::Method::POST,
            format: Format::Exchange,
            signatures: Vec::new(),
            retry: Vec::new(),
            timeout: Duration::from_secs(15),
            concurrency: 8,
            rate_limit: None,
            ordered: false,
            disable_after: 0,
            pause_after: 0,
            tls: None,
            source: WebhookSource::Config,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            unusable: None,
        }
    }

    /// Whether it wants events of this label.
    pub fn wants(&self, label: &str) -> bool {
        self.events.iter().any(|pattern| pattern.matches(label))
    }

    /// The HMAC key: `signing_secret`, or `secret` when there is none.
    pub fn hmac_key(&self) -> Option<&Secret> {
        self.signing_secret.as_ref().or(self.secret.as_ref())
    }
}

/// User name and password of HTTP Basic authentication (RFC 7617).
#[derive(Clone, Debug, PartialEq)]
pub struct BasicAuth {
    /// User name; has no colon.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// A key that was replaced and still signs beside its successor.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviousSecret {
    /// The key.
    pub secret: Secret,
    /// When the overlap ends.
    pub until: Timestamp,
}

/// At most `n` attempts in `per`, as a token bucket whose burst is one second's worth, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Attempts, 1 or more.
    pub n: u32,
    /// A second, a minute or an hour.
    pub per: Duration,
}

/// What a webhook's TLS connections use beyond the system's roots. PEM bytes, already checked to
/// be readable.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsIdentity {
    /// Certificates of a private CA, in place of the system's roots.
    pub ca: Option<Vec<u8>>,
    /// The client certificate chain and its key.
    pub client: Option<(Vec<u8>, Secret)>,
}

/// However far away a receiver sets its `Retry-After`, it is asked again within a day.
pub const REST_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a webhook gets its deliveries, as it was decided at run time. (One that the
/// configuration says is not `active` is disabled unless `overrides_file` is set.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookState {
    /// The status.
    pub status: WebhookStatus,
    /// Why, in words; `None` when active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// An operator enabled it although the configuration says that it is not `active`. Ends when
    /// it is disabled, and when the configuration says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overrides_file: bool,
    /// The receiver wants no attempt before this, as it was written: see [`Self::rest`]. Journals of
    /// before it was kept do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<Timestamp>,
}

impl WebhookState {
    /// Active, with nothing more to say: as one whose state was never set.
    pub fn is_unremarkable(&self) -> bool {
        let is_active = self.status == WebhookStatus::Active;
        is_active && self.reason.is_none() && !self.overrides_file && self.rests_until.is_none()
    }

    /// Until when the receiver wants no attempt; `None`: that is over, or was never so. A time that is
    /// further away than any rest was written by a clock that was wrong.
    pub fn rest(&self, now: Timestamp) -> Option<Timestamp> {
        // A clock that is set by a little makes none untrue.
        let latest = now.plus(REST_MAX + Duration::from_secs(60));
        self.rests_until.filter(|&until| until > now && until <= latest)
    }

    /// The same, whatever their receivers have asked for.
    pub fn is_but_for_rest(&self, other: &Self) -> bool {
        *self == Self { rests_until: self.rests_until, ..other.clone() }
    }
}

/// Whether a webhook gets its deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookStatus {
    /// Yes.
    #[default]
    Active,
    /// One probe at a time, until one is accepted.
    Paused,
    /// No: its deliveries are held until somebody enables it.
    Disabled,
}

impl WebhookStatus {
    /// Its name on the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

/// Where a webhook is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookSource {
    /// The configuration file or flags.
    Config,
    /// The admin API; kept in the store.
    Api,
}
