//! `sidehook tail`: what happens, as it happens. The stream is opened before the latest is read, so
//! that nothing falls between the two; when it breaks off it goes on where it was, and whoever
//! missed something is told.

mod lines;
mod sse;

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{StatusCode, header};

use self::lines::{Change, Filter, Scene, json_line};
use self::sse::{Message, Parser};
use super::answers::Notice;
use super::client::{AdminFlags, Client, Query, read};
use super::connection::Connection;
use super::filters::{Rows, STATES};
use super::names::id_of;
use super::{complain, screen};
use crate::clock;

/// Before the first try to connect again, and the longest between two.
const WAIT_MIN: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A stream that says nothing for so long, not even that it is alive, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Examples:
  sidehook tail
  sidehook tail --webhook billing --status failed
  sidehook tail --label 'invoice.paid' --json | jq -r .data.id

Ctrl-C ends it. On a terminal each change is a line; otherwise, or with --json, a JSON object
{\"type\": \"event\", \"delivery\" or \"webhook\", \"data\": as the lists show it}; {\"type\": \"reset\"} says
that some may be missing.";

/// Arguments of `tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// How many of the latest to begin with.
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
    n: u16,
    /// Only events of this label and their deliveries.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Only deliveries and changes of this webhook: its name or its id.
    #[arg(long, value_name = "WEBHOOK")]
    webhook: Option<String>,
    /// Only deliveries that come into this state.
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES))]
    status: Option<String>,
    /// Only events.
    #[arg(long, conflicts_with_all = ["deliveries", "webhook", "status"])]
    events: bool,
    /// Only deliveries.
    #[arg(long)]
    deliveries: bool,
    #[command(flatten)]
    admin: AdminFlags,
}

/// The stream of one connection.
struct Stream {
    body: Incoming,
    parser: Parser,
    _connection: Connection,
}

/// Why there is no stream.
enum Trouble {
    /// It may be over soon.
    Passing(anyhow::Error),
    /// Trying again changes nothing.
    Lasting(anyhow::Error),
}

/// How a stream ended.
enum Ended {
    /// Nobody reads what is printed.
    Unread,
    /// Why it broke off, in words.
    Lost(String),
}

struct Tail<'a> {
    client: &'a Client,
    filter: Filter,
    scene: Scene,
    is_json: bool,
    /// Printed from the lists; the stream may hold them too.
    printed: HashSet<String>,
    last_id: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    client.block_on(async {
        tokio::select! {
            ended = follow(&client, arguments) => ended,
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::SUCCESS),
        }
    })
}

async fn follow(client: &Client, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut tail = Tail::new(client, arguments).await?;
    let mut stream = tail.connect().await.map_err(Trouble::into_error)?;
    if !tail.print_latest(usize::from(arguments.n)).await? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut wait = WAIT_MIN;
    loop {
        match tail.read(&mut stream, &mut wait).await? {
            Ended::Unread => return Ok(ExitCode::SUCCESS),
            Ended::Lost(reason) => {
                complain(&format!("the stream broke off: {reason}; connecting again ..."));
            }
        }
        let lost_at = clock::now();
        stream = loop {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
            match tail.connect().await {
                Ok(stream) => break stream,
                Err(Trouble::Lasting(error)) => return Err(error),
                Err(Trouble::Passing(_)) => {}
            }
        };
        if tail.last_id.is_some() {
            complain("connected again");
        } else {
            complain(&format!(
                "connected again; what happened in between is not shown: `sidehook events --since \
                 {lost_at}` lists it"
            ));
        }
    }
}

impl<'a> Tail<'a> {
    async fn new(client: &'a Client, arguments: &Arguments) -> anyhow::Result<Self> {
        let webhooks = client.fetch_webhooks().await?;
        let webhook =
            arguments.webhook.as_deref().map(|name| id_of(name, &webhooks)).transpose()?;
        let filter = Filter {
            label: arguments.label.clone(),
            webhook,
            status: arguments.status.clone(),
            only_events: arguments.events,
            only_deliveries: arguments.deliveries,
        };
        let looks = arguments.admin.looks();
        Ok(Self {
            client,
            filter,
            scene: Scene::new(looks, webhooks),
            is_json: arguments.admin.wants_json(),
            printed: HashSet::new(),
            last_id: None,
        })
    }

