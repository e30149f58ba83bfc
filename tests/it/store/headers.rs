//! Segment headers that are not what they must be: told exactly, and no record is lost by it.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use sidehook::store::{Checked, IndexFound, Offline, OnProgress, Store};

use super::fixture::*;
use super::offline::{checked, err, store};
use super::recovery::{Seen, flip, lived_in, quarantined, see, segment};

const HEADER_BYTES: u64 = 48;

/// What of the header a byte belongs to, in words.
const FIELDS: [(u64, &str); 6] = [
    (8, "the mark of a journal"),
    (12, "the format"),
    (28, "the store's id"),
    (36, "the segment's number"),
    (44, "the number of the first record"),
    (48, "the checksum"),
];

fn check(fixture: &Fixture) -> Checked {
    let on: OnProgress = Arc::new(|_| ControlFlow::Continue(()));
    Offline::open(fixture.dir.path()).expect("free").check(&on).expect("readable")
}

/// Exactly this byte is told, by its file, its place and its field.
fn assert_told(damage: &[String], path: &Path, at: u64) {
    let field = FIELDS.iter().find(|(end, _)| at < *end).expect("in the header").1;
    let place = format!("{}, bytes {at} to {}: ", path.display(), at + 1);
    assert_eq!(damage.len(), 1, "byte {at}: {damage:?}");
    assert!(damage[0].starts_with(&place), "byte {at}: {damage:?}");
    assert!(damage[0].contains(&format!("header is damaged ({field});")), "byte {at}: {damage:?}");
}

/// The same to see, also when the index is made anew.
async fn assert_nothing_lost(fixture: &Fixture, at: u64, seen: &Seen) {
    let path = segment(fixture, 1);
    for round in ["as it was", "made anew", "the next start"] {
        if round == "made anew" {
            fs::remove_dir_all(fixture.path("index")).expect("removed");
        }
        let store = fixture.open();
        assert_told(&store.stats().damage, &path, at);
        assert_eq!(&see(&store), seen, "byte {at}, {round}");
        store.close();
    }
    assert!(quarantined(fixture).contains(&"00000001.seg.0-48".to_owned()), "byte {at}");
    let store = fixture.open();
    commit(&store, event("other")).await;
    store.close();
    let checked = check(fixture);
    assert_told(&checked.damage, &path, at);
    assert_eq!((checked.events, checked.index), (21, IndexFound::Agrees), "byte {at}");
}

#[tokio::test]
async fn every_byte_of_the_only_header_is_told_and_nothing_is_lost_by_it() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    for at in 0..HEADER_BYTES {
        let damaged = fixture.crashed();
        let path = segment(&damaged, 1);
        flip(&path, at);
        let bytes = fs::read(&path).expect("readable");
        let checked = check(&damaged);
        assert_told(&checked.damage, &path, at);
        assert_eq!((checked.events, checked.index), (20, IndexFound::Agrees), "byte {at}");
        assert_eq!(checked.first_record, Some(1), "byte {at}");
        assert!(quarantined(&damaged).is_empty(), "a check changes nothing");
        // What opening does is the same for the bytes of a field.
        if at.is_multiple_of(4) {
            assert_nothing_lost(&damaged, at, &seen).await;
        }
        assert_eq!(fs::read(&path).expect("readable"), bytes, "byte {at}: it is not written to");
    }
}

#[tokio::test]
async fn the_commands_say_so_and_end_with_1() {
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    let path = segment(&fixture, 1);
    flip(&path, 30);
    let (code, report) = checked(&fixture);
    assert_eq!(code, Some(1), "{report}");
    let damage = report["damage"][0].as_str().expect("a text").to_owned();
    assert_told(&[damage], &path, 30);
    for (command, says) in [("check", ""), ("export", "20 events exported"), ("rebuild", "")] {
        let done = store(&fixture, &[command]);
        assert_eq!(done.status.code(), Some(1), "{command}: {}", err(&done));
        let told = err(&done);
        assert!(told.contains("damage: ") && told.contains("00000001.seg, bytes 30 to 31: "));
        assert!(told.contains(says), "{command}: {told}");
    }
}

