//! Sends a request to the upstream and waits for the head of its response.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::body::{RequestBody, UploadState};
use super::error::UpstreamError;
use super::pool::Connection;
use super::terms::Terms;
use super::timers::Slot;
use super::worker::Worker;

/// How the upstream was doing when last seen. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct UpstreamHealth(Arc<Health>);

#[derive(Debug, Default)]
struct Health {
    is_failing: AtomicBool,
    last_error: Mutex<Option<String>>,
}

impl UpstreamHealth {
    /// Whether the last call got a response.
    pub fn is_healthy(&self) -> bool {
        !self.0.is_failing.load(Ordering::Relaxed)
    }

    /// The last error, in words; it stays after a recovery.
    pub fn last_error(&self) -> Option<String> {
        self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another upstream from now on.
    pub(super) fn forget(&self) {
        self.0.is_failing.store(false, Ordering::Relaxed);
        *self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn answered(&self) {
        if self.0.is_failing.load(Ordering::Relaxed)
            && self.0.is_failing.swap(false, Ordering::Relaxed)
        {
            tracing::info!("the upstream answers again");
        }
    }

    fn failed(&self, words: String) {
        if !self.0.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!("{words}");
        }
        *self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }
}

/// Sends the request and waits for the response's head. A connection that had closed before any of
/// the request was written costs nothing but another connection; nothing else is sent twice.
///
/// # Errors
/// The upstream cannot be reached, does not answer in time or not in HTTP; or the client broke its
/// request off or is too slow with it.
pub(super) async fn forward(
    worker: &Worker,
    terms: &Terms,
    request: Request<RequestBody>,
) -> Result<(Response<Incoming>, Connection), UpstreamError> {
    let result = send(worker, terms, request).await;
    match &result {
        Ok(_) => worker.shared.in_force.upstream_health().answered(),
        Err(error) => {
            if let Some(kind) = error.kind() {
                worker.metrics().upstream_error(kind);
                worker.shared.in_force.upstream_health().failed(error.in_words(&terms.settings));
            }
        }
    }
    result
}

async fn send(
    worker: &Worker,
    terms: &Terms,
    mut request: Request<RequestBody>,
) -> Result<(Response<Incoming>, Connection), UpstreamError> {
    loop {
        let mut connection = match terms.pool.take() {
            Some(connection) => connection,
            None => terms.pool.connect(terms.settings.connect_timeout).await?,
        };
        request.body_mut().goes_to(&connection.upload);
        let mut sending = std::pin::pin!(connection.send(request));
        let answer = match terms.settings.response_timeout {
            None => sending.await,
            Some(_) => {
                let slot = worker.timers.slot();
                let head = std::future::poll_fn(|cx| {
                    if let std::task::Poll::Ready(answer) = sending.as_mut().poll(cx) {
                        return std::task::Poll::Ready(Ok(answer));
                    }
                    head_is_late(terms, &slot, &connection, cx).map(Err)
                });
                arm(terms, &slot);
                head.await?
            }
        };
        match answer {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                return Err(UpstreamError::UnaskedUpgrade);
            }
            Ok(response) if !is_plainly_framed(response.headers()) => {
                return Err(UpstreamError::UnknownCoding);
            }
            Ok(response) => return Ok((response, connection)),
            Err(mut error) => match error.take_message() {
                Some(unsent) if connection.is_reused => request = unsent,
                _ => return Err(broken(&connection, error.into_error())),
            },
        }
    }
}

fn arm(terms: &Terms, slot: &Slot) {
    if let Some(limit) = terms.settings.response_timeout {
        slot.arm(limit);
    }
}

/// Ready when the upstream has had its time. A request that is still being sent, and moves, does
/// not count against it.
fn head_is_late(
    terms: &Terms,
    slot: &Slot,
    connection: &Connection,
    cx: &std::task::Context<'_>,
) -> std::task::Poll<UpstreamError> {
    loop {
        std::task::ready!(slot.poll_passed(cx));
        let upload = &connection.upload;
        if upload.has_progressed() {
            arm(terms, slot);
            continue;
        }
        let limit = terms.settings.response_timeout.unwrap_or_default();
        return std::task::Poll::Ready(if upload.waits_for_client() {
            UpstreamError::SlowClient { limit }
        } else {
            UpstreamError::ResponseTimeout { limit }
        });
    }
}

/// Whether the only transfer coding is `chunked`, if there is one. The body is framed anew on its
/// way: with any other coding in it the client would get bytes that nothing labels.
fn is_plainly_framed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = codings.next().is_none_or(|c| c.as_bytes().eq_ignore_ascii_case(b"chunked"));
    is_chunked && codings.next().is_none()
}

fn broken(connection: &Connection, source: hyper::Error) -> UpstreamError {
    if connection.upload.state() == UploadState::BrokenByClient {
        UpstreamError::BrokenByClient
    } else if source.is_parse() {
        UpstreamError::BadResponse { source }
    } else {
        UpstreamError::Broken { source }
    }
}
