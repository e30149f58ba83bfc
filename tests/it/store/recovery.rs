//! What is left after a crash, a damaged file, a lost index.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sidehook::clock;
use sidehook::model::{Attempt, Delivery, Event, EventId, Verdict};
use sidehook::store::{DeliveryFilter, EventFilter, OnFailure, Page, Store, StoreError, Trouble};

use super::fixture::*;

/// Everything a caller can see, to be compared.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) events: Vec<Event>,
    deliveries: Vec<(Delivery, Vec<Attempt>)>,
    queues: Vec<String>,
}

pub(super) fn see(store: &Store) -> Seen {
    let page = |cursor| Page { limit: 200, cursor };
    let (mut events, mut deliveries) = (Vec::new(), Vec::new());
    let mut cursor = None;
    loop {
        let listed = store.events(&EventFilter::default(), &page(cursor)).expect("readable");
        for summary in &listed.data {
            events.push(store.event(summary.id).expect("readable").expect("known"));
        }
        cursor = listed.next;
        if cursor.is_none() {
            break;
        }
    }
    loop {
        let listed = store.deliveries(&DeliveryFilter::default(), &page(cursor)).expect("readable");
        for delivery in listed.data {
            let attempts = store.attempts(delivery.id).expect("readable");
            deliveries.push((delivery, attempts));
        }
        cursor = listed.next;
        if cursor.is_none() {
            break;
        }
    }
    let mut queues: Vec<_> = store.stats().queues.iter().map(|q| format!("{q:?}")).collect();
    queues.sort();
    Seen { events, deliveries, queues }
}

/// A store with some of everything, closed; and what it showed.
pub(super) async fn lived_in(fixture: &Fixture) -> Seen {
    let store = fixture.open();
    for i in 0..20 {
        commit(&store, event(if i % 3 == 0 { "task.created" } else { "other" })).await;
    }
    for (i, lease) in leases(&store, "a", 20).await.into_iter().enumerate() {
        let id = lease.delivery().id;
        match i % 4 {
            0 => delivered(&store, lease),
            1 => failed(&store, lease, Verdict::Failed),
            2 => {
                let at = clock::now().plus(std::time::Duration::from_secs(600));
                failed(&store, lease, Verdict::Retry { at });
            }
            _ => {
                drop(lease);
                continue;
            }
        }
        attempted(&store, id, 1).await;
    }
    let failed = DeliveryFilter {
        state: Some(sidehook::model::DeliveryState::Failed),
        ..Default::default()
    };
    let again = store.deliveries(&failed, &Page::default()).expect("readable").data[0].id;
    store.requeue(again).await.expect("stored");
    let seen = see(&store);
    store.close();
    seen
}

pub(super) fn segment(fixture: &Fixture, number: u64) -> PathBuf {
    fixture.path("journal").join(format!("{number:08}.seg"))
}

pub(super) fn quarantined(fixture: &Fixture) -> Vec<String> {
    let entries = fs::read_dir(fixture.path("quarantine")).expect("listed");
    entries.map(|e| e.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

pub(super) fn flip(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("open");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 0x10], at).expect("write");
}

#[tokio::test]
async fn a_deleted_index_is_rebuilt_with_the_same_states() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    fs::remove_dir_all(fixture.path("index")).expect("removed");
    let store = fixture.open();
    assert_eq!(see(&store), seen);
    assert!(store.stats().damage.is_empty());
}

#[tokio::test]
async fn an_index_of_garbage_is_moved_aside_and_rebuilt() {
    for name in ["db", "conf"] {
        let fixture = Fixture::new();
        let seen = lived_in(&fixture).await;
        let path = fixture.path("index").join(name);
        let len = fs::metadata(&path).expect("sled's file").len();
        let garbage: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        fs::write(&path, garbage).expect("written");
        let store = fixture.open();
        assert_eq!(see(&store), seen, "{name}");
        let kept = quarantined(&fixture);
        assert!(kept.iter().any(|n| n.starts_with("index.damaged-")), "{name}: {kept:?}");
    }
}

#[tokio::test]
async fn an_old_index_catches_up_with_the_journal() {
    let fixture = Fixture::new();
    let store = fixture.open();
    commit(&store, event("task.created")).await;
    store.close();
    let old = fixture.path("old-index");
    copy_dir(&fixture.path("index"), &old);
    let seen = lived_in_more(&fixture).await;
    fs::remove_dir_all(fixture.path("index")).expect("removed");
    fs::rename(&old, fixture.path("index")).expect("put back");
    let store = fixture.open();
    assert_eq!(see(&store), seen);
    assert!(quarantined(&fixture).is_empty(), "it fits, so it is not rebuilt");
}

async fn lived_in_more(fixture: &Fixture) -> Seen {
    let store = fixture.open();
    for lease in leases(&store, "a", 1).await {
        delivered(&store, lease);
    }
    store.close();
    lived_in(fixture).await
}

