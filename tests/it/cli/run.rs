//! `sidehook run`: how it starts, what it says when it cannot, and how it stops.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, exit_code};
use super::{GOOD, output, sidehook, stderr};
use crate::support::PATIENCE;

/// A running sidehook whose log is read as JSON.
pub(super) struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    /// Every line so far.
    pub(super) said: Vec<Value>,
}

impl Running {
    pub(super) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = sidehook(folder, &["run", "--log-format", "json"]);
        command.args(arguments).stderr(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let mut running = Self { child, log, said: Vec::new() };
        running.wait_for("sidehook is running");
        running
    }

    /// Reads the log up to a line with this message.
    pub(super) fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            let n = self.log.read_line(&mut line).expect("a log");
            assert_ne!(n, 0, "it ended before it said {message:?}; it said {:#?}", self.said);
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            let is_it = line["message"] == message;
            self.said.push(line.clone());
            if is_it {
                return line;
            }
        }
    }

    /// A field of the line that says where it runs.
    pub(super) fn field(&self, name: &str) -> String {
        let line = self.said.iter().find(|line| line["message"] == "sidehook is running");
        line.expect("it runs")[name].as_str().expect("a text").to_owned()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    pub(super) fn exit_code(mut self) -> Option<i32> {
        exit_code(&mut self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A folder with a good file.
fn folder(more: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("sidehook.toml"), format!("{GOOD}{more}")).expect("writable");
    folder
}

#[test]
fn it_serves_and_leaves_with_0_when_it_is_told_to() {
    let folder = folder("");
    for signal in [Signal::TERM, Signal::INT] {
        let running = Running::start(folder.path(), &[]);
        let proxied = get(&running.field("proxy"), "/");
        assert!(proxied.starts_with("HTTP/1.1 502"), "no upstream: {proxied}");
        let ready = get(&running.field("admin"), "/readyz");
        assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
        running.signal(signal);
        assert_eq!(running.exit_code(), Some(0));
    }
}

#[test]
fn the_way_to_the_dashboard_is_shown_once_to_people() {
    let folder = folder("");
    let first = Process::start_as(folder.path(), &[], &[]);
    let token = fs::read_to_string(folder.path().join("data/admin-token")).expect("made");
    let link = format!("  http://{}/#token={}\n", first.admin, token.trim());
    first.until("the link", |log| log.contains(&link));
    let said = first.stop();
    assert_eq!(said.matches(token.trim()).count(), 1, "{said}");
    let second = Process::start_as(folder.path(), &[], &[]).stop();
    assert!(!second.contains("#token=") && !second.contains(token.trim()), "{second}");
}

#[test]
fn a_journal_gets_no_token() {
    let folder = folder("");
    let first = Process::start_as(folder.path(), &[], &[("JOURNAL_STREAM", "8:1")]);
    let token = fs::read_to_string(folder.path().join("data/admin-token")).expect("made");
    let way = format!("the dashboard: http://{}/ (its token is in the file", first.admin);
    first.until("the way", |log| log.contains(&way));
    let said = first.stop();
    assert!(!said.contains(token.trim()), "{said}");
}

#[test]
fn a_token_is_made_at_the_first_start_and_never_logged() {
    let folder = folder("");
    let running = Running::start(folder.path(), &[]);
    let path = folder.path().join("data/admin-token");
    let token = fs::read_to_string(&path).expect("made");
    assert_eq!(fs::metadata(&path).expect("made").mode() & 0o777, 0o600);
    let log = format!("{:?}", running.said);
    assert!(log.contains("admin-token"), "{log}");
    assert!(!log.contains(token.trim()), "{log}");
    drop(running);
    let _again = Running::start(folder.path(), &[]);
    assert_eq!(fs::read_to_string(&path).expect("kept"), token);
}

/// Has a call under way, whose client and upstream these are.
fn holding(folder: &Path) -> (Running, TcpStream, TcpStream) {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let upstream_flag = format!("http://{}", upstream.local_addr().expect("bound"));
    let running =
        Running::start(folder, &["--config", "sidehook.toml", "--upstream", &upstream_flag]);
    let proxy: SocketAddr = running.field("proxy").parse().expect("an address");
    let mut call = TcpStream::connect(proxy).expect("it listens");
    call.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("written");
    let (held, _) = upstream.accept().expect("forwarded");
    (running, call, held)
}

/// Told to stop by SIGTERM, and held up by the call.
fn stopping(folder: &Path) -> (Running, TcpStream, TcpStream) {
    let (mut running, call, held) = holding(folder);
    running.signal(Signal::TERM);
    running.wait_for("stopping: finishing calls, then attempts");
    (running, call, held)
}

/// The call's upstream answers now, and its client has all of it, and leaves.
fn finish(mut call: TcpStream, mut held: TcpStream) {
    held.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").expect("written");
    call.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut answer = String::new();
    call.read_to_string(&mut answer).expect("the whole answer");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"), "{answer}");
}

#[test]
fn an_interrupt_during_the_stop_leaves_at_once_with_1() {
    let folder = folder("");
    let (running, _call, _held) = stopping(folder.path());
    running.signal(Signal::INT);
    assert_eq!(running.exit_code(), Some(1));
}

#[test]
fn a_repeated_sigterm_cuts_nothing_off() {
    let folder = folder("");
    let (mut running, call, held) = stopping(folder.path());
    running.signal(Signal::TERM);
    running.wait_for("already stopping; SIGINT does not wait for it");
    finish(call, held);
    assert_eq!(running.exit_code(), Some(0));
}

/// As a terminal and a supervisor send them; the second is not a second word.
#[test]
fn an_interrupt_with_a_sigterm_at_its_heels_cuts_nothing_off() {
    for _ in 0..8 {
        let folder = folder("");
        let (mut running, call, held) = holding(folder.path());
        running.signal(Signal::INT);
        running.signal(Signal::TERM);
        running.wait_for("already stopping; SIGINT does not wait for it");
        finish(call, held);
        assert_eq!(running.exit_code(), Some(0));
    }
}

#[test]
fn a_port_in_use_is_1_with_the_address_and_the_cure() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let folder = folder("");
    for flag in ["--listen", "--admin"] {
        let done = output(folder.path(), &["run", "--config", "sidehook.toml", flag, &address]);
        assert_eq!(done.status.code(), Some(1), "{flag}: {}", stderr(&done));
        let error = stderr(&done);
        let error = error.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(error.contains(&address) && error.contains("listen"), "{flag}: {error}");
    }
}

#[test]
fn a_store_in_use_is_1_and_names_the_process() {
    let folder = folder("");
    let running = Running::start(folder.path(), &[]);
    let done = output(folder.path(), &["run"]);
    assert_eq!(done.status.code(), Some(1), "{}", stderr(&done));
    let pid = running.child.id().to_string();
    assert!(stderr(&done).contains(&pid), "{pid} is not in: {}", stderr(&done));
}

#[test]
fn deliveries_of_a_webhook_that_is_gone_are_told_at_the_start() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let upstream_flag = format!("http://{}", upstream.local_addr().expect("bound"));
    let folder = folder("[[event]]\nlabel = \"a\"\nmethod = \"GET\"\nurl = '^/$'\n");
    let with = |webhook| {
        ["--config", "sidehook.toml", "--allow-network", "127.0.0.0/8", "--webhook", webhook]
    };
    // Port 9 of loopback: nobody is there.
    let mut arguments = with("http://127.0.0.1:9/").to_vec();
    arguments.extend(["--upstream", &upstream_flag]);
    let running = Running::start(folder.path(), &arguments);
    let proxy = running.field("proxy");
    let calling = std::thread::spawn(move || get(&proxy, "/"));
    let (mut call, _) = upstream.accept().expect("forwarded");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        call.read_exact(&mut byte).expect("a request");
        request.extend(byte);
    }
    call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").expect("written");
    let answer = calling.join().expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0));

    let running = Running::start(folder.path(), &with("http://localhost:9/"));
    let warned = running.said.iter().find(|line| line["waiting"] == 1);
    let message = warned.expect("a warning")["message"].as_str().expect("a text");
    assert!(message.contains("a webhook that is not configured any more"), "{message}");
}