    async fn connect(&self) -> Result<Stream, Trouble> {
        let query = vec![("webhook", self.filter.webhook.clone())];
        let opened = self.client.open(&["v1", "stream"], &query, self.last_id.as_deref()).await;
        let (connection, response) = opened.map_err(Trouble::Passing)?;
        let status = response.status();
        if status.is_success() {
            let kind = response.headers().get(header::CONTENT_TYPE);
            if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
                let parser = Parser::default();
                return Ok(Stream { body: response.into_body(), parser, _connection: connection });
            }
            let error = anyhow!("what answers there is not sidehook: it has no stream");
            return Err(Trouble::Lasting(error));
        }
        let error = self.client.refusal(response).await;
        let is_passing = status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        Err(if is_passing { Trouble::Passing(error) } else { Trouble::Lasting(error) })
    }

    /// Prints the latest, the oldest of them first; `false`: nobody reads it.
    async fn print_latest(&mut self, n: usize) -> anyhow::Result<bool> {
        let mut latest: Vec<(Message, Change)> = Vec::new();
        if n > 0 && self.filter.shows_events() {
            let query = vec![("label", self.filter.label.clone())];
            latest.extend(self.list("event", "events", query, n).await?);
        }
        if n > 0 && self.filter.shows_deliveries() {
            let query = vec![
                ("event", self.filter.label.clone()),
                ("webhook", self.filter.webhook.clone()),
                ("status", self.filter.status.clone()),
            ];
            latest.extend(self.list("delivery", "deliveries", query, n).await?);
        }
        // Stable, and events stand first: before their deliveries of the same moment.
        latest.sort_by(|(_, a), (_, b)| a.time().cmp(b.time()));
        let n_over = latest.len().saturating_sub(n);
        for (at, (message, change)) in latest.iter().enumerate() {
            self.scene.notice(change);
            self.printed.insert(change.key());
            if at >= n_over && !self.print(message, change, false)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The newest `n` of a list, the oldest of them first.
    async fn list(
        &self,
        kind: &str,
        path: &str,
        query: Query,
        n: usize,
    ) -> anyhow::Result<Vec<(Message, Change)>> {
        let rows = Rows::fetch(self.client, &["v1", path], query, n, None).await?;
        let mut read = Vec::new();
        for text in rows.texts() {
            let message = Message { kind: kind.to_owned(), data: text.to_owned() };
            if let Some(change) = Change::read(&message)? {
                read.push((message, change));
            }
        }
        read.reverse();
        Ok(read)
    }

    /// Prints what arrives until the stream ends.
    async fn read(&mut self, stream: &mut Stream, wait: &mut Duration) -> anyhow::Result<Ended> {
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, stream.body.frame()).await;
            let frame = match next {
                Err(_) => return Ok(Ended::Lost("it has fallen silent".to_owned())),
                Ok(None) => return Ok(Ended::Lost("sidehook has stopped".to_owned())),
                Ok(Some(Err(_))) => return Ok(Ended::Lost("the connection is gone".to_owned())),
                Ok(Some(Ok(frame))) => frame,
            };
            *wait = WAIT_MIN;
            let Some(bytes) = frame.data_ref() else { continue };
            for message in stream.parser.feed(bytes)? {
                if message.kind == "closed" {
                    self.keep_place(stream);
                    return Ok(Ended::Lost(notice(&message)));
                }
                if !self.show(&message).await? {
                    return Ok(Ended::Unread);
                }
            }
            self.keep_place(stream);
        }
    }

    fn keep_place(&mut self, stream: &Stream) {
        if let Some(id) = stream.parser.last_id() {
            self.last_id = Some(id.to_owned());
        }
    }

    async fn show(&mut self, message: &Message) -> anyhow::Result<bool> {
        if message.kind == "reset" {
            complain(
                "some changes may be missing here: sidehook was started again, or there were too \
                 many; `sidehook events` and `sidehook deliveries` list them",
            );
            return if self.is_json {
                screen::write_lines(&json_line("reset", &message.data))
            } else {
                Ok(true)
            };
        }
        let Some(change) = Change::read(message)? else { return Ok(true) };
        if !self.is_json && self.scene.lacks_name_of(&change) {
            self.learn_names(&change).await;
        }
        self.scene.notice(&change);
        if !self.filter.wants(&change) || self.printed.remove(&change.key()) {
            return Ok(true);
        }
        self.print(message, &change, true)
    }

    /// One look per unknown webhook: where it has no name, its id stands for it.
    async fn learn_names(&mut self, change: &Change) {
        let Change::Delivery(delivery) = change else { return };
        if let Ok(webhooks) = self.client.fetch_webhooks().await {
            self.scene.webhooks = webhooks;
        }
        self.scene.name_if_unknown(&delivery.webhook_id);
    }

    fn print(&self, message: &Message, change: &Change, is_live: bool) -> anyhow::Result<bool> {
        screen::write_lines(&if self.is_json {
            json_line(&message.kind, &message.data)
        } else {
            self.scene.line(change, is_live)
        })
    }
}

/// What sidehook says about the stream itself.
fn notice(message: &Message) -> String {
    let detail = read::<Notice>(&message.data).map(|notice| notice.detail);
    let detail = screen::cell(detail.as_ref().unwrap_or(&message.data));
    // Which is what is done, and said, here.
    detail.trim_end_matches("; connect again").to_owned()
}

impl Trouble {
    fn into_error(self) -> anyhow::Error {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}
