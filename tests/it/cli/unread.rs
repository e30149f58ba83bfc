//! A log that nobody reads (a stuck collector, a pager, a terminal stopped with Ctrl-S) holds nobody.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::process::{exchange, exit_code};
use super::sidehook;
use crate::support::receiver::Receiver;
use crate::support::upstream::{Upstream, send};
use crate::support::{PATIENCE, found_blocking};

const TOKEN: &str = "a-token-that-is-long-enough-to-be-one";

/// The smallest pipe that Linux makes; some ten lines.
const PIPE_BYTES: usize = 4096;

const LOST: &str = "lines of the log were lost: stderr did not take them";

/// A process that does not outlive its test.
struct Guarded(Child);

impl Guarded {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it runs");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running sidehook whose log is read until it runs, and then no more.
struct Unread {
    process: Guarded,
    log: BufReader<PipeReader>,
    proxy: String,
    admin: String,
}

impl Unread {
    fn start(folder: &Path, filter: &str) -> Self {
        let (log, stderr) = small_pipe();
        let mut command = sidehook(folder, &["run", "--log-format", "json"]);
        command.env("SIDEHOOK_LOG", filter).stderr(stderr).stdin(Stdio::null());
        let process = Guarded(command.spawn().expect("the binary starts"));
        // With it goes our end of the pipe that is written to.
        drop(command);
        let (proxy, admin) = (String::new(), String::new());
        let mut unread = Self { process, log: BufReader::with_capacity(256, log), proxy, admin };
        let runs = unread.lines().find(|line| line["message"] == "sidehook is running");
        let runs = runs.expect("it runs");
        let address = |name: &str| runs[name].as_str().expect("an address").to_owned();
        (unread.proxy, unread.admin) = (address("proxy"), address("admin"));
        unread
    }

    /// What follows in the log, each line an object.
    fn lines(&mut self) -> impl Iterator<Item = Value> {
        let parse = |line: String| match serde_json::from_str::<Value>(&line) {
            Ok(value @ Value::Object(_)) => value,
            _ => panic!("not a JSON object: {line}"),
        };
        (&mut self.log).lines().map_while(Result::ok).map(parse)
    }

    fn admin(&self, target: &str) -> String {
        exchange(
            &self.admin,
            format!(
                "GET {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
                 connection: close\r\n\r\n",
                self.admin
            ),
        )
    }

    fn dropped(&self) -> u64 {
        let text = self.admin("/metrics");
        let value = text.lines().find_map(|l| l.strip_prefix("sidehook_log_lines_dropped_total "));
        value.unwrap_or_else(|| panic!("not in {text}")).parse().expect("a number")
    }
}

fn small_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    fcntl_setpipe_size(&writer, PIPE_BYTES).expect("made small");
    (reader, writer)
}

