//! What has just changed, for those who follow live. A bounded ring of identities: who falls
//! behind by more than it holds has missed something and is told so. It costs the commits a few
//! bytes, whether somebody follows or not, so that a follower that lost its connection goes on
//! where it was.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use tokio::sync::watch;

use super::shared::locked;
use super::types::CursorError;
use crate::model::{DeliveryId, EventId, WebhookId};

/// So many changes are remembered: 1.5 MiB.
const N_CHANGES_MAX: usize = 65_536;

/// What has changed; how it is now is read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// An event was committed.
    Event(EventId),
    /// A delivery stands otherwise: attempted, queued again, cancelled.
    Delivery(DeliveryId),
    /// A webhook was created, changed, deleted, or stands otherwise.
    Webhook(WebhookId),
}

/// A place in the sequence of changes: after the change of that number. Text for users
/// (`Display`/`FromStr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeMark {
    /// Of this open of the store: numbers of another one mean nothing.
    epoch: u64,
    number: u64,
}

/// Changes were missed: too many since then, or the process was started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed;

/// The changes since the store was opened, as far back as they are remembered.
#[derive(Debug)]
pub struct Changes {
    epoch: u64,
    ring: Mutex<Ring>,
    /// The number of the newest change.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the last change that has been forgotten.
    forgotten: u64,
    changes: VecDeque<Change>,
}

impl Changes {
    /// Of a store that is opened now.
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, ring: Mutex::default(), newest: watch::Sender::new(0) }
    }

    pub(crate) fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let mut ring = locked(&self.ring);
        ring.changes.extend(changes);
        let n_over = ring.changes.len().saturating_sub(N_CHANGES_MAX);
        ring.changes.drain(..n_over);
        ring.forgotten += n_over as u64;
        let newest = ring.newest();
        drop(ring);
        self.wake(newest);
    }

    /// Something has changed that nobody was told of: whoever follows has missed it.
    pub(crate) fn miss(&self) {
        let mut ring = locked(&self.ring);
        ring.forgotten = ring.newest() + 1;
        ring.changes.clear();
        let newest = ring.newest();
        drop(ring);
        self.wake(newest);
    }

    fn wake(&self, newest: u64) {
        self.newest.send_if_modified(|known| {
            let is_new = *known < newest;
            *known = newest.max(*known);
            is_new
        });
    }

    /// Where the sequence stands now.
    pub fn now(&self) -> ChangeMark {
        ChangeMark { epoch: self.epoch, number: locked(&self.ring).newest() }
    }

    /// The changes after a mark, at most `n_max`, each with its own mark; empty: none yet.
    ///
    /// # Errors
    /// What followed the mark is not remembered any more, or never was.
    pub fn after(
        &self,
        mark: ChangeMark,
        n_max: usize,
    ) -> Result<Vec<(ChangeMark, Change)>, Missed> {
        let ring = locked(&self.ring);
        let is_known = (ring.forgotten..=ring.newest()).contains(&mark.number);
        if mark.epoch != self.epoch || !is_known {
            return Err(Missed);
        }
        let n_before = usize::try_from(mark.number - ring.forgotten).map_err(|_| Missed)?;
        let numbered = ring.changes.iter().skip(n_before).zip(mark.number + 1..);
        let marked = numbered.map(|(&change, number)| (ChangeMark { number, ..mark }, change));
        Ok(marked.take(n_max).collect())
    }

    /// Resolves when there is a change after the mark, or the mark is of another epoch.
    pub async fn changed(&self, mark: ChangeMark) {
        let mut newest = self.newest.subscribe();
        let is_past = |newest: &u64| mark.epoch != self.epoch || *newest > mark.number;
        // The sender lives as long as `self`.
        let _ = newest.wait_for(is_past).await;
    }
}

impl Ring {
    fn newest(&self) -> u64 {
        self.forgotten + self.changes.len() as u64
    }
}

impl fmt::Display for ChangeMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.number)
    }
}

impl FromStr for ChangeMark {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (epoch, number) = text.split_once('-').ok_or(CursorError)?;
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_plain(epoch) || !is_plain(number) {
            return Err(CursorError);
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| CursorError)?;
        Ok(Self { epoch, number: number.parse().map_err(|_| CursorError)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(n: u128) -> Change {
        Change::Event(EventId::from_uuid(uuid::Uuid::from_u128(n)))
    }

    #[test]
    fn a_follower_gets_every_change_once_in_order_or_is_told_that_it_missed_some() {
        let changes = Changes::new(7);
        let start = changes.now();
        assert_eq!(changes.after(start, 10), Ok(Vec::new()));
        changes.publish((0..5).map(change));
        let first = changes.after(start, 3).expect("remembered");
        let second = changes.after(first[2].0, 3).expect("remembered");
        let seen: Vec<Change> = first.iter().chain(&second).map(|&(_, change)| change).collect();
        assert_eq!(seen, (0..5).map(change).collect::<Vec<_>>());
        assert_eq!(second[1].0, changes.now());

        changes.publish((0..N_CHANGES_MAX as u128).map(change));
        assert_eq!(changes.after(first[2].0, 1), Err(Missed));
        assert_eq!(changes.after(second[1].0, 1).expect("remembered").len(), 1);
        let later = ChangeMark { number: changes.now().number + 1, ..start };
        assert_eq!(changes.after(later, 1), Err(Missed), "never was");
        assert_eq!(Changes::new(8).after(start, 1), Err(Missed), "of another process");
    }

    #[tokio::test]
    async fn a_follower_is_woken() {
        let changes = Changes::new(7);
        let mark = changes.now();
        let wait = changes.changed(mark);
        changes.publish([change(1)]);
        wait.await;
        changes.changed(ChangeMark { epoch: 8, number: 9 }).await;
    }

    #[test]
    fn a_mark_survives_being_text_and_nothing_else_is_one() {
        let mark = ChangeMark { epoch: u64::MAX, number: 12 };
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for text in ["", "-", "1", "1-", "-1", "g-1", "+1-1", "1-1f", "1-1-1"] {
            assert_eq!(text.parse::<ChangeMark>(), Err(CursorError), "{text}");
        }
    }
}
