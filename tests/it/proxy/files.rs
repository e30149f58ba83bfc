//! A process that has not enough files for all who connect.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::callers::GET;
use crate::support::upstream::message_end;
use crate::support::{PATIENCE, found_blocking};

/// C5: with no file left for another connection, those that are open go on, and the rest wait their
/// turn.
#[test]
fn too_many_open_files_are_told_once_and_got_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let toml = "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:1\"\nworkers = 2\n\
                [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"0123456789abcdef\"\n";
    fs::write(folder.path().join("sidehook.toml"), toml).expect("writable");
    let running = Few::start(folder.path(), 128);
    let address = running.address("proxy");
    let mut first = caller(address);
    assert!(asked(&mut first).starts_with("HTTP/1.1 502"), "nothing listens behind it");
    let more: Vec<_> = (0..200).map(|_| caller(address)).collect();
    running.wait_for("clients cannot be accepted");
    for _ in 0..10 {
        // One file is needed to look for the upstream, and there is none: an answer all the same.
        assert!(asked(&mut first).starts_with("HTTP/1.1 502"), "an open connection goes on");
    }
    drop(more);
    running.until("clients are accepted again", || {
        assert!(asked(&mut caller(address)).starts_with("HTTP/1.1 502"));
    });
    let metrics = running.metrics();
    let line = metrics.lines().find(|line| line.contains("unserved_total{reason=\"accept\"}"));
    let n = line.and_then(|line| line.rsplit_once(' ')).expect("counted").1;
    // Two threads that pause ever longer: without the pauses it would be hundreds of thousands.
    assert!((1..1000).contains(&n.parse::<u64>().expect("a number")), "{n}");
    let said = running.said();
    let told = said.iter().filter(|line| line.contains("cannot be accepted")).count();
    assert_eq!(told, 1, "{said:#?}");
}

/// Sidehook with few files.
struct Few {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Few {
    fn start(folder: &Path, files: usize) -> Self {
        let program = env!("CARGO_BIN_EXE_sidehook");
        let script = format!("ulimit -n {files} && exec '{program}' run --log-format json");
        let mut child = Command::new("/bin/sh")
            .args(["-c", &script])
            .current_dir(folder)
            .env_clear()
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let said = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                kept.lock().expect("no panic").push(line);
            }
        });
        let few = Self { child, said };
        few.wait_for("sidehook is running");
        few
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().expect("no panic").clone()
    }

    fn wait_for(&self, message: &str) {
        self.until(message, || {});
    }

    /// Does this until a line has this message.
    fn until(&self, message: &str, work: impl Fn()) {
        let has_said = || {
            work();
            self.said().iter().any(|line| line.contains(message)).then_some(())
        };
        found_blocking(has_said).unwrap_or_else(|| panic!("{message}: {:#?}", self.said()));
    }

    fn address(&self, name: &str) -> SocketAddr {
        let line = self.said().into_iter().find(|line| line.contains("sidehook is running"));
        let line: serde_json::Value = serde_json::from_str(&line.expect("it runs")).expect("JSON");
        line[name].as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.address("admin")).expect("it listens");
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                       Authorization: Bearer 0123456789abcdef\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }
}

impl Drop for Few {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn caller(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

fn asked(stream: &mut TcpStream) -> String {
    stream.write_all(GET.as_bytes()).expect("written");
    let mut answer = Vec::new();
    let mut bytes = [0; 4096];
    while message_end(&answer).is_none() {
        let n = stream.read(&mut bytes).expect("an answer");
        assert!(n > 0, "closed after {}", answer.escape_ascii());
        answer.extend_from_slice(&bytes[..n]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}