#[tokio::test]
async fn an_index_of_another_store_is_not_believed() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    let seen = lived_in(&fixture).await;
    lived_in(&other).await;
    fs::remove_dir_all(fixture.path("index")).expect("removed");
    copy_dir(&other.path("index"), &fixture.path("index"));
    assert_eq!(see(&fixture.open()), seen);
}

#[tokio::test]
async fn a_crash_keeps_every_acknowledged_event() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let mut acknowledged: Vec<EventId> = Vec::new();
    for round in 0..5 {
        for _ in 0..20 {
            acknowledged.push(commit(&store, event("task.created")).await);
        }
        let crashed = fixture.crashed();
        let after = crashed.open();
        for id in &acknowledged {
            assert!(after.event(*id).expect("readable").is_some(), "round {round}");
        }
        assert!(after.stats().damage.is_empty(), "{:?}", after.stats().damage);
        leases(&after, "b", acknowledged.len()).await;
    }
}

#[tokio::test]
async fn a_restart_of_the_machine_makes_the_index_suspect() {
    let fixture = Fixture::new();
    let store = fixture.open();
    commit(&store, event("task.created")).await;
    leases(&store, "a", 1).await;
    let crashed = fixture.crashed();
    fs::write(crashed.path("index.state"), "{\"boot_id\":\"another\",\"clean\":false}")
        .expect("written");
    let after = crashed.open();
    assert_eq!(see(&after), see(&store));
    assert!(quarantined(&crashed).iter().any(|n| n.starts_with("index.damaged-")));
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_writing_goes_on() {
    for tail in [&[0; 4096][..], b"garbage that is no record at all", &[9, 0, 0, 0, 1]] {
        let fixture = Fixture::new();
        let seen = lived_in(&fixture).await;
        let mut bytes = fs::read(segment(&fixture, 1)).expect("read");
        let len = bytes.len();
        bytes.extend_from_slice(tail);
        fs::write(segment(&fixture, 1), bytes).expect("written");
        let store = fixture.open();
        assert_eq!(see(&store), seen);
        assert!(store.stats().damage.is_empty());
        let id = commit(&store, event("other")).await;
        store.close();
        assert!(fs::metadata(segment(&fixture, 1)).expect("there").len() > len as u64);
        fs::remove_dir_all(fixture.path("index")).expect("removed");
        let store = fixture.open();
        assert!(store.event(id).expect("readable").is_some());
        assert!(store.stats().damage.is_empty());
        assert_eq!(quarantined(&fixture).is_empty(), tail.iter().all(|&b| b == 0));
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_told_exactly_and_the_rest_is_kept() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(commit(&store, event("other")).await);
    }
    store.close();
    let len = fs::metadata(segment(&fixture, 1)).expect("there").len();
    // Ten records of one size: the middle of the fifth.
    let record = (len - 48) / 10;
    flip(&segment(&fixture, 1), 48 + record * 4 + record / 2);

    // A read finds it, also while the index says nothing is wrong.
    let store = fixture.open();
    let found = store.event(ids[4]).expect_err("damaged");
    assert!(matches!(found, StoreError::Damaged { .. }), "{found:?}");
    assert_eq!(store.stats().damage.len(), 1);
    // The lane is not blocked by it: that delivery fails visibly, the others go out.
    let deliverable = leases(&store, "a", 9).await;
    assert!(deliverable.iter().all(|lease| lease.event().id != ids[4]));
    eventually("it fails", || {
        let delivery = &store.deliveries_of(ids[4]).expect("readable")[0];
        delivery.state == sidehook::model::DeliveryState::Failed
            && delivery.error.as_deref().is_some_and(|e| e.contains("damaged"))
    })
    .await;
    store.close();

    // A rebuild names file, bytes and records.
    fs::remove_dir_all(fixture.path("index")).expect("removed");
    let store = fixture.open();
    let damage = store.stats().damage;
    let bytes = format!("bytes {} to {}", 48 + record * 4, 48 + record * 5);
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert!(damage[0].contains("00000001.seg") && damage[0].contains(&bytes), "{damage:?}");
    assert!(damage[0].contains("records 5 to 5"), "{damage:?}");
    for (i, id) in ids.iter().enumerate() {
        assert_eq!(store.event(*id).expect("readable").is_some(), i != 4);
    }
    assert!(quarantined(&fixture).iter().any(|n| n.starts_with("00000001.seg.")));
}

#[tokio::test]
async fn a_missing_segment_is_told() {
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 4096;
    let store = fixture.open();
    for _ in 0..30 {
        commit(&store, event_of("other", vec![b'x'; 1000])).await;
    }
    store.close();
    let n_segments = fs::read_dir(fixture.path("journal")).expect("listed").count();
    assert!(n_segments > 5);
    fs::remove_file(segment(&fixture, 3)).expect("removed");
    let store = fixture.open();
    let damage = store.stats().damage;
    assert!(damage.iter().any(|d| d.contains("segments 3 to 3")), "{damage:?}");
    assert!(see(&store).events.len() > 20);
    // With and without the index the story is the same, and the store goes on.
    commit(&store, event("other")).await;
}

#[tokio::test]
async fn a_journal_shorter_than_the_index_knows_is_told() {
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 4096;
    let store = fixture.open();
    for _ in 0..30 {
        commit(&store, event_of("other", vec![b'x'; 1000])).await;
    }
    store.close();
    let last = fs::read_dir(fixture.path("journal")).expect("listed").count() as u64;
    fs::remove_file(segment(&fixture, last)).expect("removed");
    let store = fixture.open();
    let damage = store.stats().damage;
    assert!(damage.iter().any(|d| d.contains("records up to 30")), "{damage:?}");
    commit(&store, event("other")).await;
}

#[tokio::test]
async fn a_bit_flip_anywhere_is_noticed_or_harmless() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    let len = fs::metadata(segment(&fixture, 1)).expect("there").len();
    for i in 0..40 {
        let crashed = fixture.crashed();
        let at = i * len / 40;
        flip(&segment(&crashed, 1), at);
        fs::remove_dir_all(crashed.path("index")).expect("removed");
        let store = crashed.open();
        let kept = quarantined(&crashed);
        let is_told = !store.stats().damage.is_empty() || !kept.is_empty();
        assert!(is_told || see(&store) == seen, "byte {at} of {len}");
        assert!(see(&store).events.len() >= seen.events.len() - 1, "byte {at} of {len}");
        commit(&store, event("other")).await;
    }
}