/// Begins a new segment with every two events.
async fn of_segments(n: u64) -> (Fixture, Seen) {
    let mut fixture = Fixture::new();
    fixture.settings.segment_bytes = 4096;
    let store = fixture.open();
    while !segment(&fixture, n).exists() {
        commit(&store, event_of("other", vec![b'x'; 1000])).await;
    }
    let seen = see(&store);
    store.close();
    (fixture, seen)
}

fn opened_anew(fixture: &Fixture) -> Store {
    fs::remove_dir_all(fixture.path("index")).expect("removed");
    fixture.open()
}

#[tokio::test]
async fn the_first_the_last_and_one_between_are_told_alike() {
    let (fixture, seen) = of_segments(4).await;
    for number in 1..=4 {
        for at in (0..HEADER_BYTES).step_by(7) {
            let damaged = fixture.crashed();
            let path = segment(&damaged, number);
            flip(&path, at);
            assert_told(&check(&damaged).damage, &path, at);
            let store = opened_anew(&damaged);
            assert_told(&store.stats().damage, &path, at);
            assert_eq!(see(&store), seen, "segment {number}, byte {at}");
        }
    }
    // All at once.
    for number in 1..=4 {
        flip(&segment(&fixture, number), 44);
    }
    let store = opened_anew(&fixture);
    assert_eq!(store.stats().damage.len(), 4, "{:?}", store.stats().damage);
    assert_eq!(see(&store), seen);
}

#[tokio::test]
async fn the_id_is_found_also_without_its_file() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    for at in [0, 8, 30, 40, 47] {
        let damaged = fixture.crashed();
        let path = segment(&damaged, 1);
        flip(&path, at);
        fs::remove_file(damaged.path("store-id")).expect("removed");
        let store = opened_anew(&damaged);
        assert_told(&store.stats().damage, &path, at);
        assert_eq!(see(&store), seen, "byte {at}");
    }
}

#[tokio::test]
async fn with_its_first_record_lost_too_the_others_are_kept() {
    let (fixture, seen) = of_segments(3).await;
    let path = segment(&fixture, 3);
    let store = fixture.open();
    commit(&store, event("other")).await;
    commit(&store, event("other")).await;
    store.close();
    // As retention leaves it: its first record is not number 1.
    fs::remove_file(segment(&fixture, 1)).expect("removed");
    fs::remove_file(segment(&fixture, 2)).expect("removed");
    let before = see(&opened_anew(&fixture.crashed())).events.len();
    assert!(before >= 3 && before < seen.events.len(), "{before}");
    flip(&path, 40);
    flip(&path, 100);
    let store = opened_anew(&fixture);
    let damage = store.stats().damage;
    let whole = format!("{}, bytes 0 to 48: the segment's header is damaged;", path.display());
    assert!(damage[0].starts_with(&whole), "{damage:?}");
    assert!(damage[1].contains("bytes 48 to "), "{damage:?}");
    assert_eq!(see(&store).events.len(), before - 1, "one of them is lost");
}

#[tokio::test]
async fn a_segment_whose_making_was_broken_off_is_no_damage() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    let sound = fs::read(segment(&fixture, 1)).expect("readable")[..48].to_vec();
    for left in [&[][..], &sound[..20], &[0; 48]] {
        let crashed = fixture.crashed();
        fs::write(segment(&crashed, 2), left).expect("written");
        assert_eq!(check(&crashed).damage, Vec::<String>::new());
        let store = crashed.open();
        assert_eq!(store.stats().damage, Vec::<String>::new());
        assert_eq!(see(&store), seen);
        commit(&store, event("other")).await;
    }
}

#[tokio::test]
async fn a_damaged_one_without_records_is_told_once_and_made_anew() {
    let fixture = Fixture::new();
    fixture.open().close();
    flip(&segment(&fixture, 1), 40);
    let whole = format!("{}, bytes 0 to 48: ", segment(&fixture, 1).display());
    let damage = check(&fixture).damage;
    assert!(damage.len() == 1 && damage[0].starts_with(&whole), "{damage:?}");
    assert!(damage[0].contains("no record in it"), "{damage:?}");
    let store = fixture.open();
    assert_eq!(store.stats().damage, damage);
    let id = commit(&store, event("other")).await;
    store.close();
    let store = fixture.open();
    assert_eq!(store.stats().damage, Vec::<String>::new());
    assert!(store.event(id).expect("readable").is_some());
}
