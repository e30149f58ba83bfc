//! `sidehook test WEBHOOK`: a test event, now, and what the receiver answered.

use std::process::ExitCode;

use serde_json::json;

use super::answers::Tested;
use super::client::AdminFlags;
use super::receiver::passage;
use super::screen::{self, Looks, Tone};

/// Characters shown of the receiver's answer.
const BODY_CHARS_MAX: usize = 1000;

const EXAMPLES: &str = "\
Examples:
  sidehook test billing
  sidehook test billing --event invoice.paid && echo it works";

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The webhook: its name or its id. It may be disabled.
    #[arg(value_name = "WEBHOOK")]
    webhook: String,
    /// The label of the test event (default: the first that the webhook names in full).
    #[arg(long, value_name = "LABEL", alias = "label")]
    event: Option<String>,
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    let id = client.webhook_id(&arguments.webhook)?;
    let body = match &arguments.event {
        Some(label) => json!({"event": label}),
        None => json!({}),
    };
    let answer = client.post_and_wait(&["v1", "webhooks", &id, "test"], &body)?;
    let tested: Tested = answer.read()?;
    if arguments.admin.wants_json() {
        answer.print()?;
    } else {
        screen::print(&in_words(&tested, arguments.admin.looks()))?;
    }
    Ok(if tested.status == "delivered" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_words(tested: &Tested, looks: Looks) -> String {
    let mut told = looks.paint(Tone::of_state(&tested.status), &screen::cell(&tested.status));
    if let Some(code) = tested.response_code {
        told.push_str(&format!(": {code}"));
    }
    if let Some(millis) = tested.response_time_ms {
        told.push_str(&format!(" in {millis} ms"));
    }
    if let Some(error) = &tested.error {
        told.push_str(&format!("\nerror     {}", screen::cell(error)));
    }
    if let Some(body) = tested.response_body.as_deref().filter(|body| !body.is_empty()) {
        told.push_str("\nanswer    ");
        told.push_str(&passage(body.as_bytes(), BODY_CHARS_MAX, "          "));
    }
    told.push_str(&format!(
        "\nevent     {}\ndelivery  {}",
        screen::cell(&tested.id),
        screen::cell(&tested.delivery_id)
    ));
    told
}
