//! Coarse timers, shared by everything on one worker.
//!
//! A timer of the runtime costs an allocation and a place in a sorted structure for each call. Here
//! a deadline is a number in a slot that one sweep per tick compares: arming costs two writes.
//! A deadline passes up to two ticks late and never early.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How often deadlines are compared.
const TICK: Duration = Duration::from_millis(50);

/// Never.
const UNARMED: u64 = u64::MAX;

/// The deadlines of one worker.
pub(super) struct Timers {
    start: Instant,
    /// Milliseconds since `start`, as of the last tick.
    now: Cell<u64>,
    slots: RefCell<Slots>,
    in_use: Cell<usize>,
    first: Notify,
}

/// One deadline, set and cleared many times. Also how its owner is woken for other reasons
/// ([`Timers::wake_all`]).
pub(super) struct Slot {
    timers: Rc<Timers>,
    index: usize,
}

#[derive(Default)]
struct Slots {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

struct Entry {
    due: u64,
    waker: Option<Waker>,
}

impl Timers {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            now: Cell::new(0),
            slots: RefCell::default(),
            in_use: Cell::new(0),
            first: Notify::new(),
        }
    }

    /// Milliseconds since the worker's start, as of the last tick.
    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// A slot, unarmed.
    pub(super) fn slot(self: &Rc<Self>) -> Slot {
        if self.in_use.replace(self.in_use.get() + 1) == 0 {
            self.read_clock();
            self.first.notify_one();
        }
        let mut slots = self.slots.borrow_mut();
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.entries.push(Entry { due: UNARMED, waker: None });
            slots.entries.len() - 1
        });
        Slot { timers: Rc::clone(self), index }
    }

    /// Ticks for ever, calling `on_tick` each time; sleeps while no slot is in use and `on_tick`
    /// answers that nothing of its own waits.
    pub(super) async fn run(&self, on_tick: impl Fn(u64) -> bool) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.read_clock();
            self.wake(|due| due <= self.now.get());
            let waits = on_tick(self.now.get());
            if !waits && self.in_use.get() == 0 {
                self.first.notified().await;
                interval.reset();
            }
        }
    }

    /// Wakes the owner of every slot.
    pub(super) fn wake_all(&self) {
        self.wake(|_| true);
    }

    fn read_clock(&self) {
        let since = self.start.elapsed().as_millis();
        self.now.set(u64::try_from(since).unwrap_or(UNARMED));
    }

    fn wake(&self, is_wanted: impl Fn(u64) -> bool) {
        let mut woken = Vec::new();
        for entry in &mut self.slots.borrow_mut().entries {
            if entry.waker.is_some() && is_wanted(entry.due) {
                woken.extend(entry.waker.take());
            }
        }
        // Outside the borrow: a waker may run anything.
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Slot {
    /// Sets the deadline.
    pub(super) fn arm(&self, wait: Duration) {
        let wait = u64::try_from((wait + TICK).as_millis()).unwrap_or(UNARMED);
        self.set(self.timers.now.get().saturating_add(wait));
    }

    /// Clears the deadline.
    pub(super) fn disarm(&self) {
        self.set(UNARMED);
    }

    /// Ready when the deadline has passed; otherwise the caller is woken then.
    pub(super) fn poll_passed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut slots = self.timers.slots.borrow_mut();
        let entry = &mut slots.entries[self.index];
        if entry.due <= self.timers.now.get() {
            return Poll::Ready(());
        }
        if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn set(&self, due: u64) {
        self.timers.slots.borrow_mut().entries[self.index].due = due;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self.timers.slots.borrow_mut();
        slots.entries[self.index] = Entry { due: UNARMED, waker: None };
        slots.free.push(self.index);
        drop(slots);
        self.timers.in_use.set(self.timers.in_use.get() - 1);
    }
}

/// Waits for `work`, at most `limit` (`None`: for ever); `None` when the limit passed first.
pub(super) async fn within<T>(
    timers: &Rc<Timers>,
    limit: Option<Duration>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let Some(limit) = limit else { return Some(work.await) };
    let slot = timers.slot();
    slot.arm(limit);
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => slot.poll_passed(cx).map(|()| None),
    })
    .await
}