/// Which takes nothing.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = small_pipe();
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("set");
    let full = loop {
        if let Err(full) = writer.write(&[b'.'; PIPE_BYTES]) {
            break full;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    fcntl_setfl(&writer, OFlags::empty()).expect("set");
    (reader, writer)
}

/// With a rule for `/tasks`, in a folder.
fn folder(upstream: &Upstream, more: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let file = format!(
        "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"\n[admin]\n\
         listen = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n[delivery]\n\
         allow_networks = [\"127.0.0.0/8\"]\n[[event]]\nlabel = \"task.created\"\nmethod = \"*\"\n\
         url = '^/tasks'\n{more}",
        upstream.addr
    );
    fs::write(folder.path().join("sidehook.toml"), file).expect("writable");
    folder
}

/// `n` calls over one connection; what is answered to each is in the text.
fn calls(proxy: &str, n: usize, target: impl Fn(usize) -> String) -> String {
    let mut stream = TcpStream::connect(proxy).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut answers = Vec::new();
    for at in 0..n {
        let end = if at + 1 == n { "connection: close\r\n" } else { "" };
        let head = format!("POST {} HTTP/1.1\r\nhost: x\r\n{end}", target(at));
        stream.write_all(format!("{head}content-length: 2\r\n\r\n{{}}").as_bytes()).expect("sent");
        let before = answers.len();
        let mut bytes = [0; 4096];
        while !answers[before..].ends_with(b"{}") {
            match stream.read(&mut bytes) {
                Ok(n @ 1..) => answers.extend_from_slice(&bytes[..n]),
                ended => panic!("call {at} is not answered: {ended:?}"),
            }
        }
    }
    String::from_utf8(answers).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_answered_stored_and_delivered_and_a_stop_ends() {
    let upstream =
        Upstream::always(vec![send("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}")]).await;
    let receiver = Receiver::start().await;
    let webhook = format!(
        "[[webhook]]\nname = \"all\"\nurl = \"{}\"\nevents = [\"*\"]\n",
        receiver.url("/hook")
    );
    let folder = folder(&upstream, &webhook);
    let unread = tokio::task::spawn_blocking(move || {
        let unread = Unread::start(folder.path(), "debug");
        let answers = calls(&unread.proxy, 100, |n| format!("/tasks/{n}"));
        assert_eq!(answers.matches("HTTP/1.1 201 ").count(), 100, "{answers}");
        let events = unread.admin("/v1/events?limit=100");
        assert!(events.starts_with("HTTP/1.1 200"), "{events}");
        assert_eq!(events.matches("\"evt_").count(), 100, "{events}");
        (unread, folder)
    });
    let (mut unread, _folder) = unread.await.expect("no panic");
    receiver.received(100).await;
    unread.process.signal(Signal::TERM);
    assert_eq!(exit_code(&mut unread.process.0), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_counted_and_told_and_the_rest_is_in_order() {
    let upstream =
        Upstream::always(vec![send("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}")]).await;
    let folder = folder(&upstream, "");
    let test = move || {
        let mut unread = Unread::start(folder.path(), "info,sidehook::access=debug");
        let filler = "x".repeat(900);
        let mut n_calls = 0;
        while unread.dropped() == 0 {
            assert!(n_calls < 20_000, "nothing is dropped, so everything is kept");
            calls(&unread.proxy, 500, |n| format!("/tasks/{}?{filler}", n_calls + n));
            n_calls += 500;
        }
        // Somebody reads again. The lines up to the gap, and what the gap was:
        let (mut seen, mut lost) = (Vec::new(), 0);
        for line in unread.lines() {
            if line["message"] == LOST {
                assert_eq!(line["level"], "WARN");
                lost = line["lines"].as_u64().expect("a number");
                break;
            }
            if line["target"] != "sidehook::access" {
                continue; // A slow disk may be told of, too.
            }
            let url = line["url"].as_str().expect("a text").trim_start_matches("/tasks/");
            let (n, _) = url.split_once('?').expect("a query");
            seen.push(n.parse::<usize>().expect("a number"));
        }
        assert!(seen.iter().copied().eq(0..seen.len()), "in order, and without holes: {seen:?}");
        assert_eq!(seen.len() as u64 + lost, n_calls as u64);
        assert_eq!(unread.dropped(), lost);
        // From then on nothing is missing, up to the last line.
        calls(&unread.proxy, 1, |_| "/tasks/last".to_owned());
        unread.process.signal(Signal::TERM);
        let rest: Vec<Value> = unread.lines().collect();
        assert_eq!(rest.first().expect("lines")["url"], "/tasks/last");
        assert_eq!(rest.last().expect("lines")["message"], "stopped");
        assert_eq!(exit_code(&mut unread.process.0), Some(0));
    };
    tokio::task::spawn_blocking(test).await.expect("no panic");
}

/// `run` for people, with a pipe for stderr that is full before it says its first word.
struct Mute {
    process: Guarded,
    folder: TempDir,
    _log: (PipeReader, PipeWriter),
}

impl Mute {
    fn start(upstream: &str, admin: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = format!(
            "[proxy]\nlisten = \"unix:{}\"\nupstream = \"http://{upstream}\"\n\
             [admin]\nlisten = \"{admin}\"\n",
            folder.path().join("socket").display()
        );
        fs::write(folder.path().join("sidehook.toml"), file).expect("writable");
        let (reader, writer) = full_pipe();
        let mut command = sidehook(folder.path(), &["run"]);
        command.stderr(writer.try_clone().expect("a handle")).stdin(Stdio::null());
        let process = Guarded(command.spawn().expect("the binary starts"));
        Self { process, folder, _log: (reader, writer) }
    }

    fn connect(&self) -> Option<UnixStream> {
        UnixStream::connect(self.folder.path().join("socket")).ok()
    }

    /// Asks for a call, once calls are served.
    fn call(&self) -> UnixStream {
        let mut call = found_blocking(|| self.connect()).expect("it listens");
        call.set_read_timeout(Some(PATIENCE)).expect("a socket");
        call.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
        call
    }
}

#[test]
fn it_starts_and_stops_without_a_word() {
    let mut mute = Mute::start("127.0.0.1:1", "127.0.0.1:0");
    let mut answer = String::new();
    mute.call().read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 502"), "no upstream: {answer}");
    mute.process.signal(Signal::TERM);
    assert_eq!(exit_code(&mut mute.process.0), Some(0));
}

#[test]
fn a_second_signal_is_obeyed_without_a_word() {
    // An upstream that never answers holds a call, and with it the stop.
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = upstream.local_addr().expect("bound").to_string();
    let mut mute = Mute::start(&address, "127.0.0.1:0");
    let _call = mute.call();
    let (_held, _) = upstream.accept().expect("forwarded");
    mute.process.signal(Signal::TERM);
    let refuses = found_blocking(|| mute.connect().is_none().then_some(()));
    assert!(refuses.is_some(), "it stops");
    mute.process.signal(Signal::INT);
    assert_eq!(exit_code(&mut mute.process.0), Some(1));
}

#[test]
fn a_start_that_fails_ends_without_a_word() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let mut mute = Mute::start("127.0.0.1:1", &address);
    assert_eq!(exit_code(&mut mute.process.0), Some(1));
}
