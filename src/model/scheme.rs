//! How deliveries are signed.

use std::sync::Arc;

/// A signature scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks: `webhook-signature: v1,<base64>` over `id.timestamp.body`.
    Standard,
    /// Standard Webhooks, asymmetric: `webhook-signature: v1a,<base64>` over the same content.
    StandardEd25519,
    /// `x-webhook-signature: sha256=<hex>` over the body.
    Sha256,
    /// `x-vikunja-signature: <hex>` over the body.
    Vikunja,
    /// `x-hub-signature-256: sha256=<hex>` over the body.
    Github,
    /// `stripe-signature: t=<seconds>,v1=<hex>` over `timestamp.body`.
    Stripe,
    /// `authorization: <secret>`, verbatim.
    Authorization,
    /// A header of the operator's own making.
    Custom(Arc<CustomScheme>),
}

impl Scheme {
    /// The schemes that have a name of their own.
    pub const NAMED: [Self; 7] = [
        Self::Standard,
        Self::StandardEd25519,
        Self::Sha256,
        Self::Vikunja,
        Self::Github,
        Self::Stripe,
        Self::Authorization,
    ];

    /// Its name in configuration and API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::StandardEd25519 => "standard-ed25519",
            Self::Sha256 => "sha256",
            Self::Vikunja => "vikunja",
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::Authorization => "authorization",
            Self::Custom(_) => "custom",
        }
    }
}

/// An HMAC in a header of the operator's choice: `<prefix><encoded HMAC of the content>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomScheme {
    /// The header.
    pub header: http::HeaderName,
    /// What stands before the encoded HMAC; visible ASCII.
    pub prefix: String,
    /// How the HMAC is written.
    pub encoding: SignatureEncoding,
    /// What is signed.
    pub content: SignedContent,
    /// The hash under the HMAC.
    pub algorithm: SignatureAlgorithm,
}

/// How an HMAC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureEncoding {
    /// Lower-case hexadecimal.
    Hex,
    /// RFC 4648 4, padded.
    Base64,
}

/// What a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedContent {
    /// The body.
    Body,
    /// `<webhook-timestamp>.<body>`.
    TimestampBody,
    /// `<webhook-id>.<webhook-timestamp>.<body>`.
    IdTimestampBody,
}

/// The hash under an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}
