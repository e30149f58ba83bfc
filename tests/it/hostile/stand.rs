//! A proxy whose every successful call makes an event, between strict sides.

use std::net::SocketAddr;

use sidehook::model::Event;
use sidehook::proxy::{Proxy, Settings};

use super::recorder::{Mark, Recorder};
use crate::proxy::stand::{Storage, rule, settings, start};

/// Proxy, store, recording upstream.
pub(super) struct Stand {
    pub(super) recorder: Recorder,
    pub(super) front: Front,
    /// Before everything.
    pub(super) start: Mark,
}

/// Proxy and store.
pub(super) struct Front {
    proxy: Proxy,
    storage: Storage,
}

impl Stand {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let recorder = Recorder::start().await;
        let front = Front::before(recorder.addr, change);
        let start = recorder.mark();
        Self { recorder, front, start }
    }
}

impl Front {
    /// A proxy before this upstream.
    pub(super) fn before(upstream: SocketAddr, change: impl FnOnce(&mut Settings)) -> Self {
        let storage = Storage::new();
        let mut settings = settings(upstream);
        settings.capture.request_body_max = 4 << 20;
        settings.capture.response_body_max = 4 << 20;
        settings.capture.total_max = 64 << 20;
        settings.capture.keep_headers = None;
        change(&mut settings);
        let proxy = start(settings, vec![rule("any", "* .*")], storage.store.clone());
        Self { proxy, storage }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.proxy.local_addr()
    }

    /// The events that are durable.
    pub(super) fn events(&self) -> Vec<Event> {
        self.storage.as_after_a_crash()
    }
}
