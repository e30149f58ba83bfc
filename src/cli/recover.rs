//! `sidehook recover WEBHOOK`: what a webhook missed, again. It is counted first, runs in the
//! background of sidehook, and is watched from here.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};

use super::answers::{Counted, Recovery};
use super::client::{AdminFlags, Answer, Client, Query, Unreachable};
use super::confirm::{self, Consent};
use super::filters::parse_time;
use super::{USAGE, complain, screen};
use crate::model::Timestamp;

/// The states that a delivery can be recovered from.
const ENDED: [&str; 3] = ["failed", "cancelled", "delivered"];
/// Between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Characters of the bar.
const BAR_CHARS: u64 = 30;
/// Without a bar a line is printed at each so many per cent.
const LINE_PER_CENT: u64 = 10;

const EXAMPLES: &str = "\
Examples:
  sidehook recover billing --since 6h               the failed ones of six hours
  sidehook recover billing --since 2d --dry-run     only count them
  sidehook recover audit --backfill --since 7d      also events that it never got
  sidehook recover --watch ID, sidehook recover --stop ID";

/// Arguments of `recover`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The webhook: its name or its id.
    #[arg(value_name = "WEBHOOK", required_unless_present_any = ["stop", "watch"])]
    webhook: Option<String>,
    /// Of events not before this time: an age such as 6h, or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Of events not after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// Deliveries in this state (default: failed).
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(ENDED))]
    status: Option<String>,
    /// Also events that the webhook never got.
    #[arg(long)]
    backfill: bool,
    /// Only count.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Do not wait for its end.
    #[arg(long)]
    detach: bool,
    /// Stop a recovery that is under way.
    #[arg(long, value_name = "ID", conflicts_with_all = ["webhook", "watch"])]
    stop: Option<String>,
    /// Watch a recovery that is under way.
    #[arg(long, value_name = "ID", conflicts_with = "webhook")]
    watch: Option<String>,
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    if let Some(id) = &arguments.stop {
        let answer = client.post(&["v1", "recoveries", id.trim(), "stop"], None)?;
        return told(&answer, arguments);
    }
    if let Some(id) = &arguments.watch {
        return watch(&client, id.trim(), arguments);
    }
    let name = arguments.webhook.as_deref().unwrap_or_default();
    let webhook = client.webhook_id(name)?;
    let path = ["v1", "webhooks", &webhook, "recover"];
    let counted = client.post(&path, Some(&arguments.body(true)))?;
    let n = counted.read::<Counted>()?.count;
    if (arguments.dry_run || n == 0) && arguments.admin.wants_json() {
        return counted.print();
    }
    let found = format!("{n} {} to send to {}", deliveries(n), screen::cell(name));
    if arguments.dry_run || n == 0 {
        screen::print(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    complain(&found);
    if !arguments.yes {
        match confirm::ask("Send them?")? {
            Consent::Yes => {}
            Consent::No => return Ok(ExitCode::FAILURE),
            Consent::Nobody => {
                complain("error: nobody is there to be asked; --yes sends them without asking");
                return Ok(ExitCode::from(USAGE));
            }
        }
    }
    let begun = client.post(&path, Some(&arguments.body(false)))?;
    match begun.read::<Counted>()?.id {
        Some(id) if !arguments.detach => {
            complain(&format!("recovery {} has begun", screen::cell(&id)));
            watch(&client, &id, arguments)
        }
        _ if arguments.admin.wants_json() => begun.print(),
        Some(id) => {
            complain(&in_background(&screen::cell(&id)));
            Ok(ExitCode::SUCCESS)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

impl Arguments {
    fn body(&self, is_dry: bool) -> Value {
        let mut body = Map::new();
        let times = [("since", self.since), ("until", self.until)];
        for (key, time) in times {
            body.extend(time.map(|time| (key.to_owned(), json!(time))));
        }
        body.extend(self.status.as_ref().map(|status| ("status".to_owned(), json!(status))));
        for (key, is_set) in [("backfill", self.backfill), ("dry_run", is_dry)] {
            body.extend(is_set.then(|| (key.to_owned(), json!(true))));
        }
        Value::Object(body)
    }
}

/// Looks at a recovery until it ends. Whoever interrupts that does not end the recovery.
fn watch(client: &Client, id: &str, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::default();
    let ended = client.block_on(async {
        tokio::select! {
            ended = until_ended(client, id, &mut progress) => ended.map(Some),
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    });
    progress.end();
    let Some(answer) = ended? else {
        complain(&in_background(&screen::cell(id)));
        return Ok(ExitCode::SUCCESS);
    };
    told(&answer, arguments)
}

/// A recovery outlives a restart of sidehook, and so does this: once it has seen the recovery, it
/// looks again until somebody answers.
async fn until_ended(client: &Client, id: &str, progress: &mut Progress) -> anyhow::Result<Answer> {
    let mut is_seen = false;
    let mut is_lost = false;
    loop {
        match client.fetch(&["v1", "recoveries", id], &Query::new()).await {
            Ok(answer) => {
                let recovery: Recovery = answer.read()?;
                if is_lost {
                    complain("sidehook is back");
                }
                (is_seen, is_lost) = (true, false);
                progress.show(&recovery);
                if recovery.status != "running" {
                    return Ok(answer);
                }
            }
            Err(error) if is_seen && error.is::<Unreachable>() => {
                if !is_lost {
                    progress.end();
                    complain(&format!(
                        "lost sidehook; the recovery goes on when it runs again; looking for it \
                         ... (or later: `sidehook recover --watch {}`)",
                        screen::cell(id)
                    ));
                }
                is_lost = true;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How a recovery stands; one that was stopped is no success.
fn told(answer: &Answer, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let recovery: Recovery = answer.read()?;
    if arguments.admin.wants_json() {
        answer.print()?;
    } else {
        let Recovery { id, status, count, done } = &recovery;
        screen::print(&format!(
            "recovery {} is {}: {done} of {count} {} queued",
            screen::cell(id),
            screen::cell(status),
            deliveries(*count),
        ))?;
    }
    let is_as_asked = recovery.status != "stopped" || arguments.stop.is_some();
    Ok(if is_as_asked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_background(id: &str) -> String {
    format!(
        "it goes on in the background; `sidehook recover --watch {id}` shows its progress, \
         `sidehook recover --stop {id}` stops it"
    )
}

fn deliveries(n: u64) -> &'static str {
    if n == 1 { "delivery" } else { "deliveries" }
}

/// On stderr: a bar that moves on a terminal, else a line now and then.
#[derive(Debug, Default)]
struct Progress {
    /// Per cent of the last line.
    told: Option<u64>,
    has_bar: bool,
}

impl Progress {
    fn show(&mut self, recovery: &Recovery) {
        let (done, count) = (recovery.done.min(recovery.count), recovery.count);
        let part = |whole: u64| (done * whole).checked_div(count).unwrap_or(whole);
        let per_cent = part(100);
        if screen::has_moving_stderr() {
            let n = usize::try_from(part(BAR_CHARS)).expect("at most a line");
            let n_left = usize::try_from(BAR_CHARS).expect("a line") - n;
            let bar = format!("[{}{}]", "#".repeat(n), ".".repeat(n_left));
            let mut out = std::io::stderr();
            // A closed stderr is nobody's concern.
            let _ = write!(out, "\r{bar} {per_cent:>3} %  {done} of {count} ").and(out.flush());
            self.has_bar = true;
        } else if self.told.is_none_or(|told| per_cent / LINE_PER_CENT > told / LINE_PER_CENT) {
            self.told = Some(per_cent);
            complain(&format!("{per_cent} %: {done} of {count}"));
        }
    }

    /// What is said next stands on a line of its own.
    fn end(&mut self) {
        if std::mem::take(&mut self.has_bar) {
            complain("");
        }
    }
}
