//! A kill at any point of what an operator has asked for: the journal ends there, and whatever is
//! in it is brought to its end after the next start.

use std::fs;

use serde_json::Value;
use sidehook::model::{DeliveryState, Secret, Verdict};
use sidehook::store::{DeliveryFilter, Page, RecoverySpec, RecoveryStatus, Store};

use super::fixture::*;

/// More than a slice.
const N: usize = 150;
const HEAD_BYTES: usize = 17;
const DEFINITION: u8 = 6;
const RECOVERY: u8 = 8;

/// What the journal says of the two webhooks up to some record.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// What failed of `a` is queued again.
    is_recovered: bool,
    /// `late` is there.
    is_defined: bool,
    /// It gets what it never had.
    is_filled: bool,
}

/// Ends of records, each with what has been said until then.
fn ends(journal: &[u8], from: usize) -> Vec<(usize, u8, Said)> {
    let (mut at, mut said, mut ends) = (from, Said::default(), Vec::new());
    while let Some(length) = journal.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        let kind = journal[at + 8];
        let payload = &journal[at + HEAD_BYTES..at + HEAD_BYTES + length];
        let text: Value = serde_json::from_slice(payload).unwrap_or_default();
        match kind {
            DEFINITION => said = Said { is_defined: !text["text"].is_null(), ..said },
            RECOVERY if text["recovery"]["spec"]["backfill"] == true => said.is_filled = true,
            RECOVERY => said.is_recovered = true,
            _ => {}
        }
        at += HEAD_BYTES + length;
        ends.push((at, kind, said));
    }
    ends
}

fn states(store: &Store, name: &str) -> Vec<DeliveryState> {
    let filter = DeliveryFilter { webhook: Some(id_of(name)), ..DeliveryFilter::default() };
    let listed = store.deliveries(&filter, &Page { limit: 200, cursor: None }).expect("readable");
    listed.data.into_iter().map(|delivery| delivery.state).collect()
}

/// As the process does it: with those that the journal defines.
fn open(fixture: &Fixture) -> Store {
    let store = fixture.open();
    let mut webhooks = fixture.webhooks.clone();
    webhooks.extend(store.definitions().iter().map(|_| webhook("late", "*", true)));
    store.set_webhooks(webhooks);
    store
}

async fn has_ended(store: &Store, n: usize) {
    let is_over = || {
        let recoveries = store.recoveries();
        recoveries.len() == n && recoveries.iter().all(|known| known.ended_at.is_some())
    };
    eventually("all recoveries have ended", is_over).await;
}

#[tokio::test]
async fn what_was_asked_for_is_brought_to_its_end_wherever_the_journal_ends() {
    let mut fixture = Fixture::new();
    fixture.webhooks.truncate(1);
    let store = fixture.open();
    for _ in 0..N {
        commit(&store, event("other")).await;
    }
    for lease in leases(&store, "a", N).await {
        failed(&store, lease, Verdict::Failed);
    }
    eventually("all failed", || states(&store, "a") == [DeliveryState::Failed; N]).await;
    let journal = |fixture: &Fixture| fixture.path("journal/00000001.seg");
    let begin = fs::metadata(journal(&fixture)).expect("there").len();
    let spec = |name, backfill| {
        let (webhook, state) = (id_of(name), DeliveryState::Failed);
        RecoverySpec { webhook, since: None, until: None, state, backfill }
    };
    let late = webhook("late", "*", true);
    store.define_webhook(late, Secret::new("t")).await.expect("stored");
    store.recover(spec("a", false)).await.expect("begun");
    store.recover(spec("late", true)).await.expect("begun");
    has_ended(&store, 2).await;
    assert!(store.delete_webhook(id_of("late")).await.expect("stored"));
    let cancelled = [DeliveryState::Cancelled; N];
    eventually("it is drained", || states(&store, "late") == cancelled).await;
    store.close();

    let whole = fs::read(journal(&fixture)).expect("read");
    let ends = ends(&whole, usize::try_from(begin).expect("small"));
    assert!(ends.len() > 3 * N && ends.last().is_some_and(|(end, ..)| *end == whole.len()));
    let is_tried =
        |at: usize, kind: u8| kind == DEFINITION || kind == RECOVERY || at.is_multiple_of(45);
    for (at, &(end, kind, said)) in ends.iter().enumerate().filter(|(at, end)| is_tried(*at, end.1))
    {
        let cut = fixture.crashed();
        // Some of the next record has arrived, too.
        let n_torn = [0, 1, 20][at % 3];
        fs::write(journal(&cut), &whole[..whole.len().min(end + n_torn)]).expect("written");
        fs::remove_dir_all(cut.path("index")).expect("removed");
        let place = format!("record {at} of {}, kind {kind}: {said:?}", ends.len());
        for _ in 0..2 {
            let store = open(&cut);
            let n = [said.is_recovered, said.is_filled].into_iter().filter(|&is| is).count();
            has_ended(&store, n).await;
            let of_a =
                if said.is_recovered { DeliveryState::Pending } else { DeliveryState::Failed };
            assert_eq!(states(&store, "a"), [of_a; N], "{place}");
            assert_eq!(store.definitions().len(), usize::from(said.is_defined), "{place}");
            let of_late = states(&store, "late");
            if said.is_filled && said.is_defined {
                assert_eq!(of_late, [DeliveryState::Pending; N], "{place}");
                assert!(store.recoveries().iter().all(|r| r.status == RecoveryStatus::Done));
            } else if said.is_filled {
                eventually("drained", || states(&store, "late") == cancelled).await;
            } else {
                assert!(of_late.is_empty(), "{place}");
            }
            assert!(store.stats().damage.is_empty(), "{place}: {:?}", store.stats().damage);
        }
    }
}
