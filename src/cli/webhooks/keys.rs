//! The keys of a webhook as flags: the usual ones by name, every other by `--set`.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::cli::complain;

/// Nobody's secret is longer.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// What to set.
#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    /// A label, or a pattern of labels such as 'invoice.*' (repeatable; '*': all).
    #[arg(long, value_name = "LABEL")]
    event: Vec<String>,
    /// What to call it (default: the URL's host).
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The body's format, such as standard or cloudevents.
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// A header that every attempt carries (repeatable).
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(String, String)>,
    /// The file that holds the secret shown in payloads; `-`: standard input.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The file that holds the signing key (default: one is made); `-`: standard input.
    #[arg(long, value_name = "FILE")]
    signing_secret_file: Option<PathBuf>,
    /// Any other key of [[webhook]]; the value is JSON, or else a text (repeatable).
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    set: Vec<(String, Value)>,
}

impl Keys {
    /// As a body; `None`: nothing is to be set, which has been told.
    pub(super) fn body(&self, url: Option<String>) -> anyhow::Result<Option<Value>> {
        let mut body = Map::new();
        let texts = [("url", &url), ("name", &self.name), ("format", &self.format)];
        for (key, value) in texts {
            if let Some(value) = value {
                body.insert(key.to_owned(), json!(value));
            }
        }
        if !self.event.is_empty() {
            body.insert("events".to_owned(), json!(self.event));
        }
        if !self.header.is_empty() {
            let headers: Map<String, Value> =
                self.header.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            body.insert("headers".to_owned(), Value::Object(headers));
        }
        let secrets =
            [("secret", &self.secret_file), ("signing_secret", &self.signing_secret_file)];
        for (key, file) in secrets {
            if let Some(file) = file {
                body.insert(key.to_owned(), json!(read_secret(file)?));
            }
        }
        body.extend(self.set.iter().cloned());
        if body.is_empty() {
            complain("error: nothing to change; --help shows what can be set");
            return Ok(None);
        }
        Ok(Some(Value::Object(body)))
    }
}

/// A secret from a file, its final newline cut: command lines are visible to other users.
fn read_secret(file: &Path) -> anyhow::Result<String> {
    let context = || format!("cannot read the secret from {}", file.display());
    let mut text = String::new();
    let reader: Box<dyn std::io::Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(fs::File::open(file).with_context(context)?)
    };
    reader.take(SECRET_BYTES_MAX).read_to_string(&mut text).with_context(context)?;
    let cut = text.strip_suffix('\n').unwrap_or(&text);
    Ok(cut.strip_suffix('\r').unwrap_or(cut).to_owned())
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header looks like 'X-Env: prod'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_setting(text: &str) -> Result<(String, Value), String> {
    let (key, value) =
        text.split_once('=').ok_or("a setting looks like timeout=5s or ordered=true")?;
    if key.is_empty() {
        return Err("a setting looks like timeout=5s or ordered=true".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    Ok((key.to_owned(), value))
}
