//! Sends a request to the upstream, again where that is safe, and waits for the head of its response.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::Interim;
use super::error::UpstreamError;
use super::terms::Terms;
use super::upload::RequestBody;
use super::upstream::{Failed, Reached, ResponseBody, is_repeatable, send, send_http2};
use super::wire::Head;
use super::worker::Worker;

/// How often a request is sent again, where that is safe.
const RETRIES_MAX: usize = 2;
/// The same where the upstream ended a connection on which it has answered others, and said that it has
/// not looked at this request: each time on another connection. Some end each after a few calls, of which
/// as many as it allows at a time were sent.
const FAREWELLS_MAX: usize = 100;

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

/// Sends the request and waits for the response's head.
///
/// A request is sent again, on a new connection, only where that cannot make the upstream do a thing
/// twice (RFC 9110 9.2.2): the connection was an old one that turned out to be closed before a byte of
/// a response, and nothing of the request was written, or the upstream may get it twice and what was
/// sent of its body is still known.
///
/// # Errors
/// The upstream cannot be reached, does not answer in time or not in HTTP; or the client broke its
/// request off or is too slow with it.
pub(super) async fn forward(
    worker: &Worker,
    terms: &Terms,
    head: &Head,
    body: RequestBody,
    interim: &Interim,
) -> Result<(Head, ResponseBody), UpstreamError> {
    let result = attempts(terms, head, body, interim).await;
    let health = worker.shared.in_force.upstream_health();
    match &result {
        Ok(_) => health.answered(),
        Err(error) => {
            if let Some(kind) = error.kind() {
                worker.metrics().upstream_error(kind);
                // An upstream that has more to do than it can do works.
                if !matches!(error, UpstreamError::Crowded { .. }) {
                    health.failed(error.in_words(&terms.settings));
                }
            }
        }
    }
    result
}

async fn attempts(
    terms: &Terms,
    head: &Head,
    mut body: RequestBody,
    interim: &Interim,
) -> Result<(Head, ResponseBody), UpstreamError> {
    let mut retries = 0;
    let mut farewells = 0;
    let mut number = None;
    loop {
        let is_first = retries + farewells == 0;
        let sent = match terms.pool.reach(head, is_first, number, &terms.settings).await? {
            Reached::Http1(connection) => send(connection, head, body, terms, interim).await,
            Reached::Http2(place) => {
                number = number.or(Some(place.number()));
                Box::pin(send_http2(place, head, body, terms, interim)).await
            }
        };
        match sent {
            Ok(answered) => return Ok(answered),
            Err(Failed { error, body: Some(rewound), is_farewell: true, .. })
                if farewells < FAREWELLS_MAX =>
            {
                tracing::debug!(%error, "the upstream said goodbye; another connection is tried");
                body = rewound;
                farewells += 1;
            }
            Err(Failed { error, body: Some(rewound), is_unsent, is_stale, is_farewell: false })
                if is_stale && retries < RETRIES_MAX && (is_unsent || is_repeatable(head)) =>
            {
                tracing::debug!(%error, "a kept connection was closed; another one is tried");
                body = rewound;
                retries += 1;
            }
            Err(failed) => return Err(failed.error),
        }
    }
}
