//! `sidehook history ID`: the whole story of an event or a delivery, by any of its ids.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::answers::{Attempt, Delivery, Event, Kind, Part, Typed, Webhook};
use super::client::{AdminFlags, Client};
use super::names::name_of;
use super::receiver::{excerpt, passage};
use super::screen::{self, Cell, Looks, Tone};
use crate::clock;

/// Characters shown of a body.
const BODY_CHARS_MAX: usize = 1000;

/// Under what stands beside a name.
const MARGIN: &str = "          ";

/// Arguments of `history`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An event's or a delivery's id, in any spelling: evt_..., del_..., or a bare UUID.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    admin: AdminFlags,
}

type WholeEvent = Event<Vec<Delivery<u32>>>;
type WholeDelivery = Delivery<Vec<Attempt>>;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.admin.client()?;
    let answer = client.get(&["v1", "history", arguments.id.trim()])?;
    if arguments.admin.wants_json() {
        return answer.print();
    }
    let webhooks = client.webhooks()?;
    let looks = arguments.admin.looks();
    let told = match answer.read::<Typed>()?.kind {
        Kind::Event => {
            let event: WholeEvent = answer.read()?;
            let deliveries = event
                .deliveries
                .iter()
                .map(|delivery| whole_delivery(&client, &delivery.id))
                .collect::<anyhow::Result<Vec<_>>>()?;
            tell(looks, &event, &deliveries, &webhooks)
        }
        Kind::Delivery => {
            let delivery: WholeDelivery = answer.read()?;
            let event = client.get(&["v1", "events", &delivery.event_id])?.read()?;
            tell(looks, &event, std::slice::from_ref(&delivery), &webhooks)
        }
    };
    screen::print(told.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn whole_delivery(client: &Client, id: &str) -> anyhow::Result<WholeDelivery> {
    client.get(&["v1", "deliveries", id])?.read()
}

fn tell(
    looks: Looks,
    event: &WholeEvent,
    deliveries: &[WholeDelivery],
    webhooks: &[Webhook],
) -> String {
    let mut told = format!(
        "event     {}  {}\ntime      {}\ncall      {} {} -> {}\n",
        screen::cell(&event.id),
        screen::cell(&event.label),
        screen::cell(&event.created_at),
        screen::cell(&event.method),
        excerpt(event.url.as_bytes(), BODY_CHARS_MAX),
        event.status,
    );
    tell_body(&mut told, "request ", event.request.as_ref());
    tell_body(&mut told, "response", event.response.as_ref());
    if deliveries.is_empty() {
        told.push_str("\nno webhook wants it\n");
    }
    for delivery in deliveries {
        tell_delivery(&mut told, looks, delivery, webhooks);
    }
    told
}

fn tell_body(told: &mut String, side: &str, part: Option<&Part>) {
    let Some(part) = part else { return };
    let body = part.body.as_ref().map_or("null", |body| body.get());
    let body = if body == "null" {
        "-".to_owned()
    } else {
        passage(body.as_bytes(), BODY_CHARS_MAX, MARGIN)
    };
    let mut marks = Vec::new();
    marks.extend(part.body_encoding.as_deref().map(screen::cell));
    let state = part.capture.as_deref().filter(|state| !matches!(*state, "complete" | "truncated"));
    if let Some(state) = state {
        marks.push(screen::cell(state));
    } else if part.body_truncated == Some(true) {
        let size = part.body_size.map_or_else(String::new, |size| format!(" of {size} bytes"));
        marks.push(format!("cut{size}"));
    }
    let marks = if marks.is_empty() { String::new() } else { format!("  ({})", marks.join(", ")) };
    write_line(told, &format!("{side}  {body}{marks}"));
}

fn tell_delivery(told: &mut String, looks: Looks, delivery: &WholeDelivery, webhooks: &[Webhook]) {
    let next = delivery.next(clock::now()).map_or_else(String::new, |next| format!(", {next}"));
    write_line(told, "");
    write_line(
        told,
        &format!(
            "delivery  {}  to {}: {}{next}",
            screen::cell(&delivery.id),
            screen::cell(name_of(&delivery.webhook_id, webhooks)),
            looks.paint(Tone::of_state(&delivery.status), &screen::cell(&delivery.status)),
        ),
    );
    if delivery.attempts.is_empty() {
        write_line(told, "no attempt yet");
        return;
    }
    let rows = delivery.attempts.iter().map(row).collect();
    let header = ["started", "attempt", "code", "took", "error", "response"];
    told.push_str(&looks.table(&header, rows));
}

fn row(attempt: &Attempt) -> Vec<Cell> {
    let tone = if attempt.error.is_none() { Tone::Good } else { Tone::Bad };
    let text = |text: &Option<String>| Cell::long(text.as_deref().unwrap_or("-"));
    vec![
        Cell::new(&attempt.started_at),
        Cell::new(&attempt.number.to_string()),
        Cell::or_dash(attempt.response_code.as_ref()).toned(tone),
        Cell::new(&format!("{} ms", attempt.response_time_ms)),
        text(&attempt.error),
        text(&attempt.response_body),
    ]
}

fn write_line(told: &mut String, line: &str) {
    writeln!(told, "{line}").expect("writing to a string cannot fail");
}
