//! How many client connections are open, over all workers and of each address. A connection takes its
//! place when it is accepted and gives it back when it ends, whatever ends it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::Peer;
use super::worker::Worker;

/// Connections above a limit that are told so at a time; further ones are just closed.
const TOLD_MAX: usize = 256;

/// All open client connections of a process.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    open: AtomicUsize,
    /// Of each address; only while there is a limit to hold them to.
    of: Mutex<HashMap<IpAddr, usize>>,
    /// Those that are turned away with words, and have no place.
    told: AtomicUsize,
}

/// A connection's place among them.
pub(super) struct Place {
    worker: Rc<Worker>,
    /// Open connections when it came, this one included.
    pub(super) n: usize,
    counted: Option<IpAddr>,
}

/// A connection that is turned away with words.
pub(super) struct Telling(Arc<Crowd>);

impl Telling {
    /// `None`: there are too many already.
    pub(super) fn begin(worker: &Worker) -> Option<Self> {
        let telling = Self(Arc::clone(&worker.shared.crowd));
        (telling.0.told.fetch_add(1, Ordering::Relaxed) < TOLD_MAX).then_some(telling)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.told.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    pub(super) fn new(worker: &Rc<Worker>) -> Self {
        worker.metrics().connections("client", 1);
        let n = worker.shared.crowd.open.fetch_add(1, Ordering::Relaxed) + 1;
        Self { worker: Rc::clone(worker), n, counted: None }
    }

    /// Counts it with its client's; whether it may stay. 0 is no limit. Who comes by a Unix socket
    /// has no address.
    pub(super) fn of(&mut self, peer: Peer, limit: usize) -> bool {
        let Peer::Ip(ip) = peer else { return true };
        if limit == 0 {
            return true;
        }
        // Whole after every operation on it, so a panic elsewhere does not spoil it.
        let mut of = self.worker.shared.crowd.of.lock().unwrap_or_else(PoisonError::into_inner);
        let n = of.entry(ip).or_default();
        *n += 1;
        self.counted = Some(ip);
        *n <= limit
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.metrics().connections("client", -1);
        let crowd = &self.worker.shared.crowd;
        crowd.open.fetch_sub(1, Ordering::Relaxed);
        let Some(ip) = self.counted else { return };
        let mut of = crowd.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut of_client) = of.entry(ip) {
            *of_client.get_mut() -= 1;
            if *of_client.get() == 0 {
                of_client.remove();
            }
        }
    }
}
