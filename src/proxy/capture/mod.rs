//! What is kept of a matched call: copies within limits, redacted before anything else sees them.

mod grpc;
mod tap;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderMap;

use super::fields::Fields;
use super::loops;
use super::settings::CaptureSettings;
use super::terms::Terms;
use super::wire::Head;
use super::worker::Worker;
use crate::model::{
    Body, BodyState, DeliveryId, EventRule, Exchange, OnDisconnect, RequestPart, ResponsePart,
};
use crate::rules::redact::redact_query;
use crate::rules::{Hit, Matched, Tally, has_conditions};
use crate::telemetry::{AccessLine, CutSide};

use grpc::Outcome;
pub(super) use tap::{Budget, Tap};

/// A matched call as far as it is known.
pub(super) struct Capture {
    /// What the call goes by, to its end.
    pub(super) terms: Rc<Terms>,
    matched: Matched,
    method: String,
    url: String,
    request_fields: Fields,
    pub(super) request: Rc<RefCell<Tap>>,
    status: u16,
    outcome: Outcome,
    response_fields: Fields,
    pub(super) response: Tap,
    /// The headers are all there still: some rule has conditions.
    is_wide: bool,
    /// The deliveries that the request names as its cause.
    marks: Vec<DeliveryId>,
    /// What the log says of the call at its end; only where such lines are wanted.
    access: Option<Box<AccessLine>>,
}

/// A call that a rule takes for a success, before its conditions are judged.
pub(super) struct Candidate {
    pub(super) rule: Arc<EventRule>,
    pub(super) tally: Arc<Tally>,
    pub(super) exchange: Exchange,
    /// It has all headers, not only those that are kept.
    pub(super) is_wide: bool,
}

impl Drop for Capture {
    fn drop(&mut self) {
        // The request may still be on its way up.
        let mut request = self.request.borrow_mut();
        request.close();
        if let Some(access) = &mut self.access {
            let response = self.response.is_complete().then_some(self.response.size());
            access.bytes(request.size(), response);
        }
    }
}

impl Capture {
    /// Begins with the request's head as received.
    pub(super) fn new(worker: &Worker, terms: Rc<Terms>, head: &Head, matched: Matched) -> Self {
        let settings = &terms.settings.capture;
        let limit = |of: fn(&EventRule, &CaptureSettings) -> u64| {
            matched.hits().iter().map(|hit| of(&hit.rule, settings)).max().unwrap_or(0)
        };
        // Targets are UTF-8: the parser has seen to that.
        let target = std::str::from_utf8(head.target()).unwrap_or_default();
        let is_wide = matched.hits().iter().any(|hit| has_conditions(&hit.rule));
        let request = Tap::new(limit(request_limit), CutSide::Request, worker);
        let response = Tap::new(limit(response_limit), CutSide::Response, worker);
        let method = String::from_utf8_lossy(head.method()).into_owned();
        let url = redact_query(target, &settings.redact_query);
        let labels = matched.hits().iter().map(|hit| hit.rule.label.as_str());
        let access = AccessLine::begin(&method, &url, labels);
        Self {
            access,
            method,
            url,
            request_fields: Fields::of(head, settings, is_wide),
            request: Rc::new(RefCell::new(request)),
            status: 0,
            outcome: Outcome::expected(head),
            response_fields: Fields::default(),
            response,
            is_wide,
            marks: loops::marks(head),
            matched,
            terms,
        }
    }

    /// Goes on with the response's head; false when no rule takes it for a success. `length`: of
    /// the body, where it is announced.
    pub(super) fn responded(&mut self, head: &Head, length: Option<u64>) -> bool {
        self.status = head.status();
        self.answered(self.status);
        self.outcome = self.outcome.after_head(head);
        let can_succeed = match self.outcome {
            Outcome::Http | Outcome::Success => true,
            // Trailers may follow what has a body.
            Outcome::Open => length != Some(0),
            Outcome::Failure => false,
        };
        let is_success = can_succeed && self.successes().next().is_some();
        if is_success {
            let settings = &self.terms.settings.capture;
            self.response_fields = Fields::of(head, settings, self.is_wide);
            self.response.expect(length);
        }
        is_success
    }

