//! Who holds which delivery, in memory only: after a restart nothing is held. A lane's skip mark
//! keeps reading cheap when many deliveries at its front are held: everything before the mark is
//! held or gone. Whatever adds a row to a lane, or gives one back, moves the mark back.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::index::keys::Place;
use super::locked;
use crate::model::{Delivery, DeliveryId, Event, Timestamp, WebhookId};

/// One due delivery, handed to one attempt. Consumed by `Store::finish`; when dropped instead,
/// the delivery is due again at once. Leases are an optimisation: at least once is the contract.
#[derive(Debug)]
pub struct Lease {
    event: Arc<Event>,
    delivery: Delivery,
    failures: u32,
    guard: Guard,
}

/// Gives a delivery back when dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    id: DeliveryId,
    webhook: WebhookId,
    /// The row's place in the lane, as far as known: the mark goes back to it.
    place: Place,
    /// Another delivery may wait for the end of this one.
    is_ordered: bool,
    leases: Arc<Leases>,
}

#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: Mutex<Held>,
    pub(crate) wake: tokio::sync::Notify,
}

/// The table, while its lock is held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Whether the delivery was queued again by hand while held.
    deliveries: HashMap<DeliveryId, bool>,
    /// Per lane: rows before this one are held or gone.
    marks: HashMap<WebhookId, Place>,
    /// Lanes that may offer something that they did not before.
    touched: HashSet<WebhookId>,
    are_all_touched: bool,
    /// Whose events could not be read, until when they are left alone.
    aside: HashMap<DeliveryId, Instant>,
    /// Queued again by hand and not handed out since, first first.
    by_hand: VecDeque<(DeliveryId, WebhookId)>,
    /// Lanes in which nothing was written ahead of the clock, and until when that is believed.
    none_ahead: HashMap<WebhookId, Instant>,
}

/// A lane in which nothing was written ahead of the clock is looked at so closely again after this.
const AHEAD_EVERY: Duration = Duration::from_secs(5);

/// A delivery whose event could not be read is asked for again after this time.
const ASIDE_TIME: Duration = Duration::from_secs(20);
/// So many are left alone; with more it is not they but the disk.
const N_ASIDE_MAX: usize = 256;

/// So many wait for their attempt by hand; further ones wait in their lanes like any other.
const N_BY_HAND_MAX: usize = 4096;

impl Lease {
    pub(crate) const fn new(
        event: Arc<Event>,
        delivery: Delivery,
        failures: u32,
        guard: Guard,
    ) -> Self {
        Self { event, delivery, failures, guard }
    }

    /// The event to deliver.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// As it stands before this attempt.
    pub const fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Number of the attempt to make, from 1.
    pub const fn attempt_number(&self) -> u32 {
        self.delivery.attempts + 1
    }

    /// Failed attempts since the delivery was queued (or queued again by hand): the position in
    /// the retry schedule.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn into_guard(self) -> Guard {
        self.guard
    }
}

impl Guard {
    pub(crate) const fn id(&self) -> DeliveryId {
        self.id
    }

    pub(crate) const fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// The attempt has been recorded and the delivery waits again (`Some`) or is finished.
    pub(crate) fn settle(mut self, place: Option<Place>) {
        self.place = place.unwrap_or((Timestamp::MAX, u64::MAX));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut held = self.leases.lock();
        let overtaken = held.deliveries.remove(&self.id).unwrap_or(false);
        if overtaken {
            // The row has another place now.
            held.marks.remove(&self.webhook);
            held.touched.insert(self.webhook);
        } else {
            held.move_back(self.webhook, self.place);
        }
        drop(held);
        self.leases.wake.notify_one();
    }
}

impl Leases {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held> {
        locked(&self.held)
    }

    /// Takes a delivery that nobody holds.
    pub(crate) fn take(
        self: &Arc<Self>,
        held: &mut Held,
        webhook: WebhookId,
        place: Place,
        id: DeliveryId,
        is_ordered: bool,
    ) -> Guard {
        held.deliveries.insert(id, false);
        held.forget_by_hand(id);
        Guard { id, webhook, place, is_ordered, leases: Arc::clone(self) }
    }

