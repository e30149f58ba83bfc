//! What the API answers from.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::Settings;
use super::auth::{Access, WrongTokens};
use super::control::Control;
use super::problem::Problem;
use super::registry::Registry;
use super::stream::Pace;
use crate::model::Timestamp;
use crate::store::{Store, StoreError};
use crate::telemetry::{Metrics, Series};

/// What the admin API is given to answer from.
pub struct State {
    /// The store.
    pub store: Store,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The webhooks.
    pub registry: Arc<Registry>,
    /// The rest of the program.
    pub control: Box<dyn Control>,
    /// When this process started.
    pub started_at: Timestamp,
}

/// [`State`] with what the guard needs; clones share it.
pub(super) type Api = Arc<Shared>;

/// See [`Api`].
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: State,
    pub(super) access: ArcSwap<Access>,
    pub(super) wrong_tokens: WrongTokens,
    reads: Arc<Semaphore>,
    /// Places for followers of the live stream.
    pub(super) streams: Arc<Semaphore>,
    pub(super) pace: Pace,
    /// What has been counted lately.
    pub(super) series: Series,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl Shared {
    /// `listen` is the address really bound: the port may have been chosen by the system.
    pub(super) fn new(settings: &Settings, listen: std::net::SocketAddr, state: State) -> Self {
        Self {
            access: ArcSwap::from_pointee(Access::new(settings, listen)),
            wrong_tokens: WrongTokens::default(),
            reads: Arc::new(Semaphore::new(Settings::READS_MAX)),
            streams: Arc::new(Semaphore::new(Settings::STREAMS_MAX)),
            pace: Pace::default(),
            series: Series::begin(crate::clock::now()),
            state,
        }
    }

    /// Reads the store on a blocking thread. Whoever has seen the success of a call finds its event.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let caught_up = self.state.store.caught_up();
        // Late is better than not at all.
        let _ = tokio::time::timeout(Settings::CATCH_UP_MAX, caught_up).await;
        let reads = Arc::clone(&self.reads);
        let permit = reads.acquire_owned().await.expect("the semaphore is never closed");
        let store = self.state.store.clone();
        // The permit goes along: a caller that leaves does not make room before its read ends.
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&store)
        });
        match reading.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Problem::of_store(&error)),
            Err(_) => Err(Problem::unavailable("store_unavailable", "the read was broken off")),
        }
    }
}