    /// Goes on with the response's trailers.
    pub(super) fn trailed(&mut self, trailers: &HeaderMap) {
        self.outcome = self.outcome.after_trailers(trailers);
    }

    /// Whether the response, now that it has ended, is a success.
    pub(super) fn has_succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Http | Outcome::Success)
    }

    /// The event is made before the bodies' ends.
    pub(super) fn cut(&mut self, state: BodyState) {
        self.request.borrow_mut().cut(state);
        self.response.cut(state);
    }

    /// Whether nobody wants the call carried on once its client is gone: one rule that does is
    /// enough, if it still takes the call for a success.
    pub(super) fn ends_with_client(&self) -> bool {
        let ends = |hit: &Hit| hit.rule.on_disconnect == OnDisconnect::Cancel;
        match self.status {
            0 => self.matched.hits().iter().all(ends),
            _ => self.successes().all(ends),
        }
    }

    /// The labels of the rules that take the call for a success.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.successes().map(|hit| hit.rule.label.as_str())
    }

    /// The status that the client gets.
    pub(super) fn answered(&mut self, status: u16) {
        if let Some(access) = &mut self.access {
            access.status(status);
        }
    }

    /// The line of the log, which outlives the capture's other parts in a commit.
    pub(super) fn access(&mut self) -> Option<&mut AccessLine> {
        self.access.as_deref_mut()
    }

    /// The deliveries that the request names as its cause.
    pub(super) fn marks(&self) -> &[DeliveryId] {
        &self.marks
    }

    /// One per rule that takes the call for a success, each within its rule's limits; asked once, at
    /// the end. Takes what was captured; its share of the budget stays until `self` is dropped.
    pub(super) fn candidates(&mut self, worker: &Worker) -> Vec<Candidate> {
        let terms = Rc::clone(&self.terms);
        let settings = &terms.settings.capture;
        let mut hits = self.successes().cloned().collect::<Vec<_>>().into_iter().peekable();
        let mut candidates = Vec::with_capacity(hits.len());
        while let Some(hit) = hits.next() {
            let is_last = hits.peek().is_none();
            let limits = (request_limit(&hit.rule, settings), response_limit(&hit.rule, settings));
            let (request, response) = (&mut self.request_fields, &mut self.response_fields);
            let request = RequestPart {
                method: given(&mut self.method, is_last),
                url: given(&mut self.url, is_last),
                params: hit.params,
                body: body(&mut self.request.borrow_mut(), limits.0, request, is_last, worker),
                headers: given(&mut request.list, is_last),
            };
            let response = ResponsePart {
                status: self.status,
                body: body(&mut self.response, limits.1, response, is_last, worker),
                headers: given(&mut response.list, is_last),
            };
            let exchange = Exchange { request, response };
            let (rule, tally, is_wide) = (hit.rule, hit.tally, self.is_wide);
            candidates.push(Candidate { rule, tally, exchange, is_wide });
        }
        candidates
    }

    fn successes(&self) -> impl Iterator<Item = &Hit> {
        self.matched.hits().iter().filter(|hit| hit.rule.is_success(self.status))
    }
}

/// The body for one rule, counted where it is not whole.
fn body(tap: &mut Tap, limit: u64, fields: &mut Fields, is_last: bool, worker: &Worker) -> Body {
    let described_by = given(&mut fields.describing, is_last);
    let body = Body { described_by, limit, ..tap.body(limit, is_last) };
    if body.state != BodyState::Complete {
        worker.metrics().capture_cut(tap.side);
    }
    body
}

/// A copy, or the thing itself for the last who asks.
fn given<T: Clone + Default>(thing: &mut T, is_last: bool) -> T {
    if is_last { std::mem::take(thing) } else { thing.clone() }
}

fn request_limit(rule: &EventRule, settings: &CaptureSettings) -> u64 {
    rule.max_request_body.unwrap_or(settings.request_body_max)
}

fn response_limit(rule: &EventRule, settings: &CaptureSettings) -> u64 {
    rule.max_response_body.unwrap_or(settings.response_body_max)
}
