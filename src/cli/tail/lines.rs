//! A change as a line: which ones are wanted, and how they read.

use std::collections::{HashMap, VecDeque};

use serde::de::IgnoredAny;
use serde_json::json;

use super::sse::Message;
use crate::cli::answers::{Delivery, Event, Webhook};
use crate::cli::client::read;
use crate::cli::names::name_of;
use crate::cli::screen::{self, Looks, Tone};
use crate::clock;

/// Calls that are remembered, to stand on the lines of their deliveries.
const N_CALLS_MAX: usize = 1024;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) label: Option<String>,
    /// Its id.
    pub(super) webhook: Option<String>,
    pub(super) status: Option<String>,
    pub(super) only_events: bool,
    pub(super) only_deliveries: bool,
}

/// What has changed.
#[derive(Debug)]
pub(super) enum Change {
    Event(Event<IgnoredAny>),
    Delivery(Delivery<u32>),
    Webhook(Webhook),
}

/// What lines need beside the change.
#[derive(Debug, Default)]
pub(super) struct Scene {
    looks: Looks,
    pub(super) webhooks: Vec<Webhook>,
    calls: HashMap<String, String>,
    /// Their events, the oldest first.
    order: VecDeque<String>,
}

impl Filter {
    /// Whether events are wanted at all: what is asked of a delivery, no event has.
    pub(super) fn shows_events(&self) -> bool {
        !self.only_deliveries && self.webhook.is_none() && self.status.is_none()
    }

    pub(super) fn shows_deliveries(&self) -> bool {
        !self.only_events
    }

    pub(super) fn wants(&self, change: &Change) -> bool {
        let fits = |wanted: &Option<String>, text: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == text)
        };
        match change {
            Change::Event(event) => self.shows_events() && fits(&self.label, &event.label),
            Change::Delivery(delivery) => {
                self.shows_deliveries()
                    && fits(&self.label, &delivery.event)
                    && fits(&self.webhook, &delivery.webhook_id)
                    && fits(&self.status, &delivery.status)
            }
            Change::Webhook(webhook) => {
                !self.only_events
                    && !self.only_deliveries
                    && self.label.is_none()
                    && self.status.is_none()
                    && fits(&self.webhook, &webhook.id)
            }
        }
    }
}

impl Change {
    /// `None`: of a kind that this version does not know.
    pub(super) fn read(message: &Message) -> anyhow::Result<Option<Self>> {
        Ok(Some(match message.kind.as_str() {
            "event" => Self::Event(read(&message.data)?),
            "delivery" => Self::Delivery(read(&message.data)?),
            "webhook" => Self::Webhook(read(&message.data)?),
            _ => return Ok(None),
        }))
    }

    /// The same for two sights of the same thing in the same state.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Event(event) => event.id.clone(),
            Self::Delivery(of) => format!("{} {} {}", of.id, of.attempts, of.status),
            Self::Webhook(webhook) => format!("{} {}", webhook.id, webhook.status),
        }
    }

    /// When it was, as far as it says.
    pub(super) fn time(&self) -> &str {
        match self {
            Self::Event(event) => &event.created_at,
            Self::Delivery(of) => of.timestamp.as_ref().unwrap_or(&of.created_at),
            Self::Webhook(webhook) => webhook.updated_at.as_deref().unwrap_or_default(),
        }
    }
}

impl Scene {
    pub(super) fn new(looks: Looks, webhooks: Vec<Webhook>) -> Self {
        Self { looks, webhooks, ..Self::default() }
    }

    /// Whether the webhooks must be read again, for their names.
    pub(super) fn lacks_name_of(&self, change: &Change) -> bool {
        let Change::Delivery(delivery) = change else { return false };
        self.webhooks.iter().all(|webhook| webhook.id != delivery.webhook_id)
    }

