//! How everything stops: one signal seen by all, and tasks that are waited for.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A signal that is given once and seen by every clone.
#[derive(Clone, Debug, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// A signal not given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether it has been given.
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is given.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }
}

/// A set of tasks that are stopped and waited for together. Clones share the set.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    stop: Stop,
    tracker: TaskTracker,
}

impl Tasks {
    /// An empty set whose tasks watch `stop`.
    pub fn new(stop: Stop) -> Self {
        Self { stop, tracker: TaskTracker::new() }
    }

    /// The signal its tasks watch.
    pub const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Starts a task on the current runtime.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Starts a task on the current thread's `LocalSet`.
    pub fn spawn_local<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: 'static> + 'static,
    {
        self.tracker.spawn_local(task)
    }

    /// How many tasks run now.
    pub fn count(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until every task has ended, at most `grace`; true when all have.
    pub async fn finished_within(&self, grace: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}
