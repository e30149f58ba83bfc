//! Passes a matched success on and holds its end back until its events are durable.
//!
//! What is held is the least that keeps the response incomplete: the last piece of a body with a
//! length, the terminator of a chunked one, the head where there is no body. A response that is
//! there all at once is held whole: it leaves in one write, and a failed commit can still be
//! answered with a clean 503. Nothing else waits, so event streams flow.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;

use super::capture::Capture;
use super::commit::commit;
use super::content::Content;
use super::error::{Problem, UpstreamError};
use super::exchange::{Answer, Reply};
use super::gate::{Passage, Writer, gate};
use super::settings::CommitMode;
use super::upstream::ResponseBody;
use super::wire::Head;
use super::worker::Worker;
use crate::sabotage;

/// What may be collected before the head goes out.
const AT_ONCE_BYTES_MAX: u64 = 64 << 10;

/// For a client that is gone: how much of the response is still read, and for how long.
const DRAIN_BYTES_MAX: u64 = 64 << 20;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(60);

/// A response on its way, and the copy taken of it.
pub(super) struct Download {
    body: ResponseBody,
    capture: Capture,
    /// What the head announced.
    length: Option<u64>,
}

/// The next piece of a response.
enum Step {
    Frame(Frame<Bytes>),
    /// The last piece: nothing follows it.
    Last(Frame<Bytes>),
    End,
    Broken,
}

impl Download {
    pub(super) const fn new(body: ResponseBody, capture: Capture) -> Self {
        let length = body.length();
        Self { body, capture, length }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.body.is_end() {
            return Poll::Ready(self.ended(None));
        }
        Poll::Ready(match ready!(self.body.poll_frame(cx)) {
            None => self.ended(None),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.capture.response.push(data);
                }
                if frame.is_trailers() || self.body.is_end() {
                    self.ended(Some(frame))
                } else {
                    Step::Frame(frame)
                }
            }
            Some(Err(_broken_off)) => Step::Broken,
        })
    }

    /// The body has ended.
    fn ended(&mut self, last: Option<Frame<Bytes>>) -> Step {
        self.capture.response.complete();
        last.map_or(Step::End, Step::Last)
    }

    /// What is there already; the next step only if it is, too.
    async fn step_at_once(&mut self) -> Option<Step> {
        let now = |this: &mut Self, cx: &mut Context<'_>| match this.poll_step(cx) {
            Poll::Ready(step) => Poll::Ready(Some(step)),
            Poll::Pending => Poll::Ready(None),
        };
        std::future::poll_fn(|cx| now(self, cx)).await
    }

    /// The next step. For a client that is gone, within limits: `Broken` when they are passed.
    async fn step(&mut self, worker: &Worker, way: &mut Way) -> Step {
        std::future::poll_fn(|cx| {
            if let Poll::Ready(step) = self.poll_step(cx) {
                return Poll::Ready(step);
            }
            way.poll_given_up(worker, cx).map(|()| {
                // No client saw a success, but what the upstream did is told to nobody.
                worker.metrics().events_lost("client_gone", 1);
                tracing::error!(
                    "an event is not made: its client is gone, and the upstream's response has not \
                     ended within a minute or 64 MiB"
                );
                Step::Broken
            })
        })
        .await
    }
}

/// The way to the client, who may be gone.
struct Way {
    writer: Option<Writer>,
    drained: Option<super::timers::Slot>,
    drained_bytes: u64,
}

impl Way {
    const fn new(writer: Writer) -> Self {
        Self { writer: Some(writer), drained: None, drained_bytes: 0 }
    }

    async fn send(&mut self, passage: Passage) {
        if let Passage::Frame(frame) = &passage
            && self.writer.is_none()
        {
            self.drained_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        if let Some(writer) = &self.writer
            && writer.send(passage).await.is_err()
        {
            self.writer = None;
        }
    }

    fn poll_given_up(&mut self, worker: &Worker, cx: &Context<'_>) -> Poll<()> {
        if let Some(writer) = &self.writer {
            ready!(writer.poll_gone(cx));
            self.writer = None;
        }
        let drained = self.drained.get_or_insert_with(|| {
            let slot = worker.timers.slot();
            slot.arm(DRAIN_TIME_MAX);
            slot
        });
        if self.drained_bytes > DRAIN_BYTES_MAX {
            return Poll::Ready(());
        }
        drained.poll_passed(cx)
    }
}

/// Passes the response on, its end only after the commit.
///
/// Of a switch to another protocol the head is all there is to hold back.
pub(super) async fn release(
    worker: &Rc<Worker>,
    head: Head,
    mut download: Download,
    answer: Answer,
) {
    if let ResponseBody::Tunnel(connection) = download.body {
        return switch(worker, head, Content::Tunnel(connection), download.capture, answer).await;
    }
    let mut first = VecDeque::new();
    let is_whole = loop {
        match download.step_at_once().await {
            Some(Step::Frame(frame)) => first.push_back(frame),
            Some(Step::Last(frame)) => {
                first.push_back(frame);
                break true;
            }
            Some(Step::End) => break true,
            Some(Step::Broken) => {
                let problem = UpstreamError::Incomplete.problem(&download.capture.terms.settings);
                return answer.give(Err(problem));
            }
            None => break false,
        }
        if download.capture.response.size() > AT_ONCE_BYTES_MAX {
            break false;
        }
    };
    if is_whole {
        at_once(worker, head, first, download, answer).await;
    } else {
        piece_by_piece(worker, head, first, download, answer).await;
    }
}

/// The rule takes 101 for a success.
async fn switch(
    worker: &Rc<Worker>,
    head: Head,
    content: Content,
    capture: Capture,
    answer: Answer,
) {
    match commit(worker, capture).await {
        Ok(()) => answer.give(Ok(Reply::new(head, content))),
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
    frames: VecDeque<Frame<Bytes>>,
    download: Download,
    answer: Answer,
) {
    let exact = download.length.is_some();
    let reply = Reply::new(head, Content::Whole { frames, exact });
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
    first: VecDeque<Frame<Bytes>>,
    mut download: Download,
    answer: Answer,
) {
    let (writer, rest) = gate();
    let mut way = Way::new(writer);
    let content = Content::Gated { first, rest, remaining: download.length, ended: false };
    answer.give(Ok(Reply::new(head, content)));
    let last = loop {
        match download.step(worker, &mut way).await {
            Step::Frame(frame) => way.send(Passage::Frame(frame)).await,
            Step::Last(frame) => break Some(frame),
            Step::End => break None,
            // The gate breaks when its writer is dropped.
            Step::Broken => return,
        }
    };
    let mut last = last.map(Passage::Frame);
    if goes_first(&download)
        && let Some(frame) = last.take()
    {
        way.send(frame).await;
    }
    if goes_first(&download) {
        way.send(Passage::End).await;
    }
    match commit(worker, download.capture).await {
        Ok(()) => {
            if let Some(frame) = last {
                way.send(frame).await;
            }
            way.send(Passage::End).await;
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
