//! `sidehook verify`: whether a captured webhook request is what its sender signed.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use clap::ValueEnum;
use http::HeaderName;

use super::raw_request::{self, RawRequest};
use crate::model::{
    CustomScheme, Scheme, Secret, SignatureAlgorithm, SignatureEncoding, SignedContent,
};
use crate::sign::{self, VerifyError};
use crate::{clock, config};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Reads the raw HTTP/1.1 request (head and body) from standard input.\n\
    Exit code: 0 the signature holds, 1 it does not, 2 the arguments cannot be used.")]
pub(super) struct Arguments {
    /// The secret: the HMAC key as configured, for `standard-ed25519` the key (whsk_...), for
    /// `authorization` the text itself.
    #[arg(long, value_name = "S", required_unless_present = "public_key")]
    secret: Option<String>,
    /// The public key (whpk_...), for `standard-ed25519`.
    #[arg(long, value_name = "KEY", conflicts_with = "secret")]
    public_key: Option<String>,
    /// The signature's scheme.
    #[arg(long, value_enum, default_value = "standard")]
    scheme: SchemeName,
    /// How far the signed time may be from now.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = config::parse_duration)]
    tolerance: Duration,
    /// The time to compare with, Unix seconds, instead of the clock's.
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    #[command(flatten)]
    custom: Custom,
}

/// A scheme of the operator's own, as in the table of `signatures`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --scheme custom")]
struct Custom {
    /// The header.
    #[arg(long, value_name = "NAME", required_if_eq("scheme", "custom"))]
    header: Option<HeaderName>,
    /// What stands before the encoded HMAC.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// How the HMAC is written (hex unless said otherwise).
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// What is signed (body unless said otherwise).
    #[arg(long, value_enum)]
    content: Option<Content>,
    /// The hash under the HMAC (sha256 unless said otherwise).
    #[arg(long, value_enum)]
    algorithm: Option<Algorithm>,
}

/// The names of `signatures`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SchemeName {
    Standard,
    #[value(name = "standard-ed25519")]
    StandardEd25519,
    Sha256,
    Vikunja,
    Github,
    Stripe,
    Authorization,
    Custom,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encoding {
    Hex,
    Base64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Content {
    Body,
    #[value(name = "timestamp.body")]
    TimestampBody,
    #[value(name = "id.timestamp.body")]
    IdTimestampBody,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Custom {
    fn is_given(&self) -> bool {
        self.header.is_some()
            || self.prefix.is_some()
            || self.encoding.is_some()
            || self.content.is_some()
            || self.algorithm.is_some()
    }

    fn scheme(self) -> Option<CustomScheme> {
        Some(CustomScheme {
            header: self.header?,
            prefix: self.prefix.unwrap_or_default(),
            encoding: match self.encoding {
                Some(Encoding::Base64) => SignatureEncoding::Base64,
                Some(Encoding::Hex) | None => SignatureEncoding::Hex,
            },
            content: match self.content {
                Some(Content::TimestampBody) => SignedContent::TimestampBody,
                Some(Content::IdTimestampBody) => SignedContent::IdTimestampBody,
                Some(Content::Body) | None => SignedContent::Body,
            },
            algorithm: match self.algorithm {
                Some(Algorithm::Sha512) => SignatureAlgorithm::Sha512,
                Some(Algorithm::Sha256) | None => SignatureAlgorithm::Sha256,
            },
        })
    }
}

/// What is asked for, in order.
struct Question {
    scheme: Scheme,
    secret: Secret,
    tolerance: Duration,
    now_secs: u64,
}

impl Question {
    /// Reads the arguments.
    ///
    /// # Errors
    /// They do not fit together, or the secret is none for the scheme.
    fn of(arguments: Arguments) -> Result<Self, String> {
        let Arguments { secret, public_key, scheme, tolerance, now, custom } = arguments;
        if scheme != SchemeName::Custom && custom.is_given() {
            return Err("--header, --prefix, --encoding, --content and --algorithm belong to \
                        --scheme custom"
                .to_owned());
        }
        if public_key.is_some() && scheme != SchemeName::StandardEd25519 {
            return Err("--public-key belongs to --scheme standard-ed25519".to_owned());
        }
        let (flag, text) = match (public_key, secret) {
            (Some(key), _) => ("--public-key", key),
            (None, secret) => ("--secret", secret.unwrap_or_default()),
        };
        let scheme = match scheme {
            SchemeName::Standard => Scheme::Standard,
            SchemeName::StandardEd25519 => Scheme::StandardEd25519,
            SchemeName::Sha256 => Scheme::Sha256,
            SchemeName::Vikunja => Scheme::Vikunja,
            SchemeName::Github => Scheme::Github,
            SchemeName::Stripe => Scheme::Stripe,
            SchemeName::Authorization => Scheme::Authorization,
            SchemeName::Custom => {
                let scheme = custom.scheme().ok_or("--scheme custom needs --header")?;
                Scheme::Custom(Arc::new(scheme))
            }
        };
        let secret = Secret::new(text);
        sign::check_key(&scheme, &secret).map_err(|error| format!("{flag}: {error}"))?;
        let now_secs = now.unwrap_or_else(|| clock::now().as_secs());
        Ok(Self { scheme, secret, tolerance, now_secs })
    }

    /// # Errors
    /// The signature does not hold, and why.
    fn judge(&self, request: &RawRequest) -> Result<(), VerifyError> {
        let RawRequest { headers, body, .. } = request;
        sign::verify(&self.scheme, &self.secret, headers, body, self.now_secs, self.tolerance)
    }
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let question = match Question::of(arguments) {
        Ok(question) => question,
        Err(message) => {
            super::complain(&format!("error: {message}"));
            return Ok(ExitCode::from(super::USAGE));
        }
    };
    let request = RawRequest::parse(&read_input()?)?;
    let name = question.scheme.name();
    match question.judge(&request) {
        Ok(()) => {
            let bytes = request.body.len();
            writeln!(std::io::stdout(), "{name}: the signature holds ({bytes} bytes of body)")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            super::complain(&format!("{name}: {error}"));
            if let Some(hint) = hint(&error, &request) {
                super::complain(&format!("hint: {hint}"));
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn read_input() -> anyhow::Result<Vec<u8>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        super::complain("reading a request from the terminal (Ctrl-D ends it)");
    }
    let mut bytes = Vec::new();
    input.lock().take(raw_request::BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= raw_request::BYTES_MAX, "the request is larger than 64 MiB");
    Ok(bytes)
}

/// What most often spoils a captured request.
fn hint(error: &VerifyError, request: &RawRequest) -> Option<&'static str> {
    match error {
        VerifyError::TooFar { .. } => Some(
            "an old capture can be judged as of its own time: --now with its webhook-timestamp",
        ),
        VerifyError::Mismatch if request.is_open_ended && request.body.ends_with(b"\n") => {
            Some("the body ends with a line end; if an editor added it, take it off")
        }
        _ => None,
    }
}