    /// A webhook that nobody knows is called by its id.
    pub(super) fn name_if_unknown(&mut self, id: &str) {
        if self.webhooks.iter().all(|webhook| webhook.id != id) {
            self.webhooks.push(Webhook::unknown(id));
        }
    }

    /// Remembers what later lines need.
    pub(super) fn notice(&mut self, change: &Change) {
        match change {
            Change::Event(event) => {
                let call = format!(
                    "{} {} {}",
                    screen::cell(&event.method),
                    screen::cell(&event.url),
                    event.status
                );
                if self.calls.insert(event.id.clone(), call).is_none() {
                    self.order.push_back(event.id.clone());
                }
                if self.order.len() > N_CALLS_MAX
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.calls.remove(&oldest);
                }
            }
            Change::Webhook(changed) => {
                let known = self.webhooks.iter_mut().find(|webhook| webhook.id == changed.id);
                match known {
                    // One that is gone keeps its name here, for what is still to be told of it.
                    _ if changed.deleted => {}
                    Some(webhook) => webhook.name.clone_from(&changed.name),
                    None => self.webhooks.push(Webhook {
                        name: changed.name.clone(),
                        ..Webhook::unknown(&changed.id)
                    }),
                }
            }
            Change::Delivery(_) => {}
        }
    }

    /// One line for people. `is_live`: it has just happened.
    pub(super) fn line(&self, change: &Change, is_live: bool) -> String {
        match change {
            Change::Event(event) => format!(
                "{}  event     {}  {} {} {}",
                screen::cell(&event.created_at),
                screen::cell(&event.label),
                screen::cell(&event.method),
                screen::cell(&event.url),
                event.status,
            ),
            Change::Delivery(delivery) => self.delivery(delivery, change.time(), is_live),
            Change::Webhook(webhook) => self.webhook(webhook, change.time(), is_live),
        }
    }

    fn delivery(&self, delivery: &Delivery<u32>, time: &str, is_live: bool) -> String {
        // One that is queued, held or cancelled does not say since when.
        let is_attempt = matches!(delivery.status.as_str(), "delivered" | "failed");
        let time = if is_live && !is_attempt { clock::now().to_string() } else { time.to_owned() };
        let call = self.calls.get(&delivery.event_id).map_or("", String::as_str);
        let space = if call.is_empty() { "" } else { " " };
        let mut line = format!(
            "{}  delivery  {}  {call}{space}-> {} {}",
            screen::cell(&time),
            screen::cell(&delivery.event),
            screen::cell(name_of(&delivery.webhook_id, &self.webhooks)),
            self.state(&delivery.status),
        );
        if delivery.attempts > 0 {
            line.push_str(&format!("  attempt {}", delivery.attempts));
        }
        if let Some(code) = delivery.response_code {
            line.push_str(&format!(" {code}"));
        }
        if let Some(millis) = delivery.response_time_ms {
            line.push_str(&format!(" {millis} ms"));
        }
        if let Some(error) = &delivery.error {
            line.push_str(&format!("  {}", screen::cell(error)));
        }
        if let Some(next) = delivery.next(clock::now()) {
            line.push_str(&format!("; {next}"));
        }
        line
    }

    fn webhook(&self, webhook: &Webhook, time: &str, is_live: bool) -> String {
        let time = if is_live { clock::now().to_string() } else { time.to_owned() };
        let name = name_of(&webhook.id, &self.webhooks);
        let status = if webhook.deleted { "deleted" } else { &webhook.status };
        let reason = webhook.disabled_reason.as_deref();
        let reason = reason.map_or_else(String::new, |text| format!("  {}", screen::cell(text)));
        format!(
            "{}  webhook   {} {}{reason}",
            screen::cell(&time),
            screen::cell(name),
            self.state(status)
        )
    }

    fn state(&self, state: &str) -> String {
        self.looks.paint(Tone::of_state(state), &screen::cell(state))
    }
}

