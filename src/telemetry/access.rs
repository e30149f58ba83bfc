//! One line per matched call, at DEBUG under the target `sidehook::access`, when the call has come
//! to its end. A call that no rule matches has none, and costs nothing here.

use std::time::{Duration, Instant};

use tracing::Level;

/// How long a URL may be here; what it goes on with says nothing more to a reader of logs.
const URL_CHARS_MAX: usize = 1024;

/// A matched call as its line tells it. Written when it is dropped: every way in which a call can end
/// comes by there.
#[derive(Debug)]
pub struct AccessLine {
    started: Instant,
    method: String,
    url: String,
    labels: String,
    status: Option<u16>,
    events: Vec<String>,
    commit: Option<Duration>,
    stored: Option<bool>,
    request_bytes: u64,
    response_bytes: Option<u64>,
}

impl AccessLine {
    /// Begins one, if anybody asks for such lines. The URL is the captured one, with its redactions.
    pub fn begin<'a>(
        method: &str,
        url: &str,
        labels: impl Iterator<Item = &'a str>,
    ) -> Option<Box<Self>> {
        if !tracing::enabled!(target: "sidehook::access", Level::DEBUG) {
            return None;
        }
        let mut shown: String = url.chars().take(URL_CHARS_MAX).collect();
        if shown.len() < url.len() {
            shown.push('\u{2026}');
        }
        Some(Box::new(Self {
            started: Instant::now(),
            method: method.to_owned(),
            url: shown,
            labels: labels.collect::<Vec<_>>().join(","),
            status: None,
            events: Vec::new(),
            commit: None,
            stored: None,
            request_bytes: 0,
            response_bytes: None,
        }))
    }

    /// The status of the response, or of the answer in its place.
    pub const fn status(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// The call makes this event.
    pub fn event(&mut self, id: String) {
        self.events.push(id);
    }

    /// Its events, if there are any, are stored after this time, or refused.
    pub const fn committed(&mut self, took: Duration, stored: bool) {
        if !self.events.is_empty() {
            self.commit = Some(took);
            self.stored = Some(stored);
        }
    }

    /// Bytes of the bodies as they passed; the response's only where it was followed to its end.
    pub const fn bytes(&mut self, request: u64, response: Option<u64>) {
        self.request_bytes = request;
        self.response_bytes = response;
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        let millis = |took: Duration| (took.as_secs_f64() * 1e6).round() / 1e3;
        tracing::debug!(
            target: "sidehook::access",
            method = self.method.as_str(),
            url = self.url.as_str(),
            status = self.status,
            labels = self.labels.as_str(),
            events = self.events.join(","),
            ms = millis(self.started.elapsed()),
            commit_ms = self.commit.map(millis),
            stored = self.stored,
            request_bytes = self.request_bytes,
            response_bytes = self.response_bytes,
            "call"
        );
    }
}
