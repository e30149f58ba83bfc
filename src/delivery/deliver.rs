//! One attempt, from a lease to its record.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;

use super::health::Sign;
use super::outgoing::{self, Order};
use super::retry::Schedule;
use super::{Settings, classify, record, retry, retry_after};
use crate::clock;
use crate::egress::Egress;
use crate::model::{Attempt, Failure, Outcome, Timestamp, Verdict, Webhook};
use crate::store::{Lease, Store};
use crate::telemetry::Metrics;

/// What every attempt needs.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) egress: Egress,
    pub(super) metrics: Arc<Metrics>,
}

/// What an ended attempt means for its webhook.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// What it says about the receiver.
    pub(super) sign: Sign,
    /// Before when the receiver wants no further attempt.
    pub(super) not_before: Option<Timestamp>,
}

/// Makes one attempt and records it. Dropped before its end, the lease goes back and the
/// delivery is due again: a duplicate at worst, never a loss. `None`: it means nothing for the
/// webhook, as a failed test does not.
pub(super) async fn deliver(
    context: &Context,
    webhook: &Arc<Webhook>,
    lease: Lease,
) -> Option<Report> {
    let clock = Instant::now();
    let order = Order {
        event: Arc::clone(lease.event()),
        webhook: Arc::clone(webhook),
        delivery: lease.delivery().id,
        number: lease.attempt_number(),
        started_at: clock::now(),
        source: Arc::clone(&context.settings.source),
        span: random(),
    };
    if order.number == 1 {
        let lag = order.started_at.since(order.event.time);
        context.metrics.delivery_lag(&webhook.name, lag);
    }
    let (started_at, number, delivery_id) = (order.started_at, order.number, order.delivery);

    let outcome = attempt(&context.egress, order).await;
    let took = clock.elapsed();
    let now = clock::now();
    let not_before = retry_after::not_before(&outcome, now);
    let is_test = lease.event().is_test;
    let schedule = Schedule {
        // Who tests a webhook is there to see what comes of it.
        waits: if is_test { &[] } else { &webhook.retry },
        failures: lease.failures(),
        not_before,
        jitter: context.settings.jitter,
    };
    let verdict = retry::decide(&outcome, schedule, now, chance());
    let report = Report { sign: sign(&outcome, verdict), not_before };
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let attempt = Attempt { delivery_id, number, started_at, duration_ms, outcome, verdict };
    let says_nothing = is_test && attempt.verdict != Verdict::Delivered;
    record::record(context, webhook, lease, attempt, took);
    (!says_nothing).then_some(report)
}

fn sign(outcome: &Outcome, verdict: Verdict) -> Sign {
    match outcome.failure() {
        None => Sign::Accepted,
        Some(failure) if retry::is_gone(failure) => Sign::Gone,
        Some(failure) if !failure.is_receivers() => Sign::NotTheirs { reason: failure.to_string() },
        Some(failure) => {
            Sign::Failed { reason: failure.to_string(), is_last: verdict == Verdict::Failed }
        }
    }
}

/// Render, sign, send, classify. A panic on the way is a failed attempt like any other: were it
/// not recorded, the delivery would be due again at once and for ever.
async fn attempt(egress: &Egress, order: Order) -> Outcome {
    let deadline = order.webhook.timeout;
    let sent = caught(async {
        match outgoing::build(order).await {
            Ok(outgoing) => egress.send(outgoing, deadline).await,
            Err(error) => Err((Failure::Unrenderable { detail: error.to_string() }, None)),
        }
    });
    match sent.await {
        Ok(sent) => classify::classify(sent),
        Err(panic) => {
            let failure = Failure::Unrenderable { detail: format!("internal error: {panic}") };
            Outcome::Failed { failure, reply: None }
        }
    }
}

/// Runs a future to its end or to its panic, and gives the panic's words.
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(words(panic.as_ref()))),
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// Random bits; where the system has none to give, the schedule goes on without jitter.
fn random() -> u64 {
    getrandom::u64().unwrap_or(1 << 63)
}

/// A number of 0.0..1.0.
pub(super) fn chance() -> f64 {
    let bits = u32::try_from(random() >> 32).unwrap_or(u32::MAX);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_words() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let first = std::hint::black_box(true);
        let panics = async {
            tokio::task::yield_now().await;
            assert!(!first, "no luck");
        };
        assert_eq!(caught(panics).await, Err("no luck".to_owned()));
    }

    #[test]
    fn chance_is_a_fraction() {
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&chance()));
        }
    }
}