#[tokio::test]
async fn a_newer_format_is_not_touched() {
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    let mut bytes = fs::read(segment(&fixture, 1)).expect("read");
    set_format(&mut bytes, 4);
    fs::write(segment(&fixture, 1), &bytes).expect("written");
    let error = Store::open(fixture.settings.clone(), Default::default()).expect_err("newer");
    assert!(matches!(error, StoreError::NewerFormat { found: 4, .. }), "{error:?}");
    assert_eq!(fs::read(segment(&fixture, 1)).expect("read"), bytes);
}

/// The versions before wrote formats 1 and 2, and take records that they do not know for damage: they
/// cut them off where they are the last. So they never stand where those would read them.
#[tokio::test]
async fn a_journal_of_the_format_before_is_read_and_never_written_on() {
    for (format, index) in [(1, "kept"), (1, "lost"), (2, "kept"), (2, "lost")] {
        let fixture = Fixture::new();
        let seen = lived_in(&fixture).await;
        let mut old = fs::read(segment(&fixture, 1)).expect("read");
        set_format(&mut old, format);
        fs::write(segment(&fixture, 1), &old).expect("written");
        if index == "lost" {
            fs::remove_dir_all(fixture.path("index")).expect("removed");
        }
        let store = fixture.open();
        assert!(see(&store).events.ends_with(&seen.events), "{index}");
        commit(&store, event("other")).await;
        assert_eq!(store.stats().damage, Vec::<String>::new());
        store.close();
        assert_eq!(fs::read(segment(&fixture, 1)).expect("read"), old);
        assert_eq!(fs::read(segment(&fixture, 2)).expect("a new one")[8], 3);
    }
}

pub(super) fn set_format(segment: &mut [u8], format: u8) {
    segment[8] = format;
    let crc = crc32c::crc32c(&segment[..44]).to_le_bytes();
    segment[44..48].copy_from_slice(&crc);
}

#[tokio::test]
async fn a_segment_of_another_store_is_no_part_of_this_one() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    lived_in(&fixture).await;
    lived_in(&other).await;
    fs::copy(segment(&other, 1), segment(&fixture, 1)).expect("copied");
    let store = fixture.open();
    assert!(store.stats().damage.iter().any(|d| d.contains("not of this one")));
    let id = commit(&store, event("other")).await;
    assert!(store.event(id).expect("readable").is_some());
    assert!(quarantined(&fixture).iter().any(|n| n.ends_with(".foreign")));
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(segment(&fixture, 1)), 0o600);
    assert_eq!(mode(fixture.path("lock")), 0o600);
    assert_eq!(mode(fixture.path("journal")), 0o700);
    assert_eq!(mode(fixture.path("store-id")), 0o600);
}

#[tokio::test]
async fn a_store_whose_disk_is_too_full_says_so_and_keeps_what_must_be_kept() {
    let mut fixture = Fixture::new();
    fixture.settings.free_bytes_min = u64::MAX;
    let store = fixture.open();
    let reason = store.check().expect_err("no disk has that much").reason;
    assert!(reason.contains("must stay free"), "{reason}");
    let refused = store.commit(event("other"), OnFailure::Refuse).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    let kept = store.commit(event("other"), OnFailure::Keep).await;
    assert!(matches!(kept, Err(StoreError::Kept { .. })), "{kept:?}");
    crate::support::until("it is told", || store.stats().n_in_memory == 1).await;
    assert_eq!(store.stats().troubles[0].0, Trouble::DiskLow);
    assert!(see(&store).events.is_empty());
}
