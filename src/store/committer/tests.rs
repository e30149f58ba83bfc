//! The committer driven by hand, with a disk and an index that fail when told to.

mod asked;
mod behind;
mod room;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::{Committer, LIMITS};
use crate::model::{
    Attempt, Body, DeliveryState, EventId, Exchange, HeaderList, NewEvent, Outcome, Reply,
    RequestPart, ResponsePart, RuleRef, Secret, Timestamp, Verdict, Webhook, WebhookId,
    WebhookState, WebhookStatus,
};
use crate::store::health::Trouble;
use crate::store::lanes::N_HELD_WHILE_DOWN;
use crate::store::lock::Lock;
use crate::store::queue::{Finished, Request, Waiting};
use crate::store::shared::{Shared, WebhookSet};
use crate::store::{Receipt, Settings, StoreError, open};
use crate::telemetry::Metrics;

type Answer = oneshot::Receiver<Result<Receipt, StoreError>>;

struct Bench {
    dir: tempfile::TempDir,
    shared: Arc<Shared>,
    committer: Committer,
    lock: Lock,
}

impl Bench {
    fn new() -> Self {
        Self::open(tempfile::tempdir().expect("a directory"))
    }

    fn open(dir: tempfile::TempDir) -> Self {
        let settings = Settings {
            path: dir.path().to_owned(),
            retain: Duration::from_secs(3600),
            max_bytes: 64 << 20,
            segment_bytes: 1 << 20,
            queue_bytes_max: 1 << 20,
            free_bytes_min: 0,
        };
        let (shared, committer, lock) =
            open::open(settings, Arc::new(Metrics::default())).expect("open");
        Self { dir, shared, committer, lock }
    }

    /// As after a crash, and with a lost index.
    fn reopen_without_index(self) -> Self {
        let Self { dir, shared, committer, lock } = self;
        shared.index.close_db();
        drop((committer, lock));
        std::fs::remove_dir_all(dir.path().join("index")).expect("removed");
        Self::open(dir)
    }

    fn push(&self, keep: bool) -> (EventId, Answer) {
        self.push_event(event(), keep)
    }

    fn push_event(&self, event: NewEvent, keep: bool) -> (EventId, Answer) {
        let (waiter, answer) = oneshot::channel();
        let (id, weight, since) = (event.id, event.weight(), Instant::now());
        let waiting = Waiting { event, weight, keep, waiter: Some(waiter), since };
        self.shared.queue.push_event(waiting).expect("room");
        (id, answer)
    }

    fn commit(&mut self) {
        let taken = self.shared.queue.take(LIMITS, Duration::ZERO);
        self.committer.commit(taken);
    }

    /// A webhook for everything.
    fn subscribe(&self) -> WebhookId {
        self.subscribe_with(false)
    }

    fn subscribe_with(&self, ordered: bool) -> WebhookId {
        let url = url::Url::parse("https://example.com/").expect("a URL");
        let webhook = Webhook { ordered, ..Webhook::new("w", url) };
        let id = webhook.id;
        self.shared.webhooks.store(Arc::new(WebhookSet::new(vec![webhook])));
        id
    }

    fn has(&self, id: EventId) -> bool {
        self.shared.event(id).expect("readable").is_some()
    }
}

fn event() -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(uuid::Uuid::now_v7()),
        time: Timestamp::default(),
        subject: None,
        depth: 0,
        test_of: None,
        rule: RuleRef { id: 1, label: "a".to_owned(), tag: None },
        exchange: Exchange {
            request: RequestPart {
                method: "POST".to_owned(),
                url: "/".to_owned(),
                params: Vec::new(),
                headers: HeaderList::default(),
                body: Body::none(),
            },
            response: ResponsePart {
                status: 200,
                headers: HeaderList::default(),
                body: Body::complete(vec![b'x'; 500]),
            },
        },
    }
}

