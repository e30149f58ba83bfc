//! `sidehook store check | export | rebuild`: the real binary on a store that nobody runs.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use sidehook::model::{WebhookState, WebhookStatus};
use sidehook::store::{IndexFound, Offline, OnProgress, StoreError};
use tempfile::TempDir;

use super::fixture::*;
use super::recovery::{flip, lived_in, see, segment};

fn sidehook(fixture: &Fixture, scratch: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidehook"));
    command.arg("store").args(arguments).arg("--data").arg(fixture.dir.path());
    command.env_clear().env("TMPDIR", scratch).current_dir(scratch);
    command.output().expect("the binary starts")
}

/// Runs a command; it must leave nothing in the temporary folder.
pub(super) fn store(fixture: &Fixture, arguments: &[&str]) -> Output {
    let scratch = TempDir::new().expect("a temporary folder");
    let done = sidehook(fixture, scratch.path(), arguments);
    assert_eq!(fs::read_dir(scratch.path()).expect("listed").count(), 0, "{}", err(&done));
    done
}

fn out(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned()
}

pub(super) fn err(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

pub(super) fn checked(fixture: &Fixture) -> (Option<i32>, Value) {
    let done = store(fixture, &["check", "--json"]);
    let report = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", err(&done)));
    (done.status.code(), report)
}

/// Every file but the lock, whose content is the last holder's number.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            all.insert(path.display().to_string(), fs::read(&path).expect("readable"));
        }
    }
    all
}

/// The index of a closed store says, row by row, what one made of its journal would say.
pub(super) fn assert_whole(fixture: &Fixture) {
    let on: OnProgress = Arc::new(|_| ControlFlow::Continue(()));
    let store = Offline::open(fixture.dir.path()).expect("free");
    let checked = store.check(&on).expect("readable");
    assert_eq!(checked.index, IndexFound::Agrees, "{checked:?}");
    assert!(checked.damage.is_empty(), "{checked:?}");
}

#[tokio::test]
async fn a_sound_store_is_0_and_is_not_touched() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    let before = files(fixture.dir.path());
    let (code, report) = checked(&fixture);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["index"]["state"], "agrees", "{report}");
    assert_eq!(report["events"], seen.events.len());
    // 20 for `a`, of which 5 were accepted, 5 failed (one is queued again); 7 for `b`.
    let states = ["pending", "delivered", "failed", "cancelled"];
    let counts: Vec<_> = states.iter().map(|s| report["deliveries"][s].as_u64()).collect();
    assert_eq!(counts, [Some(18), Some(5), Some(4), Some(0)], "{report}");
    assert_eq!(report["attempts"], 15);
    assert_eq!((&report["first_record"], &report["damage"]), (&1.into(), &Value::Array(vec![])));
    let said = out(&store(&fixture, &["check"]));
    assert!(
        said.contains("damage      none") && said.contains("18 waiting, 5 delivered"),
        "{said}"
    );
    assert!(before == files(fixture.dir.path()), "something was changed");
}

#[tokio::test]
async fn what_a_crash_leaves_is_told_and_left() {
    let fixture = Fixture::new();
    let store = fixture.open();
    for _ in 0..3 {
        commit(&store, event("task.created")).await;
    }
    let crashed = fixture.crashed();
    let path = segment(&crashed, 1);
    let mut bytes = fs::read(&path).expect("readable");
    bytes.extend([7; 33]);
    fs::write(&path, &bytes).expect("written");
    let (code, report) = checked(&crashed);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!((&report["unfinished_bytes"], &report["events"]), (&33.into(), &3.into()));
    assert_eq!(fs::read(&path).expect("readable"), bytes);
    drop(store);
}

