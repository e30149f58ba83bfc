//! Whoever has seen the success of a call finds its event when he asks. A batch is answered before
//! the index is told of it; whoever reads waits until it has been told of all that was answered.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// How many batches were answered, and of how many of them the index has been told.
#[derive(Debug)]
pub(crate) struct Shown {
    n_answered: AtomicU64,
    n_told: watch::Sender<u64>,
}

impl Default for Shown {
    fn default() -> Self {
        Self { n_answered: AtomicU64::new(0), n_told: watch::Sender::new(0) }
    }
}

impl Shown {
    /// A batch is durable, and those who waited for it are answered next. Only by the committer.
    pub(crate) fn answering(&self) {
        self.n_answered.fetch_add(1, Ordering::SeqCst);
    }

    /// The index has been told of all that was answered; or it has failed, and those who read are
    /// told that. Only by the committer.
    pub(crate) fn all_told(&self) {
        self.n_told.send_replace(self.n_answered.load(Ordering::SeqCst));
    }

    /// Resolves when the index has been told of what is answered by now.
    pub(crate) async fn caught_up(&self) {
        let n_answered = self.n_answered.load(Ordering::SeqCst);
        if *self.n_told.borrow() >= n_answered {
            return;
        }
        // The sender lives as long as `self`.
        let _ = self.n_told.subscribe().wait_for(|&n_told| n_told >= n_answered).await;
    }
}
