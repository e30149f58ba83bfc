//! A line of calls that wait for what is given out one by one: first come, first served.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The line; the lowest number is next.
pub(super) struct Queue<T> {
    line: RefCell<BTreeMap<u64, Rc<Spot<T>>>>,
    /// The number of who comes next.
    next: Cell<u64>,
}

/// A place in the line; dropped, it is left, and what was given there goes on to others by its own
/// `Drop`.
pub(super) struct Turn<'a, T> {
    queue: &'a Queue<T>,
    pub(super) number: u64,
    spot: Rc<Spot<T>>,
}

struct Spot<T> {
    given: Cell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        let line = RefCell::new(BTreeMap::new());
        Self { line, next: Cell::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.line.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.borrow().is_empty()
    }

    /// The number of who comes now.
    pub(super) fn number(&self) -> u64 {
        self.next.replace(self.next.get() + 1)
    }

    /// Stands in line with this number.
    pub(super) fn join(&self, number: u64) -> Turn<'_, T> {
        let spot = Rc::new(Spot { given: Cell::new(None), waker: RefCell::default() });
        self.line.borrow_mut().insert(number, Rc::clone(&spot));
        Turn { queue: self, number, spot }
    }

    /// Gives this to who is next, whose turn is over with that.
    ///
    /// # Errors
    /// Nobody waits: back it goes.
    pub(super) fn give(&self, thing: T) -> Result<(), T> {
        let first = self.line.borrow_mut().pop_first();
        let Some((_, spot)) = first else { return Err(thing) };
        spot.given.set(Some(thing));
        spot.wake();
        Ok(())
    }

    /// Has who is next look around: there is something to be done.
    pub(super) fn wake_first(&self) {
        let first = self.line.borrow().first_key_value().map(|(_, spot)| Rc::clone(spot));
        if let Some(spot) = first {
            spot.wake();
        }
    }
}

impl<T> Spot<T> {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl<T> Turn<'_, T> {
    /// Ready with what was given.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<T> {
        if let Some(thing) = self.spot.given.take() {
            return Poll::Ready(thing);
        }
        let mut waker = self.spot.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let left = self.queue.line.borrow_mut().remove(&self.number);
        if left.is_some() {
            // It may have been woken for something that the next one does now.
            self.queue.wake_first();
        }
        // Outside the borrow: this may look at the line.
        drop(self.spot.given.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(turn: &Turn<'_, Rc<u8>>) -> Option<u8> {
        match turn.poll(&Context::from_waker(Waker::noop())) {
            Poll::Ready(thing) => Some(*thing),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_first_who_came_is_served_first_and_keeps_its_number_when_it_comes_back() {
        let queue = Queue::new();
        let early = queue.number();
        let [a, b] = [(), ()].map(|()| queue.join(queue.number()));
        let again = queue.join(early);
        for n in 1..=3 {
            queue.give(Rc::new(n)).expect("three wait");
        }
        assert_eq!([look(&again), look(&a), look(&b)], [Some(1), Some(2), Some(3)]);
        assert_eq!(queue.give(Rc::new(4)), Err(Rc::new(4)));
    }

    #[test]
    fn who_leaves_is_passed_over_and_drops_what_it_was_given() {
        let queue = Queue::new();
        let [a, b, c] = [(), (), ()].map(|()| queue.join(queue.number()));
        drop(a);
        let thing = Rc::new(7);
        queue.give(Rc::clone(&thing)).expect("two wait");
        drop(b);
        assert_eq!(Rc::strong_count(&thing), 1, "it goes on by its own Drop");
        queue.give(thing).expect("one waits");
        assert_eq!(look(&c), Some(7));
        assert!(queue.is_empty());
    }
}
