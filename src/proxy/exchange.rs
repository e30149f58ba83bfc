//! One call, from its head to the head of its response: match, capture, forward, commit.

use std::cell::RefCell;
use std::rc::Rc;

use http::{Request, Response, request};
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::admit::admit;
use super::body::{ClientBody, Content, RequestBody};
use super::capture::{Capture, Tap};
use super::client::{Call, Client};
use super::error::Problem;
use super::forward::forward;
use super::headers;
use super::release::{Download, release};
use super::terms::Terms;
use super::worker::{Counted, Worker};
use crate::rules::Matched;
use crate::store::OnFailure;

/// What a call comes to.
type Outcome = Result<Response<Content>, Problem>;

/// Where a matched call's task puts its answer.
pub(super) struct Answer(oneshot::Sender<Outcome>);

/// Answers one call.
pub(super) async fn exchange(call: Call, request: Request<Incoming>) -> Response<ClientBody> {
    let (client, terms) = (call.client(), call.terms());
    let (mut head, body) = request.into_parts();
    let outcome = match admit(&mut head, client, terms) {
        Err(problem) => {
            client.worker.metrics().call(false);
            Err(problem)
        }
        Ok(()) => {
            let query = head.uri.query().map(str::as_bytes);
            let path = head.uri.path().as_bytes();
            let matched = terms.rules.matching(head.method.as_str(), path, query);
            client.worker.metrics().call(!matched.is_empty());
            if matched.is_empty() {
                pass(client, terms, head, body).await
            } else {
                keep(client, terms, head, body, matched).await
            }
        }
    };
    outcome.unwrap_or_else(Problem::into_response).map(|content| ClientBody::new(content, call))
}

/// A call that no rule matches: nothing of it is kept, and it ends with its client.
async fn pass(client: &Client, terms: &Terms, head: request::Parts, body: Incoming) -> Outcome {
    let request = to_upstream(client, terms, head, body, None);
    let sent = forward(&client.worker, terms, request).await;
    let (response, connection) = sent.map_err(|e| e.problem(&terms.settings))?;
    let (mut head, incoming) = response.into_parts();
    headers::to_client(&mut head, &incoming);
    Ok(Response::from_parts(head, Content::streamed(incoming, connection)))
}

/// A call that may become an event.
async fn keep(
    client: &Client,
    terms: &Rc<Terms>,
    head: request::Parts,
    body: Incoming,
    matched: Matched,
) -> Outcome {
    let worker = &client.worker;
    let mut capture = Capture::new(worker, Rc::clone(terms), &head, matched);
    if terms.settings.on_store_failure == OnFailure::Refuse
        && let Err(no) = worker.shared.store.check()
    {
        let problem = Problem::store_refuses(&no.reason);
        capture.answered(problem.status());
        return Err(problem);
    }
    let request = to_upstream(client, terms, head, body, Some(Rc::clone(&capture.request)));
    let (answer, answered) = oneshot::channel();
    let carried = carry(Rc::clone(worker), request, capture, Answer(answer));
    worker.tasks.spawn_local(carried);
    answered.await.unwrap_or_else(|_dropped| Err(Problem::internal()))
}

/// Carries a matched call to its end, whether its client waits for it or not: what the upstream
/// goes on to accept must become an event.
async fn carry(
    worker: Rc<Worker>,
    request: Request<RequestBody>,
    mut capture: Capture,
    answer: Answer,
) {
    let _counted = Counted::new(&worker.matched);
    let (response, connection) = match forward(&worker, &capture.terms, request).await {
        Ok(sent) => sent,
        Err(error) => {
            let problem = error.problem(&capture.terms.settings);
            capture.answered(problem.status());
            return answer.give(Err(problem));
        }
    };
    let (mut head, incoming) = response.into_parts();
    headers::to_client(&mut head, &incoming);
    if !capture.responded(&head) {
        let content = Content::streamed(incoming, connection);
        return answer.give(Ok(Response::from_parts(head, content)));
    }
    release(&worker, head, Download::new(incoming, connection, capture), answer).await;
}

fn to_upstream(
    client: &Client,
    terms: &Terms,
    mut head: request::Parts,
    body: Incoming,
    tap: Option<Rc<RefCell<Tap>>>,
) -> Request<RequestBody> {
    headers::to_upstream(&mut head, &body, client, terms);
    Request::from_parts(head, RequestBody::new(body, tap))
}

impl Answer {
    /// Gives the answer to the client, if it still waits.
    pub(super) fn give(self, outcome: Outcome) {
        if self.0.send(outcome).is_err() {
            tracing::debug!("a matched call's client is gone before its answer");
        }
    }
}
