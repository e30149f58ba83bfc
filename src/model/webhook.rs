//! A webhook: where deliveries go, how they look and how they are signed.

use std::time::Duration;

use super::{Secret, Timestamp, WebhookId};

/// A target URL with everything that shapes its deliveries, already checked.
#[derive(Clone, Debug)]
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
    /// Where it is defined.
    pub source: WebhookSource,
    /// When it was first seen (the start of the process, for webhooks of the file).
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Webhook {
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
#[derive(Clone, Debug)]
pub struct BasicAuth {
    /// User name; has no colon.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// The body's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The whole exchange, with the secret.
    Exchange,
}

impl Format {
    /// Its name in configuration and API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
        }
    }

    /// Whether a body of this format shows the webhook's `secret`: then it cannot also be a key.
    pub const fn shows_secret(self) -> bool {
        match self {
            Self::Exchange => true,
        }
    }
}

/// A signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks: `webhook-signature: v1,<base64>` over `id.timestamp.body`.
    Standard,
    /// `x-webhook-signature: sha256=<hex>` over the body.
    Sha256,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 2] = [Self::Standard, Self::Sha256];

    /// Its name in configuration and API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Sha256 => "sha256",
        }
    }
}

/// Where a webhook is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookSource {
    /// The configuration file or flags.
    Config,
}

/// A label, or labels with `*`: alone for all of them, or for one whole segment between dots
/// (`invoice.*` is `invoice.paid` but not `invoice` and not `invoice.item.added`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelPattern(String);

impl LabelPattern {
    /// Takes the pattern as written; its characters are checked by the configuration.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the label fits.
    pub fn matches(&self, label: &str) -> bool {
        if self.0 == "*" {
            return true;
        }
        let mut pattern = self.0.split('.');
        let mut label = label.split('.');
        loop {
            match (pattern.next(), label.next()) {
                (None, None) => return true,
                (Some(p), Some(l)) if segment_matches(p, l) => {}
                _ => return false,
            }
        }
    }
}

/// `*` stands for any run of characters within a segment.
fn segment_matches(pattern: &str, segment: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == segment,
        Some((head, tail)) => segment.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| segment_matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_segment() {
        let fits = |pattern: &str, label: &str| LabelPattern::new(pattern).matches(label);
        assert!(fits("*", "a.b.c"));
        assert!(fits("invoice.*", "invoice.paid"));
        assert!(!fits("invoice.*", "invoice"));
        assert!(!fits("invoice.*", "invoice.item.added"));
        assert!(fits("*.paid", "invoice.paid"));
        assert!(fits("in*ce.p*", "invoice.paid"));
        assert!(!fits("task.created", "task.create"));
    }
}
