//! Calls that wait for a place, in the order in which they came; and who opens connections for them.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::queue::Turn;
use super::{CONNECTIONS_MAX, Connections, Lease};
use crate::proxy::Settings;
use crate::proxy::error::UpstreamError;
use crate::proxy::stream::Stream;
use crate::proxy::timers::{Slot, within};
use crate::proxy::upstream::connect::{Connected, Protocol, connect};

/// How long a call waits for a place where `response_timeout` sets no limit.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Before another connection is opened although the last one was of no use.
const PAUSE: Duration = Duration::from_secs(2);
/// Whoever waits for a connection waits a little longer than its opening may take, and so hears what
/// became of that.
const SLACK: Duration = Duration::from_millis(250);

/// What a call gets that has waited.
pub(in crate::proxy::upstream) enum Way {
    Http2(Lease),
    /// The upstream was offered HTTP/2 and chose HTTP/1.1, here or elsewhere.
    Http1(Option<Stream>),
}

/// The right to open the next connection.
struct Opening(Rc<Connections>);

/// How long one call waits.
struct Patience {
    since: u64,
    connect: Duration,
    place: Duration,
    slot: Slot,
}

impl Connections {
    /// A way for a call, in its turn; `number`: it has had its turn before, in vain.
    ///
    /// # Errors
    /// There is no connection, and none can be opened; or too many calls wait, or this one has waited
    /// for too long.
    pub(in crate::proxy::upstream) async fn wait(
        self: &Rc<Self>,
        settings: &Settings,
        number: Option<u64>,
    ) -> Result<Way, UpstreamError> {
        let limit = settings.connections_max;
        if number.is_none() && self.waiting.len() >= limit {
            return Err(UpstreamError::Crowded { limit });
        }
        self.connect_timeout.set(settings.connect_timeout);
        // First, so that the time is right even where nothing has waited for a while.
        let slot = self.timers.slot();
        let patience = Patience {
            since: self.timers.now(),
            connect: settings.connect_timeout,
            place: settings.response_timeout.unwrap_or(WAIT_MAX),
            slot,
        };
        patience.slot.arm(patience.connect.min(patience.place));
        let number = number.unwrap_or_else(|| self.waiting.number());
        loop {
            let turn = self.waiting.join(number);
            match poll_fn(|cx| self.poll_turn(&turn, &patience, cx)).await? {
                // It was good when it was given.
                Way::Http2(lease) if !lease.is_good() => {}
                Way::Http2(mut lease) => {
                    lease.number = number;
                    return Ok(Way::Http2(lease));
                }
                http1 @ Way::Http1(_) => return Ok(http1),
            }
        }
    }

    fn poll_turn(
        self: &Rc<Self>,
        turn: &Turn<'_, Result<Way, UpstreamError>>,
        patience: &Patience,
        cx: &Context<'_>,
    ) -> Poll<Result<Way, UpstreamError>> {
        if let Poll::Ready(given) = turn.poll(cx) {
            return Poll::Ready(given);
        }
        self.open_another();
        while patience.slot.poll_passed(cx).is_ready() {
            let (due, error) = self.due(patience);
            let now = self.timers.now();
            if now >= due {
                return Poll::Ready(Err(error));
            }
            patience.slot.arm(Duration::from_millis(due - now).min(patience.connect));
        }
        Poll::Pending
    }

    /// When a call has waited for too long, in the timers' milliseconds. A busy upstream has as long as
    /// it would have for an answer, one that is not there as long as for a connection.
    fn due(&self, patience: &Patience) -> (u64, UpstreamError) {
        let ms = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX / 2);
        let open = self.open.borrow();
        if open.is_empty() {
            let since = patience.since.max(self.down_since.get());
            let limit = patience.connect;
            return (since + ms(limit + SLACK), UpstreamError::ConnectTimeout { limit });
        }
        let limit = patience.place;
        let takes_any = open.iter().any(|connection| connection.allowed.get() != Some(0));
        let error = UpstreamError::PlaceTimeout { limit, connections: open.len(), takes_any };
        (patience.since + ms(limit), error)
    }

    /// Something has changed: gives places to those who wait.
    pub(super) fn serve(self: &Rc<Self>) {
        if self.waiting.is_empty() {
            return;
        }
        self.keep_only(|_| true);
        while !self.waiting.is_empty() {
            let way = if self.is_http1() {
                Way::Http1(None)
            } else if let Some(lease) = self.place() {
                Way::Http2(lease)
            } else {
                break;
            };
            // Never back: somebody waits.
            drop(self.waiting.give(Ok(way)));
        }
        if let Some(opener) = self.pausing.take() {
            opener.wake();
        }
        if self.may_open() {
            // Who is next opens it: not here, where there may be no runtime any more.
            self.waiting.wake_first();
        }
    }

    fn may_open(&self) -> bool {
        !self.is_opening.get() && self.open.borrow().len() < CONNECTIONS_MAX
    }

    /// Opens a connection for those who wait, if nobody does and there are not too many.
    fn open_another(self: &Rc<Self>) {
        if !self.may_open() {
            return;
        }
        self.is_opening.set(true);
        let opening = Opening(Rc::clone(self));
        tokio::task::spawn_local(async move {
            opening.run().await;
            drop(opening);
        });
    }

    /// Whether the upstream has said on a connection that it takes no calls: it will hardly take them
    /// on another.
    fn is_shut(&self) -> bool {
        self.open.borrow().iter().any(|connection| connection.allowed.get() == Some(0))
    }

    /// Waits for a while, at most as long as this holds.
    async fn pause(&self, is_reason: impl Fn() -> bool) {
        let over = poll_fn(|cx| {
            if !is_reason() {
                return Poll::Ready(());
            }
            self.pausing.set(Some(cx.waker().clone()));
            Poll::Pending
        });
        within(&self.timers, Some(PAUSE), over).await;
    }
}

impl Opening {
    async fn run(&self) {
        let home = &self.0;
        if home.is_shut() {
            home.pause(|| home.is_shut()).await;
            if home.waiting.is_empty() {
                return;
            }
        }
        match self.open().await {
            Ok(()) => {}
            Err(error) if home.open.borrow().is_empty() => {
                // Each call makes its own attempt, as it would over HTTP/1.
                drop(home.waiting.give(Err(error)));
            }
            Err(error) => {
                tracing::debug!(%error, "no further HTTP/2 connection to the upstream");
                home.pause(|| !home.open.borrow().is_empty()).await;
            }
        }
    }

    async fn open(&self) -> Result<(), UpstreamError> {
        let home = &self.0;
        let limit = home.connect_timeout.get();
        let start = Instant::now();
        let Connected { stream, protocol } = connect(&home.upstream, true, limit).await?;
        home.saw(protocol);
        match protocol {
            Protocol::Http1 => {
                drop(home.waiting.give(Ok(Way::Http1(Some(stream)))));
                Ok(())
            }
            Protocol::Http2 => home.begin(stream, start, limit).await,
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.is_opening.set(false);
        self.0.serve();
    }
}
