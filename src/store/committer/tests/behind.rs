//! The index that is told later.

use tokio::sync::oneshot;

use super::Bench;
use crate::model::Timestamp;
use crate::store::changes::Change;
use crate::store::queue::Request;

impl Bench {
    /// As after a crash.
    fn reopen(self) -> Self {
        let Self { dir, shared, committer, lock } = self;
        shared.index.close_db();
        drop((committer, lock));
        Self::open(dir)
    }
}

#[test]
fn events_that_come_thick_and_fast_are_told_to_the_index_together() {
    let mut bench = Bench::new();
    let webhook = bench.subscribe();
    let mark = bench.shared.changes.now();
    bench.committer.behind.hurry();
    let told: Vec<_> = (0..3)
        .map(|_| {
            let (id, mut answer) = bench.push(false);
            bench.commit();
            answer.try_recv().expect("answered at once").expect("durable");
            assert!(!bench.has(id));
            id
        })
        .collect();
    assert_eq!(bench.shared.changes.after(mark, 10), Ok(Vec::new()));
    bench.committer.catch_up();
    assert!(told.iter().all(|&id| bench.has(id)));
    let leases = bench.shared.lease_due(webhook, Timestamp::MAX, 10).expect("readable");
    assert_eq!(leases.len(), 3);
    let changes = bench.shared.changes.after(mark, 10).expect("remembered");
    let changes: Vec<Change> = changes.into_iter().map(|(_, change)| change).collect();
    assert_eq!(changes, told.into_iter().map(Change::Event).collect::<Vec<_>>());
}

#[test]
fn a_crash_before_the_index_was_told_loses_nothing() {
    let mut bench = Bench::new();
    let webhook = bench.subscribe();
    let (early, _) = bench.push(false);
    bench.commit();
    bench.committer.behind.hurry();
    let (late, _) = bench.push(false);
    bench.commit();
    let bench = bench.reopen();
    assert!(bench.has(early) && bench.has(late));
    bench.subscribe();
    let leases = bench.shared.lease_due(webhook, Timestamp::MAX, 10).expect("readable");
    assert_eq!(leases.len(), 2);
}

#[test]
fn who_asks_for_an_event_finds_it_though_the_index_was_to_be_told_later() {
    let mut bench = Bench::new();
    bench.subscribe();
    bench.committer.behind.hurry();
    let (event, _) = bench.push(false);
    bench.commit();
    let (waiter, mut told) = oneshot::channel();
    let request = Request::Replay { event, webhooks: None, waiter };
    bench.shared.queue.push_request(request).expect("room");
    bench.commit();
    assert_eq!(told.try_recv().expect("answered").expect("stored"), Some(1));
}

#[test]
fn an_index_that_fails_while_it_is_behind_is_told_by_the_journal() {
    let mut bench = Bench::new();
    bench.committer.behind.hurry();
    let (first, _) = bench.push(false);
    bench.commit();
    bench.shared.index.close_db();
    bench.committer.catch_up();
    assert!(bench.committer.is_down());
    bench.committer.probe();
    let (second, _) = bench.push(false);
    bench.commit();
    bench.committer.catch_up();
    assert!(bench.has(first) && bench.has(second));
}