#[test]
fn nobody_is_told_before_the_batch_is_durable() {
    let mut bench = Bench::new();
    let (id, mut answer) = bench.push(false);
    assert!(matches!(answer.try_recv(), Err(TryRecvError::Empty)));
    bench.commit();
    assert_eq!(answer.try_recv().expect("answered").expect("stored").event(), id);
    assert!(bench.has(id));
    assert!(bench.reopen_without_index().has(id));
}

#[test]
fn a_failed_write_refuses_or_keeps_and_heals_by_itself() {
    let mut bench = Bench::new();
    let (before, _) = bench.push(false);
    bench.commit();
    let (refused, mut told) = bench.push(false);
    let (kept, mut told_kept) = bench.push(true);
    bench.committer.writer.fail_next();
    bench.commit();
    assert!(matches!(told.try_recv(), Ok(Err(StoreError::Refused { .. }))));
    assert!(matches!(told_kept.try_recv(), Ok(Err(StoreError::Kept { .. }))));
    let reason = bench.shared.health.check().expect_err("unwell").reason;
    assert!(reason.contains("00000001.seg"), "{reason}");

    // While it is unwell nothing is written; what can be dropped is refused at once.
    let (also_refused, mut told) = bench.push(false);
    bench.commit();
    assert!(matches!(told.try_recv(), Ok(Err(StoreError::Refused { .. }))));

    bench.committer.probe();
    assert_eq!(bench.shared.health.check(), Ok(()));
    let (after, _) = bench.push(false);
    bench.commit();
    for round in ["running", "rebuilt"] {
        let found = [before, refused, kept, also_refused, after].map(|id| bench.has(id));
        assert_eq!(found, [true, false, true, false, true], "{round}");
        assert!(bench.shared.damage().is_empty());
        bench = bench.reopen_without_index();
    }
}

#[test]
fn a_failed_tail_that_could_not_be_cut_is_never_read() {
    let mut bench = Bench::new();
    let (before, _) = bench.push(false);
    bench.commit();
    let path = bench.dir.path().join("journal/00000001.seg");
    let sound = std::fs::metadata(&path).expect("there").len();
    let (refused, _told) = bench.push(false);
    bench.commit();
    let with_tail = std::fs::read(&path).expect("read");
    bench = bench.reopen_without_index();

    // The same journal, but the second event's batch is told as failed and its bytes stay.
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("open");
    file.set_len(sound).expect("cut");
    bench = bench.reopen_without_index();
    let (kept, _answer) = bench.push(true);
    bench.committer.writer.fail_next();
    bench.commit();
    bench.committer.probe();
    std::fs::write(&path, with_tail).expect("the tail is back");
    bench = bench.reopen_without_index();
    let found = [before, refused, kept].map(|id| bench.has(id));
    assert_eq!(found, [true, false, true]);
    assert!(bench.shared.damage().is_empty());
}

#[test]
fn a_failed_index_loses_nothing_and_comes_back() {
    let mut bench = Bench::new();
    bench.shared.index.close_db();
    let (id, mut answer) = bench.push(false);
    bench.commit();
    assert!(answer.try_recv().expect("answered").is_ok(), "the journal is the truth");
    assert!(bench.shared.health.has(Trouble::Index));
    let (refused, mut told) = bench.push(false);
    bench.commit();
    assert!(matches!(told.try_recv(), Ok(Err(StoreError::Refused { .. }))));
    bench.committer.probe();
    assert_eq!(bench.shared.health.check(), Ok(()));
    assert!(bench.has(id) && !bench.has(refused));
}

#[test]
fn a_disk_that_answers_again_is_believed_without_a_batch() {
    let mut bench = Bench::new();
    bench.shared.health.set(Trouble::Stalled, "slow".to_owned());
    assert!(bench.shared.health.check().is_err());
    // Matching calls are refused now, so there may never be another event to commit.
    bench.committer.tick();
    assert_eq!(bench.shared.health.check(), Ok(()));
}

