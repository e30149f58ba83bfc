//! From a call that is complete to its events: redact, judge the conditions, look for loops.
//!
//! Redaction goes first: a condition sees what may be stored. What parses or decodes a body is done
//! on another thread. A condition never stops the call: at worst there is no event.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use uuid::Uuid;

use super::capture::{Candidate, Capture};
use super::commit::CommitError;
use super::fields::narrow;
use super::loops;
use super::settings::CommitMode;
use super::terms::Terms;
use super::worker::Worker;
use crate::expr::ExprError;
use crate::model::{EventId, EventRule, Exchange, NewEvent, RuleRef, Timestamp};
use crate::rules::{ConditionError, Judgement, has_conditions, judge, reads_bodies};

/// A candidate with what its rule says of it.
type Judged = (Candidate, Judgement);

/// One event per rule that takes the call for a success and whose condition holds; none for a call
/// that too many webhooks led to.
///
/// # Errors
/// The bodies could not be redacted.
pub(super) async fn events(
    worker: &Worker,
    capture: &mut Capture,
    time: Timestamp,
) -> Result<Vec<NewEvent>, CommitError> {
    let terms = Rc::clone(&capture.terms);
    let mut matched: Vec<(Candidate, Option<String>)> = Vec::new();
    for (candidate, judgement) in judged(worker, &terms, capture.candidates(worker), time).await? {
        tell_errors(worker, &candidate, &judgement, time);
        if judgement.matched {
            matched.push((candidate, judgement.subject));
        }
    }
    if matched.is_empty() {
        return Ok(Vec::new());
    }
    let depth = loops::depth(worker, capture.marks()).await;
    let depth_max = terms.settings.depth_max;
    if depth > depth_max {
        let tell = |of: &Candidate| tell_loop(worker, of, (depth, depth_max), time);
        matched.iter().for_each(|(candidate, _)| tell(candidate));
        return Ok(Vec::new());
    }
    let event = |(Candidate { rule, tally, exchange, .. }, subject): (Candidate, _)| {
        tally.hit(time);
        NewEvent {
            id: EventId::from_uuid(Uuid::now_v7()),
            time,
            rule: RuleRef { id: rule.id, label: rule.label.clone(), tag: rule.tag.clone() },
            subject,
            depth,
            test_of: None,
            exchange,
        }
    };
    Ok(matched.into_iter().map(event).collect())
}

/// Redacts and judges, on another thread where that takes its time.
async fn judged(
    worker: &Worker,
    terms: &Terms,
    mut candidates: Vec<Candidate>,
    time: Timestamp,
) -> Result<Vec<Judged>, CommitError> {
    let fields = Arc::clone(&terms.fields);
    let settings = Arc::clone(&terms.settings);
    let is_long = !fields.is_empty() || candidates.iter().any(|c| reads_bodies(&c.rule));
    let n = candidates.len() as u64;
    let mut work = move || {
        candidates
            .drain(..)
            .map(|mut candidate| {
                fields.redact(&mut candidate.exchange);
                let judgement = if has_conditions(&candidate.rule) {
                    let exchange = Arc::new(candidate.exchange);
                    let judgement = judgement(&candidate.rule, time, &exchange);
                    candidate.exchange = Arc::unwrap_or_clone(exchange);
                    judgement
                } else {
                    Judgement { matched: true, ..Judgement::default() }
                };
                if candidate.is_wide {
                    narrow(&mut candidate.exchange, &settings.capture);
                }
                (candidate, judgement)
            })
            .collect::<Vec<_>>()
    };
    if !is_long {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "an event is not made: its redaction did not end");
        if terms.settings.commit == CommitMode::AfterResponse {
            // The client has its success already.
            worker.metrics().events_lost("redaction", n);
        }
        CommitError::Redaction
    })
}

/// Judges; an evaluation that panics counts as one that fails.
fn judgement(rule: &EventRule, time: Timestamp, exchange: &Arc<Exchange>) -> Judgement {
    catch_unwind(AssertUnwindSafe(|| judge(rule, time, exchange))).unwrap_or_else(|_| {
        let expression = rule.when.as_ref().or(rule.subject.as_ref());
        let source = ExprError { message: "its evaluation panicked".to_owned(), span: None };
        let expression = expression.map(|e| e.source().to_owned()).unwrap_or_default();
        let errors = vec![ConditionError { key: "when", expression, source }];
        Judgement { errors, ..Judgement::default() }
    })
}

fn tell_errors(worker: &Worker, of: &Candidate, judgement: &Judgement, time: Timestamp) {
    let label = of.rule.label.as_str();
    for error in &judgement.errors {
        worker.metrics().condition_error(label);
        if of.tally.condition_failed(time, error) {
            tracing::warn!(
                label,
                %error,
                "a condition failed; it counts as not matched, a subject as none \
                 (said once a minute, counted always)"
            );
        }
    }
}

fn tell_loop(worker: &Worker, of: &Candidate, (depth, depth_max): (u8, u8), time: Timestamp) {
    let label = of.rule.label.as_str();
    worker.metrics().loop_stopped(label);
    if of.tally.loop_stopped(time) {
        tracing::warn!(
            label,
            depth,
            depth_max,
            "a call makes no event: webhooks led to it (said once a minute, counted always)"
        );
    }
}
