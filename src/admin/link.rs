//! What an answer that lasts may ask of the connection that it is written to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::shutdown::{Stop, Tasks};

/// One connection, as its answers see it. The listener puts it into every request.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// The whole API's.
    tasks: Tasks,
    /// This connection's.
    cut: Stop,
    is_lasting: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { tasks, cut: Stop::new(), is_lasting: Arc::default() }
    }

    /// Starts what writes an answer that lasts; a stop waits for it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// From now on it may live as long as its answer lasts.
    pub(super) fn last(&self) {
        self.is_lasting.store(true, Ordering::SeqCst);
    }

    /// Whether its answer lasts.
    pub(super) fn lasts(&self) -> bool {
        self.is_lasting.load(Ordering::SeqCst)
    }

    /// Ends it at once: whoever does not read cannot be told anything more.
    pub(super) fn cut(&self) {
        self.cut.stop();
    }

    /// Resolves when it is cut.
    pub(super) async fn was_cut(&self) {
        self.cut.stopped().await;
    }

    /// Resolves when the program stops.
    pub(super) async fn stopping(&self) {
        self.tasks.stop().stopped().await;
    }

    /// Resolves when it has lived so long, unless its answer lasts.
    pub(super) async fn outlived(&self, life: Duration) {
        tokio::time::sleep(life).await;
        if self.lasts() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lasting_answer_outlives_the_others() {
        let (link, other) = (Link::new(Tasks::default()), Link::new(Tasks::default()));
        link.last();
        tokio::select! {
            () = link.outlived(Duration::ZERO) => panic!("its answer lasts"),
            () = other.outlived(Duration::from_millis(5)) => {}
        }
    }
}
