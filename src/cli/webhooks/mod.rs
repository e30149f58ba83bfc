//! `sidehook webhooks`: where events go, and changes to it, so that nobody needs curl.

mod keys;

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use self::keys::Keys;
use super::answers::{Status, Webhook};
use super::client::{AdminFlags, Answer, Client};
use super::confirm::{self, Consent};
use super::screen::{self, Cell, Tone};
use super::status::ago;
use super::{USAGE, complain};

const EXAMPLES: &str = "\
Examples:
  sidehook webhooks
  sidehook webhooks create --url https://billing.example.com/hook --event 'invoice.*'
  sidehook webhooks update billing --set timeout=5s --set 'retry=[\"10s\",\"5m\"]'
  sidehook webhooks disable billing";

/// Arguments of `webhooks`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    admin: AdminFlags,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All webhooks: how they stand and what waits for them (the default).
    List,
    /// One webhook, all its keys, as JSON.
    Show(One),
    /// Make one; its signing secret is shown this once.
    Create {
        /// Where to.
        #[arg(long, value_name = "URL")]
        url: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Change keys of one that was made here.
    Update {
        /// Its name or its id.
        #[arg(value_name = "WEBHOOK")]
        webhook: String,
        /// Where to, from now on.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Let its deliveries flow (again).
    Enable(One),
    /// Hold its deliveries back.
    Disable(One),
    /// Remove one that was made here.
    Delete {
        #[command(flatten)]
        one: One,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Give it a new signing key, shown this once; the old one stays good for a while.
    Rotate {
        #[command(flatten)]
        one: One,
        /// How long the old key signs beside the new one (default: 24h).
        #[arg(long, value_name = "DURATION")]
        overlap: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its name or its id.
    #[arg(value_name = "WEBHOOK")]
    webhook: String,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let admin = &arguments.admin;
    match arguments.action {
        None | Some(Action::List) => list(admin),
        Some(Action::Show(one)) => show(admin, &one),
        Some(Action::Create { url, keys }) => {
            let Some(body) = keys.body(Some(url))? else { return Ok(ExitCode::from(USAGE)) };
            let answer = admin.client()?.post(&["v1", "webhooks"], Some(&body))?;
            told(&answer, admin, "created")
        }
        Some(Action::Update { webhook, url, keys }) => {
            let Some(body) = keys.body(url)? else { return Ok(ExitCode::from(USAGE)) };
            let (client, id) = One { webhook }.find(admin)?;
            let answer = client.send(Method::PATCH, &["v1", "webhooks", &id], Some(&body))?;
            told(&answer, admin, "changed")
        }
        Some(Action::Enable(one)) => set_status(admin, &one, "active"),
        Some(Action::Disable(one)) => set_status(admin, &one, "disabled"),
        Some(Action::Delete { one, yes }) => delete(admin, &one, yes),
        Some(Action::Rotate { one, overlap }) => rotate(admin, &one, overlap),
    }
}

fn list(admin: &AdminFlags) -> anyhow::Result<ExitCode> {
    let client = admin.client()?;
    if admin.wants_json() {
        return client.all_webhooks()?.print();
    }
    let webhooks = client.webhooks()?;
    let status: Status = client.get(&["v1", "status"])?.read()?;
    let rows = webhooks.iter().map(|webhook| row(webhook, &status)).collect();
    let header = ["name", "status", "url", "events", "pending", "held", "oldest", "source"];
    let waits: Vec<String> =
        webhooks.iter().flat_map(|of| [pause(of), rest(of)]).flatten().collect();
    let table = [vec![admin.looks().table(&header, rows)], waits].concat().join("\n");
    screen::print(if table.is_empty() {
        "no webhooks; `sidehook webhooks create --url URL --event LABEL` makes one"
    } else {
        &table
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Since when one is paused, and when it is tried next: beneath the table, which has no room for it.
fn pause(webhook: &Webhook) -> Option<String> {
    let since = screen::cell(webhook.paused_at.as_deref()?);
    let next = match &webhook.next_probe_at {
        Some(next) => format!(", tried next {}", screen::cell(next)),
        None => String::new(),
    };
    let name = screen::cell(&webhook.name);
    let why = screen::cell(webhook.disabled_reason.as_deref().unwrap_or_default());
    Some(format!("{name} is paused since {since}{next}: {why}"))
}

/// Until when its receiver wants no attempt.
fn rest(webhook: &Webhook) -> Option<String> {
    let until = screen::cell(webhook.rests_until.as_deref()?);
    let name = screen::cell(&webhook.name);
    Some(format!("{name} rests until {until}: its receiver asked for it (Retry-After)"))
}

fn row(webhook: &Webhook, status: &Status) -> Vec<Cell> {
    let queue = status.webhooks.iter().find(|queue| queue.id == webhook.id);
    let standing = match &webhook.disabled_reason {
        Some(reason) => format!("{}: {reason}", webhook.status),
        None => webhook.status.clone(),
    };
    let oldest = queue.and_then(|queue| queue.oldest_seconds);
    vec![
        Cell::long(&webhook.name),
        Cell::long(&standing).toned(Tone::of_state(&webhook.status)),
        Cell::long(&webhook.url),
        Cell::long(&webhook.events.join(" ")),
        Cell::or_dash(queue.map(|queue| &queue.pending)),
        Cell::or_dash(queue.map(|queue| &queue.held)),
        Cell::new(&oldest.map_or_else(|| "-".to_owned(), ago)),
        Cell::new(&webhook.source),
    ]
}

fn show(admin: &AdminFlags, one: &One) -> anyhow::Result<ExitCode> {
    let (client, id) = one.find(admin)?;
    let answer = client.get(&["v1", "webhooks", &id])?;
    if admin.wants_json() {
        return answer.print();
    }
    let value: serde_json::Value = answer.read()?;
    screen::print(&screen::json(&serde_json::to_string_pretty(&value)?))?;
    Ok(ExitCode::SUCCESS)
}

fn set_status(admin: &AdminFlags, one: &One, status: &str) -> anyhow::Result<ExitCode> {
    let (client, id) = one.find(admin)?;
    let body = json!({"status": status});
    let answer = client.send(Method::PATCH, &["v1", "webhooks", &id], Some(&body))?;
    told(&answer, admin, "changed")
}

fn rotate(admin: &AdminFlags, one: &One, overlap: Option<String>) -> anyhow::Result<ExitCode> {
    let (client, id) = one.find(admin)?;
    let body = overlap.map_or_else(|| json!({}), |overlap| json!({"overlap": overlap}));
    let answer = client.post(&["v1", "webhooks", &id, "rotate-secret"], Some(&body))?;
    told(&answer, admin, "signed with a new key")
}

fn delete(admin: &AdminFlags, one: &One, is_sure: bool) -> anyhow::Result<ExitCode> {
    let (client, id) = one.find(admin)?;
    let name = screen::cell(&one.webhook);
    if !is_sure {
        match confirm::ask(&format!("Delete the webhook `{name}`? What waits for it is not sent."))?
        {
            Consent::Yes => {}
            Consent::No => return Ok(ExitCode::FAILURE),
            Consent::Nobody => {
                complain("error: nobody is there to be asked; --yes deletes it without asking");
                return Ok(ExitCode::from(USAGE));
            }
        }
    }
    client.send(Method::DELETE, &["v1", "webhooks", &id], None)?;
    if admin.wants_json() {
        screen::print(&json!({"id": id, "deleted": true}).to_string())?;
    } else {
        screen::print(&format!("{name} is deleted"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The webhook after a change; a key that is shown once, and what may not be meant.
fn told(answer: &Answer, admin: &AdminFlags, what: &str) -> anyhow::Result<ExitCode> {
    if admin.wants_json() {
        return answer.print();
    }
    let webhook: Webhook = answer.read()?;
    let status = admin.looks().paint(Tone::of_state(&webhook.status), &webhook.status);
    let mut told = format!(
        "{} ({}) is {what}; it is {status}",
        screen::cell(&webhook.name),
        screen::cell(&webhook.id),
    );
    for (key, value) in [
        ("secret", &webhook.secret),
        ("signing_secret", &webhook.signing_secret),
        ("ed25519_key", &webhook.ed25519_key),
    ] {
        if let Some(value) = value {
            told.push_str(&format!("\n{key}: {}  (shown this once)", screen::cell(value)));
        }
    }
    for warning in &webhook.warnings {
        told.push_str(&format!("\nwarning: {}", screen::cell(warning)));
    }
    screen::print(&told)?;
    Ok(ExitCode::SUCCESS)
}

impl One {
    fn find(&self, admin: &AdminFlags) -> anyhow::Result<(Client, String)> {
        let client = admin.client()?;
        let id = client.webhook_id(&self.webhook)?;
        Ok((client, id))
    }
}
