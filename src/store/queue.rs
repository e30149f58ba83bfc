//! What has arrived for the committer: bounded in bytes, never blocking the one who hands over.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::leases::Guard;
use super::recovery::{Cancelled, Recovery, RecoverySpec};
use super::{Receipt, StoreError, locked};
use crate::model::{Attempt, Delivery, DeliveryId, EventId, NewEvent, Secret, Webhook, WebhookId};

/// An attempt's record waits at most this long for company; that of an ordered delivery does not
/// wait, because the next of its chain waits for it.
const ATTEMPT_WAIT_MAX: Duration = Duration::from_millis(50);
/// Where events come thick and fast, one waits at most this long for company.
const EVENT_WAIT_MAX: Duration = Duration::from_millis(1);
/// So many attempts are company enough.
const N_ATTEMPTS_FORCE: usize = 256;
const N_REQUESTS_MAX: usize = 10_000;
/// Definitions are large: they are taken while no more than this waits.
const N_BEFORE_DEFINITION_MAX: usize = 100;
/// Events of sidehook's own are taken while no more than this part of the room is used.
const OWN_PART: usize = 8;

/// An event that waits for its commit.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) event: NewEvent,
    pub(crate) weight: usize,
    /// Keep it over failures.
    pub(crate) keep: bool,
    pub(crate) waiter: Option<oneshot::Sender<Result<Receipt, StoreError>>>,
    pub(crate) since: Instant,
}

/// An attempt that has been made; its lease ends when it is recorded.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) attempt: Attempt,
    pub(crate) guard: Guard,
}

/// Where the answer to a request goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A change by hand.
#[derive(Debug)]
pub(crate) enum Request {
    Requeue {
        id: DeliveryId,
        waiter: Answer<Option<Delivery>>,
    },
    Cancel {
        id: DeliveryId,
        waiter: Answer<Cancelled>,
    },
    /// For these webhooks, or for all that the event was for.
    Replay {
        event: EventId,
        webhooks: Option<Vec<WebhookId>>,
        waiter: Answer<Option<u64>>,
    },
    Define {
        webhook: Box<Webhook>,
        text: Secret,
        waiter: Answer<()>,
    },
    Delete {
        id: WebhookId,
        waiter: Answer<bool>,
    },
    Recover {
        spec: RecoverySpec,
        count: u64,
        waiter: Answer<Recovery>,
    },
    StopRecovery {
        id: Uuid,
        waiter: Answer<Option<Recovery>>,
    },
    /// Webhooks stand otherwise now: what is new is in `States`.
    Stand {
        waiter: Answer<()>,
    },
    /// The event's record cannot be read: nothing can be delivered.
    GiveUp {
        guard: Guard,
        error: String,
    },
}

/// What the committer took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) events: Vec<Waiting>,
    pub(crate) attempts: Vec<Finished>,
    pub(crate) requests: Vec<Request>,
    pub(crate) closing: bool,
}

/// How much to take at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) n_events: usize,
    pub(crate) bytes: usize,
    /// How many events to wait for, a moment.
    pub(crate) company: usize,
}