#[test]
fn a_segment_deleted_under_the_store_takes_no_more_events() {
    let mut bench = Bench::new();
    drop(bench.push(false));
    bench.commit();
    std::fs::remove_dir_all(bench.dir.path().join("journal")).expect("removed");
    bench.committer.tick();
    let refused = bench.shared.health.check().expect_err("nothing would be found again");
    assert!(refused.reason.contains("deleted"), "{}", refused.reason);
}

#[test]
fn attempts_that_cannot_be_recorded_are_bounded() {
    let mut bench = Bench::new();
    let webhook = bench.subscribe();
    for _ in 0..N_HELD_WHILE_DOWN + 10 {
        drop(bench.push(false));
    }
    while bench.committer.tallies.n_of(webhook).0 < N_HELD_WHILE_DOWN as u64 + 10 {
        bench.commit();
        bench.committer.catch_up();
    }
    bench.shared.health.set(Trouble::Journal, "broken".to_owned());
    let lease = |n| bench.shared.lease_due(webhook, Timestamp::MAX, n).expect("readable");
    let some = lease(100);
    let more = lease(N_HELD_WHILE_DOWN);
    assert_eq!(some.len() + more.len(), N_HELD_WHILE_DOWN);
    assert!(lease(1).is_empty(), "each would be one more in memory");
    bench.shared.health.clear(Trouble::Journal);
    assert_eq!(lease(10).len(), 10);
}

#[test]
fn a_delivery_whose_segment_is_gone_fails_visibly() {
    let mut bench = Bench::new();
    let webhook = bench.subscribe();
    let (id, _) = bench.push(false);
    bench.commit();
    std::fs::remove_file(bench.dir.path().join("journal/00000001.seg")).expect("removed");
    let leases = bench.shared.lease_due(webhook, Timestamp::MAX, 10).expect("others go on");
    assert!(leases.is_empty());
    bench.commit();
    let deliveries = bench.shared.deliveries_of(id).expect("readable");
    assert_eq!(deliveries[0].state, DeliveryState::Failed);
    assert!(deliveries[0].error.as_deref().is_some_and(|e| e.contains("00000001.seg")));
    assert_eq!(bench.shared.damage().len(), 1);
}

#[test]
fn a_webhook_state_is_in_force_at_once_and_written_when_the_journal_is_well() {
    let mut bench = Bench::new();
    let webhook = bench.subscribe();
    let state = |reason: &str| WebhookState {
        status: WebhookStatus::Disabled,
        reason: Some(reason.to_owned()),
        since: Timestamp::default(),
        overrides_file: false,
        rests_until: None,
    };
    let stand = |bench: &Bench, reason: &str| {
        bench.shared.states.set(webhook, state(reason));
        let (waiter, answer) = oneshot::channel();
        bench.shared.queue.push_request(Request::Stand { waiter }).expect("room");
        answer
    };
    let mut told = stand(&bench, "first");
    assert_eq!(bench.shared.status(webhook), WebhookStatus::Disabled);
    bench.committer.writer.fail_next();
    bench.commit();
    assert!(matches!(told.try_recv(), Ok(Err(StoreError::Refused { .. }))));
    assert_eq!(bench.shared.status(webhook), WebhookStatus::Disabled);
    let mut told = stand(&bench, "second");
    bench.commit();
    assert!(matches!(told.try_recv(), Ok(Err(StoreError::Refused { .. }))), "still unwell");
    bench.committer.probe();
    let bench = bench.reopen_without_index();
    assert_eq!(bench.shared.states.all()[&webhook], state("second"));
}

