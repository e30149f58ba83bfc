//! What a service manager hears on its socket (`sd_notify(3)`).

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use super::GOOD;
use super::process::Process;
use crate::support::PATIENCE;

const REFUSED: &str = "STATUS=configuration 1 is in force; the file as it is now is refused: ";

struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        Self(socket)
    }

    /// What it is told next, signs of life left out.
    fn hears(&self) -> String {
        loop {
            let said = self.hears_any();
            if said != "WATCHDOG=1" {
                return said;
            }
        }
    }

    fn hears_any(&self) -> String {
        let mut bytes = [0; 4096];
        let n = self.0.recv(&mut bytes).expect("it is told something");
        String::from_utf8_lossy(&bytes[..n]).trim_end().to_owned()
    }
}

#[test]
fn it_is_told_when_calls_are_served_that_workers_live_of_reloads_and_of_the_stop() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("sidehook.toml");
    fs::write(&path, format!("{GOOD}watch_config = false\n")).expect("written");
    let socket = folder.path().join("notify");
    let manager = Manager::at(&socket);
    let socket = socket.to_str().expect("UTF-8");
    let process =
        Process::start(folder.path(), &[("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", "300000")]);

    assert_eq!(manager.hears(), "READY=1\nSTATUS=configuration 1 is in force");
    for _ in 0..3 {
        assert_eq!(manager.hears_any(), "WATCHDOG=1");
    }
    fs::write(&path, "[proxy]\nlisten = 7\n").expect("written");
    process.signal(Signal::HUP);
    let reloading = manager.hears();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    let refused = manager.hears();
    assert!(refused.starts_with(REFUSED), "{refused}");
    assert_eq!(manager.hears(), "READY=1");

    process.stop();
    let stopping = manager.hears();
    assert!(stopping.starts_with("STOPPING=1\nSTATUS=finishing calls and attempts"), "{stopping}");
}

#[test]
fn it_is_told_of_files_that_have_changed() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("sidehook.toml");
    fs::write(&path, GOOD).expect("written");
    let socket = folder.path().join("notify");
    let manager = Manager::at(&socket);
    let process =
        Process::start(folder.path(), &[("NOTIFY_SOCKET", socket.to_str().expect("UTF-8"))]);
    assert!(manager.hears().starts_with("READY=1"));
    fs::write(&path, "[proxy]\nlisten = 7\n").expect("written");
    let refused = manager.hears();
    assert!(refused.starts_with(REFUSED), "{refused}");
    fs::write(&path, GOOD).expect("written");
    assert_eq!(manager.hears(), "STATUS=configuration 1 is in force");
    process.stop();
}

#[test]
fn without_a_watchdog_it_is_not_told_of_life() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("sidehook.toml"), GOOD).expect("written");
    let socket = folder.path().join("notify");
    let manager = Manager::at(&socket);
    let process =
        Process::start(folder.path(), &[("NOTIFY_SOCKET", socket.to_str().expect("UTF-8"))]);
    assert!(manager.hears_any().starts_with("READY=1"));
    process.stop();
    assert!(manager.hears_any().starts_with("STOPPING=1"));
}
