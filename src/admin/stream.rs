//! `/v1/stream`: what changes, live, as server-sent events (WHATWG HTML 9.2).
//!
//! A follower is a mark in the sequence of changes and a writer that goes on from it: it reads how
//! things stand now, a bounded piece at a time, and hands the text to the connection. A change of
//! something that changes again before it is read is left out: its newest state says it all. Every
//! piece carries its mark as `id`, so that a client that comes back goes on where it was. Who takes
//! nothing for a while, or falls behind by more than is remembered, is cut off.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::auth::Access;
use super::link::Link;
use super::params::Params;
use super::problem::Problem;
use super::queries::Following;
use super::standing::Stands;
use super::state::{Api, Shared};
use super::stream_data::StreamData;
use super::{Settings, views, webhook_view};
use crate::model::WebhookId;
use crate::store::{Change, ChangeMark, Changes, StoreError};

/// Changes of one piece.
const N_CHANGES_MAX: usize = 256;
/// A piece ends when it is this long, bytes: with what the connection holds, that bounds a client.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the connection.
const N_PIECES_MAX: usize = 1;
/// What a client is told to wait before it connects again.
const RETRY: &str = "retry: 2000\n";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies that keep answers back until they are complete would keep back a stream for ever.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How long a stream waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// For something to say.
    pub(super) heartbeat: Duration,
    /// For the client to take it.
    pub(super) stall: Duration,
}

/// What a client wants to hear of.
#[derive(Clone, Copy, Debug)]
struct Wants {
    events: bool,
    deliveries: bool,
    webhooks: bool,
    /// Only what concerns this webhook.
    webhook: Option<WebhookId>,
}

/// One client.
struct Follower {
    api: Api,
    changes: Arc<Changes>,
    /// It has been told of everything up to here.
    mark: ChangeMark,
    wants: Wants,
    out: mpsc::Sender<Bytes>,
    link: Link,
    heard_at: Instant,
    /// The tokens under which it was let in.
    access: Arc<Access>,
    _place: OwnedSemaphorePermit,
}

/// Why a stream ends.
enum End {
    /// The client went.
    Left,
    /// It takes nothing any more.
    Stalled,
    /// It fell behind by more than is remembered.
    Overrun,
    /// There are other tokens now: whether it holds one of them is not known here.
    Revoked,
    /// sidehook stops.
    Stopping,
    /// The store cannot be read.
    Unreadable,
}

/// What the writer hands on.
struct Pieces(mpsc::Receiver<Bytes>);

/// Follows what happens, live.
///
/// Server-sent events: `event: event`, `delivery` or `webhook`, with `data` as in the lists, one line
/// of JSON, and an `id`. A webhook that was deleted is `{"id": "wh_...", "deleted": true}`. Several
/// changes of one thing in a short time are told once, as it stands then. A client that connects
/// again with `Last-Event-ID` gets what it has missed; where that is not known any more (too many
/// changes, or sidehook was started again) it gets `event: reset` first and should read the lists
/// again. `event: closed` says why the stream ends. A comment comes every 15 seconds when there is
/// nothing to say. A client that does not read for 30 seconds is cut off.
#[utoipa::path(
    get,
    path = "/v1/stream",
    operation_id = "followChanges",
    tag = "status",
    params(Following),
    responses((
        status = 200,
        description = "The stream; it does not end by itself. The schema is that of each `data`.",
        body = StreamData,
        content_type = "text/event-stream",
    ))
)]
pub(super) async fn follow(
    State(api): State<Api>,
    Extension(link): Extension<Link>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Problem> {
    let wants = Wants::read(&mut params)?;
    let mark = last_heard(&headers, &mut params)?;
    params.finish()?;
    let place = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| {
        let detail = format!("there are {} followers already", Settings::STREAMS_MAX);
        Problem::unavailable("too_many_streams", detail)
    })?;
    let changes = api.state.store.changes();
    let now = changes.now();
    let is_missed = mark.is_some_and(|mark| changes.after(mark, 1).is_err());
    let start = mark.filter(|_| !is_missed).unwrap_or(now);
    let (out, pieces) = mpsc::channel(N_PIECES_MAX);
    link.last();
    let access = api.access.load_full();
    let follower = Follower {
        api,
        changes,
        mark: start,
        wants,
        out,
        link: link.clone(),
        heard_at: Instant::now(),
        access,
        _place: place,
    };
    link.spawn(follower.run(is_missed));
    let mut response = Response::new(Body::new(Pieces(pieces)));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CONNECTION, "close"),
        (ACCEL_BUFFERING, "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// `Last-Event-ID`, or what stands for it in the URL of a first connection.
fn last_heard(headers: &HeaderMap, params: &mut Params) -> Result<Option<ChangeMark>, Problem> {
    let expected = "the `id` of an event of this stream";
    let asked = params.take("last_event_id", expected, |text| text.parse().ok())?;
    let Some(header) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(asked);
    };
    let mark = header.to_str().ok().and_then(|text| text.parse().ok());
    let mark =
        mark.ok_or_else(|| Problem::bad_query(format!("Last-Event-ID must be {expected}")))?;
    Ok(Some(mark))
}

