//! What callers ask for in one batch, and what followers are told when the index fails.

use tokio::sync::oneshot;

use super::Bench;
use crate::model::{DeliveryState, Secret, Webhook, WebhookId, WebhookState, WebhookStatus};
use crate::store::StoreError;
use crate::store::changes::{Change, Missed};
use crate::store::queue::{Answer, Request};
use crate::store::recovery::{Recovery, RecoverySpec, RecoveryStatus};

impl Bench {
    fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Told<T> {
        let (waiter, told) = oneshot::channel();
        self.shared.queue.push_request(request(waiter)).expect("room");
        told
    }

    fn define(&mut self) -> WebhookId {
        let url = url::Url::parse("https://example.com/").expect("a URL");
        let webhook = Box::new(Webhook::new("made", url));
        let id = webhook.id;
        let mut told =
            self.ask(|waiter| Request::Define { webhook, text: Secret::new("t"), waiter });
        self.commit();
        told.try_recv().expect("answered").expect("defined");
        id
    }

    fn recover(&self, webhook: WebhookId) -> Told<Recovery> {
        let state = DeliveryState::Failed;
        let spec = RecoverySpec { webhook, since: None, until: None, state, backfill: false };
        self.ask(|waiter| Request::Recover { spec, count: 0, waiter })
    }
}

type Told<T> = oneshot::Receiver<Result<T, StoreError>>;

/// It would run for ever: what it is for never comes back.
#[test]
fn no_recovery_of_a_webhook_runs_on_that_is_deleted_in_the_same_moment() {
    for recovery_first in [true, false] {
        let mut bench = Bench::new();
        let id = bench.define();
        let mut begun = recovery_first.then(|| bench.recover(id));
        let mut deleted = bench.ask(|waiter| Request::Delete { id, waiter });
        let mut begun = begun.take().unwrap_or_else(|| bench.recover(id));
        bench.commit();
        assert!(deleted.try_recv().expect("answered").expect("stored"));
        let begun = begun.try_recv().expect("answered");
        assert_eq!(begun.is_ok(), recovery_first, "{begun:?}");
        for round in ["running", "rebuilt"] {
            let recoveries = bench.shared.recoveries.load();
            let statuses: Vec<_> = recoveries.iter().map(|recovery| recovery.status).collect();
            let expected = vec![RecoveryStatus::Stopped; usize::from(recovery_first)];
            assert_eq!(statuses, expected, "{round}");
            bench = bench.reopen_without_index();
        }
    }
}

/// A follower reads at once what it is told of.
#[test]
fn followers_are_not_told_what_cannot_be_read_yet_and_are_told_that_they_missed_it() {
    let mut bench = Bench::new();
    let changes = std::sync::Arc::clone(&bench.shared.changes);
    let before = changes.now();
    bench.shared.index.close_db();
    let (missed, mut answer) = bench.push(false);
    bench.commit();
    answer.try_recv().expect("answered").expect("durable");
    assert_eq!(changes.after(before, 10), Ok(Vec::new()));
    bench.committer.probe();
    assert!(bench.has(missed));
    assert_eq!(changes.after(before, 10), Err(Missed));
    let again = changes.now();
    let (next, _answer) = bench.push(false);
    bench.commit();
    let told = changes.after(again, 10).expect("remembered");
    assert_eq!(told.iter().map(|&(_, change)| change).collect::<Vec<_>>(), [Change::Event(next)]);
}

/// Its last attempts end after it: what they make of its health is nobody's any more.
#[test]
fn nothing_is_kept_of_how_a_deleted_webhook_stands() {
    let mut bench = Bench::new();
    let id = bench.define();
    let _deleted = bench.ask(|waiter| Request::Delete { id, waiter });
    bench.commit();
    let gone = WebhookState { status: WebhookStatus::Disabled, ..WebhookState::default() };
    bench.shared.states.set(id, gone);
    let mut told = bench.ask(|waiter| Request::Stand { waiter });
    bench.commit();
    told.try_recv().expect("answered").expect("there is nothing to write");
    for _ in ["running", "rebuilt"] {
        assert!(bench.shared.states.all().is_empty());
        assert!(bench.committer.tallies.standings().is_empty());
        bench = bench.reopen_without_index();
    }
}
