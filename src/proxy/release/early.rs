//! The event of a response that does not end, or whose client is gone: made of what came so far.
//! Then the call goes on as one that no rule matches.

use std::pin::pin;
use std::task::Poll;

use super::download::{Download, Step, poll_step};
use super::way::Way;
use crate::model::BodyState;
use crate::proxy::commit::{CommitError, commit};
use crate::proxy::gate::Passage;
use crate::proxy::worker::Worker;

/// What happens first.
enum First {
    Committed(Result<(), CommitError>),
    Step(Step),
}

/// Makes the event now, `state` being how its bodies are marked, and lets go of the call. Pieces pass
/// meanwhile, but not the end.
pub(super) async fn let_go(worker: &Worker, download: Download, mut way: Way, state: BodyState) {
    let goes_first = super::goes_first(&download);
    let Download { mut body, mut capture, .. } = download;
    capture.cut(state);
    if way.is_gone() {
        // There is nobody to let go to.
        body.cancel();
        if let Err(error) = commit(worker, capture).await {
            tracing::error!(%error, "the event of a call whose client is gone is not stored");
        }
        return;
    }
    let mut committed = pin!(commit(worker, capture));
    let mut end = None;
    let result = loop {
        let first = std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = committed.as_mut().poll(cx) {
                return Poll::Ready(First::Committed(result));
            }
            if end.is_some() {
                return Poll::Pending;
            }
            if way.poll_ready(cx).is_pending() {
                body.poll_upload(cx);
                return Poll::Pending;
            }
            poll_step(&mut body, cx).map(First::Step)
        });
        match first.await {
            First::Committed(result) => break result,
            First::Step(Step::Frame(frame)) => way.put(Passage::Frame(frame)),
            First::Step(step) => end = Some(step),
        }
    };
    if let Err(error) = result
        && !goes_first
    {
        tracing::error!(%error, "a success is broken off: its event is not stored");
        // The gate breaks when its writer is dropped.
        return body.cancel();
    }
    match end {
        None | Some(Step::Frame(_)) => way.hand_over(body).await,
        Some(Step::Last(frame)) => {
            way.send(Passage::Frame(frame)).await;
            way.send(Passage::End).await;
        }
        Some(Step::End) => way.send(Passage::End).await,
        Some(Step::Broken) => way.break_off(&body),
    }
}
