//! `sidehook match`: which rules of a file match a call, and why the others do not.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::{USAGE, complain, config_file, screen};
use crate::admin::TestedRules;
use crate::clock;
use crate::config::Flags;
use crate::rules::redact::Fields;
use crate::rules::{Call, Explained, Message, Part, Redaction, RuleSet, Verdict};

/// Arguments of `match`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 a rule matches, 1 none does, 2 the arguments or the \
    configuration have mistakes.\n\nExample: sidehook match POST /tasks/7 --status 201 \
    --response-body '{\"status\": \"done\"}'")]
pub(super) struct Arguments {
    /// The method, as the client sends it.
    #[arg(value_name = "METHOD")]
    method: String,
    /// Path and query, or a whole URL.
    #[arg(value_name = "URL")]
    url: String,
    /// The configuration file (default: sidehook.toml).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The status that the upstream answers with (200 unless said otherwise).
    #[arg(long, value_name = "STATUS")]
    status: Option<u16>,
    /// The request's body; @FILE reads it from a file.
    #[arg(long, value_name = "TEXT")]
    request_body: Option<String>,
    /// The response's body; @FILE reads it from a file.
    #[arg(long, value_name = "TEXT")]
    response_body: Option<String>,
    /// A header of the request (repeatable).
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// A header of the response (repeatable).
    #[arg(long, value_name = "NAME: VALUE")]
    response_header: Vec<String>,
    /// Print JSON, as `POST /v1/rules/test` answers.
    #[arg(long)]
    json: bool,
}

/// The status that is assumed.
const STATUS: u16 = 200;

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = match config_file::load(arguments.config.clone(), Flags::default()) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let capture = &config.proxy.capture;
    let redaction = Redaction {
        headers: &capture.redact_headers,
        query: &capture.redact_query,
        fields: Fields::new(&capture.redact_fields),
    };
    let call = match call(&arguments, &redaction) {
        Ok(call) => call,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            return Ok(ExitCode::from(USAGE));
        }
    };
    let explained = RuleSet::new(config.rules).explain(&call, clock::now());
    let n = explained.iter().filter(|rule| rule.matched).count();
    if arguments.json {
        let shown = serde_json::to_string_pretty(&TestedRules::of(explained))?;
        screen::print(&screen::json(&shown))?;
    } else {
        screen::print(&shown(&arguments, &explained, n))?;
    }
    Ok(if n > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn call(arguments: &Arguments, redaction: &Redaction<'_>) -> anyhow::Result<Call> {
    let request = message("--request-body", arguments.request_body.as_deref(), &arguments.header)?;
    let body = arguments.response_body.as_deref();
    let response = message("--response-body", body, &arguments.response_header)?;
    let status = arguments.status.unwrap_or(STATUS);
    Call::new(&arguments.method, &arguments.url, status, [request, response], redaction).map_err(
        |bad| {
            let told: Vec<_> = bad.iter().map(|b| format!("{} {}", b.field, b.message)).collect();
            anyhow::anyhow!(told.join("; "))
        },
    )
}

fn message(flag: &str, body: Option<&str>, headers: &[String]) -> anyhow::Result<Message> {
    let body = match body.map(|text| (text, text.strip_prefix('@'))) {
        None => Vec::new(),
        Some((_, Some(file))) => {
            std::fs::read(file).with_context(|| format!("{flag}: cannot read {file}"))?
        }
        Some((text, None)) => text.as_bytes().to_vec(),
    };
    let mut message = Message::of(body);
    for header in headers {
        let (name, value) = header
            .split_once(':')
            .with_context(|| format!("a header is written 'Name: value', not {header:?}"))?;
        let added = message.header(name.trim(), value);
        added.map_err(|why| anyhow::anyhow!("{header:?}: {why}"))?;
    }
    Ok(message)
}

fn shown(arguments: &Arguments, explained: &[Explained], n: usize) -> String {
    let (method, url) = (screen::cell(&arguments.method), screen::cell(&arguments.url));
    let status = arguments.status.map_or_else(
        || format!("{STATUS} (assumed; --status says otherwise)"),
        |status| status.to_string(),
    );
    let mut out = format!("{method} {url}, answered {status}\n");
    for rule in explained {
        let verdict = if rule.matched { "matches" } else { "does not match" };
        let _ = writeln!(out, "\n{} (rule {}) {verdict}", rule.rule.label, rule.rule.id);
        let parts = &rule.parts;
        for (name, part) in [
            ("method", &parts.method),
            ("url", &parts.url),
            ("query", &parts.query),
            ("status", &parts.status),
            ("when", &parts.when),
        ] {
            out.extend(line(name, part));
        }
        for (name, value) in &rule.params {
            let _ = writeln!(out, "    captures {name} = {}", screen::cell(value));
        }
        if let Some(subject) = &rule.subject {
            let _ = writeln!(out, "    subject  {}", screen::cell(subject));
        }
        if let Some(error) = &rule.subject_error {
            let _ = writeln!(out, "    subject  none: {}", screen::cell(error));
        }
    }
    let end = match (n, explained.len()) {
        (_, 0) => "There is no rule: the configuration has no [[event]].".to_owned(),
        (0, 1) => "The one rule does not match.".to_owned(),
        (_, 1) => "The one rule matches.".to_owned(),
        (0, all) => format!("None of {all} rules matches."),
        (n, all) => format!("{n} of {all} rules match."),
    };
    out.push('\n');
    out.push_str(&end);
    out
}

/// What one part says; nothing of one that the rule does not have.
fn line(name: &str, part: &Part) -> Option<String> {
    let expected = screen::cell(part.expected.as_deref()?);
    let found = part.found.as_deref().map_or_else(|| "nothing".to_owned(), screen::cell);
    let note = part.note.as_deref().map(|note| format!(" ({})", screen::cell(note)));
    let note = note.unwrap_or_default();
    let said = match part.verdict {
        Verdict::Matched => format!("yes  {expected}{note}"),
        Verdict::NotMatched if found.is_empty() => format!("NO   {expected}; there is none{note}"),
        Verdict::NotMatched => format!("NO   {expected}; found {found}{note}"),
        Verdict::NotAsked => format!("-    {expected}{note}"),
    };
    Some(format!("    {name:<8} {said}\n"))
}
