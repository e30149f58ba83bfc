//! Whether the workers still turn: a question that each answers from its own event loop.

use tokio::sync::{mpsc, oneshot};

/// Questions that wait for a worker; more are not asked meanwhile.
const N_ASKED_MAX: usize = 1;

/// Asks the workers; clones ask the same ones.
#[derive(Clone, Debug)]
pub struct Pulse(Vec<mpsc::Sender<oneshot::Sender<()>>>);

/// A worker's end.
pub(super) struct Beats(mpsc::Receiver<oneshot::Sender<()>>);

impl Pulse {
    /// Of so many workers, with the end for each.
    pub(super) fn of(n_workers: usize) -> (Self, Vec<Beats>) {
        let (askers, beats) = (0..n_workers)
            .map(|_| {
                let (asker, asked) = mpsc::channel(N_ASKED_MAX);
                (asker, Beats(asked))
            })
            .unzip();
        (Self(askers), beats)
    }

    /// Waits until every worker has answered; one that hangs never does. One that has ended, as in a
    /// drain, is not waited for.
    pub async fn beat(&self) {
        for worker in &self.0 {
            let (answer, answered) = oneshot::channel();
            if worker.send(answer).await.is_ok() {
                // It ended in between.
                let _ = answered.await;
            }
        }
    }
}

impl Beats {
    /// Answers for as long as the event loop turns.
    pub(super) async fn answer(mut self) {
        while let Some(answer) = self.0.recv().await {
            // Whoever asked may have gone.
            let _ = answer.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether all have answered once everything that can go on has gone on.
    async fn beats(pulse: &Pulse) -> bool {
        let rest = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = pulse.beat() => true,
            () = rest => false,
        }
    }

    #[tokio::test]
    async fn one_that_hangs_is_waited_for_and_one_that_has_ended_is_not() {
        let (pulse, both) = Pulse::of(2);
        let mut both = both.into_iter();
        tokio::spawn(both.next().expect("two").answer());
        let hangs = both.next().expect("two");
        assert!(!beats(&pulse).await);
        drop(hangs);
        assert!(beats(&pulse).await);
    }
}
