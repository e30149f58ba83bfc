//! The real binary as a child process.

use std::fs::{self, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::{self, World};

/// The admin API's token.
pub(crate) const TOKEN: &str = "crash-test-token-0123456789abcdef";

/// A mechanism of the promise to take away (needs the cargo feature `sabotage`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "sabotage"),
    expect(dead_code, reason = "only the sabotaged tests use the others")
)]
pub(crate) enum Switch {
    None,
    SkipSync,
    SkipChecksum,
    ReleaseEarly,
}

impl Switch {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::SkipSync => "skip-sync",
            Self::SkipChecksum => "skip-checksum",
            Self::ReleaseEarly => "release-early",
        }
    }
}

/// A running sidehook with its store in `<folder>/data`.
pub(crate) struct Sidehook {
    child: Child,
    pub(crate) proxy: SocketAddr,
    admin: SocketAddr,
    pub(crate) log: PathBuf,
}

impl Sidehook {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(folder: &Path, world: &World, switch: Switch) -> Self {
        let [proxy, admin] = free_addresses();
        let config = format!(
            "[proxy]\nlisten = \"{proxy}\"\nupstream = \"http://{}\"\nworkers = 2\n\
             [capture]\nmax_request_body = \"1MiB\"\nmax_response_body = \"1MiB\"\nmax_total = \"256MiB\"\n\
             [store]\npath = \"data\"\n\
             [delivery]\nallow_networks = [\"127.0.0.0/8\"]\nretry = [\"200ms\", \"200ms\", \"200ms\", \
             \"1s\", \"1s\", \"2s\", \"5s\", \"5s\", \"5s\", \"5s\"]\n\
             [admin]\nlisten = \"{admin}\"\ntoken = \"{TOKEN}\"\n\
             [[event]]\nlabel = \"item.created\"\nmethod = \"POST\"\nurl = '^/items$'\n\
             [[webhook]]\nname = \"ledger\"\nurl = \"http://{}/\"\nevents = [\"*\"]\nconcurrency = 64\n",
            world.upstream, world.receiver,
        );
        fs::write(folder.join("sidehook.toml"), config).expect("writable folder");
        let log = world.logs.path().join("sidehook.log");
        let stderr = OpenOptions::new().create(true).append(true).open(&log).expect("writable log");
        let child = Command::new(env!("CARGO_BIN_EXE_sidehook"))
            .args(["run", "--config", "sidehook.toml"])
            .current_dir(folder)
            .env("SIDEHOOK_SABOTAGE", switch.name())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the binary starts");
        let mut sidehook = Self { child, proxy, admin, log };
        sidehook.wait_until_ready();
        sidehook
    }

    fn wait_until_ready(&mut self) {
        let is_ready = world::holds(Duration::from_secs(60), || {
            let ended = self.child.try_wait().expect("the child is ours");
            assert_eq!(ended, None, "sidehook ended at start:\n{}", self.log_text());
            world::get(self.admin, "/readyz").starts_with("HTTP/1.1 200")
        });
        assert!(is_ready, "not ready in a minute:\n{}", self.log_text());
    }

    /// What `/v1/status` answers.
    pub(crate) fn status(&self) -> String {
        world::get(self.admin, "/v1/status")
    }

    /// What the admin API answers to this, head and body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &serde_json::Value) -> String {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        world::ask(self.admin, method, path, &body)
    }

    /// Everything it wrote to its log, over all its lives.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the child is ours");
        self.child.wait().expect("the child is ours");
    }
}

impl Drop for Sidehook {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two loopback addresses that were free a moment ago, both at once: so they are not the same.
fn free_addresses() -> [SocketAddr; 2] {
    let probe = || TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    [probe(), probe()].map(|probe| probe.local_addr().expect("a bound socket has an address"))
}
