//! One call, from its head to the head of its response: match, capture, forward, commit.

use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::sync::oneshot;

use super::admit::admit;
use super::capture::Capture;
use super::client::{Call, Interim};
use super::content::Content;
use super::error::Problem;
use super::forward::forward;
use super::headers;
use super::release::{Download, release};
use super::upload::RequestBody;
use super::wire::{Head, Version};
use super::worker::{Counted, Worker};
use crate::rules::Matched;
use crate::store::OnFailure;

/// For an upstream without a `response_timeout` and a client that is gone.
const UNWANTED_TIME_MAX: Duration = Duration::from_secs(600);

/// What a client gets.
pub(super) struct Reply {
    pub(super) head: Head,
    pub(super) content: Content,
    /// The connection must not carry another call.
    pub(super) closes: bool,
}

/// What a call comes to.
type Outcome = Result<Reply, Problem>;

/// Where a matched call's task puts its answer.
pub(super) struct Answer(oneshot::Sender<Outcome>);

/// Answers one call.
pub(super) async fn exchange(call: &Call, mut head: Head, body: RequestBody) -> Reply {
    let worker = &call.client.worker;
    let outcome = match admit(&mut head, &call.terms) {
        Err(problem) => {
            worker.metrics().call(false);
            worker.spare.keep_head(head);
            Err(problem)
        }
        Ok(()) if headers::is_at_last_hop(&head) => {
            worker.metrics().call(false);
            head.response(204, b"No Content", Version::Http11);
            Ok(Reply::new(head, Content::Empty))
        }
        Ok(()) => {
            let (path, query) = head.path_and_query();
            // Methods are tokens: the parser has seen to that.
            let method = std::str::from_utf8(head.method()).unwrap_or_default();
            let matched = call.terms.rules.matching(method, path, query);
            worker.metrics().call(!matched.is_empty());
            if matched.is_empty() {
                pass(call, head, body).await
            } else {
                keep(call, head, body, matched).await
            }
        }
    };
    outcome.unwrap_or_else(|problem| Reply::of_problem(&problem, worker))
}

/// A call that no rule matches: nothing of it is kept, and it ends with its client.
async fn pass(call: &Call, mut head: Head, body: RequestBody) -> Outcome {
    let (worker, terms) = (&*call.client.worker, &*call.terms);
    headers::to_upstream(&mut head, &body, &call.client, terms);
    let sent = forward(worker, terms, &head, body, &call.interim).await;
    worker.spare.keep_head(head);
    let (mut head, body) = sent.map_err(|e| e.problem(&terms.settings))?;
    headers::to_client(&mut head);
    Ok(Reply::new(head, Content::of(body)))
}

/// A call that may become an event.
async fn keep(call: &Call, mut head: Head, body: RequestBody, matched: Matched) -> Outcome {
    let (worker, terms) = (&call.client.worker, &call.terms);
    let mut capture = Capture::new(worker, Rc::clone(terms), &head, matched);
    let calls_max = terms.settings.capture.calls_max;
    if worker.matched.get() >= calls_max {
        let problem = Problem::too_many_calls(calls_max);
        capture.answered(problem.status().as_u16());
        return Err(problem);
    }
    if terms.settings.on_store_failure == OnFailure::Refuse
        && let Err(no) = worker.shared.store.check()
    {
        let problem = Problem::store_refuses(&no.reason);
        capture.answered(problem.status().as_u16());
        return Err(problem);
    }
    let body = body.tapped(Rc::clone(&capture.request));
    headers::to_upstream(&mut head, &body, &call.client, terms);
    let (answer, answered) = oneshot::channel();
    let interim = call.interim.clone();
    let carried = carry(Rc::clone(worker), head, body, interim, capture, Answer(answer));
    worker.tasks.spawn_local(carried);
    answered.await.unwrap_or_else(|_dropped| Err(Problem::internal()))
}

/// Carries a matched call to its end, whether its client waits for it or not, unless its rules say
/// otherwise: what the upstream goes on to accept must become an event.
async fn carry(
    worker: Rc<Worker>,
    head: Head,
    body: RequestBody,
    interim: Interim,
    mut capture: Capture,
    mut answer: Answer,
) {
    let _counted = Counted::new(&worker.matched);
    let sent = forward(&worker, &capture.terms, &head, body, &interim);
    let sent = answer.while_wanted(&worker, &capture, sent).await;
    // It keeps the client's connection open.
    drop(interim);
    worker.spare.keep_head(head);
    let Some(sent) = sent else { return };
    let (mut head, body) = match sent {
        Ok(sent) => sent,
        Err(error) => {
            let problem = error.problem(&capture.terms.settings);
            capture.answered(problem.status().as_u16());
            return answer.give(Err(problem));
        }
    };
    headers::to_client(&mut head);
    if !capture.responded(&head, body.length()) {
        return answer.give(Ok(Reply::new(head, Content::of(body))));
    }
    release(&worker, head, Download::new(body, capture), answer).await;
}

impl Reply {
    pub(super) const fn new(head: Head, content: Content) -> Self {
        Self { head, content, closes: false }
    }

    /// An answer of our own.
    pub(super) fn of_problem(problem: &Problem, worker: &Worker) -> Self {
        let mut head = worker.spare.head();
        let content = problem.answer(&mut head);
        Self { head, content, closes: problem.closes() }
    }
}

impl Answer {
    /// Does this work as long as anybody wants what comes of it.
    async fn while_wanted<T>(
        &mut self,
        worker: &Worker,
        capture: &Capture,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let is_cancelled = capture.ends_with_client();
        if !is_cancelled && capture.terms.settings.response_timeout.is_some() {
            return Some(work.await);
        }
        let patience = worker.timers.slot();
        let mut is_gone = false;
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            if !is_gone {
                ready!(self.0.poll_closed(cx));
                is_gone = true;
                patience.arm(UNWANTED_TIME_MAX);
            }
            if is_cancelled {
                return Poll::Ready(None);
            }
            ready!(patience.poll_passed(cx));
            // No client saw a success, but what the upstream may have done is told to nobody.
            worker.metrics().events_lost("client_gone", 1);
            tracing::error!(
                "a call is given up: its client has been gone for ten minutes, and the upstream has \
                 not answered (`[proxy] response_timeout` is \"0s\")"
            );
            Poll::Ready(None)
        })
        .await
    }

    /// Gives the answer to the client, if it still waits.
    pub(super) fn give(self, outcome: Outcome) {
        if self.0.send(outcome).is_err() {
            tracing::debug!("a matched call's client is gone before its answer");
        }
    }
}
