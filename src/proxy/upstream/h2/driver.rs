//! What keeps a connection going: a task of its own, which also tells the calls that wait what the
//! upstream says of how many it takes.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Ping, PingPong};

use super::{Connections, Multiplexed};
use crate::proxy::http2::{Meter, Socket};
use crate::proxy::timers::{Slot, Timers};
use crate::proxy::upstream::connection::Open;

/// With calls under way and nothing heard for this long, the upstream is asked whether it is there.
/// Not more often: servers of gRPC take that for an attack.
const SILENCE_MAX: Duration = Duration::from_secs(330);
/// How long it may take to say so.
const PONG_WAIT: Duration = Duration::from_secs(30);

/// Works on a connection until that ends. It keeps neither the connection nor its pool: who holds
/// neither any more is done.
pub(super) struct Driver {
    connection: h2::client::Connection<Socket, Bytes>,
    of: Weak<Multiplexed>,
    home: Weak<Connections>,
    pings: Option<PingPong>,
    pinged: Option<u64>,
    meter: Rc<Meter>,
    timers: Rc<Timers>,
    slot: Slot,
}

impl Driver {
    /// Starts the task.
    pub(super) fn start(
        mut connection: h2::client::Connection<Socket, Bytes>,
        of: &Rc<Multiplexed>,
        home: &Rc<Connections>,
    ) {
        let pings = connection.ping_pong();
        let counted = Open::new(&home.metrics);
        let mut driver = Self {
            connection,
            of: Rc::downgrade(of),
            home: Rc::downgrade(home),
            pings,
            pinged: None,
            meter: Rc::clone(&of.meter),
            timers: Rc::clone(&home.timers),
            slot: home.timers.slot(),
        };
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| driver.poll(cx)).await;
            drop(counted);
            driver.end(ended);
        });
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
                return Poll::Ready(ended);
            }
            self.look();
            let Some(pings) = &mut self.pings else { return Poll::Pending };
            if self.pinged.is_some() && pings.poll_pong(cx).is_ready() {
                self.pinged = None;
            }
            let wait = if self.pinged.is_some() { PONG_WAIT } else { SILENCE_MAX };
            let since = self.meter.last_read().max(self.pinged.unwrap_or_default());
            let due = since + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX / 2);
            let now = self.timers.now();
            if now < due {
                self.slot.arm(Duration::from_millis(due - now));
                ready!(self.slot.poll_passed(cx));
            } else if self.pinged.is_some() {
                tracing::debug!("the upstream does not answer on an HTTP/2 connection");
                self.meter.reset_on_close();
                return Poll::Ready(Ok(()));
            } else {
                self.pinged = Some(now);
                if let Err(error) = pings.send_ping(Ping::opaque()) {
                    tracing::debug!(%error, "the upstream cannot be pinged");
                }
            }
        }
    }

    /// Whether the upstream has said how many calls it takes, or goodbye.
    fn look(&self) {
        let Some(of) = self.of.upgrade() else { return };
        if of.learn(self.connection.max_concurrent_send_streams())
            && let Some(home) = self.home.upgrade()
        {
            home.serve();
        }
    }

    fn end(self, ended: Result<(), h2::Error>) {
        if let Err(error) = &ended {
            tracing::debug!(%error, "an HTTP/2 connection to the upstream ended");
        }
        let Self { connection, of, home, .. } = self;
        // What is left of its calls learns of the end first.
        drop(connection);
        if let Some(of) = of.upgrade() {
            of.end(ended.err());
        }
        if let Some(home) = home.upgrade() {
            home.serve();
        }
    }
}
