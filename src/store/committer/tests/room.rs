//! A store that becomes full says so to the next call, before it refuses one.

use super::*;

impl Bench {
    /// Commits one large event; whether it was taken.
    fn fill(&mut self) -> bool {
        let mut event = event();
        event.exchange.request.body = Body::complete(vec![b'x'; 500_000]);
        let (_, mut answer) = self.push_event(event, false);
        self.commit();
        answer.try_recv().expect("answered").is_ok()
    }
}

/// Nobody looks at the clock here: between two looks at the disk there is only this.
#[test]
fn a_store_says_that_it_is_full_before_it_refuses_an_event() {
    for has_receiver in [false, true] {
        let mut bench = Bench::new();
        if has_receiver {
            bench.subscribe();
        }
        while bench.shared.health.check().is_ok() {
            assert!(bench.fill(), "refused while it said that it was well");
        }
        assert!(bench.shared.health.has(Trouble::SizeFull));
        // What nobody waits for goes, and it says that it has room at once.
        let is_going = |bench: &Bench| bench.committer.next_purge().is_some();
        assert_eq!(is_going(&bench), !has_receiver);
        while is_going(&bench) || bench.committer.purge.is_some() {
            bench.committer.retain();
        }
        assert_eq!(bench.shared.health.check().is_ok(), !has_receiver);
        assert_eq!(bench.shared.health.has(Trouble::SizeFull), has_receiver);
    }
}