#[tokio::test]
async fn damage_is_1_with_its_place_and_an_export_goes_around_it() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    let path = segment(&fixture, 1);
    flip(&path, 300);
    let (code, report) = checked(&fixture);
    assert_eq!(code, Some(1), "{report}");
    let damage = report["damage"][0].as_str().expect("a text");
    assert!(damage.contains("00000001.seg, bytes 48 to "), "{damage}");
    let said = err(&store(&fixture, &["check", "--quiet"]));
    assert!(said.contains("damage: ") && said.contains("00000001.seg"), "{said}");
    assert!(!fixture.path("quarantine").join("00000001.seg.48").exists());

    let done = store(&fixture, &["export"]);
    assert_eq!(done.status.code(), Some(1), "{}", err(&done));
    assert_eq!(out(&done).lines().count(), seen.events.len() - 1);
    assert!(err(&done).contains("00000001.seg"), "{}", err(&done));
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "only sled can spoil an index so that it stays sound"
)]
async fn an_index_that_says_something_else_is_found_and_made_anew() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    let rows = sled::open(fixture.path("index")).expect("an index");
    let (key, _) = rows.scan_prefix(b"d").next().expect("a delivery").expect("readable");
    rows.remove(key).expect("removed");
    drop(rows);
    let (code, report) = checked(&fixture);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(
        report["index"]["detail"][0],
        "rows for deliveries: 1 missing, 0 too many, 0 different"
    );
    let done = store(&fixture, &["check"]);
    assert!(err(&done).contains("store rebuild"), "{}", err(&done));

    let done = store(&fixture, &["rebuild"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(out(&done).contains("20 events, 18 deliveries waiting"), "{}", out(&done));
    let (code, report) = checked(&fixture);
    assert_eq!((code, &report["index"]["state"]), (Some(0), &"agrees".into()), "{report}");
    let store = fixture.open();
    assert_eq!(see(&store), seen);
}

#[tokio::test]
async fn an_index_that_is_not_there_or_is_garbage_is_no_damage() {
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    fs::write(fixture.path("index/db"), [9; 5000]).expect("written");
    let (code, report) = checked(&fixture);
    assert_eq!((code, &report["index"]["state"]), (Some(0), &"unusable".into()), "{report}");
    fs::remove_dir_all(fixture.path("index")).expect("removed");
    let (code, report) = checked(&fixture);
    assert_eq!((code, &report["index"]["state"]), (Some(0), &"absent".into()), "{report}");
    assert_eq!(store(&fixture, &["rebuild"]).status.code(), Some(0));
    assert_eq!(checked(&fixture).1["index"]["state"], "agrees");
}

#[tokio::test]
async fn records_that_the_index_knows_and_the_journal_lacks_are_damage() {
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    let path = segment(&fixture, 1);
    let len = fs::metadata(&path).expect("there").len();
    fs::OpenOptions::new().write(true).open(&path).expect("open").set_len(len - 40).expect("cut");
    let (code, report) = checked(&fixture);
    assert_eq!(code, Some(1), "{report}");
    assert!(report["damage"][0].as_str().expect("a text").contains("were written"), "{report}");
}

#[tokio::test]
async fn each_event_is_exported_with_all_that_came_of_it() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    let before = files(fixture.dir.path());
    let done = store(&fixture, &["export"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    let text = out(&done);
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut ids: Vec<String> = seen.events.iter().map(|event| event.id.to_string()).collect();
    ids.reverse();
    assert_eq!(lines.iter().map(|l| l["id"].as_str().expect("an id")).collect::<Vec<_>>(), ids);
    let first = &lines[0];
    assert_eq!(
        (&first["label"], &first["url"]),
        (&"task.created".into(), &"/api/v1/tasks?x=1".into())
    );
    assert_eq!(first["request"]["body"]["foo"], "bar");
    assert_eq!(first["deliveries"].as_array().expect("a list").len(), 2);
    assert_eq!(first["deliveries"][0]["attempts"][0]["response_code"], 200);
    assert!(before == files(fixture.dir.path()), "something was changed");

    let labelled = out(&store(&fixture, &["export", "--label", "other", "--quiet"]));
    assert_eq!(labelled.lines().count(), 13);
    let middle = lines[10]["created_at"].as_str().expect("a time");
    let later = out(&store(&fixture, &["export", "--since", middle])).lines().count();
    let earlier = out(&store(&fixture, &["export", "--until", middle])).lines().count();
    assert_eq!(later + earlier, 20);

    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("events.jsonl");
    let done = store(&fixture, &["export", "--output", &file.display().to_string()]);
    assert_eq!((done.status.code(), out(&done).as_str()), (Some(0), ""), "{}", err(&done));
    assert_eq!(fs::read_to_string(&file).expect("written"), text);
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "no part is left");
    let done = store(&fixture, &["export", "--output", "/nowhere/events"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(err(&done).contains("cannot write /nowhere/events"), "{}", err(&done));
}

#[tokio::test]
async fn what_a_paused_webhook_holds_is_exported_as_held() {
    let fixture = Fixture::new();
    let store_of_both = fixture.open();
    commit(&store_of_both, event("task.created")).await;
    let state = WebhookState { status: WebhookStatus::Paused, ..WebhookState::default() };
    store_of_both.set_webhook_state(id_of("a"), state).await.expect("stored");
    store_of_both.close();
    let done = store(&fixture, &["export"]);
    let line: Value =
        serde_json::from_str(&out(&done)).unwrap_or_else(|_| panic!("{}", err(&done)));
    let of = |name: &str| {
        let id = id_of(name).to_string();
        let deliveries = line["deliveries"].as_array().expect("a list");
        deliveries.iter().find(|one| one["webhook_id"] == *id).expect("there")["status"].clone()
    };
    assert_eq!((of("a"), of("b")), ("held".into(), "pending".into()), "{line}");
}

#[tokio::test]
async fn a_store_in_use_or_none_at_all_is_1() {
    let fixture = Fixture::new();
    let running = fixture.open();
    for command in ["check", "export", "rebuild"] {
        let done = store(&fixture, &[command]);
        assert_eq!(done.status.code(), Some(1), "{}", err(&done));
        let pid = format!("process {}", std::process::id());
        assert!(err(&done).contains(&pid), "{command}: {}", err(&done));
    }
    drop(running);
    let empty = Fixture::new_like(&fixture);
    let done = store(&empty, &["check"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(err(&done).contains("no journal in it"), "{}", err(&done));
    assert_eq!(fs::read_dir(empty.dir.path()).expect("listed").count(), 0, "nothing is made");
}

#[tokio::test]
async fn work_that_is_broken_off_leaves_the_store_whole() {
    let fixture = Fixture::new();
    let seen = lived_in(&fixture).await;
    let stop: OnProgress = Arc::new(|_| ControlFlow::Break(()));
    {
        let store = Offline::open(fixture.dir.path()).expect("free");
        assert!(matches!(store.check(&stop), Err(StoreError::Interrupted)));
        assert!(matches!(store.rebuild(&stop), Err(StoreError::Interrupted)));
    }
    let store = fixture.open();
    assert_eq!(see(&store), seen);
    assert!(store.stats().damage.is_empty());
}