#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    arrived: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Waiting>,
    /// So many are waited for.
    company: usize,
    /// Of all events not yet durable or dropped, those in the committer's hands included.
    bytes: usize,
    attempts: Vec<Finished>,
    first_attempt: Option<Instant>,
    /// An attempt is among them that must not wait.
    is_urgent: bool,
    requests: Vec<Request>,
    closing: bool,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { inner: Mutex::default(), arrived: Condvar::new(), bytes_max }
    }

    /// Hands an event over. An event alone always finds room, so that none is too large for ever.
    pub(crate) fn push_event(&self, waiting: Waiting) -> Result<(), StoreError> {
        self.push_within(self.bytes_max, waiting)
    }

    /// Hands over an event that no call waits for: only while most of the room is free.
    pub(crate) fn push_own_event(&self, waiting: Waiting) -> Result<(), StoreError> {
        self.push_within(self.bytes_max / OWN_PART, waiting)
    }

    fn push_within(&self, bytes_max: usize, waiting: Waiting) -> Result<(), StoreError> {
        let mut inner = locked(&self.inner);
        if inner.closing {
            return Err(StoreError::Closed);
        }
        if inner.bytes > 0 && inner.bytes.saturating_add(waiting.weight) > bytes_max {
            return Err(StoreError::Full { bytes: inner.bytes });
        }
        inner.bytes += waiting.weight;
        inner.events.push_back(waiting);
        let n = inner.events.len();
        let forces = n == 1 || n == inner.company;
        drop(inner);
        if forces {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Never refused while the store is open: there are no more of them than leases. After the
    /// close the attempt goes unrecorded, as after a crash.
    pub(crate) fn push_attempt(&self, finished: Finished) {
        let mut inner = locked(&self.inner);
        if inner.closing {
            drop(inner);
            tracing::debug!(delivery = %finished.guard.id(), "attempt ended after the close");
            return;
        }
        let is_first = inner.attempts.is_empty();
        inner.first_attempt.get_or_insert_with(Instant::now);
        let becomes_urgent = finished.guard.is_ordered() && !inner.is_urgent;
        inner.is_urgent |= becomes_urgent;
        inner.attempts.push(finished);
        let forces = is_first || becomes_urgent || inner.attempts.len() == N_ATTEMPTS_FORCE;
        drop(inner);
        if forces {
            self.arrived.notify_one();
        }
    }

    pub(crate) fn push_request(&self, request: Request) -> Result<(), StoreError> {
        let mut inner = locked(&self.inner);
        if inner.closing {
            return Err(StoreError::Closed);
        }
        let is_large = matches!(request, Request::Define { .. });
        let n_max = if is_large { N_BEFORE_DEFINITION_MAX } else { N_REQUESTS_MAX };
        if inner.requests.len() >= n_max {
            return Err(StoreError::Full { bytes: inner.bytes });
        }
        inner.requests.push(request);
        drop(inner);
        self.arrived.notify_one();
        Ok(())
    }

    /// Bytes of events that are durable or dropped now.
    pub(crate) fn release(&self, bytes: usize) {
        let mut inner = locked(&self.inner);
        inner.bytes = inner.bytes.saturating_sub(bytes);
    }

    /// From now on nothing is taken in; what is there is still handed out.
    pub(crate) fn close(&self) {
        locked(&self.inner).closing = true;
        self.arrived.notify_one();
    }

    /// Waits at most `timeout` for something to do and takes it.
    pub(crate) fn take(&self, limits: Limits, timeout: Duration) -> Taken {
        let deadline = Instant::now() + timeout;
        let mut inner = locked(&self.inner);
        loop {
            let now = Instant::now();
            let attempts_at = inner.first_attempt.map(|first| first + ATTEMPT_WAIT_MAX);
            let events_at = inner.events.front().map(|first| {
                let is_enough = inner.events.len() >= limits.company;
                if is_enough { now } else { first.since + EVENT_WAIT_MAX }
            });
            let ready = events_at.is_some_and(|at| at <= now)
                || !inner.requests.is_empty()
                || inner.closing
                || inner.is_urgent
                || inner.attempts.len() >= N_ATTEMPTS_FORCE
                || attempts_at.is_some_and(|at| at <= now);
            if ready || now >= deadline {
                inner.company = 0;
                return inner.take(limits, ready);
            }
            inner.company = limits.company;
            let until = [events_at, attempts_at].into_iter().flatten().fold(deadline, Instant::min);
            inner = self
                .arrived
                .wait_timeout(inner, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Inner {
    fn take(&mut self, limits: Limits, ready: bool) -> Taken {
        let mut taken = Taken { closing: self.closing, ..Taken::default() };
        if !ready {
            return taken;
        }
        let mut bytes = 0;
        while let Some(next) = self.events.front() {
            let fits = taken.events.len() < limits.n_events && bytes + next.weight <= limits.bytes;
            if !fits && !taken.events.is_empty() {
                break;
            }
            bytes += next.weight;
            taken.events.extend(self.events.pop_front());
        }
        taken.attempts = std::mem::take(&mut self.attempts);
        taken.requests = std::mem::take(&mut self.requests);
        self.first_attempt = None;
        self.is_urgent = false;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, Exchange, HeaderList, RequestPart, ResponsePart, RuleRef, Timestamp};

    fn waiting() -> Waiting {
        let (headers, body) = (HeaderList::default(), Body::none());
        let (method, url, params) = (String::new(), String::new(), Vec::new());
        let response = ResponsePart { status: 200, headers: headers.clone(), body: body.clone() };
        let event = NewEvent {
            id: EventId::from_uuid(Uuid::now_v7()),
            time: Timestamp::default(),
            rule: RuleRef { id: 1, label: "a".to_owned(), tag: None },
            subject: None,
            depth: 0,
            exchange: Exchange {
                request: RequestPart { method, url, params, headers, body },
                response,
            },
            test_of: None,
        };
        // Has not begun to wait: however slow the test is, its time does not pass.
        let since = Instant::now() + Duration::from_secs(3600);
        Waiting { event, weight: 1, keep: false, waiter: None, since }
    }

    #[test]
    fn an_event_waits_for_company_until_there_is_enough() {
        let queue = Queue::new(1000);
        let limits = |company| Limits { n_events: 10, bytes: 1000, company };
        let take = |company| queue.take(limits(company), Duration::ZERO).events.len();
        queue.push_event(waiting()).expect("room");
        assert_eq!(take(2), 0);
        queue.push_event(waiting()).expect("room");
        assert_eq!(take(2), 2);
        queue.push_event(waiting()).expect("room");
        assert_eq!(take(0), 1, "where few come, none waits");
        let early = Waiting { since: Instant::now() - EVENT_WAIT_MAX, ..waiting() };
        queue.push_event(early).expect("room");
        assert_eq!(take(2), 1, "it has waited long enough");
    }
}