#[test]
fn a_bad_configuration_starts_nothing() {
    let folder = folder("[store]\nretain = \"soon\"\n");
    let done = output(folder.path(), &["run"]);
    assert_eq!(done.status.code(), Some(2), "{}", stderr(&done));
    assert!(stderr(&done).contains("sidehook.toml:7:10"), "{}", stderr(&done));
    assert!(!folder.path().join("data").exists(), "nothing is made");
}

#[test]
fn control_characters_do_not_reach_the_log_as_such() {
    let folder = folder("");
    let mut command = sidehook(folder.path(), &["run", "--config", "sidehook.toml"]);
    let name = "\u{1b}[31m";
    command.args(["--data", name, "--log-format", "text"]).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut all = String::new();
    while !all.contains("sidehook is running") {
        assert_ne!(log.read_line(&mut all).expect("a log"), 0, "{all}");
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(!all.contains('\u{1b}'), "{all:?}");
    assert!(all.contains("\\u{1b}[31m"), "{all}");
}

/// The default of `max_connections` is nobody's wish: a smaller limit that is enough for ordinary use
/// is no matter for the first line of the first log.
#[test]
fn a_limit_of_open_files_is_warned_of_where_it_matters() {
    let asked = GOOD.replacen("[proxy]", "[proxy]\nmax_connections = 10000", 1);
    for (n_files, file, told) in [
        (4096, GOOD, None),
        (4096, &asked, Some("may need 21024: with more than 1536 connections")),
        (2000, GOOD, Some("set max_connections = 488")),
    ] {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("sidehook.toml"), file).expect("writable");
        let log = Process::start_under(folder.path(), n_files).stop();
        match told {
            None => assert!(!log.contains("max_connections"), "{n_files}: {log}"),
            Some(told) => assert!(log.contains(told), "{n_files}: {log}"),
        }
    }
}