impl Default for Pace {
    fn default() -> Self {
        Self { heartbeat: Settings::STREAM_HEARTBEAT, stall: Settings::STREAM_STALL }
    }
}

impl Wants {
    fn read(params: &mut Params) -> Result<Self, Problem> {
        let none = Self { events: false, deliveries: false, webhooks: false, webhook: None };
        let types =
            params.take("types", "some of event, delivery, webhook, with commas", |text| {
                text.split(',').try_fold(none, |wants, word| {
                    Some(match word {
                        "event" => Self { events: true, ..wants },
                        "delivery" => Self { deliveries: true, ..wants },
                        "webhook" => Self { webhooks: true, ..wants },
                        _ => return None,
                    })
                })
            })?;
        let all = Self { events: true, deliveries: true, webhooks: true, webhook: None };
        let webhook = params.take("webhook", "a webhook's id, wh_...", |text| text.parse().ok())?;
        Ok(Self { webhook, ..types.unwrap_or(all) })
    }

    /// How the changed thing stands now, with its name; `None`: not asked for, or gone.
    fn show(
        &self,
        change: Change,
        api: &Shared,
    ) -> Result<Option<(&'static str, String)>, StoreError> {
        let store = &api.state.store;
        Ok(match change {
            Change::Event(id) if self.events => {
                let concerns = match self.webhook {
                    None => true,
                    Some(webhook) => store
                        .deliveries_of(id)?
                        .iter()
                        .any(|delivery| delivery.webhook_id == webhook),
                };
                let event = if concerns { store.event_summary(id)? } else { None };
                event.map(|event| ("event", line(&views::event_in_list(&event))))
            }
            Change::Delivery(id) if self.deliveries => {
                let delivery = store.delivery(id)?;
                delivery
                    .filter(|of| self.webhook.is_none_or(|webhook| webhook == of.webhook_id))
                    .map(|delivery| ("delivery", line(&views::delivery_in_list(&delivery))))
            }
            Change::Webhook(id) if self.webhooks && self.webhook.is_none_or(|w| w == id) => {
                let webhooks = store.webhooks();
                let webhook = webhooks.iter().find(|webhook| webhook.id == id);
                let shown = webhook
                    .map(|webhook| line(&webhook_view::view(webhook, &Stands::read(api, webhook))));
                let gone = || json!({"id": id, "deleted": true}).to_string();
                Some(("webhook", shown.unwrap_or_else(gone)))
            }
            _ => None,
        })
    }
}