#[test]
fn a_webhook_is_in_force_when_its_definition_is_durable_and_never_before() {
    let mut bench = Bench::new();
    let url = url::Url::parse("https://example.com/").expect("a URL");
    let webhook = Box::new(Webhook::new("late", url));
    let id = webhook.id;
    let ask = |bench: &Bench, request: Request| bench.shared.queue.push_request(request);
    let is_there = |bench: &Bench| {
        let is_defined = bench.shared.definitions.load().contains_key(&id);
        assert_eq!(bench.shared.webhooks.load().get(id).is_some(), is_defined);
        is_defined
    };
    // The journal fails: as before. The index fails: it is durable, so it is in force.
    for (journal_fails, index_fails) in [(true, false), (false, true)] {
        let (waiter, mut told) = oneshot::channel();
        let (webhook, text) = (webhook.clone(), Secret::new("t"));
        ask(&bench, Request::Define { webhook, text, waiter }).expect("room");
        assert!(!is_there(&bench));
        if journal_fails {
            bench.committer.writer.fail_next();
        } else if index_fails {
            bench.shared.index.close_db();
        }
        bench.commit();
        assert_eq!(told.try_recv().expect("answered").is_ok(), index_fails);
        assert_eq!(is_there(&bench), index_fails);
        bench.committer.probe();
        assert_eq!(is_there(&bench), index_fails);
    }
    let (waiter, mut told) = oneshot::channel();
    ask(&bench, Request::Delete { id, waiter }).expect("room");
    bench.committer.writer.fail_next();
    bench.commit();
    assert!(told.try_recv().expect("answered").is_err());
    assert!(is_there(&bench));
    bench.committer.probe();
    bench = bench.reopen_without_index();
    assert!(bench.shared.definitions.load().contains_key(&id));
}

#[test]
fn an_attempt_that_holds_up_its_chain_does_not_wait_for_company() {
    for ordered in [false, true] {
        let mut bench = Bench::new();
        let webhook = bench.subscribe_with(ordered);
        drop(bench.push(false));
        bench.commit();
        let lease = bench.shared.lease_due(webhook, Timestamp::MAX, 1).expect("readable").remove(0);
        let attempt = Attempt {
            delivery_id: lease.delivery().id,
            number: 1,
            started_at: Timestamp::default(),
            duration_ms: 1,
            outcome: Outcome::Accepted { reply: Reply::default() },
            verdict: Verdict::Delivered,
        };
        bench.shared.queue.push_attempt(Finished { attempt, guard: lease.into_guard() });
        let taken = bench.shared.queue.take(LIMITS, Duration::ZERO);
        assert_eq!(taken.attempts.len(), usize::from(ordered));
    }
}

/// After a machine's clock was once far ahead: what is written between the look at the clock and
/// the look at the lane is not taken for something that was written ahead.
#[test]
fn a_retry_waits_though_the_clock_was_ahead_once() {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut bench = Bench::new();
    let webhook = bench.subscribe();
    drop(bench.push(false));
    while bench.shared.next_due(webhook, Timestamp::MAX).expect("readable").is_none() {
        bench.commit();
    }
    let now = crate::clock::now();
    bench.shared.clock_showed(now.plus(HOUR * 1000));
    let lease = bench.shared.lease_due(webhook, now, 1).expect("readable").remove(0);
    let attempt = Attempt {
        delivery_id: lease.delivery().id,
        number: 1,
        started_at: now.plus(Duration::from_millis(5)),
        duration_ms: 1,
        outcome: Outcome::Accepted { reply: Reply::default() },
        verdict: Verdict::Retry { at: now.plus(HOUR) },
    };
    bench.shared.queue.push_attempt(Finished { attempt, guard: lease.into_guard() });
    while bench.shared.next_due(webhook, Timestamp::MAX).expect("readable").is_none() {
        bench.commit();
    }
    let due = bench.shared.lease_due(webhook, now, 1).expect("readable");
    assert!(due.is_empty(), "its attempt has just been made");
    assert_eq!(bench.shared.next_due(webhook, now).expect("readable"), Some(now.plus(HOUR)));
}
