//! Writes an attempt down, and tells whoever watches.

use std::time::Duration;

use super::deliver::Context;
use super::{announce, classify};
use crate::clock;
use crate::model::{Attempt, Verdict, Webhook};
use crate::store::Lease;

/// Records the attempt, which gives the lease back.
pub(super) fn record(
    context: &Context,
    webhook: &Webhook,
    lease: Lease,
    attempt: Attempt,
    took: Duration,
) {
    context.metrics.attempt(&webhook.name, classify::name(&attempt.outcome), took);
    match attempt.verdict {
        Verdict::Delivered => context.metrics.delivery_finished(&webhook.name, "delivered"),
        Verdict::Failed => context.metrics.delivery_finished(&webhook.name, "failed"),
        Verdict::Retry { .. } => {}
    }
    let is_test = lease.event().is_test;
    tell(webhook, &attempt, is_test);
    if attempt.verdict == Verdict::Failed && !is_test {
        announce::delivery_failed(context, webhook, lease.delivery(), &attempt, clock::now());
    }
    context.store.finish(lease, attempt);
}

/// One line per attempt; a delivery that is given up is a warning: it is kept and can be retried.
/// The end of a test is seen by whoever asked for it.
fn tell(webhook: &Webhook, attempt: &Attempt, is_test: bool) {
    let Attempt { delivery_id, number, duration_ms, .. } = attempt;
    let webhook = webhook.name.as_str();
    let reason = attempt.outcome.failure().map(ToString::to_string).unwrap_or_default();
    match attempt.verdict {
        Verdict::Delivered => {
            tracing::debug!(webhook, delivery = %delivery_id, number, duration_ms, "delivered");
        }
        Verdict::Retry { at } => {
            tracing::debug!(
                webhook, delivery = %delivery_id, number, duration_ms, reason, next = %at,
                "attempt failed"
            );
        }
        Verdict::Failed if is_test => {
            tracing::info!(webhook, delivery = %delivery_id, reason, "a test failed");
        }
        Verdict::Failed => {
            tracing::warn!(
                webhook, delivery = %delivery_id, attempts = number, reason,
                "delivery failed; `sidehook retry` sends it again"
            );
        }
    }
}
