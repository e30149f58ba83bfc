//! Passes a matched success on and holds its end back until its events are durable.
//!
//! What is held is the least that keeps the response incomplete: the last piece of a body with a
//! length, the terminator of a chunked one, the head where there is no body. A response that is
//! there all at once is held whole: it leaves in one write, and a failed commit can still be
//! answered with a clean 503. Nothing else waits, so event streams flow; and one that does not end
//! becomes an event after a while, and goes on without us.

mod download;
mod early;
mod way;

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::capture::Capture;
use super::commit::commit;
use super::content::{Content, Frames};
use super::error::{Problem, UpstreamError};
use super::exchange::{Answer, Reply};
use super::gate::{Passage, gate};
use super::settings::CommitMode;
use super::timers::Slot;
use super::upstream::{Connection, ResponseBody};
use super::wire::Head;
use super::worker::Worker;
use crate::model::BodyState;
use crate::sabotage;

pub(super) use download::Download;
use download::Step;
use early::let_go;
use way::Way;

/// What may be collected before the head goes out.
const AT_ONCE_BYTES_MAX: u64 = 64 << 10;

/// Pieces that may be collected: each takes more memory than the few bytes it may have.
const AT_ONCE_PIECES_MAX: usize = 256;

/// What comes next of a response that comes bit by bit.
enum Next {
    Step(Step),
    /// Its end is not waited for any more: so its bodies are marked.
    Late(BodyState),
    /// Its client is gone, and no rule wants it carried on.
    Unwanted,
}

/// Passes the response on, its end only after the commit.
pub(super) async fn release(
    worker: &Rc<Worker>,
    head: Head,
    mut download: Download,
    answer: Answer,
) {
    if let ResponseBody::Tunnel(connection) = download.body {
        return switch(worker, head, connection, download.capture, answer).await;
    }
    let mut first = Frames::default();
    let is_whole = loop {
        match download.step_at_once().await {
            Some(Step::Frame(frame)) => first.push(frame),
            Some(Step::Last(frame)) => {
                first.push(frame);
                break true;
            }
            Some(Step::End) => break true,
            Some(Step::Broken) => {
                tell_broken(worker, &download.capture);
                let problem = UpstreamError::Incomplete.problem(&download.capture.terms.settings);
                return answer.give(Err(problem));
            }
            None => break false,
        }
        let is_much = download.capture.response.size() > AT_ONCE_BYTES_MAX;
        if is_much || first.n_pieces() >= AT_ONCE_PIECES_MAX {
            break false;
        }
    };
    if is_whole {
        at_once(worker, head, first, download, answer).await;
    } else {
        piece_by_piece(worker, head, first, download, answer).await;
    }
}

/// A switch to another protocol, which the rule takes for a success: its head is all there is to
/// hold back.
async fn switch(
    worker: &Rc<Worker>,
    head: Head,
    connection: Box<Connection>,
    capture: Capture,
    answer: Answer,
) {
    match commit(worker, capture).await {
        Ok(()) => answer.give(Ok(Reply::new(head, Content::Tunnel(connection)))),
        Err(error) => {
            tracing::error!(%error, "a switch of protocols is withheld: its event is not stored");
            answer.give(Err(Problem::not_stored(&error.to_string())));
        }
    }
}

/// The whole response is here.
async fn at_once(
    worker: &Rc<Worker>,
    head: Head,
    frames: Frames,
    download: Download,
    answer: Answer,
) {
    let exact = download.length.is_some();
    let reply = Reply::new(head, Content::Whole { frames, exact });
    if !download.capture.has_succeeded() {
        return answer.give(Ok(reply));
    }
    if goes_first(&download) {
        answer.give(Ok(reply));
        if let Err(error) = commit(worker, download.capture).await {
            tracing::error!(%error, "a success went out, but its event is not stored");
        }
        return;
    }
    match commit(worker, download.capture).await {
        Ok(()) => answer.give(Ok(reply)),
        Err(error) => {
            tracing::error!(%error, "a success is withheld: its event is not stored");
            answer.give(Err(Problem::not_stored(&error.to_string())));
        }
    }
}

/// The response comes bit by bit.
async fn piece_by_piece(
    worker: &Rc<Worker>,
    head: Head,
    first: Frames,
    mut download: Download,
    answer: Answer,
) {
    let (writer, rest) = gate();
    let mut way = Way::new(writer, &worker.timers);
    let late = worker.timers.slot();
    late.arm(download.capture.terms.settings.capture.max_duration);
    let content = Content::Gated { first, rest, remaining: download.length, ended: false };
    answer.give(Ok(Reply::new(head, content)));
    let last = loop {
        match std::future::poll_fn(|cx| poll_next(&mut download, &mut way, &late, cx)).await {
            Next::Step(Step::Frame(frame)) => way.put(Passage::Frame(frame)),
            Next::Step(Step::Last(frame)) => break Some(frame),
            Next::Step(Step::End) => break None,
            Next::Step(Step::Broken) => {
                way.break_off(&download.body);
                return tell_broken(worker, &download.capture);
            }
            Next::Late(state) => return let_go(worker, download, way, state).await,
            Next::Unwanted => return download.body.cancel(),
        }
    };
    drop(late);
    end(worker, last.map(Passage::Frame), download, way).await;
}

/// The next step, if the client takes it or is gone; what is left of the request goes up in any
/// case.
fn poll_next(
    download: &mut Download,
    way: &mut Way,
    late: &Slot,
    cx: &mut Context<'_>,
) -> Poll<Next> {
    let is_ready = way.poll_ready(cx).is_ready();
    if way.poll_gone(cx).is_ready() {
        if download.capture.ends_with_client() {
            return Poll::Ready(Next::Unwanted);
        }
        if way.poll_given_up(cx).is_ready() || late.poll_passed(cx).is_ready() {
            return Poll::Ready(Next::Late(BodyState::ClientAborted));
        }
        return download.poll_step(cx).map(Next::Step);
    }
    if !is_ready {
        download.body.poll_upload(cx);
    } else if let Poll::Ready(step) = download.poll_step(cx) {
        return Poll::Ready(Next::Step(step));
    }
    ready!(late.poll_passed(cx));
    Poll::Ready(Next::Late(BodyState::Streaming))
}

/// The response has ended; what is held back of it waits for the commit.
async fn end(worker: &Rc<Worker>, mut last: Option<Passage>, download: Download, mut way: Way) {
    let is_success = download.capture.has_succeeded();
    let is_free = goes_first(&download) || !is_success;
    if is_free {
        if let Some(frame) = last.take() {
            way.send(frame).await;
        }
        way.send(Passage::End).await;
    }
    if !is_success {
        return;
    }
    match commit(worker, download.capture).await {
        Ok(()) if is_free => {}
        Ok(()) => {
            if let Some(frame) = last {
                way.send(frame).await;
            }
            way.send(Passage::End).await;
        }
        Err(error) if is_free => {
            tracing::error!(%error, "a success went out, but its event is not stored");
        }
        Err(error) => {
            tracing::error!(%error, "a success is broken off: its event is not stored");
        }
    }
}

/// Whether the response does not wait for the commit.
fn goes_first(download: &Download) -> bool {
    download.capture.terms.settings.commit == CommitMode::AfterResponse || sabotage::release_early()
}

/// A success by its head, but not by its end: no event.
fn tell_broken(worker: &Worker, capture: &Capture) {
    for label in capture.labels() {
        worker.metrics().response_broken(label);
        tracing::info!(label, "a call makes no event: its response was broken off before its end");
    }
}
