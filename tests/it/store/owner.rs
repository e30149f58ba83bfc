//! What root makes in a store belongs to the owner of the store's folder. Only root can try that.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use sidehook::store::{Offline, OnProgress, StoreError};
use tempfile::TempDir;

use super::fixture::*;
use super::offline::{err, store};
use super::recovery::{flip, lived_in, segment, set_format};

/// Of a user and a group that need not be known to the system.
const SERVICE: (u32, u32) = (47_110, 47_111);

fn is_skipped() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: only root can make files for somebody else");
    }
    !is_root
}

fn each(path: &Path, visit: &mut impl FnMut(&Path)) {
    visit(path);
    if fs::symlink_metadata(path).expect("there").is_dir() {
        for entry in fs::read_dir(path).expect("listed") {
            each(&entry.expect("entry").path(), visit);
        }
    }
}

/// As the service has made it.
fn give_away(dir: &Path) {
    each(dir, &mut |path| lchown(path, Some(SERVICE.0), Some(SERVICE.1)).expect("root"));
}

fn assert_all_of_the_service(dir: &Path, when: &str) {
    each(dir, &mut |path| {
        let meta = fs::symlink_metadata(path).expect("there");
        assert_eq!((meta.uid(), meta.gid()), SERVICE, "{when}: {}", path.display());
    });
}

/// Where every user can start it.
fn program() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("own");
    fs::copy(env!("CARGO_BIN_EXE_sidehook"), dir.path().join("sidehook")).expect("copied");
    dir
}

/// `sidehook run` on a store, as a user; killed when dropped.
struct Running(Child);

impl Running {
    /// Comes back when it runs.
    fn start(program: &TempDir, data: &Path, (user, group): (u32, u32)) -> Self {
        let mut command = Command::new(program.path().join("sidehook"));
        let flags = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let rule = ["--upstream", "http://127.0.0.1:9", "--event", "x=POST ^/x$"];
        let webhook = ["--webhook", "http://receiver.invalid/", "--data"];
        command.args(flags).args(rule).args(webhook).arg(data);
        command.env_clear().current_dir("/").uid(user).gid(group);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
        let running = Self(child);
        let mut log = Vec::new();
        while !log.last().is_some_and(|line: &String| line.contains("sidehook is running")) {
            let Some(line) = said.next() else { panic!("it ended: {}", log.join("\n")) };
            log.push(line.expect("UTF-8"));
        }
        // Read on, that it does not wait for a reader.
        std::thread::spawn(move || said.for_each(drop));
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_commands_of_root_leave_a_store_that_the_service_can_start_on() {
    if is_skipped() {
        return;
    }
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    // Something to keep in quarantine.
    flip(&segment(&fixture, 1), 300);
    fs::remove_dir_all(fixture.path("quarantine")).expect("removed");
    give_away(fixture.dir.path());
    for command in ["check", "export", "rebuild"] {
        fs::remove_file(fixture.path("lock")).expect("removed");
        let done = store(&fixture, &[command]);
        assert_eq!(done.status.code(), Some(1), "{}", err(&done));
        assert!(err(&done).contains("damage: "), "{}", err(&done));
        assert_all_of_the_service(fixture.dir.path(), command);
    }
    assert_eq!(fs::read_dir(fixture.path("quarantine")).expect("made").count(), 1);
    Running::start(&program(), fixture.dir.path(), SERVICE);
}

#[tokio::test]
async fn a_run_of_root_killed_in_the_middle_leaves_one_too() {
    if is_skipped() {
        return;
    }
    let program = program();
    // The service's folder, in which no store has been made yet.
    let folder = TempDir::new().expect("a folder");
    give_away(folder.path());
    let data = folder.path().join("data");
    for start in ["the first", "a later one"] {
        drop(Running::start(&program, &data, (0, 0)));
        assert_all_of_the_service(folder.path(), start);
    }
    for made in ["admin-token", "index", "index.state", "journal", "lock", "reserve", "store-id"] {
        assert!(data.join(made).exists(), "{made}");
    }
    Running::start(&program, &data, SERVICE);
}

#[tokio::test]
async fn a_rebuild_of_root_has_given_everything_away_when_it_is_broken_off() {
    if is_skipped() {
        return;
    }
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    give_away(fixture.dir.path());
    let dir = fixture.dir.path().to_owned();
    // The index has been made by then; a kill would come here.
    let stop: OnProgress = Arc::new(move |_| {
        assert!(dir.join("index/db").exists());
        assert_all_of_the_service(&dir, "while it is read");
        ControlFlow::Break(())
    });
    let offline = Offline::open(fixture.dir.path()).expect("free");
    assert!(matches!(offline.rebuild(&stop), Err(StoreError::Interrupted)));
    assert_all_of_the_service(fixture.dir.path(), "broken off");
}

#[tokio::test]
async fn the_backup_before_an_upgrade_is_the_service_s_as_well() {
    if is_skipped() {
        return;
    }
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    let mut old = fs::read(segment(&fixture, 1)).expect("read");
    set_format(&mut old, 2);
    fs::write(segment(&fixture, 1), &old).expect("written");
    give_away(fixture.dir.path());
    let store = fixture.open();
    commit(&store, event("other")).await;
    store.close();
    assert!(fixture.path("backup/format-2/journal/00000001.seg").exists());
    assert_all_of_the_service(fixture.dir.path(), "after an upgrade by root");
}

/// The owner of the folder may be no friend of root's.
#[tokio::test]
async fn what_was_there_before_and_what_links_lead_to_is_not_given_away() {
    if is_skipped() {
        return;
    }
    let fixture = Fixture::new();
    lived_in(&fixture).await;
    give_away(fixture.dir.path());
    let elsewhere = TempDir::new().expect("a folder");
    let secret = elsewhere.path().join("secret");
    fs::write(&secret, "of root").expect("written");
    symlink(&secret, fixture.path("index/link")).expect("linked");
    symlink(elsewhere.path(), fixture.path("index/folder")).expect("linked");
    fs::hard_link(&secret, fixture.path("index/second-name")).expect("linked");
    fs::write(fixture.path("notes"), "of root, too").expect("written");
    fixture.open().close();
    fs::remove_file(fixture.path("lock")).expect("removed");
    symlink(&secret, fixture.path("lock")).expect("linked");
    assert!(Offline::open(fixture.dir.path()).is_err(), "no file of somebody else's is written to");
    assert_eq!(fs::read(&secret).expect("read"), b"of root");
    for path in [&secret, &fixture.path("notes")] {
        assert_eq!(fs::metadata(path).expect("there").uid(), 0, "{}", path.display());
    }
}
