//! Journals as earlier versions wrote them, byte for byte.

use std::fs;
use std::time::Duration;

use sidehook::model::{Body, BodyState};

use super::fixture::*;
use super::recovery::see;

/// One call, its response cut at 20 bytes, by the last version that wrote format 2.
const FORMAT_2: &[u8] = include_bytes!("formats/2.seg");
const FORMAT_2_STORE: &str = "0e98370e-e925-455b-a2fd-7367d026be87\n";

/// What is added has states of bodies that format 2 does not know: it never stands where a version
/// that knows only 2 would read it, and is there whatever becomes of the index.
#[tokio::test]
async fn format_2_is_read_and_what_is_new_stands_beside_it() {
    let mut fixture = Fixture::new();
    fixture.settings.retain = Duration::from_secs(50 * 365 * 86_400);
    let journal = fixture.path("journal");
    fs::create_dir(&journal).expect("writable");
    fs::write(journal.join("00000001.seg"), FORMAT_2).expect("written");
    fs::write(fixture.path("store-id"), FORMAT_2_STORE).expect("written");

    let store = fixture.open();
    assert_eq!(store.stats().damage, Vec::<String>::new());
    let before = see(&store).events;
    let exchange = &before[0].exchange;
    assert_eq!((before.len(), exchange.request.url.as_str()), (1, "/tasks/5?x=1"));
    assert_eq!(exchange.request.body.bytes, br#"{"z": 1.0, "a": "b"}"#);
    assert_eq!(exchange.request.body.state, BodyState::Complete);
    let body = &exchange.response.body;
    assert_eq!((body.bytes.as_slice(), body.size), (&br#"{"id": 7, "long": "x"#[..], 61));
    assert_eq!((body.state, body.limit), (BodyState::Truncated, 20));

    let states = [BodyState::ClientAborted, BodyState::UpstreamAborted, BodyState::Streaming];
    for state in states {
        let mut event = event("task.created");
        event.exchange.response.body = Body { state, size: 9, ..Body::complete("part") };
        commit(&store, event).await;
    }
    let all = see(&store).events;
    store.close();
    fs::remove_dir_all(fixture.path("index")).expect("removed");
    let store = fixture.open();
    let found = see(&store).events;
    assert_eq!(found, all);
    assert!(found.contains(&before[0]));
    for state in states {
        assert!(found.iter().any(|event| event.exchange.response.body.state == state));
    }
    let read = |name| fs::read(journal.join(name)).expect("there");
    assert_eq!(read("00000001.seg"), FORMAT_2);
    assert_eq!(read("00000002.seg")[8], 3);
}

/// Whoever wants to go back gives the version before the backup: it holds all that was there at the
/// upgrade, and nothing that is done to either changes the other.
#[tokio::test]
async fn an_upgrade_leaves_a_backup_that_is_a_store() {
    let mut fixture = Fixture::new();
    fixture.settings.retain = Duration::from_secs(50 * 365 * 86_400);
    fs::create_dir(fixture.path("journal")).expect("writable");
    fs::write(fixture.path("journal/00000001.seg"), FORMAT_2).expect("written");
    fs::write(fixture.path("store-id"), FORMAT_2_STORE).expect("written");
    // An upgrade that was killed while it made the backup.
    fs::create_dir_all(fixture.path("backup/format-2.unfinished/journal")).expect("writable");

    let store = fixture.open();
    commit(&store, event("task.created")).await;
    store.close();
    let kept = || fs::read(fixture.path("backup/format-2/journal/00000001.seg")).expect("kept");
    assert_eq!(kept(), FORMAT_2);
    assert!(!fixture.path("backup/format-2.unfinished").exists());
    // The second start finds it made, and nothing of the new format is added to it.
    assert_eq!(see(&fixture.open()).events.len(), 2);
    assert_eq!(fs::read_dir(fixture.path("backup/format-2/journal")).expect("there").count(), 1);

    let mut before = Fixture::new_like(&fixture);
    before.settings.path = fixture.path("backup/format-2");
    let back = before.open();
    assert_eq!(see(&back).events.len(), 1);
    commit(&back, event("task.created")).await;
    back.close();
    assert_eq!(fs::read(fixture.path("journal/00000001.seg")).expect("there"), FORMAT_2);
}

#[tokio::test]
async fn without_an_upgrade_there_is_no_backup() {
    let fixture = Fixture::new();
    let store = fixture.open();
    commit(&store, event("task.created")).await;
    store.close();
    fixture.open();
    assert!(!fixture.path("backup").exists());
}
