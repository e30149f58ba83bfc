//! What is kept of a matched call: copies within limits, redacted before anything else sees them.
//!
//! Bytes are copied, not shared: a share of hyper's read buffer would keep all of it alive.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fields::Fields;
use super::loops;
use super::settings::CaptureSettings;
use super::terms::Terms;
use super::wire::Head;
use super::worker::Worker;
use crate::model::{Body, BodyState, DeliveryId, EventRule, Exchange, RequestPart, ResponsePart};
use crate::rules::redact::redact_query;
use crate::rules::{Matched, Tally, has_conditions};
use crate::telemetry::{AccessLine, CutSide};

/// Bytes that all captures in flight hold together.
pub(super) struct Budget {
    used: AtomicUsize,
    max: AtomicUsize,
}

/// A copy of one body, bounded.
pub(super) struct Tap {
    bytes: Vec<u8>,
    /// Of the budget.
    taken: usize,
    limit: u64,
    /// Bytes that passed, copied or not.
    size: u64,
    is_complete: bool,
    is_over_budget: bool,
    budget: Arc<Budget>,
    side: CutSide,
}

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

impl Budget {
    pub(super) const fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max: AtomicUsize::new(max) }
    }

    /// Another limit from now on; what is held stays.
    pub(super) fn limit(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    fn try_take(&self, n: usize) -> bool {
        let before = self.used.fetch_add(n, Ordering::Relaxed);
        let fits = before.saturating_add(n) <= self.max.load(Ordering::Relaxed);
        if !fits {
            self.give_back(n);
        }
        fits
    }

    fn give_back(&self, n: usize) {
        self.used.fetch_sub(n, Ordering::Relaxed);
    }
}

impl Tap {
    fn new(limit: u64, side: CutSide, worker: &Worker) -> Self {
        let budget = Arc::clone(worker.shared.in_force.budget());
        Self {
            bytes: Vec::new(),
            taken: 0,
            limit,
            size: 0,
            is_complete: false,
            is_over_budget: false,
            budget,
            side,
        }
    }

    /// A piece of the body passes.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.size += piece.len() as u64;
        let room = self.limit.saturating_sub(self.bytes.len() as u64);
        let wanted = usize::try_from(room).unwrap_or(usize::MAX).min(piece.len());
        if wanted == 0 || self.is_over_budget {
            return;
        }
        if self.budget.try_take(wanted) {
            self.taken += wanted;
            self.bytes.extend_from_slice(&piece[..wanted]);
        } else {
            self.is_over_budget = true;
        }
    }

    /// The body has passed whole.
    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }

    /// Bytes that passed.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The copy, cut at `limit`; `is_last`: nobody will ask again.
    fn body(&mut self, limit: u64, is_last: bool) -> Body {
        let kept = usize::try_from(limit).unwrap_or(usize::MAX).min(self.bytes.len());
        let is_whole = self.is_complete && self.size == kept as u64;
        let state = if self.is_over_budget && (kept == self.bytes.len()) {
            BodyState::OverBudget
        } else if is_whole {
            BodyState::Complete
        } else {
            BodyState::Truncated
        };
        let bytes = if is_last {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.truncate(kept);
            bytes
        } else {
            self.bytes[..kept].to_vec()
        };
        Body { bytes, size: self.size, state, ..Body::none() }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(access) = &mut self.access {
            let response = self.response.is_complete.then_some(self.response.size);
            access.bytes(self.request.borrow().size, response);
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
            response_fields: Fields::default(),
            response,
            is_wide,
            marks: loops::marks(head),
            matched,
            terms,
        }
    }

    /// Goes on with the response's head; false when no rule takes it for a success.
    pub(super) fn responded(&mut self, head: &Head) -> bool {
        self.status = head.status();
        self.answered(self.status);
        let is_success = self.successes().next().is_some();
        if is_success {
            let settings = &self.terms.settings.capture;
            self.response_fields = Fields::of(head, settings, self.is_wide);
        }
        is_success
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

    /// One per rule that takes the call for a success, each within its rule's limits; for a call
    /// that is complete. Takes the bodies; their share of the budget stays until `self` is dropped.
    pub(super) fn candidates(&mut self, worker: &Worker) -> Vec<Candidate> {
        let terms = Rc::clone(&self.terms);
        let settings = &terms.settings.capture;
        let mut hits = self.successes().cloned().collect::<Vec<_>>().into_iter().peekable();
        let mut candidates = Vec::with_capacity(hits.len());
        while let Some(hit) = hits.next() {
            let is_last = hits.peek().is_none();
            let body = |tap: &mut Tap, limit: u64, fields: &Fields| {
                let described_by = fields.describing.clone();
                let body = Body { described_by, limit, ..tap.body(limit, is_last) };
                if body.state != BodyState::Complete {
                    worker.metrics().capture_cut(tap.side);
                }
                body
            };
            let (request_max, response_max) =
                (request_limit(&hit.rule, settings), response_limit(&hit.rule, settings));
            let request = RequestPart {
                method: self.method.clone(),
                url: self.url.clone(),
                params: hit.params,
                headers: self.request_fields.list.clone(),
                body: body(&mut self.request.borrow_mut(), request_max, &self.request_fields),
            };
            let response = ResponsePart {
                status: self.status,
                headers: self.response_fields.list.clone(),
                body: body(&mut self.response, response_max, &self.response_fields),
            };
            let exchange = Exchange { request, response };
            let (rule, tally, is_wide) = (hit.rule, hit.tally, self.is_wide);
            candidates.push(Candidate { rule, tally, exchange, is_wide });
        }
        candidates
    }

    fn successes(&self) -> impl Iterator<Item = &crate::rules::Hit> {
        self.matched.hits().iter().filter(|hit| hit.rule.is_success(self.status))
    }
}

fn request_limit(rule: &EventRule, settings: &CaptureSettings) -> u64 {
    rule.max_request_body.unwrap_or(settings.request_body_max)
}

fn response_limit(rule: &EventRule, settings: &CaptureSettings) -> u64 {
    rule.max_response_body.unwrap_or(settings.response_body_max)
}