/// One line for programs.
pub(super) fn json_line(kind: &str, data: &str) -> String {
    // A line break in JSON text is white space between its tokens.
    let data = match serde_json::from_str::<IgnoredAny>(data) {
        Ok(_) => data.replace(['\n', '\r'], " "),
        Err(_) => json!(data).to_string(),
    };
    screen::json(&format!("{{\"type\":{},\"data\":{data}}}", json!(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: &str, data: &str) -> Change {
        let message = Message { kind: kind.to_owned(), data: data.to_owned() };
        Change::read(&message).expect("as the API writes it").expect("a known kind")
    }

    fn delivery(status: &str) -> Change {
        change(
            "delivery",
            &json!({"id": "d", "event_id": "evt_1", "webhook_id": "wh_1", "event": "task.created",
                "status": status, "response_code": 503, "response_time_ms": 12, "attempts": 2,
                "created_at": "2026-01-31T09:30:00.000Z", "timestamp": "2026-01-31T09:31:00.000Z",
                "next_attempt_at": null, "error": "the receiver \u{1b}[31m answered 503"})
            .to_string(),
        )
    }

    #[test]
    fn a_delivery_tells_its_call_and_its_fate_in_one_harmless_line() {
        let mut scene = Scene::default();
        scene.notice(&change(
            "event",
            &json!({"id": "evt_1", "label": "task.created", "method": "POST", "url": "/tasks",
                "status": 201, "created_at": "x", "deliveries": {}})
            .to_string(),
        ));
        let webhook = json!({"id": "wh_1", "name": "billing"}).to_string();
        scene.webhooks.push(read(&webhook).expect("a webhook"));
        assert_eq!(
            scene.line(&delivery("failed"), true),
            "2026-01-31T09:31:00.000Z  delivery  task.created  POST /tasks 201 -> billing failed  \
             attempt 2 503 12 ms  the receiver \\u{1b}[31m answered 503"
        );
    }

    #[test]
    fn one_that_waits_says_until_when_unless_that_is_over_or_it_is_held() {
        let line = |status: &str, next: &str| {
            let mut change = delivery(status);
            let Change::Delivery(of) = &mut change else { panic!("a delivery") };
            of.next_attempt_at = Some(next.to_owned());
            Scene::default().line(&change, true)
        };
        let (past, future) = ("2026-01-31T09:31:00.000Z", "9999-01-31T09:31:00.000Z");
        assert!(line("pending", future).ends_with(&format!("503; next {future}")));
        assert!(line("pending", past).ends_with("503; due now"));
        assert!(line("held", past).ends_with("answered 503"));
        assert!(line("held", future).ends_with("answered 503"));
    }

    #[test]
    fn memory_of_calls_is_bounded() {
        let mut scene = Scene::default();
        for n in 0..N_CALLS_MAX + 10 {
            let event = json!({"id": n.to_string(), "label": "a", "method": "GET", "url": "/",
                "status": 200, "created_at": "x", "deliveries": []});
            scene.notice(&change("event", &event.to_string()));
        }
        assert_eq!((scene.calls.len(), scene.order.len()), (N_CALLS_MAX, N_CALLS_MAX));
    }

    #[test]
    fn what_is_asked_of_deliveries_hides_events() {
        let failed = Filter { status: Some("failed".to_owned()), ..Filter::default() };
        assert!(!failed.shows_events());
        assert!(failed.wants(&delivery("failed")));
        assert!(!failed.wants(&delivery("pending")));
        let label = Filter { label: Some("other".to_owned()), ..Filter::default() };
        assert!(!label.wants(&delivery("failed")));
    }

    #[test]
    fn lines_for_programs_are_lines() {
        assert_eq!(json_line("event", "{\"a\":\n1}"), "{\"type\":\"event\",\"data\":{\"a\": 1}}");
        assert_eq!(json_line("closed", "slow"), "{\"type\":\"closed\",\"data\":\"slow\"}");
    }
}