impl Follower {
    async fn run(mut self, is_missed: bool) {
        let (out, link) = (self.out.clone(), self.link.clone());
        let end = tokio::select! {
            biased;
            () = link.stopping() => End::Stopping,
            () = out.closed() => End::Left,
            end = self.tell(is_missed) => end,
        };
        let (reason, detail) = match end {
            End::Left => return,
            End::Stalled => {
                tracing::info!("a follower of the live stream takes nothing any more: cut off");
                return link.cut();
            }
            End::Overrun => {
                tracing::info!("a follower of the live stream is too slow: cut off");
                ("too_slow", "more has changed than is remembered; connect again")
            }
            End::Unreadable => ("store_unavailable", "the store cannot be read; connect again"),
            End::Revoked => ("token_changed", "the admin tokens have changed; connect again"),
            End::Stopping => ("stopping", "sidehook stops; connect again"),
        };
        let data = json!({"reason": reason, "detail": detail});
        let closed = Bytes::from(format!("event: closed\ndata: {data}\n\n"));
        // The listener waits no longer for it either.
        let _ = tokio::time::timeout(Settings::STREAM_FAREWELL, out.send(closed)).await;
    }

    async fn tell(&mut self, is_missed: bool) -> End {
        match self.tell_all(is_missed).await {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }

    async fn tell_all(&mut self, is_missed: bool) -> Result<Infallible, End> {
        let mut first = format!("{RETRY}id: {}\n", self.mark);
        if is_missed {
            let detail = "changes were missed: too many, or sidehook was started again; \
                          read the lists again";
            let data = json!({"reason": "missed", "detail": detail});
            first.push_str(&format!("event: reset\ndata: {data}\n"));
        }
        first.push('\n');
        self.write(first).await?;
        loop {
            let changes =
                self.changes.after(self.mark, N_CHANGES_MAX).map_err(|_missed| End::Overrun)?;
            let is_behind = changes.len() == N_CHANGES_MAX;
            if !changes.is_empty() {
                let (wants, api) = (self.wants, Arc::clone(&self.api));
                let read = self.api.read(move |_| piece(&changes, wants, &api)).await;
                let (mark, text) = read.map_err(|_problem| End::Unreadable)?;
                self.mark = mark;
                if !text.is_empty() {
                    self.write(text).await?;
                }
            }
            let silent_until = self.heard_at + self.api.pace.heartbeat;
            if Instant::now() >= silent_until {
                // The mark goes along: what was not asked for need not be looked at again.
                self.write(format!(":\nid: {}\n\n", self.mark)).await?;
            }
            if is_behind {
                continue;
            }
            tokio::time::sleep(Settings::STREAM_REST).await;
            tokio::select! {
                () = self.changes.changed(self.mark) => {}
                () = tokio::time::sleep_until(silent_until) => {}
            }
        }
    }

    async fn write(&mut self, text: String) -> Result<(), End> {
        // A stream outlives its request: a token that was taken away ends it all the same.
        if !self.access.has_tokens_of(&self.api.access.load()) {
            return Err(End::Revoked);
        }
        match tokio::time::timeout(self.api.pace.stall, self.out.send(text.into())).await {
            Ok(Ok(())) => {
                self.heard_at = Instant::now();
                Ok(())
            }
            Ok(Err(_)) => Err(End::Left),
            Err(_) => Err(End::Stalled),
        }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut().0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// The text of the changes, or of the first of them if that is much; and how far it goes.
fn piece(
    changes: &[(ChangeMark, Change)],
    wants: Wants,
    api: &Shared,
) -> Result<(ChangeMark, String), StoreError> {
    // The last change of each thing: the ones before it are said by it.
    let mut seen = HashSet::new();
    let mut is_last: Vec<bool> = changes.iter().rev().map(|&(_, it)| seen.insert(it)).collect();
    is_last.reverse();
    let mut text = String::new();
    let mut reached = changes[0].0;
    for (&(mark, change), is_last) in changes.iter().zip(is_last) {
        if text.len() >= PIECE_BYTES {
            break;
        }
        if is_last && let Some((name, data)) = wants.show(change, api)? {
            write!(text, "id: {mark}\nevent: {name}\ndata: {data}\n\n")
                .expect("a String takes everything");
        }
        reached = mark;
    }
    Ok((reached, text))
}

/// One line: JSON escapes line breaks.
fn line(shown: &impl Serialize) -> String {
    serde_json::to_string(shown).expect("views have string keys and never fail")
}

#[cfg(test)]
mod tests;
