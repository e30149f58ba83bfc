//! Makes the events of a matched success durable.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use super::capture::Capture;
use super::events::events;
use super::settings::CommitMode;
use super::timers::within;
use super::worker::Worker;
use crate::clock;
use crate::model::NewEvent;
use crate::store::{OnFailure, StoreError};

/// The events are not stored and the client must not get a success.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    #[error("{reason}")]
    Store { reason: String, source: StoreError },
    #[error("the store did not answer within {0:?}")]
    Timeout(std::time::Duration),
    #[error("the redaction of its bodies did not end")]
    Redaction,
}

/// Commits the events of a call. On return the response's end may
/// be released.
///
/// # Errors
/// At least one event is not durable, and `on_store_failure` is `refuse`.
pub(super) async fn commit(worker: &Worker, mut capture: Capture) -> Result<(), CommitError> {
    let started = Instant::now();
    let result = store(worker, &mut capture).await;
    if let Some(access) = capture.access() {
        access.committed(started.elapsed(), result.is_ok());
    }
    result
}

async fn store(worker: &Worker, capture: &mut Capture) -> Result<(), CommitError> {
    let events = events(worker, capture, clock::now()).await?;
    if let Some(access) = capture.access() {
        events.iter().for_each(|event| access.event(event.id.to_string()));
    }
    if events.is_empty() {
        return Ok(());
    }
    let terms = Rc::clone(&capture.terms);
    let settings = &terms.settings;
    if settings.commit == CommitMode::AfterResponse {
        for event in events {
            if let Err(error) = worker.shared.store.commit_later(event) {
                // Counted and logged by the store.
                tracing::debug!(%error, "an event was not taken");
            }
        }
        return Ok(());
    }
    let on_failure = settings.on_store_failure;
    let all = all_durable(worker, events, on_failure);
    let result = match within(&worker.timers, Some(settings.commit_timeout), all).await {
        Some(Ok(())) => return Ok(()),
        Some(Err(source)) => Err(CommitError::Store { reason: source.to_string(), source }),
        None => Err(CommitError::Timeout(settings.commit_timeout)),
    };
    match (result, on_failure) {
        (Err(error), OnFailure::Keep) => {
            // The store keeps the event, tries again and says so.
            tracing::debug!(%error, "a response goes out before its event is durable");
            Ok(())
        }
        (result, _) => result,
    }
}

/// Commits all of them at once, so that they share one sync.
async fn all_durable(
    worker: &Worker,
    mut events: Vec<NewEvent>,
    on_failure: OnFailure,
) -> Result<(), StoreError> {
    let store = &worker.shared.store;
    if events.len() == 1
        && let Some(event) = events.pop()
    {
        return store.commit(event, on_failure).await.map(|_receipt| ());
    }
    let mut open: Vec<Pin<Box<_>>> =
        events.into_iter().map(|event| Box::pin(store.commit(event, on_failure))).collect();
    let mut failed = None;
    std::future::poll_fn(|cx| {
        open.retain_mut(|commit| match commit.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(_receipt)) => false,
            Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    failed.map_or(Ok(()), Err)
}