    pub(crate) fn is_overtaken(&self, id: DeliveryId) -> bool {
        self.lock().deliveries.get(&id).copied().unwrap_or(false)
    }

    /// The lanes may have changed anywhere.
    pub(crate) fn forget_marks(&self) {
        let mut held = self.lock();
        held.marks.clear();
        held.touch_all();
    }

    /// Rows were added to lanes.
    pub(crate) fn added(&self, rows: &[(WebhookId, Place, DeliveryId)]) {
        let mut held = self.lock();
        for &(webhook, place, _) in rows {
            held.move_back(webhook, place);
        }
    }
}

impl Held {
    /// A requeue of this delivery is durable; when it is held, its running attempt is overtaken.
    pub(crate) fn overtake(&mut self, id: DeliveryId, webhook: Option<WebhookId>) {
        if let Some(webhook) = webhook
            && self.by_hand.len() < N_BY_HAND_MAX
            && !self.by_hand.contains(&(id, webhook))
        {
            self.by_hand.push_back((id, webhook));
        }
        if let Some(overtaken) = self.deliveries.get_mut(&id) {
            *overtaken = true;
        }
    }

    /// Leaves a delivery alone for a while, so that those behind it go on; false: too many are.
    pub(crate) fn set_aside(&mut self, id: DeliveryId) -> bool {
        let now = Instant::now();
        self.aside.retain(|_, until| *until > now);
        let fits = self.aside.len() < N_ASIDE_MAX;
        if fits {
            self.aside.insert(id, now + ASIDE_TIME);
        }
        fits
    }

    pub(crate) fn is_aside(&self, id: DeliveryId) -> bool {
        self.aside.get(&id).is_some_and(|until| Instant::now() < *until)
    }

    /// Those that somebody wants to go out now and that nobody holds.
    pub(crate) fn wanted_by_hand(&self) -> Vec<(DeliveryId, WebhookId)> {
        self.by_hand.iter().copied().filter(|(id, _)| !self.holds(*id)).collect()
    }

    /// It goes out with its lane, or not at all.
    pub(crate) fn forget_by_hand(&mut self, id: DeliveryId) {
        self.by_hand.retain(|(other, _)| *other != id);
    }

    /// Nothing in this lane was written ahead of the clock.
    pub(crate) fn note_none_ahead(&mut self, webhook: WebhookId) {
        self.none_ahead.insert(webhook, Instant::now() + AHEAD_EVERY);
    }

    pub(crate) fn has_none_ahead(&self, webhook: WebhookId) -> bool {
        self.none_ahead.get(&webhook).is_some_and(|until| Instant::now() < *until)
    }

    pub(crate) fn n_held(&self) -> usize {
        self.deliveries.len()
    }

    pub(crate) fn holds(&self, id: DeliveryId) -> bool {
        self.deliveries.contains_key(&id)
    }

    /// Where to begin to read a lane.
    pub(crate) fn mark(&self, webhook: WebhookId) -> Option<Place> {
        self.marks.get(&webhook).copied()
    }

    /// Which lanes have been touched since the last call; `None`: any may have been.
    pub(crate) fn take_touched(&mut self) -> Option<HashSet<WebhookId>> {
        let touched = std::mem::take(&mut self.touched);
        (!std::mem::take(&mut self.are_all_touched)).then_some(touched)
    }

    pub(crate) const fn touch_all(&mut self) {
        self.are_all_touched = true;
    }

    fn move_back(&mut self, webhook: WebhookId, row: Place) {
        self.touched.insert(webhook);
        if let Some(mark) = self.marks.get_mut(&webhook) {
            *mark = (*mark).min(row);
        }
    }

    /// Everything before this row is held or gone.
    pub(crate) fn set_mark(&mut self, webhook: WebhookId, row: Place) {
        self.marks.insert(webhook, row);
    }
}
